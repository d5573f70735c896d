"""Where step times of nanotron's strategy grid fail: `python -m benchmarks.accuracy grid --data ../shared/data`.

strategy_grid_h100.csv tells of its runs what their rows in training_measured.csv do not: whether a run is of the
earlier campaign or of the later one, after a fix of the pipeline code (all runs with stages that count were made with
it), and which plans ran both with and without ZeRO-1. Runs that count (`primary`) and ran, by the constants that ship.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.memory_accuracy import rows_of
from benchmarks.training_accuracy import line, untested
from dcsim.performance.calibrate import calibrate, predict
from dcsim.performance.row_cells import Row
from dcsim.performance.rows import Configuration, Configurations, configurations, read
from dcsim.performance.scores import score

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DESCRIPTION = {
    "accelerator": "H100-80GB-SXM", "accelerators_per_node": "8", "precision": "bf16", "mlp_type": "swiglu",
    "framework": "nanotron", "flash_attention": "y", "recompute": "none",
}  # fmt: skip
"""What holds for all runs of the grid, in the columns of training_measured.csv."""

FEW = 8
"""Micro-batches a step up to which what happens once a step is not lost in the rest."""


@dataclass(frozen=True)
class Runs:
    """Runs of the grid: rows, configurations, times of a step measured and predicted, s, and campaigns, shape (n,)."""

    rows: list[Row]
    found: Configurations
    measured_s: Floats
    predicted_s: Floats
    later: Flags


def described(row: Row) -> Row:
    """A row of the grid in the columns of training_measured.csv."""
    return {
        **row,
        **DESCRIPTION,
        "sharding": "zero1" if row["zero_stage"] == "1" else "none",
        "sequence_parallel": "n" if row["tp"] == "1" else "y",
        "tokens_per_s_per_accelerator": row["tokens_per_s_per_gpu"],
    }


def read_runs(path: Path) -> Runs:
    """The runs that count and ran."""
    rows = [row for row in rows_of(path) if row["status"] == "ok" and row["primary"] == "1"]
    found = configurations(described(row) for row in rows)
    later = np.array([row["after_pp_fix"] == "1" for row in rows])
    return Runs(rows, found, found.tokens / found.measured, found.tokens / predict(found), later)


def excess_ms(runs: Runs) -> Floats:
    """What a layer and micro-batch takes beyond the prediction, ms, bubbles counted as micro-batches, shape (n,)."""
    plans = [one.plan for one in runs.found.rows]
    turns = np.array([p.global_batch / (p.dp * p.micro_batch) + p.pp - 1.0 for p in plans])
    layers = np.array([one.model.layers / one.plan.pp for one in runs.found.rows])
    return np.asarray(1e3 * (runs.measured_s - runs.predicted_s) / (turns * layers))


def kind(one: Configuration, later: bool) -> str:
    """Campaign, nodes, stages and tensor degree of a run of one or two samples a micro-batch."""
    nodes = "one node" if one.accelerators <= one.domain else "64 nodes" if one.accelerators > 256.0 else "2-32 nodes"
    stages = "stages" if one.plan.pp > 1.0 else "one stage"
    return f"{'later' if later else 'earlier'}, {nodes}, {stages}, t = {one.plan.tp:2.0f}"


def campaigns(runs: Runs) -> list[str]:
    """A line for each kind of run with small micro-batches: excess and how often too fast the prediction is."""
    groups: dict[str, list[int]] = defaultdict(list)
    for i, (one, later) in enumerate(zip(runs.found.rows, runs.later, strict=True)):
        if one.plan.micro_batch <= 2.0:
            groups[kind(one, bool(later))].append(i)
    excess, ratio = excess_ms(runs), runs.measured_s / runs.predicted_s
    head = f"{'micro-batches of 1 or 2, medians':44}{'runs':>6}{'excess, ms':>12}{'measured/predicted':>20}"
    return [head] + [
        f"  {name:42}{len(i):>6}{np.median(excess[i]):>12.1f}{np.median(ratio[i]):>20.2f}"
        for name, i in sorted(groups.items())
    ]


def plan_of(row: Row, *but: str) -> tuple[str, ...]:
    """What makes two runs equal, apart from some columns."""
    names = ("model", "n_accelerators", "tp", "pp", "micro_batch", "accumulation", "zero_stage", "after_pp_fix")
    return tuple(row[name] for name in names if name not in but)


def pairs(runs: Runs, column: str) -> NDArray[np.intp]:
    """Places of runs that differ in one column alone, 0 first, shape (pairs, 2)."""
    by_plan: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
    for i, row in enumerate(runs.rows):
        by_plan[plan_of(row, column)][row[column]] = i
    return np.array([(both["0"], both["1"]) for both in by_plan.values() if len(both) == 2], np.intp).reshape(-1, 2)


def zero_pairs(runs: Runs) -> NDArray[np.intp]:
    """Plans of the earlier campaign on 2 to 32 nodes, of few micro-batches, without ZeRO-1 and with it."""
    rows = runs.found.rows
    return np.array(
        [
            (off, on)
            for off, on in pairs(runs, "zero_stage")
            if not runs.later[off]
            and rows[off].ordinary
            and rows[off].domain < rows[off].accelerators <= 256.0
            and float(runs.rows[off]["accumulation"]) <= FEW
        ],
        np.intp,
    ).reshape(-1, 2)


def report(data: Path) -> None:
    """Print the tables; the last line is one JSON object."""
    runs = read_runs(data / "strategy_grid_h100.csv")
    print("\n".join(campaigns(runs)))
    print("\nthe same plan in both campaigns, measured")
    for before, after in pairs(runs, "after_pp_fix"):
        plan = " ".join(plan_of(runs.rows[before], "after_pp_fix"))
        print(f"  {plan}: {runs.measured_s[before]:.2f} s, then {runs.measured_s[after]:.2f} s")
    off, on = zero_pairs(runs).T
    measured, predicted = (float(np.median(s[on] - s[off])) for s in (runs.measured_s, runs.predicted_s))
    print(f"\nZeRO-1 adds to a step, median of {len(on)} pairs: measured {measured:.3f} s, predicted {predicted:.3f} s")
    rows = configurations(untested(read(data / "training_measured.csv")))
    slow = {one.id for one, later in zip(runs.found.rows, runs.later, strict=True) if later and across_nodes(one)}
    apart = np.array([one.id in slow for one in rows.rows])
    outside, usual = calibrate(rows).outside, rows.ordinary
    print(f"\n{'sources left out, error, %':44}{'rows':>6}{'median':>9}{'p90':>9}{'bias':>9}")
    for name, part in (
        ("ordinary rows", usual),
        ("  later campaign, several nodes, t > 1", usual & apart),
        ("  all others", usual & ~apart),
    ):
        print(line(name, score(outside[part], rows.measured[part])))
    others = score(outside[usual & ~apart], rows.measured[usual & ~apart])
    figures = {"zero_1_measured_s": measured, "zero_1_predicted_s": predicted, "others_p90_ape": others.p90}
    print(json.dumps({name: round(value, 5) for name, value in figures.items()}))


def across_nodes(one: Configuration) -> bool:
    """Whether a run has tensor parallelism and more than one node."""
    return one.plan.tp > 1.0 and one.accelerators > one.domain
