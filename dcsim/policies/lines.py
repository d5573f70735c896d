"""A line of waiting jobs in order of submission that can be searched by requested run time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

BLOCK = 256


class Line:
    """Jobs in order of submission, in blocks that know their least requested time.

    So "the first job that asks for at most x seconds" skips whole blocks: with q jobs it costs q / 256 + 256 looks
    instead of q.
    """

    def __init__(self, requested_s: Sequence[float]) -> None:
        self._requested_s = requested_s
        self._blocks: list[list[int]] = []
        self._first: list[int] = []  # first job of each block
        self._least: list[float] = []  # least requested time of each block

    def push(self, job: int) -> None:
        """Add a job at its place."""
        requested = self._requested_s[job]
        if not self._blocks or (job > self._blocks[-1][-1] and len(self._blocks[-1]) >= BLOCK):
            self._blocks.append([job])
            self._first.append(job)
            self._least.append(requested)
            return
        at = max(bisect_right(self._first, job) - 1, 0)
        insort(self._blocks[at], job)
        self._first[at] = self._blocks[at][0]
        self._least[at] = min(self._least[at], requested)

    def remove(self, job: int) -> None:
        """Take a job out."""
        at = bisect_right(self._first, job) - 1
        block = self._blocks[at]
        del block[bisect_left(block, job)]
        if not block:
            del self._blocks[at], self._first[at], self._least[at]
            return
        self._first[at] = block[0]
        if self._requested_s[job] <= self._least[at]:
            self._least[at] = min(map(self._requested_s.__getitem__, block))

    def first(self, longest_s: float, after: int = -1) -> int:
        """The first job later than job `after` that asks for at most `longest_s` s; -1 if there is none."""
        requested = self._requested_s
        at = max(bisect_right(self._first, after) - 1, 0)
        for number in range(at, len(self._blocks)):
            if self._least[number] <= longest_s:
                for job in self._blocks[number]:
                    if job > after and requested[job] <= longest_s:
                        return job
        return -1

    def __bool__(self) -> bool:
        return bool(self._blocks)
