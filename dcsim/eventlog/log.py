"""The event log: append while the run goes, freeze into arrays afterwards.

Rows are kept as C arrays, some 25 bytes a row, since a run of a million jobs has three million of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcsim.eventlog.schema import START


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
    reason: NDArray[np.int16]
    reasons: tuple[str, ...]
    offsets: NDArray[np.int64]
    nodes: NDArray[np.int32]
    counts: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.time_s)

    def of_kind(self, kind: int) -> NDArray[np.intp]:
        """Numbers of the rows of one kind, in order."""
        return np.flatnonzero(self.kind == kind)


class Recorder:
    """An event log that is being written. Only `sim/world.py` writes to it."""

    def __init__(self) -> None:
        self._columns = (array("d"), array("b"), array("i"), array("d"), array("h"))
        self._append = tuple(c.append for c in self._columns)
        self._pool = array("h")
        self._pieces = array("i")
        self._nodes = array("i")
        self._counts = array("i")
        self._reasons = {"": 0}

    def row(self, time_s: float, kind: int, job: int, value: float = 0.0, reason: str = "") -> None:
        """Append a row of any kind but `start`."""
        time, kinds, jobs, values, reasons = self._append
        time(time_s)
        kinds(kind)
        jobs(job)
        values(value)
        reasons(self._reasons[reason] if reason in self._reasons else self._new_reason(reason))

    def start(
        self, time_s: float, job: int, rate: float, reason: str, place: tuple[int, Sequence[int], Sequence[int], *Any]
    ) -> None:
        """Append a `start` row; `place` begins with pool, nodes, counts."""
        self.row(time_s, START, job, rate, reason)
        pool, nodes, counts, *_ = place
        self._pool.append(pool)
        self._pieces.append(len(nodes))
        self._nodes.extend(nodes)
        self._counts.extend(counts)

    def freeze(self) -> EventLog:
        """The rows so far, as arrays."""
        time, kinds, jobs, values, reasons = self._columns
        kind = np.frombuffer(kinds, np.int8) if kinds else np.empty(0, np.int8)
        starts = np.flatnonzero(kind == START)
        pool = np.full(len(kind), -1, np.int16)
        pool[starts] = _view(self._pool, np.int16)
        sizes = np.zeros(len(kind) + 1, np.int64)
        sizes[starts + 1] = _view(self._pieces, np.int32)
        return EventLog(
            time_s=_view(time, np.float64),
            kind=kind,
            job=_view(jobs, np.int32),
            value=_view(values, np.float64),
            pool=pool,
            reason=_view(reasons, np.int16),
            reasons=tuple(self._reasons),
            offsets=np.cumsum(sizes),
            nodes=_view(self._nodes, np.int32),
            counts=_view(self._counts, np.int32),
        )

    def __len__(self) -> int:
        return len(self._columns[0])

    def _new_reason(self, reason: str) -> int:
        return self._reasons.setdefault(reason, len(self._reasons))


def _view(values: array[float] | array[int], dtype: type) -> NDArray[np.generic]:
    return np.frombuffer(values, dtype) if len(values) else np.empty(0, dtype)
