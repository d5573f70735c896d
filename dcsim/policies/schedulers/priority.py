"""Priority: the most important job first."""

from __future__ import annotations

from dataclasses import dataclass

from dcsim.policies.ordered import Key, OrderedScheduler
from dcsim.policies.view import JobView


@dataclass(frozen=True)
class Priority(OrderedScheduler):
    """Largest priority first, ties by submission; strict head of line.

    With `preempts = true` the head stops running jobs of strictly lower priority, lowest first, latest submitted
    first among equals, as few as let it fit. Without, a running job runs to its end (Cobham's queue).
    """

    preempts: bool = False
    """Whether the head of the line stops running jobs of strictly lower priority."""

    def key(self, job: JobView) -> Key:
        """Priority, largest first."""
        return (-job.priority,)
