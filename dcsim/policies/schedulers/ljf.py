"""LJF: longest job first."""

from __future__ import annotations

from dataclasses import dataclass

from dcsim.policies.ordered import Key, OrderedScheduler
from dcsim.policies.view import JobView


@dataclass(frozen=True)
class Ljf(OrderedScheduler):
    """Longest job first by requested run time: strict head of line over the sorted queue, without preemption.

    On equal single-accelerator jobs that all wait at the start this is Graham's LPT list schedule.
    """

    def key(self, job: JobView) -> Key:
        """Requested run time, longest first."""
        return (-job.requested_s,)
