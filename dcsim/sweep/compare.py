"""Variants against one another: means over seeds, and paired differences from a baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.mistakes import hint
from dcsim.sweep.baseline import Baseline, baseline_point, fault
from dcsim.sweep.columns import Point
from dcsim.sweep.comparison import Comparison, Row
from dcsim.sweep.remarks import remarks
from dcsim.sweep.statistics import interval, paired, relative

NOT_MEASURED = ("seed", "status", "error")

Runs = Sequence[dict[str, Any]]


class RunTable(Protocol):
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
    table: RunTable,
    baseline: Baseline | None = None,
    outputs: str | Sequence[str] = (),
    confidence: float = 0.95,
) -> Comparison:
    """The variants of a sweep, over the seeds that ended well.

    `baseline`: what to subtract, by its settings, `{"scheduler.use": "fifo"}` or `"scheduler.use=fifo"` (several with
    commas); a value of the first axis alone will do. Settings that single out a variant mean that one; others mean, for
    each variant, the one that has these and is alike otherwise. `outputs`: columns or one, by default those of the
    experiment. ScenarioError for names that the table does not have, and a confidence that is none.
    """
    if not isinstance(confidence, int | float) or not 0.0 < confidence < 1.0:
        raise ScenarioError(Problem("--confidence", "", "out of range", str(confidence), "between 0 and 1"))
    chosen = names_of(outputs) or table.outputs
    known = measures(table)
    unknown = [output for output in chosen if output not in known]
    if unknown:
        raise fault("outputs", "no such column", unknown[0], hint(unknown[0], known))
    points = by_point(table)
    base = None if baseline is None else baseline_point(baseline, table.axes, list(points))
    found = Comparison(table.axes, base, confidence, (), len({row["seed"] for row in table}))
    rows = []
    for point, runs in points.items():
        other = found.baseline_of(point)
        against = [] if other is None or other == point else points.get(other, [])
        rows += [_row(point, out, values(runs, out), values(against, out), confidence) for out in chosen]
    return replace(found, rows=tuple(rows), remarks=remarks(points, found.baseline_of, table.axes, chosen))


def _row(point: Point, output: str, mine: dict[int, float], theirs: dict[int, float], confidence: float) -> Row:
    """`mine`, `theirs`: the output of a variant and of its baseline by seed."""
    bare = Row(point, output, interval(list(mine.values()), confidence))
    common = [seed for seed in mine if seed in theirs]
    if not common:
        return bare
    ours, base = [mine[seed] for seed in common], [theirs[seed] for seed in common]
    against = paired(ours, base, confidence)
    return replace(
        bare, against=against, relative=relative(against, interval(ours, confidence), interval(base, confidence))
    )


def names_of(given: str | Sequence[str]) -> tuple[str, ...]:
    """Names of columns, of which one may stand alone."""
    return (given,) if isinstance(given, str) else tuple(given)


def measures(table: RunTable) -> tuple[str, ...]:
    """Columns that hold what runs gave: neither what was swept nor how a run ended."""
    return tuple(column for column in table.columns if column not in (*table.axes, *NOT_MEASURED))


def by_point(table: RunTable) -> dict[Point, list[dict[str, Any]]]:
    """The runs of each variant, in the order of the table."""
    points: dict[Point, list[dict[str, Any]]] = {}
    for row in table:
        points.setdefault(tuple(row[axis] for axis in table.axes), []).append(row)
    return points


def values(runs: Runs, output: str) -> dict[int, float]:
    """An output by seed, where it has a value; of a point that was drawn twice, once."""
    return {run["seed"]: float(run[output]) for run in runs if run.get(output) is not None}
