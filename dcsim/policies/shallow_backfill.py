"""EASY backfill that looks at a few jobs behind the head only."""

from __future__ import annotations

from itertools import islice

from dcsim.policies.actions import Actions
from dcsim.policies.backfill import BackfillQueue
from dcsim.policies.ordered import OrderedScheduler
from dcsim.policies.view import View


class ShallowBackfillQueue(BackfillQueue):
    """The queue of EASY with a `depth`: all jobs stand in the order of submission and in no line, since only the first
    few are looked at."""

    def __init__(self, scheduler: OrderedScheduler, view: View, depth: int) -> None:
        super().__init__(scheduler, view)
        self._depth = depth

    def _start_others(self, changed: bool, act: Actions) -> None:
        """Backfill from the first `depth` jobs that wait behind the head at this moment."""
        head, held, now = self._order[0], self._reservation, self._view.now
        if held is None or held.time_s < now:
            held = self._reservation = self._reserve(head, now)
        for job in list(islice((j for j in self._order if j not in self._backfilled), 1, self._depth + 1)):
            kind = self._kinds[job]
            allocation = self._place(job) if self._least[kind] <= self._room.free_total else None
            if allocation is None:
                continue
            end = now + (self._there(job, allocation) if self._there else self._lasts_s[job])
            if end <= held.time_s or held.spares(job, kind, allocation):
                self._start(job, allocation, end, act)

    def _line_up(self, job: int) -> None:
        """There are no lines."""


def backfill_queue(scheduler: OrderedScheduler, view: View) -> BackfillQueue:
    """The queue that suits how far a scheduler looks."""
    depth = getattr(scheduler, "depth", None)
    return BackfillQueue(scheduler, view) if depth is None else ShallowBackfillQueue(scheduler, view, depth)
