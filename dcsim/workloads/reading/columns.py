"""Kinds of columns: each turns a block of cells into values at once, and says what it expects of a cell."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from dcsim.scenario.jobs import END_STATES, Floats, Ints, Names

Block = TypeVar("Block")

NO_GAPS: frozenset[str] = frozenset()
BLANK = frozenset({""})
GAPS = frozenset({"", "None", "null", "NaN", "nan", "NaT"})
"""Cells that mean "no value" in columns that may have gaps: none, empty ones, or what programs write."""

MOST_WHOLE = int(np.iinfo(np.int32).max)


class Column(ABC, Generic[Block]):
    """A column of a trace: reading a file fills it, block by block; `values` is the whole.

    A column with `optional` may be absent from the header; `found` says whether it was there.
    """

    expected: str

    def __init__(self, name: str, *, optional: bool = False) -> None:
        self.name = name
        self.optional = optional
        self.found = not optional
        self.blocks: list[Block] = []

    @abstractmethod
    def parse(self, cells: Sequence[str]) -> Block:
        """The values of some cells. Raises ValueError if any of them is bad."""

    def accepts(self, cell: str) -> bool:
        """Whether this one cell is good."""
        try:
            self.parse((cell,))
        except ValueError:
            return False
        return True


class Number(Column[Floats]):
    """Finite numbers, at least `least`; cells that are one of `gaps` are NaN."""

    def __init__(
        self, name: str, *, least: float = 0.0, gaps: frozenset[str] = NO_GAPS, optional: bool = False
    ) -> None:
        super().__init__(name, optional=optional)
        self.least = least
        self.gaps = gaps
        self.expected = f"a finite number >= {least:g}"

    def parse(self, cells: Sequence[str]) -> Floats:
        """Shape (n,)."""
        gaps = self.gaps
        missing = None if gaps.isdisjoint(cells) else [cell in gaps for cell in cells]
        if missing is not None:
            cells = ["nan" if gap else cell for cell, gap in zip(cells, missing, strict=True)]
        values = np.fromiter(map(float, cells), np.float64, len(cells))
        good = (values >= self.least) & (values < np.inf)
        if not bool(np.all(good if missing is None else good | missing)):
            raise ValueError(self.expected)
        return values

    @cached_property
    def values(self) -> Floats:
        """The whole column, shape (n,)."""
        return _joined(self.blocks, np.float64)


class Whole(Column[Ints]):
    """Whole numbers from `least` on; `8.0` counts as whole. With `blank`, an empty cell means that number."""

    def __init__(self, name: str, *, least: int = 0, blank: int | None = None, optional: bool = False) -> None:
        super().__init__(name, optional=optional)
        self.least = least
        self.blank = blank
        self.expected = f"a whole number >= {least}"

    def parse(self, cells: Sequence[str]) -> Ints:
        """Shape (n,)."""
        if self.blank is not None and "" in cells:
            cells = [cell or str(self.blank) for cell in cells]
        values = np.fromiter(map(float, cells), np.float64, len(cells))
        if not bool(np.all((values >= self.least) & (values <= MOST_WHOLE) & (values == np.floor(values)))):
            raise ValueError(self.expected)
        return values.astype(np.int32)

    @cached_property
    def values(self) -> Ints:
        """The whole column, shape (n,)."""
        return _joined(self.blocks, np.int32)


class Text(Column[Sequence[str]]):
    """Text that is never empty, such as job ids, kept as it stands in the file."""

    expected = "text"

    def parse(self, cells: Sequence[str]) -> Sequence[str]:
        """The cells themselves."""
        if "" in cells:
            raise ValueError(self.expected)
        return cells

    @cached_property
    def values(self) -> list[str]:
        """The whole column."""
        return list(chain.from_iterable(self.blocks))


class Labels(Column[Ints]):
    """Names that repeat, such as tenants: kept as codes, numbered in order of appearance.

    An empty cell, or the text `none`, means that there is no name.
    """

    expected = "text"

    def __init__(self, name: str, *, none: str = "", optional: bool = False) -> None:
        super().__init__(name, optional=optional)
        self._codes = _Codes(none)

    def parse(self, cells: Sequence[str]) -> Ints:
        """Codes, shape (n,); -1 where there is no name."""
        return np.fromiter(map(self._codes.__getitem__, cells), np.int32, len(cells))

    @cached_property
    def values(self) -> Names:
        """The whole column; no names at all if the file has no such column."""
        return Names(tuple(self._codes.names), _joined(self.blocks, np.int32)) if self.found else Names()


class _Codes(dict[str, int]):
    """The code of each name; a name that is new gets the next one."""

    def __init__(self, none: str) -> None:
        super().__init__({"": -1, none: -1})
        self.names: list[str] = []

    def __missing__(self, name: str) -> int:
        code = self[name] = len(self.names)
        self.names.append(name)
        return code


class EndStates(Column[NDArray[np.int8]]):
    """How jobs ended, by the trace's own words; each stands for one of dcsim's END_STATES."""

    def __init__(self, name: str, words: Mapping[str, str], *, optional: bool = False) -> None:
        super().__init__(name, optional=optional)
        self._codes = {word: END_STATES.index(state) for word, state in words.items()}
        self.expected = "one of " + ", ".join(word for word in words if word)

    def parse(self, cells: Sequence[str]) -> NDArray[np.int8]:
        """Indices into END_STATES, shape (n,)."""
        try:
            return np.fromiter(map(self._codes.__getitem__, cells), np.int8, len(cells))
        except KeyError:
            raise ValueError(self.expected) from None

    @cached_property
    def values(self) -> NDArray[np.int8] | None:
        """The whole column, or None if the file has no such column."""
        return _joined(self.blocks, np.int8) if self.found else None


class Clock(Column[Floats]):
    """Calendar times as seconds since 1970-01-01; cells that are one of `gaps` are NaN.

    `zoned` times carry their offset from UTC and count from 1970 UTC; others are the wall clock of one place
    and count from 1970 on that clock.
    """

    def __init__(self, name: str, *, zoned: bool = False, gaps: frozenset[str] = NO_GAPS) -> None:
        super().__init__(name)
        self.zone = UTC if zoned else None
        self.gaps = gaps
        self.expected = "a time like 2020-03-18 04:01:39" + ("+08:00" if zoned else "")

    def parse(self, cells: Sequence[str]) -> Floats:
        """Shape (n,), s."""
        epoch, read = datetime(1970, 1, 1, tzinfo=self.zone), datetime.fromisoformat
        try:
            if self.gaps.isdisjoint(cells):
                seconds = [(read(c) - epoch).total_seconds() for c in cells]
            else:
                seconds = [np.nan if c in self.gaps else (read(c) - epoch).total_seconds() for c in cells]
        except TypeError:  # a zone where none belongs, or none where one does
            raise ValueError(self.expected) from None
        return np.array(seconds, dtype=np.float64)

    def first(self, kept: NDArray[np.bool_] | None = None) -> float:
        """The earliest time where `kept`, shape (n,), is true (by default everywhere); 0 if it nowhere is."""
        times = self.values if kept is None else self.values[kept]
        return float(times.min()) if len(times) else 0.0

    def text(self, seconds: float) -> str:
        """A time of this clock as text, e.g. 2020-03-18T04:01:39 (with +00:00 if the clock has a zone)."""
        return (datetime(1970, 1, 1, tzinfo=self.zone) + timedelta(seconds=seconds)).isoformat()

    @cached_property
    def values(self) -> Floats:
        """The whole column, shape (n,), s."""
        return _joined(self.blocks, np.float64)


def _joined(blocks: list[Any], dtype: Any) -> NDArray[Any]:
    """One array; the blocks are let go, so that a column is never held twice for long."""
    values = np.concatenate(blocks) if blocks else np.empty(0, dtype)
    blocks.clear()
    return values
