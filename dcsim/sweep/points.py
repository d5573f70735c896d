"""The points of an experiment: every combination, or drawn ones, each a checked scenario with a seed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcsim.scenario.mistakes import Mistakes, quoted
from dcsim.scenario.overrides import Override
from dcsim.sweep.axes import MOST_RUNS, VARIANT, Axis, Choice, Listed, axes_of
from dcsim.sweep.exclusions import exclusions_of
from dcsim.sweep.experiment import SAMPLED, Experiment


@dataclass(frozen=True)
class Point:
    """One combination of settings: what the table shows of it, by axis, and the changes of the base."""

    values: dict[str, Any]
    changes: tuple[Override, ...]

    @property
    def text(self) -> str:
        """`pools.0.nodes = 8, scheduler.use = srtf`."""
        return ", ".join(f"{name} = {value}" for name, value in self.values.items())


def point_of(names: Sequence[str], row: Sequence[Choice]) -> Point:
    """The point with one setting of each axis."""
    return Point({name: c.value for name, c in zip(names, row, strict=True)}, tuple(o for c in row for o in c.changes))


def points_of(experiment: Experiment, mistakes: Mistakes) -> tuple[list[str], list[Point]]:
    """Names of the axes, and all points in the experiment's order; ScenarioError with every mistake, before a list of
    more than `MOST_RUNS` is made."""
    axes = axes_of(experiment, mistakes)
    mistakes.stop_if_any()
    _refuse_too_many(experiment, axes, mistakes)
    rows = _METHODS.get(experiment.sweep.method, _sampled)(experiment, axes, mistakes)
    names = [axis.name for axis in axes]
    exclusions = exclusions_of(experiment, names, mistakes)
    mistakes.stop_if_any()
    points = [point_of(names, row) for row in rows]
    exclusions.note_idle([point.values for point in points], mistakes)
    mistakes.stop_if_any()
    kept = [point for point in points if not exclusions.leave_out(point.values)]
    if not kept:
        mistakes.add(("exclude",), f"leaves none of {len(points)} points")
        mistakes.stop_if_any()
    return names, kept


def seeds_of(experiment: Experiment, base_seed: int) -> list[int]:
    """The seeds of each point."""
    seeds = experiment.sweep.seeds
    return [base_seed + k for k in range(seeds)] if isinstance(seeds, int) else list(seeds)


def _refuse_too_many(experiment: Experiment, axes: list[Axis], mistakes: Mistakes) -> None:
    sweep = experiment.sweep
    sizes = [len(axis.choices) for axis in axes if isinstance(axis, Listed)]
    points = sweep.samples or (max(sizes, default=1) if sweep.method == "zip" else math.prod(sizes))
    runs = points * (sweep.seeds if isinstance(sweep.seeds, int) else len(sweep.seeds))
    if runs > MOST_RUNS:
        mistakes.add(("sweep",), "too many runs", f"{runs:,}", f"at most {MOST_RUNS:,}", "draw some: samples = 1000")
        mistakes.stop_if_any()


def _grid(_: Experiment, axes: list[Axis], __: Mistakes) -> Iterator[tuple[Choice, ...]]:
    return itertools.product(*(axis.choices for axis in axes if isinstance(axis, Listed)))


def _zipped(experiment: Experiment, axes: list[Axis], mistakes: Mistakes) -> Iterator[tuple[Choice, ...]]:
    listed = [axis for axis in axes if isinstance(axis, Listed)]
    swept = [axis for axis in listed if axis.name != VARIANT]
    if len({len(axis.choices) for axis in swept}) > 1:
        counts = ", ".join(f"{quoted(axis.name)}: {len(axis.choices)}" for axis in swept)
        mistakes.add(("sweep", "method"), "zip needs as many values for each key", counts)
        return iter(())
    rows: Iterable[tuple[Choice, ...]] = zip(*(axis.choices for axis in swept), strict=True) if swept else [()]
    if not experiment.variants:
        return iter(rows)
    return ((variant, *row) for variant, row in itertools.product(listed[0].choices, list(rows)))


def _sampled(experiment: Experiment, axes: list[Axis], _: Mistakes) -> Iterator[tuple[Choice, ...]]:
    """Each row of draws becomes a setting of every axis; variants are not drawn: each has all the points."""
    sweep = experiment.sweep
    assert sweep.samples is not None
    assert sweep.method in SAMPLED
    drawn = [axis for axis in axes if axis.name != VARIANT]
    cube = _unit_cube(sweep.method, sweep.samples, len(drawn), sweep.sampling_seed) if drawn else np.empty((1, 0))
    rows = [tuple(axis.at(u) for axis, u in zip(drawn, row, strict=True)) for row in cube.tolist()]
    if not experiment.variants:
        return iter(rows)
    assert isinstance(axes[0], Listed)
    return ((variant, *row) for variant, row in itertools.product(axes[0].choices, rows))


_METHODS = {"grid": _grid, "zip": _zipped}


def _unit_cube(method: str, samples: int, dimensions: int, seed: int) -> Any:
    """Points in [0, 1)^d, shape (samples, d)."""
    from scipy.stats import qmc

    rng = np.random.default_rng(seed)
    if method == "uniform":
        return rng.random((samples, dimensions))
    if method == "sobol":
        exponent = math.ceil(math.log2(samples)) if samples > 1 else 0  # balance holds for powers of two
        return qmc.Sobol(dimensions, rng=rng).random_base2(exponent)[:samples]
    return qmc.LatinHypercube(dimensions, rng=rng).random(samples)
