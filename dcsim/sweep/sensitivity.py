"""sensitivity(experiment): which swept keys an output depends on, by SALib.

Samples are drawn in the unit cube and become settings of the axes, so that logarithmic ranges, lists and whole numbers
count as what they are. Needs the extra `optimize`.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcsim import results
from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.mistakes import quoted
from dcsim.sweep.axes import MOST_RUNS, Axis, Listed
from dcsim.sweep.experiment import Experiment
from dcsim.sweep.folder import Folder, Shard
from dcsim.sweep.maker import Making, maker
from dcsim.sweep.points import point_of
from dcsim.sweep.prepared import Basis, read_basis
from dcsim.sweep.questions import Sensitivity
from dcsim.sweep.space import answers, extra, space_of

Floats = NDArray[np.float64]

TRAJECTORIES, LEVELS, SAMPLES = 10, 4, 256
MEASURES = {"morris": ("mu", "mu_star", "mu_star_conf", "sigma"), "sobol": ("S1", "S1_conf", "ST", "ST_conf")}
RANKED_BY = {"morris": "mu_star", "sobol": "ST"}


@dataclass(frozen=True)
class Index:
    """How one output depends on one swept key. `measures`: by SALib's names; None where the output is the same at all
    points, so that there is nothing to share out (Sobol)."""

    output: str
    key: str
    measures: dict[str, float | None]


@dataclass(frozen=True)
class Indices:
    """What an analysis has found. `rows`: by output, then by key, those that matter most first.

    Morris: `mu` and `mu_star`, mean and mean size of the change of the output when the key moves through its whole
    range; `sigma`, their standard deviation: what is not linear or depends on other keys. Sobol: shares of the output's
    variance, `S1` by the key alone, `ST` with all it does together with others. `_conf`: half of the 95 % interval.
    """

    name: str
    method: str
    points: int
    rows: tuple[Index, ...]

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the measures."""
        return MEASURES[self.method]

    def of(self, output: str) -> list[Index]:
        """The keys of one output, those that matter most first."""
        return [row for row in self.rows if row.output == output]

    @property
    def outputs(self) -> list[str]:
        """The outputs, in the experiment's order."""
        return list(dict.fromkeys(row.output for row in self.rows))

    def csv(self) -> str:
        """All numbers in full."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["output", "key", *self.measures])
        for row in self.rows:
            writer.writerow([row.output, row.key, *(row.measures[name] for name in self.measures)])
        return out.getvalue()


def sensitivity(experiment: str | Path | Mapping[str, Any], out: str | Path = "results", **options: Any) -> Indices:
    """Run the points that the table `[sensitivity]` of an experiment, a file or its content as a dict, asks for, and
    say how outputs depend on the swept keys.

    `options`: `data, overrides, plugins` of `dcsim.load`, and those of `Making`. Writes `sensitivity.csv` into the
    folder of the experiment under `out`, which a sweep shares: what is done already is not done again. ScenarioError
    with every mistake of every point before anything runs, and where a run fails; EnvironmentFault where the folder
    cannot be used or SALib is not installed.
    """
    changes = {key: options.pop(key) for key in ("data", "overrides", "plugins") if key in options}
    return sensitivity_of(read_basis(experiment, **changes), Path(out), Making(**options))


def sensitivity_of(basis: Basis, out: Path, making: Making) -> Indices:
    """The same for an experiment that is read."""
    axes = _axes(basis)
    experiment, spec = basis.experiment, basis.experiment.sensitivity
    assert spec is not None
    with extra("SALib", "sensitivity"):
        import SALib  # noqa: F401 - its parts are imported where they are called
    _refuse_too_many(experiment, spec, len(axes))
    cube = sample(spec, len(axes))
    names = [axis.name for axis in axes]
    points = [point_of(names, row) for row in settings(spec, axes, cube)]
    prepared = basis.prepared(names, points, making.checked)
    outputs = spec.outputs or experiment.outputs.summary
    with maker(experiment, Folder(out / experiment.name, Shard()), making) as made:
        made.check(prepared)
        found = answers(made, prepared, outputs)
        failed = [(p, a.error) for p, a in zip(prepared.points, found, strict=True) if a.error is not None]
        if failed:
            what = f"{len(failed)} of {len(found)} points have failed, and indices need all of them"
            first, error = failed[0]
            raise ScenarioError(Problem(experiment.name, first.text, what, error))
        values = {output: np.array([answer.outputs[output] for answer in found]) for output in outputs}
        rows = [row for output in outputs for row in _ranked(output, names, analyze(spec, cube, values[output]), spec)]
        indices = Indices(experiment.name, spec.method, len(cube), tuple(rows))
        results.write_text(made.folder.path / "sensitivity.csv", indices.csv())
    return indices


def sample(spec: Sensitivity, dimensions: int) -> Floats:
    """Points of the unit cube, shape (points, dimensions).

    Morris (1991): trajectories that move one key after the other; Saltelli et al. (2010): two samples of Sobol's
    sequence, and the first with each column of the second.
    """
    problem = _problem(dimensions)
    if spec.method == "morris":
        from SALib.sample import morris

        drawn = morris.sample(problem, spec.trajectories or TRAJECTORIES, spec.levels or LEVELS, seed=spec.seed)
    else:
        from SALib.sample import sobol

        drawn = sobol.sample(problem, spec.samples or SAMPLES, calc_second_order=False, seed=spec.seed)
    return np.asarray(drawn, dtype=np.float64)


def settings(spec: Sensitivity, axes: Sequence[Axis], cube: Floats) -> list[list[Any]]:
    """The settings of each point: Morris' levels lie between both ends, a sample of Sobol takes all with equal
    probability."""
    place = [axis.between if spec.method == "morris" else axis.at for axis in axes]
    return [[at(share) for at, share in zip(place, row, strict=True)] for row in cube.tolist()]


def analyze(spec: Sensitivity, cube: Floats, values: Floats) -> dict[str, Floats]:
    """Measures by name, each of shape (dimensions,), of an output at the points of `sample`, shape (points,).

    NaN where the output is the same at all points, so that it has no variance to share out (Sobol).
    """
    problem = _problem(cube.shape[1])
    if spec.method == "morris":
        from SALib.analyze import morris

        found = morris.analyze(problem, cube, values, num_levels=spec.levels or LEVELS, seed=spec.seed)
    elif np.ptp(values) == 0.0:
        found = dict.fromkeys(MEASURES["sobol"], np.full(cube.shape[1], np.nan))
    else:
        from SALib.analyze import sobol

        rng = np.random.default_rng(spec.seed)  # for SALib the number 0 is no seed
        found = sobol.analyze(problem, values, calc_second_order=False, seed=rng)
    return {name: np.asarray(found[name], dtype=np.float64) for name in MEASURES[spec.method]}


def _problem(dimensions: int) -> dict[str, Any]:
    return {
        "num_vars": dimensions,
        "names": [str(number) for number in range(dimensions)],
        "bounds": [[0.0, 1.0]] * dimensions,
    }


def _ranked(output: str, names: Sequence[str], found: dict[str, Floats], spec: Sensitivity) -> list[Index]:
    """The keys that matter most first; equal ones in the experiment's order."""
    rows = [
        Index(output, key, {name: _plain(float(found[name][number])) for name in MEASURES[spec.method]})
        for number, key in enumerate(names)
    ]
    return sorted(rows, key=lambda row: -(row.measures[RANKED_BY[spec.method]] or 0.0))


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value


