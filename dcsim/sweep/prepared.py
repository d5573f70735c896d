"""An experiment with its base: every point checked, every run with its key, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.loaded import Loaded
from dcsim.scenario.mistakes import Mistakes, quoted
from dcsim.scenario.overrides import Override, parse
from dcsim.scenario.source import Document
from dcsim.scenario.toml_text import toml
from dcsim.sweep.experiment import Experiment, checked, read_experiment
from dcsim.sweep.identity import run_key
from dcsim.sweep.points import Point, loaded_points, points_of, seeds_of


@dataclass(frozen=True)
class Prepared:
    """`axes`: names of the swept columns; `scenarios`: the checked scenario of each point; `runs`: point and seed of
    each run, in the experiment's order."""

    experiment: Experiment
    axes: list[str]
    points: list[Point]
    scenarios: list[Loaded]
    runs: list[tuple[Point, int]]

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

    `base`: the scenario's file; `own`: changes of the command line; `options`: of `dcsim.load`.
    """

    experiment: Experiment
    mistakes: Mistakes
    base: Path
    own: list[Override]
    options: dict[str, Any]

    def all_points(self) -> Prepared:
        """All points of the experiment's table; ScenarioError with the mistakes of all."""
        return self.prepared(*points_of(self.experiment, self.mistakes))

    def prepared(self, axes: list[str], points: list[Point]) -> Prepared:
        """These points, each checked, with the runs of each; ScenarioError with the mistakes of all."""
        if clash := {change.path for change in self.own} & {
            change.path for point in points for change in point.changes
        }:
            names = ", ".join(sorted(".".join(map(str, path)) for path in clash))
            raise ScenarioError(Problem("--set", names, "is swept by the experiment", fix="take it out of one of them"))
        scenarios = list(loaded_points(points, self.base, self.own, **self.options))
        runs = [
            (point, seed)
            for point, loaded in zip(points, scenarios, strict=True)
            for seed in seeds_of(self.experiment, loaded.scenario.seed)
        ]
        return Prepared(self.experiment, axes, points, scenarios, runs)


def read_basis(
    given: str | Path | Mapping[str, Any],
    *,
    data: str | Path | None = None,
    overrides: Iterable[str] = (),
    plugins: Iterable[str | Path] = (),
) -> Basis:
    """Read an experiment, a file or its content; ScenarioError with what is wrong before its points are known."""
    if isinstance(given, Mapping):
        document, folder = Document("experiment", toml(dict(given)), dict(given)), Path.cwd()
        experiment = checked(document)
    else:
        experiment, document = read_experiment(Path(given), str(given))
        folder = Path(given).absolute().parent
    mistakes = Mistakes(document.where)
    base = folder / experiment.base
    if not base.is_file():
        mistakes.add(("base",), "no such file", quoted(experiment.base), fix="paths begin in the experiment's folder")
    shown = base.relative_to(Path.cwd()) if base.is_relative_to(Path.cwd()) else base
    own = [parse(text) for text in overrides]
    return Basis(experiment, mistakes, shown, own, {"data": data, "plugins": tuple(plugins)})


def prepare(given: str | Path | Mapping[str, Any], **changes: Any) -> Prepared:
    """Read and check an experiment, a file or its content; ScenarioError with the mistakes of all points.

    `changes`: see `read_basis`.
    """
    return read_basis(given, **changes).all_points()
