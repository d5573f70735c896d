"""Finished runs as a table of variants, or each as one long run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dcsim.errors import Problem, ScenarioError
from dcsim.metrics.summary import NAMES
from dcsim.results import read
from dcsim.run import Run
from dcsim.sweep.columns import Point, plain_value
from dcsim.sweep.compare import compare
from dcsim.sweep.comparison import Comparison, Row
from dcsim.sweep.experiment import Outputs
from dcsim.sweep.remarks import labels, listed
from dcsim.sweep.statistics import BATCHES, LEAST_BATCH, Mean, batch_means, independent, relative
from dcsim.sweep.table import Table
from dcsim.sweep.work import DONE

WITHIN = {"wait_s_mean": "wait_s", "jct_s_mean": "jct_s"}
"""Outputs that are means over jobs, and the columns that they are means of."""
_ABSENT = ""


def runs_table(folders: Sequence[Path]) -> Table:
    """Runs as rows; the axes are the keys of their scenarios in which they differ, seeds apart.

    Runs that differ only in their names are told apart by those. ScenarioError where two have the same scenario.
    """
    return _table([read(folder) for folder in folders])


def batched(
    folders: Sequence[Path], baseline: str | None, outputs: Sequence[str], confidence: float = 0.95
) -> Comparison:
    """Runs against one another with intervals from within each: batch means after the warm-up, jobs in order of
    submission. Runs are taken to be independent. ScenarioError for outputs that are no means over jobs."""
    unknown = [output for output in outputs if output not in WITHIN]
    if unknown:
        what = f"has no values within a run to make batches of; there are {' and '.join(WITHIN)}"
        raise ScenarioError(Problem("--outputs", "", what, f"'{unknown[0]}'"))
    runs = [read(folder) for folder in folders]
    table = _table(runs)
    plain = compare(table, baseline, tuple(outputs) or tuple(WITHIN), confidence)
    run_of = {tuple(row[axis] for axis in table.axes): run for row, run in zip(table, runs, strict=True)}
    if len(run_of) < len(runs):
        raise ScenarioError(
            Problem("--batch-means", "", "two runs differ in their seed alone: compare them without it")
        )
    means = {
        (point, row.output): _within(run, row.output, confidence) for point, run in run_of.items() for row in plain.rows
    }
    rows = []
    for row in plain.rows:
        mean, base = means[row.variant, row.output], None
        if (other := plain.baseline_of(row.variant)) not in (None, row.variant):
            base = means.get((other, row.output))
        bare = Row(row.variant, row.output, mean)
        if base is not None:
            against = independent(mean, base)
            bare = replace(bare, against=against, relative=relative(against, mean, base))
        rows.append(bare)
    short = {point: mean for (point, _), mean in means.items() if math.isnan(mean.half)}
    told = plain.remarks + ((_too_short(short, table.axes, list(run_of)),) if short else ())
    return replace(plain, rows=tuple(rows), remarks=told, counted="jobs")


def _too_short(short: Mapping[Point, Mean], axes: Sequence[str], points: Sequence[Point]) -> str:
    """`short`: runs without an interval, with a mean of what they have."""
    said = [
        f"{name}: {short[point].count}"
        for name, point in zip(labels(points, axes), points, strict=True)
        if point in short
    ]
    return f"too few jobs after the warm-up for an interval, {BATCHES} batches of {LEAST_BATCH} ({listed(said)})"


def _within(run: Run, output: str, confidence: float) -> Mean:
    values = getattr(run.results, WITHIN[output])
    return batch_means(values[~np.isnan(values)], confidence)


def _table(runs: Sequence[Run]) -> Table:
    facts = [_flat(run.scenario.model_dump()) for run in runs]
    keys = list(dict.fromkeys(key for flat in facts for key in flat))
    differ = [k for k in keys if k not in ("seed", "name") and len({str(f.get(k, _ABSENT)) for f in facts}) > 1]
    axes = differ or (["name"] if len({run.scenario.name for run in runs}) > 1 else [])
    points = [tuple(str(flat.get(axis, _ABSENT)) for axis in axes) for flat in facts]
    seen = [(point, run.scenario.seed) for point, run in zip(points, runs, strict=True)]
    twice = next((number for number, key in enumerate(seen) if key in seen[:number]), None)
    if twice is not None:
        raise ScenarioError(Problem(runs[twice].scenario.name, "", "is given twice: the same scenario, the same seed"))
    rows = [
        dict(zip(axes, point, strict=True)) | {"seed": run.scenario.seed, **run.summary, "status": DONE, "error": None}
        for point, run in zip(points, runs, strict=True)
    ]
    names = [name for name in NAMES if any(name in row for row in rows)]
    columns = (*axes, "seed", *names, "status", "error")
    return Table("runs", tuple(axes), Outputs().summary, columns, tuple(rows))


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Values of a tree by dotted path; facts of presets, which the name stands for, left out."""
    if isinstance(value, Mapping) and value:
        if "provenance" in value:
            return {path: value.get("name")}
        return {k: v for key, inner in value.items() for k, v in _flat(inner, f"{path}.{key}" if path else key).items()}
    if isinstance(value, list | tuple) and any(isinstance(inner, Mapping) for inner in value):
        return {k: v for n, inner in enumerate(value) for k, v in _flat(inner, f"{path}.{n}").items()}
    return {path: plain_value(value)}
