"""SRTF: shortest remaining time first, preemptive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from dcsim.policies.ordered import Key, OrderedScheduler
from dcsim.policies.view import JobView


@dataclass(frozen=True)
class Srtf(OrderedScheduler):
    """Shortest remaining requested time first, preemptive, event driven; jobs that do not fit are passed over.

    A waiting job stops running jobs with strictly more time remaining, longest remaining first, and only those
    whose place it takes. What a preemption costs stands in the scenario's `[overheads]`. On one server with exact
    requests this is SRPT, which has the least mean response time of all policies (Schrage 1968).
    """

    overtake: ClassVar[Literal["skip"]] = "skip"
    key_rate: ClassVar[float] = -1.0
    preempts: ClassVar[bool] = True  # type: ignore[misc]

    def key(self, job: JobView) -> Key:
        """Requested time remaining."""
        return (job.remaining_s,)
