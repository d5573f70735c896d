"""Tables of text on a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], sides: str = "") -> list[str]:
    """Lines with the cells of each column under one another, two blanks between columns.

    `sides`: for each column, `<` (left, the default) or `>` (right).
    """
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    padded = sides.ljust(len(widths), "<")
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, padded, widths, strict=True)).rstrip()
        for row in rows
    ]
