"""An experiment with its base: every point checked, every run with its key, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dcsim.errors import DcsimError, Problem, ScenarioError
from dcsim.scenario.load import load
from dcsim.scenario.loaded import Loaded, Source
from dcsim.scenario.mistakes import Mistakes, key_text, quoted
from dcsim.scenario.overrides import OPTION, Override, parse
from dcsim.scenario.source import Document
from dcsim.scenario.toml_text import toml
from dcsim.sweep.checks import Checked, Kinds, faults
from dcsim.sweep.experiment import Experiment, checked, read_experiment
from dcsim.sweep.identity import run_key
from dcsim.sweep.points import Point, points_of, seeds_of
from dcsim.training.checks import look


@dataclass(frozen=True)
class Prepared:
    """`axes`: names of the swept columns; `scenarios`: the checked scenario of each point; `runs`: point and seed of
    each run, in the experiment's order; `source`: what the command was told, its `scenario` the experiment's file."""

    experiment: Experiment
    axes: list[str]
    points: list[Point]
    scenarios: list[Loaded]
    runs: list[tuple[Point, int]]
    source: Source

    def loaded(self, number: int) -> Loaded:
        """The scenario of a run."""
        point, seed = self.runs[number]
        found = self._scenario_of[id(point)]
        source = replace(found.source, overrides=(*found.source.overrides, f"seed={seed}"))
        return replace(found, scenario=found.scenario.model_copy(update={"seed": seed}), source=source)

    @cached_property
    def keys(self) -> list[str]:
        """The hash of each run."""
        return [run_key(self.loaded(number)) for number in range(len(self.runs))]

    @cached_property
    def _scenario_of(self) -> dict[int, Loaded]:
        return {id(point): loaded for point, loaded in zip(self.points, self.scenarios, strict=True)}


@dataclass(frozen=True)
class Basis:
    """An experiment that is read, before its points are: what all of them start from.

    `file`: the experiment's, if it has one; `base`: the scenario's; `own`: changes of the command line; `options`: of
    `dcsim.load`.
    """

    experiment: Experiment
    file: str | None
    mistakes: Mistakes
    base: Path
    own: list[Override]
    options: dict[str, Any]

    def all_points(self, checked: Checked = lambda *_: None) -> Prepared:
        """All points of the experiment's table; ScenarioError with the mistakes of all."""
        return self.prepared(*points_of(self.experiment, self.mistakes), checked)

    def prepared(self, axes: list[str], points: list[Point], checked: Checked = lambda *_: None) -> Prepared:
        """These points, each checked, with the runs of each; ScenarioError with the mistakes of all.

        `checked`: told how many points have been checked of how many.
        """
        _refuse_overlaps(points, self.own)
        scenarios = self._loaded(points, checked)
        runs = [
            (point, seed)
            for point, loaded in zip(points, scenarios, strict=True)
            for seed in seeds_of(self.experiment, loaded.scenario.seed)
        ]
        told = tuple(change.text for change in self.own)
        source = replace(scenarios[0].source, scenario=self.file, overrides=told)
        return Prepared(self.experiment, axes, points, scenarios, runs, source)

    def _loaded(self, points: list[Point], checked: Checked) -> list[Loaded]:
        """The checked scenario of each point: the base, changes of the command line, then the point's.

        ScenarioError with the mistakes of all points together, each once; with those that only a run would find, too.
        """
        problems: dict[Problem, None] = {}
        legal: list[tuple[Point, Loaded]] = []
        for number, point in enumerate(points, 1):
            try:
                loaded = load(self.base, overrides=[*self.own, *point.changes], look=look, **self.options)
                legal.append((point, replace(loaded, where=None)))
            except DcsimError as error:
                problems |= dict.fromkeys(error.problems)
            checked(number, len(points))
        if problems:
            raise ScenarioError([*problems, *faults(legal, Kinds(None), checked)])
        return [loaded for _, loaded in legal]


def _refuse_overlaps(points: Iterable[Point], own: Iterable[Override]) -> None:
    """ScenarioError where two changes of a point, or one and one of the command line, concern the same key or one
    inside the other: the table would name a value that was not run."""
    found: dict[Problem, None] = {}
    for changes in {tuple((c.path, c.written) for c in point.changes): point.changes for point in points}.values():
        for number, change in enumerate(changes):
            for other in (*own, *changes[:number]):
                if change.overlaps(other):
                    by_option = other.written == OPTION
                    what = "is swept by the experiment" if by_option else f"is set by {key_text(change.path)} too"
                    place = other.written if by_option else change.written
                    problem = Problem(place.file, key_text(other.path), what, line=place.line, fix="keep one of them")
                    found[problem] = None
    if found:
        raise ScenarioError(found)


def _plain(value: Any) -> Any:
    """A value as TOML has it, of what Python programs hand over: arrays, ranges and numbers of numpy too."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list | tuple | range):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def read_basis(
    given: str | Path | Mapping[str, Any],
    *,
    data: str | Path | None = None,
    overrides: Iterable[str] = (),
    plugins: Iterable[str | Path] = (),
) -> Basis:
    """Read an experiment, a file or its content; ScenarioError with what is wrong before its points are known."""
    if isinstance(given, Mapping):
        tree = _plain(given)
        document, folder, file = Document("experiment", toml(tree), tree), Path.cwd(), None
        experiment = checked(document)
    else:
        experiment, document = read_experiment(Path(given), str(given))
        file, folder = str(Path(given).absolute()), Path(given).absolute().parent
    mistakes = Mistakes(document.where)
    base = folder / experiment.base
    if not base.is_file():
        mistakes.add(("base",), "no such file", quoted(experiment.base), fix="paths begin in the experiment's folder")
    shown = base.relative_to(Path.cwd()) if base.is_relative_to(Path.cwd()) else base
    own = [parse(text) for text in overrides]
    experiment = experiment.model_copy(update={"base": str(base.resolve())})  # another text may name the same file
    return Basis(experiment, file, mistakes, shown, own, {"data": data, "plugins": tuple(plugins)})


def prepare(given: str | Path | Mapping[str, Any], checked: Checked = lambda *_: None, **changes: Any) -> Prepared:
    """Read and check an experiment, a file or its content; ScenarioError with the mistakes of all points.

    `checked`: see `Basis.prepared`; `changes`: see `read_basis`.
    """
    return read_basis(given, **changes).all_points(checked)
