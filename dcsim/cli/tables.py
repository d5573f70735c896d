"""Tables of text on a terminal."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from dcsim.report.markup import broken, common
from dcsim.sweep.columns import differing

GAP = 2  # blanks between columns
LEAST = 6  # letters of a name that is cut
USUAL = 80  # letters of a line where there is no terminal
WIDE = 120  # the same for answers that are read at leisure
WHOLE = 10_000  # the same for lists that are searched line by line
NARROWEST = 20  # letters of a text that is wrapped, however narrow the terminal
TIED = re.compile(r"(?<=\d) (?=[^\W\d]|%)")  # the blank between a number and its unit
NO_BREAK = "\N{NO-BREAK SPACE}"


def columns(usual: int = USUAL) -> int:
    """Letters of a line: of the terminal, or as many as usual where the output is none."""
    return shutil.get_terminal_size((usual, 24)).columns


def aligned(rows: Sequence[Sequence[str]], sides: str = "") -> list[str]:
    """Lines with the cells of each column under one another, two blanks between columns.

    `sides`: for each column, `<` (left, the default) or `>` (right).
    """
    if not rows:
        return []
    widths, padded = _widths(rows), sides.ljust(len(rows[0]), "<")
    return [
        (" " * GAP)
        .join(f"{cell:{side}{width}}" for cell, side, width in zip(row, padded, widths, strict=True))
        .rstrip()
        for row in rows
    ]


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most so many letters; those after the first begin with `indent`. A number keeps its unit."""
    lines = textwrap.wrap(
        TIED.sub(NO_BREAK, text), max(width, NARROWEST), subsequent_indent=indent, break_on_hyphens=False
    )
    return [line.replace(NO_BREAK, " ") for line in lines]


def hanging(rows: Sequence[Sequence[str]], width: int, sides: str = "") -> list[str]:
    """Lines as by `aligned`; texts of the last column that are wider than what is left of `width` go on below
    themselves. Where the other columns leave them no room, cells stand behind one another."""
    if not rows:
        return []
    before = sum(_widths(rows)[:-1]) + GAP * (len(rows[0]) - 1)
    room = width - before
    if room < NARROWEST:
        return [part for row in rows for part in wrapped((" " * GAP).join(row), width, " " * GAP)]
    lines = []
    for *cells, text in rows:
        first, *more = wrapped(text, room) or [""]
        lines += [[*cells, first], *([""] * len(cells) + [part] for part in more)]
    return aligned(lines, sides)


class Fitted(NamedTuple):
    """A table in pieces that fit, one below the other. `pieces`: lines of each; `heads`: names of the columns of each,
    without the keys, which all pieces have; `shortened`: whether keys are cut or left out."""

    pieces: list[list[str]]
    heads: list[list[str]]
    shortened: bool

    @property
    def lines(self) -> list[str]:
        """All pieces, a blank line between them."""
        return [line for number, piece in enumerate(self.pieces) for line in ([""] if number else []) + piece]


def fitted(rows: Sequence[Sequence[str]], keys: int, width: int, per: int = 1, sides: str = "") -> Fitted:
    """A table with a header, whose first `keys` columns say what a row is, in lines of so many letters.

    Of the other columns, every `per` belong together; `sides` is as in `aligned`, but right unless given. Where keys
    leave no room for the widest of these, their names are broken at dots, then cut in their middle, and the last of
    many keys are left out. Values that differ stay different: tables of a scenario show what they differ in.
    """
    widths = [column + GAP for column in _widths(rows)]
    groups = [range(at, at + per) for at in range(keys, len(rows[0]), per)]
    room = width + GAP - max((sum(widths[c] for c in group) for group in groups), default=0)
    names, shortened = _narrowed([row[:keys] for row in rows], room)
    deep = len(names) - len(rows)  # more lines of names above
    left = width + GAP - sum(column + GAP for column in _widths(names))
    pieces: list[list[int]] = [[]]
    for group in groups:
        if pieces[-1] and sum(widths[c] for c in (*pieces[-1], *group)) > left:
            pieces.append([])
        pieces[-1] += group
    lines = []
    for piece in pieces:
        values = [[""] * len(piece)] * deep + [[row[c] for c in piece] for row in rows]
        own = "<" * len(names[0]) + "".join(sides[c : c + 1] or ">" for c in piece)
        lines.append(aligned([name + value for name, value in zip(names, values, strict=True)], own))
    return Fitted(lines, [[rows[0][c] for c in piece] for piece in pieces], shortened)


def _narrowed(rows: Sequence[Sequence[str]], room: int) -> tuple[list[list[str]], bool]:
    """Columns that are no wider than they must be to fit, of too many the first, and whether anything is lost."""
    count = min(len(rows[0]), max(room // (LEAST + GAP), 1))
    head, values = rows[0][:count], [list(row[:count]) for row in rows[1:]]
    limits = _limits(head, _widths([[""] * count, *values]), room)
    if any(len(cell) > limit for row in values for cell, limit in zip(row, limits, strict=True)):
        columns = [differing(column) for column in zip(*values, strict=True)]
        values = [list(row) for row in zip(*columns, strict=True)]
        limits = _limits(head, _widths([[""] * count, *values]), room)
    heads = [broken(name, limit) for name, limit in zip(head, limits, strict=True)]
    deep = max(map(len, heads), default=1)
    above = list(map(list, zip(*([""] * (deep - len(lines)) + lines for lines in heads), strict=True)))
    names = [[_cut(cell, limit) for cell, limit in zip(row, limits, strict=True)] for row in above]
    cells = [_shortened(column, limit) for column, limit in zip(zip(*values, strict=True), limits, strict=True)]
    narrow = names + [list(row) for row in zip(*cells, strict=True)]
    return narrow, count < len(rows[0]) or narrow != above + [list(row[:count]) for row in rows[1:]]


def _limits(head: Sequence[str], values: Sequence[int], room: int) -> list[int]:
    """The largest widths that fit, those of `values` if they can be kept: a name says more when cut than a number."""
    longest = max(map(len, head), default=LEAST)
    for least in (values, [0] * len(head)):
        for most in range(max(longest, *values, LEAST), LEAST - 1, -1):
            limits = [max(most, width) for width in least]
            lines = [max(map(len, broken(name, limit))) for name, limit in zip(head, limits, strict=True)]
            widths = [min(max(line, value), limit) for line, value, limit in zip(lines, values, limits, strict=True)]
            if sum(widths) + GAP * len(widths) <= room:
                return limits
    return [LEAST] * len(head)


def _shortened(texts: Sequence[str], longest: int) -> list[str]:
    """Texts without their middles, or the parts in which they differ, or numbered: whichever tells them apart first."""
    different = list(dict.fromkeys(texts))
    head = common(different)
    parts = [f"…{text[head:]}" if head else text for text in different]
    for ways in (different, parts):
        cut = {text: _cut(part, longest) for text, part in zip(different, ways, strict=True)}
        if len(set(cut.values())) == len(different):
            return [cut[text] for text in texts]
    number = {text: f"#{n}" for n, text in enumerate(different, 1)}
    return [f"{text[: max(longest - len(number[text]) - 1, 0)]}…{number[text]}"[-longest:] for text in texts]


def _cut(text: str, longest: int) -> str:
    """Without its middle where it is too long."""
    behind = longest // 2
    return text if len(text) <= longest else f"{text[: longest - behind - 1]}…{text[-behind:]}"


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]
