"""Variants against one another: means over seeds, and paired differences from a baseline."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.mistakes import hint, quoted
from dcsim.sweep.columns import plain_value, shown
from dcsim.sweep.comparison import Comparison, Point, Row
from dcsim.sweep.statistics import alike, interval, paired

Baseline = str | int | float | Mapping[str, Any]

NOT_MEASURED = ("seed", "status", "error")


class Runs(Protocol):
    """A table of runs; see `sweep.table.Table`."""

    @property
    def axes(self) -> tuple[str, ...]:
        """Columns that were swept."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """Columns that matter."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns."""
        ...

    def __iter__(self) -> Iterator[dict[str, Any]]: ...


def compare(
    table: Runs,
    baseline: Baseline | None = None,
    outputs: Sequence[str] = (),
    confidence: float = 0.95,
) -> Comparison:
    """The variants of a sweep, over the seeds that ended well.

    `baseline`: what to subtract, by its settings, `{"scheduler.use": "fifo"}` or `"scheduler.use=fifo"` (several with
    commas); a value of the first axis alone will do. Settings that single out a variant mean that one; others mean, for
    each variant, the one that has these and is alike otherwise. `outputs`: columns, by default those of the experiment.
    ScenarioError for names that the table does not have.
    """
    chosen = tuple(outputs) or table.outputs
    known = measures(table)
    unknown = [output for output in chosen if output not in known]
    if unknown:
        raise _fault("outputs", "no such column", unknown[0], hint(unknown[0], known))
    points: dict[Point, list[dict[str, Any]]] = {}
    for row in table:
        points.setdefault(tuple(row[axis] for axis in table.axes), []).append(row)
    base = None if baseline is None else _baseline(baseline, table.axes, list(points))
    found = Comparison(table.axes, base, confidence, ())
    rows = []
    for point, runs in points.items():
        other = found.baseline_of(point)
        against = [] if other is None or other == point else points.get(other, [])
        rows += [_row(point, out, _by_seed(runs, out), _by_seed(against, out), confidence) for out in chosen]
    return replace(found, rows=tuple(rows))


def _row(point: Point, output: str, mine: dict[int, float], theirs: dict[int, float], confidence: float) -> Row:
    """`mine`, `theirs`: the output of a variant and of its baseline by seed."""
    bare = Row(point, output, interval(list(mine.values()), confidence))
    common = [seed for seed in mine if seed in theirs]
    if not common:
        return bare
    base = [theirs[seed] for seed in common]
    against = paired([mine[seed] for seed in common], base, confidence)
    return replace(bare, against=against, reference=sum(base) / len(base))


def measures(table: Runs) -> tuple[str, ...]:
    """Columns that hold what runs gave: neither what was swept nor how a run ended."""
    return tuple(column for column in table.columns if column not in (*table.axes, *NOT_MEASURED))


def pareto(table: Runs, first: str, second: str, *, maximize: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The points that no other beats in both outputs, means over seeds, smaller being better unless in `maximize`;
    sorted by the first. Each is a dict of the axes and both means. Means that differ by rounding alone are the same:
    of points that are alike in both outputs, all are there. ScenarioError for names that the table does not have."""
    for name in maximize:
        if name not in (first, second):
            raise _fault("maximize", "is none of the two outputs", name, hint(name, (first, second)))
    found = compare(table, outputs=(first, second)).rows
    means = {(row.variant, row.output): row.mean.value for row in found}
    points = [(p, means[p, first], means[p, second]) for p in dict.fromkeys(row.variant for row in found)]
    known = [(p, a, b) for p, a, b in points if not (math.isnan(a) or math.isnan(b))]
    ranks = zip(
        _ranks([a for _, a, _ in known], first in maximize),
        _ranks([b for _, _, b in known], second in maximize),
        strict=True,
    )
    front: list[dict[str, Any]] = []
    last, best = -1, len(known)
    for (a_rank, b_rank), (point, a, b) in sorted(zip(ranks, known, strict=True), key=lambda both: both[0]):
        if b_rank < best or (a_rank, b_rank) == (last, best):
            last, best = a_rank, b_rank
            front.append(dict(zip(table.axes, point, strict=True)) | {first: a, second: b})
    return front


def _ranks(values: Sequence[float], falling: bool) -> list[int]:
    """The place of each value among all, from 0; those that differ by rounding alone share one."""
    ranks = [0] * len(values)
    order = sorted(range(len(values)), key=values.__getitem__, reverse=falling)
    for before, at in itertools.pairwise(order):
        ranks[at] = ranks[before] + (not alike(values[before], values[at]))
    return ranks


def _by_seed(runs: Sequence[dict[str, Any]], output: str) -> dict[int, float]:
    return {run["seed"]: float(run[output]) for run in runs if run.get(output) is not None}


def _baseline(given: Baseline, axes: Sequence[str], points: Sequence[Point]) -> Point:
    """The one point that has these settings; if there are several, their settings, None for what is left open."""
    wanted = _settings(given, axes, points)
    for key in wanted:
        if key not in axes:
            raise _fault("baseline", "is not swept", key, hint(key, axes))
    where = {axes.index(key): value for key, value in wanted.items()}
    fits = [point for point in points if all(shown(point[i]) == value for i, value in where.items())]
    if fits:
        return fits[0] if len(fits) == 1 else tuple(v if i in where else None for i, v in enumerate(fits[0]))
    for i, value in where.items():
        known = {shown(point[i]) for point in points}
        if value not in known:
            others = [
                f"{axis}={value}" for j, axis in enumerate(axes) if value in {shown(point[j]) for point in points}
            ]
            fix = f"did you mean '{others[0]}'?" if others else hint(value, known)
            raise _fault("baseline", "fits no variant", f"{axes[i]}={value}", fix)
    said = ",".join(f"{key}={value}" for key, value in wanted.items())
    raise _fault("baseline", "fits no variant", said, "no variant has all of these at once")


def _settings(given: Baseline, axes: Sequence[str], points: Sequence[Point]) -> dict[str, str]:
    """Values by key, as the table shows them. `a=1,b=x` is two settings; what has no `=`, or is a value of the first
    axis as it stands, is that."""
    if isinstance(given, Mapping):
        return {str(key): shown(plain_value(value)) for key, value in given.items()}
    if not isinstance(given, str | int | float):
        raise _fault("baseline", "is neither settings nor a value", repr(given), 'such as {"scheduler.use": "fifo"}')
    text = shown(given).strip()
    if "=" not in text or any(text == shown(point[0]) for point in points if point):
        return {axes[0] if axes else "variant": text}
    found: dict[str, str] = {}
    names = "|".join(map(re.escape, axes))
    for part in re.split(rf",\s*(?=(?:{names})\s*=)", text):  # values may have commas of their own
        key, _, value = part.partition("=")
        found[key.strip()] = value.strip()
    return found


def _fault(option: str, what: str, got: str, fix: str | None) -> ScenarioError:
    return ScenarioError(Problem(f"--{option}", "", what, quoted(got), fix=fix))
