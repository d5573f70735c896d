"""Rows of a trace into columns: whole blocks at once, and row by row only to say where a block is bad."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcsim.errors import Problem, TraceError, nearest
from dcsim.scenario.jobs import Ints
from dcsim.workloads.reading.columns import Column, Text
from dcsim.workloads.reading.stream import Source

MOST_COMMENTS = 1000  # lines kept
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

    `split` makes rows of cells from lines, or from whatever else the format has for a row; it raises ValueError
    (with a text that says why) or csv.Error. Without `header`, the first line names the columns. Lines that begin
    with `comment` are no rows. With `spare`, cells beyond the header are passed over and counted, otherwise they
    make a row bad.
    """

    split: Split = commas
    header: tuple[str, ...] = ()
    comment: str = ""
    spare: bool = False


def read_rows(
    source: Source,
    columns: Sequence[Column[Any]],
    layout: Layout = Layout(),  # noqa: B008: frozen
    blocks: Iterable[tuple[Ints, Sequence[Any]]] | None = None,
) -> Rows:
    """Read a file into `columns`, by default from its lines. Blank lines are no rows.

    Raises TraceError for a missing column, for the first bad row (with the count of all bad rows), and for a file
    without rows.
    """
    rows = Rows(source, columns, layout)
    for numbers, lines in source.blocks() if blocks is None else blocks:
        rows.add(lines, numbers)
    return rows.finish()


class Rows:
    """The rows of one file on their way into columns.

    `comments`: the first comment lines; `spare`: how many rows had cells beyond the header. Rows are counted from 1
    in error texts, without header, comments and blank lines; lines of the file from 1 as well.
    """

    def __init__(self, source: Source, columns: Sequence[Column[Any]], layout: Layout) -> None:
        self.source = source
        self.comments: list[str] = []
        self.spare = 0
        self._columns = columns
        self._layout = layout
        self._places: list[int] = []
        self._width = 0
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
        if not self._width and lines:
            self._find(self._header(lines[0]))
            lines, numbers = lines[1:], numbers[1:]
        if not lines:
            return
        try:
            blocks = self._parse(lines)
        except (ValueError, csv.Error):
            self._inspect(lines, numbers)
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

    def distinct(self, ids: Text) -> list[str]:
        """The ids, all different. Raises TraceError with the first id that comes twice and both places."""
        values = ids.values
        if len(set(values)) < len(values):
            seen: dict[str, int] = {}
            for row, value in enumerate(values):
                before = seen.setdefault(value, row)
                if before != row:
                    raise self.source.error(
                        f"row {row + 1} has the id of row {before + 1} (line {self.line(before)})",
                        key=ids.name,
                        line=self.line(row),
                        got=shown(value),
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
        if "" not in lines and not (mark and any(line.startswith(mark) for line in lines)):
            return lines, numbers
        if mark:
            comments = (line for line in lines if line.startswith(mark))
            self.comments.extend([c for c, _ in zip(comments, range(MOST_COMMENTS - len(self.comments)))])
        kept = [i for i, line in enumerate(lines) if line and not (mark and line.startswith(mark))]
        return [lines[i] for i in kept], numbers[kept]

    def _header(self, line: Any) -> list[str]:
        try:
            return [cell.strip() for cell in self._layout.split([line])[0]]
        except (ValueError, csv.Error) as error:
            raise self.source.error(f"the header cannot be read: {error}", got=shown(line)) from None

    def _find(self, header: list[str]) -> None:
        self._width = len(header)
        problems = []
        for column in self._columns:
            times = header.count(column.name)
            if times == 0 and not column.optional:
                seen = shown(", ".join(header), SHOWN_HEADER)
                hint = nearest(column.name, header)
                problems.append(
                    Problem(self.source.name, column.name, "no such column", f"header {seen}", fix=hint)
                )
            elif times > 1:
                problems.append(Problem(self.source.name, column.name, f"the header has this column {times} times"))
            column.found = times > 0
            self._places.append(header.index(column.name) if times else -1)
        if problems:
            raise TraceError(problems)

    def _parse(self, lines: Sequence[Any]) -> list[Any]:
        """A block of values for each column; None for those that the file lacks."""
        rows = self._layout.split(lines)
        if len(rows) != len(lines):
            raise ValueError("a row over several lines")
        if set(map(len, rows)) != {self._width}:
            self._spared(rows)
        return [
            column.parse([row[place] for row in rows]) if column.found else None
            for column, place in zip(self._columns, self._places, strict=True)
        ]

    def _spared(self, rows: list[list[str]]) -> None:
        """Count rows with cells beyond the header; ValueError if that, or anything less, is not allowed."""
        if not self._layout.spare or min(map(len, rows)) < self._width:
            raise ValueError("ragged")
        self.spare += sum(len(row) > self._width for row in rows)

    def _inspect(self, lines: Sequence[Any], numbers: Ints) -> None:
        """Note every bad row of a block; the first is told in full when reading is over."""
        before = self._faults
        for row, (line, number) in enumerate(zip(lines, numbers.tolist(), strict=True), self._count + 1):
            problem = self._fault(line, row)
            if problem is not None:
                self._faults += 1
                self._first_fault = self._first_fault or replace(problem, line=number)
        assert self._faults > before, "a bad block has a bad row"

    def _fault(self, line: Any, row: int) -> Problem | None:
        name = self.source.name
        try:
            cells = self._layout.split([line])[0]
        except (ValueError, csv.Error) as error:
            return Problem(name, "", f"row {row} cannot be read: {error}")
        few = len(cells) < self._width
        if few or (len(cells) > self._width and not self._layout.spare):
            return Problem(name, "", f"row {row} is ragged", f"{len(cells)} cells", f"{self._width}")
        for column, place in zip(self._columns, self._places, strict=True):
            if column.found and not column.accepts(cells[place]):
                what = f"row {row} has a bad value" if cells[place] else f"row {row} has no value"
                return Problem(name, column.name, what, shown(cells[place]), column.expected)
        return None


def _counted(first: Problem, count: int) -> TraceError:
    return TraceError(replace(first, fix=f"bad rows in this file: {count}"))


def shown(text: str, most: int = SHOWN) -> str:
    """Text of a file for an error line: in quotes, control characters escaped, cut to length."""
    return repr(text if len(text) <= most else text[:most] + "...")
