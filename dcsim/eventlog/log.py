"""The event log: append while the run goes, freeze into arrays afterwards.

A run of a million jobs has three million rows, so what is kept of a row is small: time and a code of job and kind,
in C arrays. Submissions are known from the trace; values and reasons are kept only where a row has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcsim.eventlog.schema import END_KINDS, RELEASE, START, SUBMIT

KIND_BITS = 4
HALF = 32  # two numbers in one array element: the upper and the lower half
LOW = (1 << HALF) - 1
TYPES = ("d", "q", "q", "q")  # of times, codes, places and pieces: doubles and 64-bit integers


@dataclass(frozen=True)
class EventLog:
    """A finished log as arrays, in the order in which things happened. Columns as in `eventlog/schema.py`.

    `time_s, kind, job, value, pool, reason`: shape (rows,). `nodes, counts`: flat, the pieces of row i are
    `[offsets[i]:offsets[i + 1]]`, offsets of shape (rows + 1,). `reasons[reason[i]]` is the text; 0 is "".
    """

    time_s: NDArray[np.float64]
    kind: NDArray[np.int8]
    job: NDArray[np.int32]
    value: NDArray[np.float64]
    pool: NDArray[np.int16]
    reason: NDArray[np.int32]
    reasons: tuple[str, ...]
    offsets: NDArray[np.int32]
    nodes: NDArray[np.int32]
    counts: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.time_s)

    def of_kind(self, *kinds: int) -> NDArray[np.intp]:
        """Numbers of the rows of some kinds, in order: kept, since many sums begin with them; not to be changed."""
        if kinds not in self._found:
            self._found[kinds] = np.flatnonzero(is_one_of(self.kind, kinds))
        return self._found[kinds]

    def place(self, row: int) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        """Where the job of a start row runs: pool, its nodes, and the accelerators on each."""
        pieces = slice(int(self.offsets[row]), int(self.offsets[row + 1]))
        return int(self.pool[row]), tuple(self.nodes[pieces].tolist()), tuple(self.counts[pieces].tolist())

    @cached_property
    def _found(self) -> dict[tuple[int, ...], NDArray[np.intp]]:
        return {}


class Recorder:
    """An event log that is being written. Only `sim/world.py` writes to it.

    The most frequent rows are appended by the world itself, column by column, through the `put_` methods: a row is
    a time, then a code of job and kind; of a `start` row also a place and pieces.
    """

    def __init__(self) -> None:
        # The latest rows, and the earlier ones packed: a list is the quickest to append to, an array the smallest.
        self._latest: tuple[list[Any], ...] = ([], [], [], [])
        self._packed: tuple[list[NDArray[Any]], ...] = ([], [], [], [])
        self._rows = 0  # rows that are packed
        self._values: dict[int, float] = {}
        self._reason_of: dict[int, int] = {}
        self._reasons = {"": 0}
        times, codes, places, pieces = self._latest
        self.put_time: Callable[[float], None] = times.append
        self.put_code: Callable[[int], None] = codes.append  # job, kind
        self.put_place: Callable[[int], None] = places.append  # of a start: pool, number of pieces
        self.put_piece: Callable[[int], None] = pieces.append  # of a place: node, accelerators

    def pack(self) -> None:
        """Pack the latest rows; the clock calls this every few thousand events."""
        self._rows += len(self._latest[0])
        for latest, packed, code in zip(self._latest, self._packed, TYPES, strict=True):
            packed.append(np.fromiter(latest, code, len(latest)))  # twice as fast as array.array
            latest.clear()

    def end(self, time_s: float, kind: int, job: int) -> None:
        """Append a row without value and reason."""
        self.put_time(time_s)
        self.put_code(job << KIND_BITS | kind)

    def row(self, time_s: float, kind: int, job: int, value: float, reason: str = "") -> None:
        """Append a row of any kind but `start` and `submit`."""
        self.extras(value, reason)
        self.end(time_s, kind, job)

    def place(self, pool: int, nodes: Sequence[int], counts: Sequence[int]) -> None:
        """Say where the job of a `start` row is; after each such row, unless its only piece was put directly."""
        self.put_place(pool << HALF | len(nodes))
        self._latest[3].extend([node << HALF | count for node, count in zip(nodes, counts, strict=True)])

    def extras(self, value: float, reason: str) -> None:
        """The value and the reason of the row that is appended next."""
        row = len(self)
        self._values[row] = value
        if reason:
            self._reason_of[row] = self._reasons.setdefault(reason, len(self._reasons))

    def freeze(self, submit_s: NDArray[np.float64]) -> EventLog:
        """The rows so far, as arrays; `submit_s`: times of the jobs submitted so far, s, sorted.

        Submissions are not recorded one by one: within an instant they stand behind the ends that the instant
        began with and before all decisions, which fixes their place.
        """
        self.pack()
        appended, code, places, pieces = (np.concatenate(parts) for parts in self._packed)
        kinds = (code & (1 << KIND_BITS) - 1).astype(np.int8)
        before = _first_decision(appended, kinds, submit_s)
        rows = len(code) + len(submit_s)
        there = before + np.arange(len(submit_s))
        appended_rows = np.ones(rows, bool)
        appended_rows[there] = False
        here = np.flatnonzero(appended_rows)
        time, kind, job = np.empty(rows), np.empty(rows, np.int8), np.empty(rows, np.int32)
        time[here], time[there] = appended, submit_s
        kind[here], kind[there] = kinds, SUBMIT
        job[here], job[there] = (code >> KIND_BITS).astype(np.int32), np.arange(len(submit_s), dtype=np.int32)
        return self._finish(time, kind, job, here, (places, pieces))

    def _finish(
        self,
        time: NDArray[np.float64],
        kind: NDArray[np.int8],
        job: NDArray[np.int32],
        here: NDArray[np.intp],
        where: tuple[NDArray[np.int64], NDArray[np.int64]],
    ) -> EventLog:
        """Put the columns that few rows have beside the others. `here`: new number of each appended row; `where`:
        places of the starts, and their pieces."""
        places, pieces = where
        rows = len(kind)
        starts = np.flatnonzero(kind == START)
        value, reason = np.zeros(rows), np.zeros(rows, np.int32)
        value[starts] = 1.0
        value[here[np.array(list(self._values), np.intp)]] = list(self._values.values())
        reason[here[np.array(list(self._reason_of), np.intp)]] = list(self._reason_of.values())
        pool = np.full(rows, -1, np.int16)
        pool[starts] = places >> HALF
        sizes = np.zeros(rows + 1, np.int32)
        sizes[starts + 1] = places & LOW
        nodes, counts = (pieces >> HALF).astype(np.int32), (pieces & LOW).astype(np.int32)
        offsets = np.cumsum(sizes, dtype=np.int32)
        return EventLog(time, kind, job, value, pool, reason, tuple(self._reasons), offsets, nodes, counts)

    def __len__(self) -> int:
        return self._rows + len(self._latest[0])


def is_one_of(kind: NDArray[np.int8], kinds: Sequence[int]) -> NDArray[np.bool_]:
    """Whether each kind is one of some; by a table of all kinds, many times as fast as np.isin."""
    table = np.zeros(1 << KIND_BITS, bool)
    table[list(kinds)] = True
    found: NDArray[np.bool_] = table[kind]
    return found


def _first_decision(time_s: NDArray[np.float64], kind: NDArray[np.int8], at_s: NDArray[np.float64]) -> NDArray[np.intp]:
    """For each time of `at_s`: number of the first row of that instant behind the ends it began with."""
    rows = len(kind)
    decision = np.append(np.where(is_one_of(kind, (*END_KINDS, RELEASE)), rows, np.arange(rows)), rows)
    following = np.minimum.accumulate(decision[::-1])[::-1]  # first row from here on that is not an end
    first = np.searchsorted(time_s, at_s, side="left")
    behind = first.copy()  # all rows of the instant: for most there are none
    some = np.flatnonzero(np.append(time_s, np.nan)[first] == at_s)
    behind[some] = np.searchsorted(time_s, at_s[some], side="right")
    return np.minimum(following[first], behind)
