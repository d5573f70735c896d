"""All that is wrong with a row that asks a question: cells, names, precision, positions and plan, all told at once.

Runs that were measured are read more kindly (rows.py): what they ran in stands in for a precision that a datasheet
lacks, 0 for what is not given, and another plan for one that cannot be.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from dcsim.errors import Problem
from dcsim.performance import rows
from dcsim.performance.plan_rules import Setting
from dcsim.performance.precisions import advised, has_peak, listed
from dcsim.performance.row_cells import NEVER_ZERO, Row, number, usable, whole, wrong
from dcsim.performance.row_models import CELLS, model_of, preset_of
from dcsim.performance.row_plans import impossible
from dcsim.performance.row_text import precision_of
from dcsim.scenario.spec import Accelerator

MOST_LINES = 5  # that are named of a mistake


def problems(row: Row, where: Path, line: int) -> list[Problem]:
    """Every mistake of a row, with its place; empty if it can be predicted."""
    found = [rule.problem for rule in rows.mistakes(row)]
    unread = {problem.key for problem in found}
    # What cannot be read is no ground for another mistake: beside it, the row is as if it were not given.
    sound = {**row, **dict.fromkeys(unread, "")}
    chip = usable(rows.accelerator_of, sound)
    if chip is not None:
        found += _precision(sound, chip)
    found += _zeros(sound)
    if not unread & {"model", *CELLS}:
        found += [*_positions(sound), *_plan(sound, chip, unread)]
    return [replace(problem, file=str(where), line=line) for problem in found]


def gathered(found: Iterable[Problem]) -> list[Problem]:
    """Those that differ in nothing but their line become one, in the order of their first lines."""
    lines: dict[Problem, list[int | None]] = {}
    for problem in found:
        lines.setdefault(replace(problem, line=None), []).append(problem.line)
    return [replace(one, line=at[0], what=f"{one.what}{_also(at[1:])}") for one, at in lines.items()]


def _also(lines: list[int | None]) -> str:
    """Further lines, the first of some: `, as in lines 7, 9 and 21 more`."""
    if not lines:
        return ""
    rest = len(lines) - MOST_LINES
    named = ", ".join(str(line) for line in lines[:MOST_LINES])
    return f", as in line{'s' if len(lines) > 1 else ''} {named}" + (f" and {rest} more" if rest > 0 else "")


def _precision(row: Row, chip: Accelerator) -> Iterator[Problem]:
    """A precision that is asked for and that the device lacks."""
    asked = precision_of(row.get("precision") or "") or ""
    if (row.get("precision") or "").strip() and not has_peak(chip, asked):
        other = advised(chip, asked)
        fix = None if other is None else f"write {other}"
        what, has = f"{chip.name} lacks this precision", f"one of {', '.join(listed(chip))}"
        yield wrong(row, "precision", what, has, fix).problem


def _zeros(row: Row) -> Iterator[Problem]:
    for name in NEVER_ZERO:
        if (row.get(name) or "").strip() and number(row, name) == 0.0:
            yield wrong(row, name, "must be > 0", whole(name), "leave it empty where it is not known").problem


def _positions(row: Row) -> Iterator[Problem]:
    """A sequence that is longer than the positions of the preset that the row names."""
    named = preset_of(row)
    limits = [] if named is None else [limit for limit in (named.max_sequence, named.positions) if limit]
    if named is not None and number(row, "seq_len", 0.0) > min(limits, default=math.inf):
        what, most = f"longer than the positions of {named.name} allow", f"at most {min(limits)}"
        yield wrong(row, "seq_len", what, most, f"write {min(limits)}").problem


def _plan(row: Row, chip: Accelerator | None, unread: Container[str]) -> list[Problem]:
    """Every rule that the degrees break."""
    domain = Setting.domain if chip is None else rows.domain_of(row, chip)
    return impossible(row, model_of(row, []), domain, unread)
