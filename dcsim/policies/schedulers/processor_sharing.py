"""Processor sharing: ideal time slicing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from dcsim.policies.decisions import TIME_SHARED, Allocation, Decision, SetRate, Start
from dcsim.policies.view import View


@dataclass(frozen=True)
class ProcessorSharing:
    """Ideal time slicing: every job starts at once, and all share the accelerators by time in equal parts.

    With demand D accelerators in all and C in the cluster, each job runs at rate min(1, C / D). Slices are
    infinitely short and switching is free (the limit of gang time slicing); node walls and pools are not looked
    at, so placement has no effect, and links cannot be shared. A job larger than the cluster is rejected before it gets
    here.
    """

    shares_time: ClassVar[bool] = True

    def decide(self, view: View) -> Iterable[Decision]:
        """One new rate for all; lowered before new jobs start, so the sum never exceeds the cluster."""
        capacity = sum(pool.nodes * pool.width for pool in view.pools)
        need = view.facts.accelerators
        running, waiting = view.running(), view.waiting()
        demand = sum(need[job] for job in running) + sum(need[job] for job in waiting)
        rate = min(1.0, capacity / demand) if demand else 1.0
        for job in running:
            if view.rate(job) != rate:
                yield SetRate(job, rate)
        for job in waiting:
            yield Start(job, Allocation(TIME_SHARED), "", rate)
