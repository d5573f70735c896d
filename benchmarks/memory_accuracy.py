"""How near predicted memory comes to published runs: `python -m benchmarks.accuracy memory --data ../shared/data`.

Three questions: did a plan of the strategy grid run or run out of memory; is any run that was measured said not to fit;
how far is the predicted peak from the measured one. Where a file is missing, its question is left out.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels import facts
from dcsim.kernels.facts import Model, Plan
from dcsim.performance import rows
from dcsim.performance.memory import XLA, Allowance, as_kept, available_b, eager, needed_b, shipped
from dcsim.performance.row_cells import Row, Unusable, number
from dcsim.scenario import presets

GIB = 2.0**30
FACTORS = np.arange(1.0, 2.55, 0.1)
FIXED_B = np.arange(0.0, 5.0) * GIB
OUTCOMES = {"ok": True, "oom": False}
NO_SET = "selective recompute of FSDP and XLA names no set of tensors (and may keep some on the host)"
ON_HOST = "full recompute under DeepSpeed ZeRO-3: the published scripts keep checkpoints on the host"
NO_PLAN = "plan is not given"

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """Runs of the strategy grid that ran or ran out of memory; each array has a row a run."""

    models: Floats
    plans: Floats
    ran: Flags
    size: NDArray[np.str_]
    primary: Flags
    sound: Flags  # without stages, or of the code after the fault in its pipelines was mended
    left_out: Counter[str]
    memory_b: float

    def needed_b(self, factor: float | Floats) -> Floats:
        """Bytes that each run needs if plain PyTorch code keeps `factor` times the activations of fused kernels."""
        plans = self.plans.copy()
        plans[:, Plan._fields.index("kept_factor")] = factor
        return needed_b(self.models, plans)

    @property
    def factors(self) -> Floats:
        """What each run is known to keep, by its code, shape (n,)."""
        return np.asarray(self.plans[:, Plan._fields.index("kept_factor")])


def read_grid(path: Path) -> Grid:
    """The grid, without the runs that failed for other reasons and the rows that cannot be told."""
    kept: list[tuple[Model, Plan, Row]] = []
    left_out: Counter[str] = Counter()
    for row in rows_of(path):
        try:
            if row.get("status") not in OUTCOMES:
                raise Unusable(f"status '{row.get('status')}'")
            kept.append((*grid_run(row), row))
        except Unusable as rule:
            left_out[str(rule)] += 1
    return Grid(
        np.array([model for model, _, _ in kept]).reshape(-1, len(Model._fields)),
        np.array([plan for _, plan, _ in kept]).reshape(-1, len(Plan._fields)),
        np.array([OUTCOMES[row["status"]] for _, _, row in kept], dtype=bool),
        np.array([row.get("model") or "" for _, _, row in kept]),
        np.array([row.get("primary") in ("1", "1.0") for _, _, row in kept], dtype=bool),
        np.array([plan.pp == 1.0 or row.get("after_pp_fix") != "0" for _, plan, row in kept], dtype=bool),
        left_out,
        presets.accelerator("H100-SXM").memory or 80e9,
    )


def grid_run(row: Row) -> tuple[Model, Plan]:
    """One run of the grid: Llama models, sequence parallelism, no recompute (the grid's own description)."""
    given = {name: number(row, name) for name in ("layers", "hidden", "heads", "ffn_hidden", "vocab", "seq_len")}
    head_dim, tied = given["hidden"] / given["heads"], float(row.get("tied_embedding") == "y")
    kv_heads, seq_len = number(row, "kv_heads", given["heads"]), given.pop("seq_len")
    model = Model(**given, kv_heads=kv_heads, head_dim=head_dim, gated=1.0, tied=tied)
    tp, pp, dp, micro = (number(row, name) for name in ("tp", "pp", "dp", "micro_batch"))
    plan = Plan(tp, pp, 1.0, dp, 1.0, 1.0, micro, number(row, "global_batch"), seq_len)
    sharding = number(row, "zero_stage", 0.0)
    code = "nanotron" if row.get("after_pp_fix") != "0" else "nanotron before the fix of its pipelines"
    return model, as_kept(plan._replace(sharding=sharding, sequence_parallel=1.0), code)


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of a CSV file."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        yield from csv.DictReader(file)


def right(grid: Grid, needed: Floats, allowance: Allowance) -> Flags:
    """Whether each run is rightly said to fit or not."""
    return np.asarray((needed <= available_b(grid.memory_b, allowance)) == grid.ran)


def left_out_sizes(grid: Grid) -> dict[str, tuple[float, int]]:
    """Share that is right, and runs, of each model size, with factors and fixed bytes fitted on the other sizes alone,
    to sound runs and to others.

    A fit takes the middle of the settings that are right for most runs.
    """
    needed = [grid.needed_b(float(factor)) for factor in FACTORS]
    trials = [(f, shipped()._replace(fixed_b=float(fixed))) for f in range(len(FACTORS)) for fixed in FIXED_B]
    score = np.array([right(grid, needed[f], allowance) for f, allowance in trials])
    found = {}
    for size in sorted(set(grid.size.tolist())):
        own = grid.size == size
        if own.all():
            continue
        good = 0
        for kind in (grid.sound, ~grid.sound):
            others = score[:, ~own & kind].sum(axis=1)
            best = np.flatnonzero(others == others.max())
            good += int(score[best[len(best) // 2], own & kind].sum())
        found[size] = good / int(own.sum()), int(own.sum())
    return found


@dataclass(frozen=True)
class Ran:
    """Measured runs that can be judged: bytes needed and available, shape (n,), and rows left out, by rule."""

    needed_b: Floats
    available_b: Floats
    told: Flags  # every fact that decides memory is given
    source: list[str]
    left_out: Counter[str]

    @property
    def fits(self) -> Flags:
        """Whether each run, which did run, is said to fit."""
        return self.needed_b <= self.available_b


def judge(path: Path) -> Ran:
    """All primary rows. What a row does not say is taken as lean as can be: the run shows that some choice fits."""
    models, plans, available, told, sources = [], [], [], [], []
    left_out: Counter[str] = Counter()
    for row in rows_of(path):
        if (row.get("primary") or "1").strip() not in ("1", "1.0"):
            continue
        try:
            one = rows.configuration(row)
            leave_out(row, one)
        except Unusable as rule:
            left_out[str(rule)] += 1
            continue
        models.append(one.model)
        plans.append(leanest(row, one))
        available.append(available_b(one.accelerator.memory or 0.0))
        told.append(bool(row.get("recompute")) and "micro_batch" not in one.assumed)
        sources.append(one.source)
    needed = needed_b(np.array(models), np.array(plans)) if models else np.empty(0)
    return Ran(needed, np.array(available), np.array(told, dtype=bool), sources, left_out)


def leave_out(row: Row, one: rows.Configuration) -> None:
    """Raises Unusable for a row whose memory does not follow from its columns."""
    framework, sharded = row.get("framework") or "", one.plan.sharding >= facts.ZERO3
    if "plan" in one.assumed:
        raise Unusable(NO_PLAN)
    if one.plan.recompute == facts.SELECTIVE and (sharded or XLA.search(framework)):
        raise Unusable(NO_SET)
    if one.plan.recompute == facts.FULL and sharded and "DeepSpeed" in framework:
        raise Unusable(ON_HOST)


def leanest(row: Row, one: rows.Configuration) -> Plan:
    """The plan of a row with full recompute and a micro-batch of one where nothing is said."""
    plan = as_kept(one.plan, row.get("framework") or "")
    if not row.get("recompute"):
        plan = plan._replace(recompute=facts.FULL)
    if "micro_batch" in one.assumed:
        plan = plan._replace(micro_batch=1.0)
    if not row.get("sequence_parallel") and plan.tp > 1.0:
        plan = plan._replace(sequence_parallel=1.0)
    return plan


def peaks(measured: Path, runs: Path) -> dict[str, Floats]:
    """Predicted, peak allocated and peak reserved bytes of the runs whose memory was measured, shape (n,) each."""
    known = {row.get("id"): row for row in rows_of(runs)}
    found: list[tuple[float, float, float]] = []
    for row in rows_of(measured):
        try:
            allocated, reserved = (number(row, f"peak_{what}_gib") * GIB for what in ("allocated", "reserved"))
            one = rows.configuration(known.get(row.get("training_id"), {"accelerator": ""}))
        except Unusable:
            continue
        found.append((float(needed_b(np.array([one.model]), np.array([one.plan]))[0]), allocated, reserved))
    columns = np.array(found).reshape(-1, 3).T
    return dict(zip(("predicted", "allocated", "reserved"), columns, strict=True))


def error_pct(predicted: Floats, measured: Floats) -> Floats:
    """Absolute error, % of the measurement."""
    return np.abs(predicted / measured - 1.0) * 100.0


def show_grid(path: Path) -> dict[str, object]:
    """Prints how often the fit rule is right on the grid; the same as a dictionary."""
    grid = read_grid(path)
    correct = right(grid, grid.needed_b(grid.factors), shipped())
    untold = right(grid, grid.needed_b(eager().kept_factor), shipped())
    left_out = left_out_sizes(grid)
    print(
        f"strategy grid: {len(correct)} runs judged ({int(grid.ran.sum())} ran, {int((~grid.ran).sum())} out of memory)"
    )
    show_rules(grid.left_out)
    parts = {
        "all": np.ones(len(correct), bool),
        "sound pipelines": grid.sound,
        "faulty pipelines (factor fitted to them)": ~grid.sound,
        "ran": grid.ran,
        "out of memory": ~grid.ran,
        "primary": grid.primary,
    }
    for what, rows_in in parts.items():
        print(f"  right, {what:40} {100 * correct[rows_in].mean():6.2f} % of {int(rows_in.sum())}")
    for size in sorted(set(grid.size.tolist())):
        own = grid.size == size
        told, bare = (100 * answers[own].mean() for answers in (correct, untold))
        print(f"  right, {size:40} {told:6.2f} % of {int(own.sum())}, if the fault is not told {bare:6.2f} %")
    print(f"  right, all, if the fault is not told            {100 * untold.mean():6.2f} % of {len(untold)}")
    for size, (share, count) in left_out.items():
        print(f"  right, fitted without {size:28} {100 * share:6.2f} % of {count}")
    return {
        "grid_rows": len(correct),
        "grid_right": round(float(correct.mean()), 4),
        "grid_right_sound": round(float(correct[grid.sound].mean()), 4),
        "grid_right_fault_untold": round(float(untold.mean()), 4),
        "grid_right_primary": round(float(correct[grid.primary].mean()), 4),
        "grid_right_left_out_min": round(min((share for share, _ in left_out.values()), default=float("nan")), 4),
        "grid_right_left_out": {size: round(share, 4) for size, (share, _) in left_out.items()},
    }


def show_runs(path: Path) -> dict[str, object]:
    """Prints how many measured runs are said to fit; the same as a dictionary."""
    ran = judge(path)
    fits, told = ran.fits, ran.told
    print(f"measured runs: {len(fits)} judged, {int(told.sum())} of them with recompute and micro-batch given")
    show_rules(ran.left_out)
    print(f"  said to fit, all                                {100 * fits.mean():6.2f} %")
    print(f"  said to fit, recompute and micro-batch given    {100 * fits[told].mean():6.2f} %")
    for source, count in Counter(s for s, fit in zip(ran.source, fits, strict=True) if not fit).most_common():
        print(f"  said not to fit: {count:3d} of {source}")
    return {
        "runs": len(fits),
        "runs_said_to_fit": round(float(fits.mean()), 4),
        "runs_told": int(told.sum()),
        "runs_told_said_to_fit": round(float(fits[told].mean()), 4),
        "runs_left_out": sum(ran.left_out.values()),
    }


def show_peaks(measured: Path, runs: Path) -> dict[str, object]:
    """Prints the error of predicted peaks; the same as a dictionary."""
    found = peaks(measured, runs)
    allocated = error_pct(found["predicted"], found["allocated"])
    reserved = error_pct(found["predicted"] * (1.0 + shipped().slack), found["reserved"])
    print(f"measured peaks: {len(allocated)} runs")
    for what, error in (("allocated", allocated), ("reserved", reserved)):
        print(f"  peak {what:12} median error {np.median(error):5.2f} %, largest {error.max():5.2f} %")
    return {
        "peaks": len(allocated),
        "allocated_median_ape": round(float(np.median(allocated)), 3),
        "allocated_max_ape": round(float(allocated.max()), 3),
        "reserved_median_ape": round(float(np.median(reserved)), 3),
        "reserved_max_ape": round(float(reserved.max()), 3),
    }


def show_rules(left_out: Mapping[str, int]) -> None:
    """Prints how many rows each rule left out."""
    for rule, count in sorted(left_out.items(), key=lambda item: (-item[1], item[0])):
        print(f"  left out: {count:4d} {rule}")


def report(data: Path) -> None:
    """Prints all that the folder's files can answer, and one JSON object as the last line."""
    grid, runs, measured = (
        data / f"{name}.csv" for name in ("strategy_grid_h100", "training_measured", "training_memory_measured")
    )
    found: dict[str, object] = {}
    if grid.exists():
        found |= show_grid(grid)
    if runs.exists():
        found |= show_runs(runs)
    if measured.exists() and runs.exists():
        found |= show_peaks(measured, runs)
    print(json.dumps(found))
