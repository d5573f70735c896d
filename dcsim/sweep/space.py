"""The space that a search or a sensitivity analysis covers: its axes, its points, and what the runs of a point say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from dcsim.errors import EnvironmentFault, Problem
from dcsim.sweep.axes import SEARCHED, Axis, axes_of
from dcsim.sweep.maker import Maker
from dcsim.sweep.prepared import Basis, Prepared


@dataclass(frozen=True)
class Answer:
    """What the runs of a point say: means over seeds by key of the summary; `error`: why there are none;
    `excluded`: the experiment leaves the point out."""

    outputs: dict[str, float]
    error: str | None = None
    excluded: bool = False


def space_of(basis: Basis, table: str) -> list[Axis]:
    """The axes of an experiment for its table `optimize` or `sensitivity`; ScenarioError with every mistake."""
    experiment, mistakes = basis.experiment, basis.mistakes
    axes = axes_of(experiment, mistakes, SEARCHED)
    if getattr(experiment, table) is None:
        mistakes.add((table,), "required table is missing", fix=f"docs/optimize.md says what [{table}] holds")
    if experiment.exclude and table == "sensitivity":
        what = "does not go with dcsim sensitivity: its indices are of a whole space, without holes"
        mistakes.add(("exclude", 0), what, fix="give the keys ranges that leave the points out, or sweep")
    if not experiment.axes and not experiment.variants:
        mistakes.add(("sweep",), "nothing is swept", fix='write ranges, "pools.0.nodes" = { from = 8, to = 128 }')
    mistakes.stop_if_any()
    return axes


def answers(maker: Maker, prepared: Prepared, keys: Sequence[str]) -> list[Answer]:
    """Make what is missing; for each point the means of these keys of the summary."""
    outcomes = maker.make(prepared)
    seeds = len(prepared.runs) // len(prepared.points)
    found = []
    for first in range(0, len(outcomes), seeds):
        runs = outcomes[first : first + seeds]
        errors = [run.error for run in runs if run.summary is None]
        summaries = [run.summary for run in runs if run.summary is not None]
        errors += [f"{key} has no value" for key in keys if any(s.get(key) is None for s in summaries)]
        means = {} if errors else {key: sum(float(s[key]) for s in summaries) / seeds for key in keys}
        found.append(Answer(means, errors[0] if errors else None))
    return found


@contextmanager
def extra(library: str, command: str) -> Iterator[None]:
    """EnvironmentFault that names the pip extra where the block cannot import the library."""
    try:
        yield
    except ImportError:
        what, fix = f"{library} is not installed", "pip install 'dcsim[optimize]'"
        raise EnvironmentFault(Problem(f"dcsim {command}", "", what, fix=fix)) from None
