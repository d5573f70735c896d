"""The hand of a queue: one method a decision. The world carries each out at once, or refuses it."""

from __future__ import annotations

from typing import Protocol

from dcsim.policies.decisions import Allocation


class Actions(Protocol):
    """What a queue may do; `sim/world.py` implements it and is the only place where the state changes."""

    def start(self, job: int, allocation: Allocation, reason: str = "", rate: float = 1.0) -> None:
        """See `decisions.Start`."""

    def start_if_fits(self, job: int) -> bool:
        """Start a waiting job where the scenario's placement puts it; false, and no change, if that is nowhere."""
        ...

    def preempt(self, job: int, reason: str = "") -> None:
        """See `decisions.Preempt`."""

    def reject(self, job: int, reason: str = "") -> None:
        """See `decisions.Reject`."""

    def set_rate(self, job: int, rate: float, reason: str = "") -> None:
        """See `decisions.SetRate`."""

    def wake_at(self, time_s: float) -> None:
        """See `decisions.WakeAt`."""
