"""CSV files of measurements by others: whatever the order of columns, quotes, blanks and ends of lines."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from dcsim.errors import Problem, ScenarioError, TraceError
from dcsim.scenario.source import decoded


def text_of(path: Path) -> str:
    """The text of a file that the user names; ScenarioError where it is no file, may not be read, or is not UTF-8."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise _fault(path, "no such file") from None
    except IsADirectoryError:
        raise _fault(path, "is a directory", "a CSV file") from None
    except PermissionError:
        raise _fault(path, "may not be read", fix="give yourself the right to read it") from None
    except ValueError as error:
        raise _fault(path, f"is not a path: {error}") from None
    return decoded(content, str(path))


def _fault(path: Path, what: str, expected: str | None = None, fix: str | None = None) -> ScenarioError:
    return ScenarioError(Problem(str(path), "", what, expected=expected, fix=fix))


def rows_of(path: Path, needed: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """All rows that are not empty, each with its line: texts by column, "" where a row is short.

    TraceError if the file is no CSV in UTF-8, lacks a needed column, or has no row.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(_rows(csv.reader(file, skipinitialspace=True), path, needed))
    except (csv.Error, UnicodeDecodeError) as error:
        raise TraceError(Problem(str(path), "", f"cannot be read as CSV: {error}")) from None
    if not rows:
        raise TraceError(Problem(str(path), "", "has no rows"))
    return rows


def _rows(lines: Iterator[list[str]], path: Path, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    names = [name.strip() for name in next(lines, [])]
    missing = [name for name in needed if name not in names]
    if missing:
        raise TraceError(Problem(str(path), ", ".join(missing), "no such column"))
    for cells in lines:
        texts = [cell.strip() for cell in cells]
        if any(texts):
            yield lines.line_num, dict.fromkeys(names, "") | dict(zip(names, texts, strict=False))  # type: ignore[attr-defined]
