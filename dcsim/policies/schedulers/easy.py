"""EASY: backfill with one reservation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from dcsim.policies.ordered import OrderedScheduler


@dataclass(frozen=True)
class Easy(OrderedScheduler):
    """EASY backfill: first come, first served, with a true reservation for the head job; event driven.

    When the head does not fit, it is promised the earliest time at which the scenario's placement could place it
    if running jobs end as requested. Later jobs start, in order of submission, if they fit now and either end (as
    requested) by that time or leave the head its room then. With node walls the promise counts nodes, not only
    accelerators. A job that overruns its request is expected to end at any moment. Source: Lifka, JSSPP 1995;
    Mu'alem and Feitelson, IEEE TPDS 12(6), 2001.
    """

    overtake: ClassVar[Literal["reserve_head"]] = "reserve_head"
    depth: int | None = None
    """How many jobs behind the head are looked at, at each decision, in order of submission; default: all. Production
    schedulers have such a limit (Slurm: `bf_max_job_test`)."""

    def __post_init__(self) -> None:
        if self.depth is not None and self.depth < 1:
            raise ValueError("depth: must be at least 1")
