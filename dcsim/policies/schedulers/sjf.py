"""SJF: shortest job first."""

from __future__ import annotations

from dataclasses import dataclass

from dcsim.policies.ordered import Key, OrderedScheduler
from dcsim.policies.view import JobView


@dataclass(frozen=True)
class Sjf(OrderedScheduler):
    """Shortest job first by requested run time: strict head of line over the sorted queue, without preemption.

    Ties go by submission. When the shortest waiting job does not fit, every other one waits.
    """

    def key(self, job: JobView) -> Key:
        """Requested run time."""
        return (job.requested_s,)
