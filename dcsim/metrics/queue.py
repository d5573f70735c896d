"""Who stood before a waiting job, read off the event log."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np

from dcsim.metrics.runs import Rows, Waits


class Before(NamedTuple):
    """The jobs before a waiting job at one moment: how many, and the first of them (-1 if none)."""

    jobs: int
    first: int


class Line:
    """The jobs that stood before wait number `wait`, asked for rising rows of the log.

    `by_submission`: jobs have a claim by submission (backfill), so those submitted earlier and still waiting are
    before it, the earliest first. Otherwise the log tells: those that waited then and started before it did, the
    next to start first.
    """

    def __init__(self, waits: Waits, wait: int, by_submission: bool) -> None:
        mine = waits.row[wait], waits.end_row[wait], waits.job[wait]
        if by_submission:
            before = waits.job < mine[2]
            rank = waits.job.astype(np.intp)
        else:
            earlier = (waits.end_row == mine[1]) & (waits.row < mine[0])  # neither ever started
            before = (waits.end_row < mine[1]) | earlier
            rank = waits.end_row
        at = np.flatnonzero(before & (waits.end_row > mine[0]) & (waits.row < mine[1]))
        self._begin = waits.row[at]  # rising
        self._end = np.sort(waits.end_row[at])
        self._entries: list[tuple[int, int, int]] = _entries(rank[at], waits, at)
        self._waiting: list[tuple[int, int, int]] = []
        self._next = 0

    def at(self, row: int) -> Before:
        """The jobs before it after a row of the log."""
        begun = int(np.searchsorted(self._begin, row, side="right"))
        for entry in self._entries[self._next : begun]:
            heappush(self._waiting, entry)
        self._next = max(self._next, begun)
        while self._waiting and self._waiting[0][1] <= row:
            heappop(self._waiting)
        count = begun - int(np.searchsorted(self._end, row, side="right"))
        return Before(count, self._waiting[0][2] if self._waiting else -1)


def _entries(rank: Rows, waits: Waits, at: Rows) -> list[tuple[int, int, int]]:
    """(rank, row of the end, job) of each wait."""
    return list(zip(rank.tolist(), waits.end_row[at].tolist(), waits.job[at].tolist(), strict=True))
