"""A line of waiting jobs in order of submission that can be searched by requested run time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from math import inf

BLOCK = 256


class Line:
    """Jobs in order of submission, in blocks that know a lower bound of the times their jobs request.

    So "the first job that asks for at most x seconds" skips whole blocks: with q jobs it costs q / 256 + 256 looks
    instead of q.
    """

    __slots__ = ("_blocks", "_first", "_least", "_requested_s")

    def __init__(self, requested_s: Sequence[float]) -> None:
        self._requested_s = requested_s
        self._blocks: list[list[int]] = []
        self._first: list[int] = []  # first job of each block
        self._least: list[float] = []  # no job of the block requests less

    def push(self, job: int) -> None:
        """Add a job behind all others."""
        blocks, requested = self._blocks, self._requested_s[job]
        if blocks and len(blocks[-1]) < BLOCK:
            blocks[-1].append(job)
            if requested < self._least[-1]:
                self._least[-1] = requested
        else:
            blocks.append([job])
            self._first.append(job)
            self._least.append(requested)

    def insert(self, job: int) -> None:
        """Add a job at its place."""
        if not self._blocks:
            self.push(job)
            return
        at = max(bisect_right(self._first, job) - 1, 0)
        insort(self._blocks[at], job)
        self._first[at] = self._blocks[at][0]
        self._least[at] = min(self._least[at], self._requested_s[job])

    def remove(self, job: int) -> None:
        """Take a job out. The bound of its block stays: `first` mends it when it has looked in vain."""
        at = bisect_right(self._first, job) - 1
        block = self._blocks[at]
        del block[bisect_left(block, job)]
        if block:
            self._first[at] = block[0]
        else:
            del self._blocks[at], self._first[at], self._least[at]

    def head(self) -> int:
        """The first job of all; the line must not be empty."""
        return self._first[0]

    def first(self, longest_s: float = inf, after: int = -1) -> int:
        """The first job later than job `after` that asks for at most `longest_s` s; -1 if there is none."""
        if after < self._first[0] and longest_s == inf:
            return self._first[0]
        requested = self._requested_s
        begin = max(bisect_right(self._first, after) - 1, 0)
        for at in range(begin, len(self._blocks)):
            if self._least[at] <= longest_s:
                block = self._blocks[at]
                for job in block[bisect_right(block, after) :]:
                    if requested[job] <= longest_s:
                        return job
                self._least[at] = min(map(requested.__getitem__, block))
        return -1

    def __bool__(self) -> bool:
        return bool(self._blocks)
