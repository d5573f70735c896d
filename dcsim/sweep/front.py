"""The points of a sweep that no other beats in two outputs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dcsim.scenario.mistakes import hint
from dcsim.sweep.baseline import fault
from dcsim.sweep.columns import Point
from dcsim.sweep.compare import RunTable, by_point, compare, names_of, values
from dcsim.sweep.statistics import alike


class Front(list[dict[str, Any]]):
    """The points on it, by the first output, each a dict of the axes and both means. `left_out`: the axes of points
    that lack a value on some seed."""

    left_out: list[dict[str, Any]]


@dataclass(frozen=True)
class _Candidate:
    point: Point
    first: float
    second: float


def pareto(table: RunTable, first: str, second: str, *, maximize: str | Sequence[str] = ()) -> Front:
    """The points that no other beats in both outputs, means over seeds, smaller being better unless in `maximize`;
    sorted by the first. Means that differ by rounding alone are the same: of points that are alike in both outputs, all
    are there. A point that lacks a value on a seed of its own, on which others have theirs, may be good for having
    failed where it is hard: it is left out, and named. ScenarioError for names that the table does not have."""
    larger = names_of(maximize)
    for name in larger:
        if name not in (first, second):
            raise fault("maximize", "is none of the two outputs", name, hint(name, (first, second)))
    means = {(row.variant, row.output): row.mean.value for row in compare(table, outputs=(first, second)).rows}
    lacking = _lacking(table, (first, second))
    known = [_Candidate(p, means[p, first], means[p, second]) for p in by_point(table) if p not in lacking]
    ranks = zip(
        _ranks([one.first for one in known], first in larger),
        _ranks([one.second for one in known], second in larger),
        strict=True,
    )
    front = Front()
    front.left_out = [dict(zip(table.axes, point, strict=True)) for point in lacking]
    last, best = -1, len(known)
    for (a_rank, b_rank), one in sorted(zip(ranks, known, strict=True), key=lambda both: both[0]):
        if b_rank < best or (a_rank, b_rank) == (last, best):
            last, best = a_rank, b_rank
            front.append(dict(zip(table.axes, one.point, strict=True)) | {first: one.first, second: one.second})
    return front


def _lacking(table: RunTable, outputs: Sequence[str]) -> dict[Point, None]:
    """Points without a value of both on one of their seeds, on which some point has them; or without any."""
    points = by_point(table)
    have = {
        point: set.intersection(*(set(values(runs, output)) for output in outputs)) for point, runs in points.items()
    }
    some = set[int]().union(*have.values())
    return {
        point: None
        for point, runs in points.items()
        if not have[point] or not have[point] >= some.intersection(run["seed"] for run in runs)
    }


def _ranks(numbers: Sequence[float], falling: bool) -> list[int]:
    """The place of each value among all, from 0; those that differ by rounding alone share one."""
    ranks = [0] * len(numbers)
    order = sorted(range(len(numbers)), key=numbers.__getitem__, reverse=falling)
    for before, at in itertools.pairwise(order):
        ranks[at] = ranks[before] + (not alike(numbers[before], numbers[at]))
    return ranks
