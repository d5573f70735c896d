"""Rows of a trace into columns: whole blocks at once, and row by row only to say where a block is bad."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcsim.errors import Problem, TraceError, nearest
from dcsim.scenario.jobs import Ints
from dcsim.workloads.reading.columns import Column, Text
from dcsim.workloads.reading.stream import Source

MOST_COMMENTS = 1000  # lines kept
MOST_FAULTS = 1000  # bad rows counted
SHOWN = 60  # characters of a bad cell
SHOWN_HEADER = 400

Split = Callable[[Sequence[Any]], list[list[str]]]


def commas(lines: Sequence[str]) -> list[list[str]]:
    """Cells of comma-separated lines, with quotes as in RFC 4180 but no line ends inside them."""
    return list(csv.reader(lines, strict=True))


def tabs(lines: Sequence[str]) -> list[list[str]]:
    """Cells of tab-separated lines, without quotes."""
    return [line.split("\t") for line in lines]


def blanks(lines: Sequence[str]) -> list[list[str]]:
    """Cells of lines with runs of blanks between them."""
    return [line.split() for line in lines]


@dataclass(frozen=True)
class Layout:
    """How the rows of a format are written.

    `split` makes rows of cells from lines, or from whatever else the format has for a row; it raises
    ValueError (with a text that says why) or csv.Error. Blocks of lines without quotes are simply cut at
    `delimiter`, if there is one, which is several times faster. Without `header`, the first line names the
    columns. Lines that begin with `comment` are no rows. With `spare`, cells beyond the header are passed
    over and counted, otherwise they make a row bad.
    """

    split: Split = commas
    delimiter: str = ","
    header: tuple[str, ...] = ()
    comment: str = ""
    spare: bool = False


COMMA_SEPARATED = Layout()


def read_rows(
    source: Source,
    columns: Sequence[Column[Any]],
    layout: Layout = COMMA_SEPARATED,
    blocks: Iterable[tuple[Ints, Sequence[Any]]] | None = None,
) -> Rows:
    """Read a file into `columns`, by default from its lines that are not blank.

    Raises TraceError for a missing column, for the first bad row (with the count of all bad rows), and for a
    file without rows.
    """
    rows = Rows(source, columns, layout)
    for numbers, lines in source.blocks() if blocks is None else blocks:
        rows.add(lines, numbers)
    return rows.finish()


class Rows:
    """The rows of one file on their way into columns.

    `header`: names of all columns; `comments`: the first comment lines; `spare`: how many rows had cells
    beyond the header. Rows are counted from 1 in error texts, without header, comments and blank lines; lines
    of the file from 1 as well.
    """

    def __init__(self, source: Source, columns: Sequence[Column[Any]], layout: Layout) -> None:
        self.source = source
        self.header: list[str] = []
        self.comments: list[str] = []
        self.spare = 0
        self._columns = columns
        self._layout = layout
        self._places: list[int] = []
        self._numbers: list[Ints] = []
        self._count = 0
        self._first_fault: Problem | None = None
        self._faults = 0
        if layout.header:
            self._find(list(layout.header))

    def __len__(self) -> int:
        return self._count

    def add(self, lines: Sequence[Any], numbers: Ints) -> None:
        """Add a block of lines; `numbers`: where they stand in the file, shape (n,)."""
        lines, numbers = self._without_comments(lines, numbers)
        if not self.header and lines:
            self._find(self._header(lines[0]))
            lines, numbers = lines[1:], numbers[1:]
        if not lines:
            return
        try:
            blocks = self._parse(lines)
        except (ValueError, csv.Error):
            before = self._faults
            self._inspect(lines, numbers, self._count + 1)
            assert self._faults > before, "a bad block has a bad row"
        else:
            for column, block in zip(self._columns, blocks, strict=True):
                if column.found:
                    column.blocks.append(block)
        self._numbers.append(numbers)
        self._count += len(lines)

    def finish(self) -> Rows:
        """Itself, if all rows are good; else raises TraceError."""
        if self._first_fault is not None:
            raise _counted(self._first_fault, self._faults)
        if not self._count:
            raise self.source.error("the file has no rows", expected="at least one job")
        return self

    def refuse(self, bad: NDArray[np.bool_], column: Column[Any], what: str, expected: str) -> None:
        """Raise TraceError for the first row for which `bad`, shape (n,), is true, if there is one."""
        if bool(bad.any()):
            row = int(bad.argmax())
            what = f"row {row + 1}: {what}"
            first = Problem(self.source.name, column.name, what, expected=expected, line=self.line(row))
            raise _counted(first, int(bad.sum()))

    def distinct(self, ids: Text, kept: NDArray[np.bool_] | None = None) -> list[str]:
        """All ids; those of the rows for which `kept`, shape (n,), is true must be different from each other.

        Raises TraceError with the first id that comes twice and both places.
        """
        values = ids.values
        places = range(len(values)) if kept is None else np.flatnonzero(kept).tolist()
        if len({values[row] for row in places}) < len(places):
            seen: dict[str, int] = {}
            for row in places:
                before = seen.setdefault(values[row], row)
                if before != row:
                    raise self.source.error(
                        f"row {row + 1} has the id of row {before + 1} (line {self.line(before)})",
                        key=ids.name,
                        line=self.line(row),
                        got=shown(values[row]),
                        expected="an id of its own for every job",
                    )
        return values

    def line(self, row: int) -> int:
        """The line of the file on which a row, counted from 0, stands."""
        for numbers in self._numbers:
            if row < len(numbers):
                return int(numbers[row])
            row -= len(numbers)
        raise IndexError(row)

    def _without_comments(self, lines: Sequence[Any], numbers: Ints) -> tuple[Sequence[Any], Ints]:
        mark = self._layout.comment
        if not mark or not any(line.startswith(mark) for line in lines):
            return lines, numbers
        comments = [line for line in lines if line.startswith(mark)]
        self.comments += comments[: MOST_COMMENTS - len(self.comments)]
        kept = [i for i, line in enumerate(lines) if not line.startswith(mark)]
        return [lines[i] for i in kept], numbers[kept]

    def _header(self, line: Any) -> list[str]:
        try:
            return [cell.strip() for cell in self._layout.split([line])[0]]
        except (ValueError, csv.Error) as error:
            raise self.source.error(f"the header cannot be read: {error}", got=shown(line)) from None

    def _find(self, header: list[str]) -> None:
        self.header = header
        problems = []
        for column in self._columns:
            times = header.count(column.name)
            if times == 0 and not column.optional:
                seen = shown(", ".join(header), SHOWN_HEADER)
                hint = nearest(column.name, list(filter(str.isprintable, header)))
                problems.append(Problem(self.source.name, column.name, "no such column", f"header {seen}", fix=hint))
            elif times > 1:
                problems.append(Problem(self.source.name, column.name, f"the header has this column {times} times"))
            column.found = times > 0
            self._places.append(header.index(column.name) if times else -1)
        if problems:
            raise TraceError(problems)

    def _parse(self, lines: Sequence[Any]) -> list[Any]:
        """A block of values for each column; None for those that the file lacks."""
        flat = self._flat(lines)
        if flat is not None:
            width = len(self.header)
            cells = (flat[place::width] for place in self._places)
        else:
            rows = self._layout.split(lines)
            if len(rows) != len(lines):
                raise ValueError("a row over several lines")
            if set(map(len, rows)) != {len(self.header)}:
                self._spared(rows)
            cells = ([row[place] for row in rows] for place in self._places)
        return [c.parse(block) if c.found else None for c, block in zip(self._columns, cells, strict=True)]

    def _flat(self, lines: Sequence[Any]) -> list[str] | None:
        """All cells of a block, row after row; None if it takes more than one cut at every delimiter."""
        mark = self._layout.delimiter
        if not mark or set(map(str.count, lines, repeat(mark))) != {len(self.header) - 1}:
            return None
        text = mark.join(lines)
        return None if '"' in text else text.split(mark)

    def _spared(self, rows: list[list[str]]) -> None:
        """Count rows with cells beyond the header; ValueError if that, or anything less, is not allowed."""
        if not self._layout.spare or min(map(len, rows)) < len(self.header):
            raise ValueError("ragged")
        self.spare += sum(len(row) > len(self.header) for row in rows)

    def _inspect(self, lines: Sequence[Any], numbers: Ints, row: int) -> None:
        """Note the bad rows of a bad block, the first of which is number `row`: halve until one is left."""
        if len(lines) == 1:
            self._faults += 1
            self._first_fault = self._first_fault or replace(self._fault(lines[0], row), line=int(numbers[0]))
            if self._faults == MOST_FAULTS:
                raise _counted(self._first_fault, self._faults)
            return
        half = len(lines) // 2
        for part in (slice(half), slice(half, None)):
            try:
                self._parse(lines[part])
            except (ValueError, csv.Error):
                self._inspect(lines[part], numbers[part], row + (part.start or 0))

    def _fault(self, line: Any, row: int) -> Problem:
        """What is wrong with a row, told for the first column that is bad."""
        name = self.source.name
        try:
            cells = self._layout.split([line])[0]
        except (ValueError, csv.Error) as error:
            return Problem(name, "", f"row {row} cannot be read: {error}")
        few = len(cells) < len(self.header)
        if few or (len(cells) > len(self.header) and not self._layout.spare):
            return Problem(name, "", f"row {row} is ragged", f"{len(cells)} cells", f"{len(self.header)}")
        for column, place in zip(self._columns, self._places, strict=True):
            if column.found and not column.accepts(cells[place]):
                what = f"row {row} has a bad value" if cells[place] else f"row {row} has no value"
                return Problem(name, column.name, what, shown(cells[place]), column.expected)
        raise AssertionError("a row that cannot be parsed is bad")


def _counted(first: Problem, count: int) -> TraceError:
    many = f"at least {count}" if count == MOST_FAULTS else str(count)
    return TraceError(replace(first, fix=f"bad rows in this file: {many}"))


def shown(text: str, most: int = SHOWN) -> str:
    """Text of a file for an error line: in quotes, control characters escaped, cut to length."""
    return repr(text if len(text) <= most else text[:most] + "...")
