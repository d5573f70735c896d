"""An experiment file: a base scenario, what is swept over it, and which outputs matter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from dcsim.scenario.explain import note_all
from dcsim.scenario.facts import Facts, Name
from dcsim.scenario.layers import EXPERIMENT_TABLES
from dcsim.scenario.mistakes import Mistakes, quoted
from dcsim.scenario.positions import KeyPath
from dcsim.scenario.source import Document, read
from dcsim.scenario.spec import Scenario
from dcsim.scenario.values import frozen
from dcsim.sweep.questions import Bounds, Optimize, Seed, Sensitivity, check_optimize, check_outputs, check_sensitivity

Method = Literal["grid", "zip", "latin_hypercube", "sobol", "uniform"]

SAMPLED = ("latin_hypercube", "sobol", "uniform")


class Swept(Facts):
    """What is swept. All other keys are keys of the scenario, such as `"pools.0.nodes"`: an array of values, or a range
    `{ from = 8, to = 128 }`, with `count` in a grid and `scale = "log"` for equal ratios."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    method: Method = "grid"
    """`grid`: every combination; `zip`: first values, second values, ...; the others draw `samples` points:
    `latin_hypercube`, `sobol` (scrambled), `uniform` (independent)."""
    samples: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Number of points to draw."""
    sampling_seed: Seed = 0
    """Seed of the draws; the runs' own seeds are `seeds`."""
    seeds: Annotated[int, Field(ge=1, strict=True)] | Annotated[tuple[Seed, ...], Field(min_length=1)] = 1
    """Runs of each point: so many, with the base's seed and those that follow; or the seeds themselves."""


class Outputs(Facts):
    """Which keys of the summary matter: `compare` and `sweep-report` show these. The table has all of them."""

    summary: Annotated[tuple[str, ...], Field(min_length=1)] = ("wait_s_mean", "jct_s_mean", "utilization_allocated")
    """Keys of summary.json."""


class Experiment(Facts):
    """A whole experiment."""

    name: Name
    """Name of the experiment; its folder of results is called so."""
    base: str
    """Path of the scenario that every run starts from."""
    sweep: Swept = Swept()
    """What is swept."""
    variants: dict[Name, dict[str, Any]] = Field(default={})
    """Named sets of changes, each a table of keys and values; every point is run in each of them."""
    exclude: tuple[dict[str, Any], ...] = ()
    """Points to leave out: those where every key has the value, one of an array, or lies in `{ above, below }`."""
    outputs: Outputs = Outputs()
    """Which outputs matter."""
    optimize: Optimize | None = None
    """What `dcsim optimize` searches for."""
    sensitivity: Sensitivity | None = None
    """How `dcsim sensitivity` finds out what matters."""

    @property
    def axes(self) -> dict[str, Any]:
        """The swept keys with what is written for each."""
        return dict(self.sweep.__pydantic_extra__ or {})


def read_experiment(path: Path, file: str) -> tuple[Experiment, Document]:
    """The experiment in a TOML file, called `file` in error texts, and the document for the places of its keys.

    ScenarioError with every mistake that can be found without the scenario.
    """
    document = read(path, file)
    return checked(document), document


def checked(document: Document) -> Experiment:
    """The experiment that a document describes; ScenarioError with every mistake in it."""
    mistakes = Mistakes(document.where)
    _refuse_scenario(document, mistakes)
    tree = frozen(document.tree, mistakes)
    try:
        experiment = Experiment.model_validate(tree)
    except ValidationError as error:
        note_all(error, tree, (), _known_keys, mistakes)
        mistakes.stop_if_any()
        raise
    sweep = experiment.sweep
    if sweep.method in SAMPLED and sweep.samples is None:
        mistakes.add(("sweep", "samples"), "required key is missing", fix=f"say how many points {sweep.method} draws")
    if sweep.method not in SAMPLED and sweep.samples is not None:
        mistakes.add(("sweep", "samples"), f"has no effect with method {quoted(sweep.method)}")
    if not experiment.axes and not experiment.variants and sweep.seeds == 1:
        mistakes.add(
            ("sweep",), "nothing is swept", fix='write keys of the scenario with values, "pools.0.nodes" = [8, 16]'
        )
    if isinstance(sweep.seeds, tuple) and len(set(sweep.seeds)) < len(sweep.seeds):
        mistakes.add(("sweep", "seeds"), "has a seed twice")
    if len(set(experiment.outputs.summary)) < len(experiment.outputs.summary):
        mistakes.add(("outputs", "summary"), "has a name twice")
    check_outputs(experiment.outputs.summary, ("outputs", "summary"), mistakes)
    if experiment.optimize is not None:
        check_optimize(experiment.optimize, mistakes)
    if experiment.sensitivity is not None:
        check_sensitivity(experiment.sensitivity, mistakes)
    mistakes.stop_if_any()
    return experiment


def _refuse_scenario(document: Document, mistakes: Mistakes) -> None:
    """ScenarioError where the file is a scenario, instead of one for each of its keys."""
    own = set(Scenario.model_fields) - set(Experiment.model_fields)
    found = next((key for key in document.tree if key in own), None)
    if found is not None and set(document.tree).isdisjoint(EXPERIMENT_TABLES):
        file, _ = document.where(())
        fix = f'run it with: python -m dcsim run {file}; or write an experiment with base = "{Path(file).name}"'
        mistakes.add((found,), "makes this a scenario, which is no experiment", fix=fix)
        mistakes.stop_if_any()


def _known_keys(path: KeyPath) -> list[str]:
    tables: dict[KeyPath, type[Facts]] = {
        ("sweep",): Swept,
        ("outputs",): Outputs,
        ("optimize",): Optimize,
        ("sensitivity",): Sensitivity,
    }
    if path[:2] == ("optimize", "constraints"):
        return list(Bounds.model_fields)
    return list(tables.get(path, Experiment).model_fields)
