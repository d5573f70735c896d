"""optimize(experiment): the best point, or the front of several objectives, among those that keep the constraints."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcsim import results
from dcsim.errors import DcsimError, ScenarioError
from dcsim.sweep.axes import Axis, Choice, Listed
from dcsim.sweep.checks import Kinds, refusals
from dcsim.sweep.columns import plain_value
from dcsim.sweep.exclusions import Exclusions, exclusions_of
from dcsim.sweep.folder import Folder, Shard
from dcsim.sweep.maker import Maker, Making, Progress, maker
from dcsim.sweep.points import Point, point_of
from dcsim.sweep.prepared import Basis, Prepared, read_basis
from dcsim.sweep.questions import Optimize
from dcsim.sweep.space import Answer, answers, extra, space_of
from dcsim.sweep.table import Table

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

KEPT, VIOLATED, FAILED, EXCLUDED = "kept", "violated", "failed", "excluded"
STUDIES = "optuna.sqlite"


@dataclass(frozen=True)
class Trial:
    """A point that was tried. `outputs`: means over seeds of objectives and constrained keys; `violations`: how far
    outside each bound it is that it does not keep, as a share of the bound; `error`: why there are no outputs;
    `excluded`: the experiment leaves the point out, and it was not run."""

    number: int
    values: dict[str, Any]
    outputs: dict[str, float]
    violations: dict[str, float]
    error: str | None
    excluded: bool = False

    @property
    def status(self) -> str:
        """`kept` (all constraints), `violated`, `failed` or `excluded`."""
        if self.excluded:
            return EXCLUDED
        return FAILED if self.error is not None else VIOLATED if self.violations else KEPT


@dataclass(frozen=True)
class Optimum:
    """What a search has found.

    `objectives`: `minimize` or `maximize` by key; `outputs`: objectives, then constrained keys; `best`: the trials that
    keep all constraints and that no other such trial beats, being as good in every objective and better in one, each
    point once; sorted by the first objective.
    """

    name: str
    axes: tuple[str, ...]
    objectives: dict[str, str]
    outputs: tuple[str, ...]
    trials: tuple[Trial, ...]
    best: tuple[Trial, ...]

    def table(self, trials: Sequence[Trial]) -> Table:
        """Trials by row: number, axes, outputs, status, violated bounds, error."""
        columns = ("trial", *self.axes, *self.outputs, "status", "violated", "error")
        rows = [
            {"trial": t.number, **t.values, **t.outputs, "status": t.status, "error": t.error}
            | {"violated": "; ".join(t.violations) or None}
            for t in trials
        ]
        return Table(self.name, self.axes, self.outputs, columns, tuple(rows))

    def nearest(self) -> Trial | None:
        """The trial that violates the constraints least, by the sum over bounds; None where none has outputs."""
        known = [trial for trial in self.trials if trial.status not in (FAILED, EXCLUDED)]
        return min(known, key=lambda trial: sum(trial.violations.values()), default=None)


def optimize(
    experiment: str | Path | Mapping[str, Any],
    out: str | Path = "results",
    **options: Any,
) -> Optimum:
    """Search the space of an experiment, a file or its content as a dict, for what its table `[optimize]` asks for.

    `options`: `data, overrides, plugins` of `dcsim.load`, and those of `Making`. Writes `optimum.csv` and `trials.csv`
    into the folder of the experiment under `out`, which a sweep shares: what is done already is not done again.
    ScenarioError with every mistake before anything runs; EnvironmentFault where the folder cannot be used or Optuna is
    not installed.
    """
    changes = {key: options.pop(key) for key in ("data", "overrides", "plugins") if key in options}
    basis = read_basis(experiment, **changes)
    return optimize_basis(basis, Path(out), Making(**options))


def optimize_basis(basis: Basis, out: Path, making: Making) -> Optimum:
    """The same for an experiment that is read."""
    axes = space_of(basis, "optimize")
    spec = basis.experiment.optimize
    assert spec is not None
    with extra("Optuna", "optimize"):
        from dcsim.sweep.study import search, stored
    names = [axis.name for axis in axes]
    excluded, corners = _checked(basis, axes)
    folder = Folder(out / basis.experiment.name, Shard())
    with (
        maker(basis.experiment, folder, making) as made,
        stored(folder.path / STUDIES, _study_name(basis, corners, spec), spec, making.told) as kept,
    ):
        _refuse_hopeless(corners, made)
        study = search(spec, axes, kept, _Runner(basis, names, made, excluded))
        found = _optimum(basis, axes, study)
        for name, chosen in (("optimum", found.best), ("trials", found.trials)):
            results.write_text(folder.path / f"{name}.csv", found.table(chosen).csv())
    return found


def _checked(basis: Basis, axes: Sequence[Axis]) -> tuple[Exclusions, Prepared]:
    """What is left out of the space, and its corners without that; ScenarioError with every mistake in them."""
    names, corners = [axis.name for axis in axes], list(_corners(axes))
    excluded = exclusions_of(basis.experiment, names, basis.mistakes)
    basis.mistakes.stop_if_any()
    lists = [axis.name for axis in axes if isinstance(axis, Listed)]
    excluded.note_idle([point.values for point in corners], basis.mistakes, lists)
    left = [point for point in corners if not excluded.leave_out(point.values)]
    if not left:
        basis.mistakes.add(("exclude",), "leaves out every end of the space that is searched")
    basis.mistakes.stop_if_any()
    return excluded, basis.prepared(names, left)


def _refuse_hopeless(corners: Prepared, made: Maker) -> None:
    """ScenarioError with what the runs of every corner would refuse; what those of some would, is for the search."""
    if not any(key in made.known for key in corners.keys):
        points = list(zip(corners.points, corners.scenarios, strict=True))
        found = refusals(points, Kinds(made.folder.traces), made.making.checked)
        if hopeless := [problem for problem, at in found.items() if len(at) == len(points)]:
            raise ScenarioError(hopeless)


class _Runner:
    """Makes the points of a search, batch by batch; one that is no legal scenario has failed, and one that is excluded
    is passed over."""

    def __init__(self, basis: Basis, names: list[str], maker: Maker, excluded: Exclusions) -> None:
        self._basis, self._names, self._maker, self._excluded = basis, names, maker, excluded
        self._begun = time.monotonic()
        self._kept: int | None = None  # trials before the first that is made
        self._failed = 0

    def __call__(self, first: int, rows: Sequence[Sequence[Choice]]) -> list[Answer]:
        """What the points say, the first of which is so many trials from the beginning of the search."""
        found: dict[int, Answer] = {}
        legal: dict[int, Prepared] = {}
        for number, point in enumerate(point_of(self._names, row) for row in rows):
            if self._excluded.leave_out(point.values):
                found[number] = Answer({}, excluded=True)
                continue
            try:
                legal[number] = self._basis.prepared(self._names, [point])
            except DcsimError as error:
                found[number] = Answer({}, "; ".join(error.lines()))
        if legal:
            told = replace(self._maker.making, progress=partial(self._progress, first, len(rows)))
            made = answers(replace(self._maker, making=told), _together(list(legal.values())), outputs_of(self._spec))
            found |= dict(zip(legal, made, strict=True))
        self._failed += sum(answer.error is not None for answer in found.values())
        return [found[number] for number in range(len(rows))]

    @property
    def _spec(self) -> Optimize:
        assert self._basis.experiment.optimize is not None
        return self._basis.experiment.optimize

    def _progress(self, first: int, points: int, batch: Progress) -> None:
        """Tell of the whole search, in trials, instead of one batch in runs."""
        self._kept = first if self._kept is None else self._kept
        done = first - self._kept + points * batch.done // max(batch.runs, 1)
        runs, wall_s = self._spec.trials - self._kept, time.monotonic() - self._begun
        self._maker.making.progress(Progress(runs, done, self._failed, self._kept, wall_s))


def _together(parts: Sequence[Prepared]) -> Prepared:
    """The points and runs of all, so that they run side by side."""
    points = [point for part in parts for point in part.points]
    scenarios = [loaded for part in parts for loaded in part.scenarios]
    return replace(parts[0], points=points, scenarios=scenarios, runs=[run for part in parts for run in part.runs])


def _corners(axes: Sequence[Axis]) -> Iterator[Point]:
    """Every value of a list and both ends of a range, the other axes at their beginning: most mistakes show there."""
    names = [axis.name for axis in axes]
    begin = [axis.between(0.0) for axis in axes]
    yield point_of(names, begin)
    for number, axis in enumerate(axes):
        others = axis.choices[1:] if isinstance(axis, Listed) else [axis.between(1.0)]
        for choice in others:
            yield point_of(names, [*begin[:number], choice, *begin[number + 1 :]])


def outputs_of(spec: Optimize) -> tuple[str, ...]:
    """Keys of the summary that a search looks at: objectives, then constrained ones."""
    return tuple(dict.fromkeys((*spec.directions, *spec.constraints)))


def _study_name(basis: Basis, corners: Prepared, spec: Optimize) -> str:
    """A name that changes with all that the choice and the results of points depend on, the number of trials apart."""
    asked = spec.model_dump(mode="json", exclude={"trials"})
    space = basis.experiment.model_dump(mode="json", include={"sweep", "variants", "exclude"})
    text = json.dumps([corners.keys, asked, list(space.values())], sort_keys=True)
    return f"{basis.experiment.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _optimum(basis: Basis, axes: Sequence[Axis], study: Study) -> Optimum:
    from dcsim.sweep.study import setting

    spec = basis.experiment.optimize
    assert spec is not None

    def trial_of(frozen: FrozenTrial) -> Trial:
        """A trial as the study keeps it."""
        values = {axis.name: plain_value(setting(axis, frozen.params[axis.name]).value) for axis in axes}
        outside = {name: value for name, value in frozen.constraints.items() if value > 0.0}
        attributes, pruned = frozen.user_attrs, frozen.state.name == "PRUNED"
        return Trial(frozen.number, values, attributes["outputs"], outside, attributes.get("error"), pruned)

    front = {tuple(trial.values.values()): trial for trial in reversed([trial_of(best) for best in study.best_trials])}
    first, direction = next(iter(spec.directions.items()))
    sign = 1.0 if direction == "minimize" else -1.0
    best = sorted(front.values(), key=lambda trial: (sign * trial.outputs[first], trial.number))
    names, outputs = tuple(axis.name for axis in axes), outputs_of(spec)
    trials = tuple(trial_of(frozen) for frozen in study.get_trials(deepcopy=False))
    return Optimum(basis.experiment.name, names, spec.directions, outputs, trials, tuple(best))