def _axes(basis: Basis) -> list[Axis]:
    """The axes, of which Morris can go along; ScenarioError with those of which it cannot."""
    axes = space_of(basis, "sensitivity")
    spec, mistakes = basis.experiment.sensitivity, basis.mistakes
    assert spec is not None
    levels = spec.levels or LEVELS
    for axis in axes if spec.method == "morris" else ():
        place = ("variants",) if axis.name not in basis.experiment.axes else ("sweep", axis.name)
        if not isinstance(axis, Listed):
            continue
        if not axis.ordered:
            what = "has no order, so that there is no way from its first value to its last"
            mistakes.add(place, what, fix=f'use method = "sobol" under [sensitivity] for {quoted(axis.name)}')
        elif len(axis.choices) != levels:
            fix = "give as many values as levels, or a range"
            mistakes.add(place, "does not fit the levels of [sensitivity]", str(len(axis.choices)), str(levels), fix)
    mistakes.stop_if_any()
    return axes


def _refuse_too_many(experiment: Experiment, spec: Sensitivity, dimensions: int) -> None:
    one = (dimensions + 1) * (spec.trajectories or TRAJECTORIES)
    points = one if spec.method == "morris" else (dimensions + 2) * (spec.samples or SAMPLES)
    seeds = experiment.sweep.seeds
    runs = points * (seeds if isinstance(seeds, int) else len(seeds))
    if runs > MOST_RUNS:
        raise ScenarioError(
            Problem(experiment.name, "sensitivity", "too many runs", f"{runs:,}", f"at most {MOST_RUNS:,}")
        )
