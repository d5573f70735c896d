"""Looks at points before anything runs: at what only jobs, models and graphs tell, and at whether seeds count.

A point is looked at as a run would begin it, with one job of each kind in the place of a whole trace, which is parsed
once for all points and workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dcsim.errors import Problem
from dcsim.run import refused
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.loaded import Loaded
from dcsim.scenario.plugin_tables import build
from dcsim.sweep.points import Point
from dcsim.sweep.traces import Traces
from dcsim.workloads.base import WorkloadContext

NEEDS = ("accelerators", "share", "cpus", "memory_b", "one_node")
NAMED = ("pool", "accelerator_names", "model")
NEVER_REFUSED = {"name", "seed", "horizon", "scheduler", "overheads", "estimates"}
"""Keys of a scenario that make no difference to what is looked at here."""

Checked = Callable[[int, int], None]
"""Told how many points of how many have been looked at."""


class Kinds(Traces):
    """Parsed traces of which a look needs one job of each kind.

    Jobs that are drawn are taken to be of the same kinds whatever the seed and the size of the cluster; drawn anew for
    each point, where it matters that each fits, they are those of one seed.
    """

    def _place(self, name: str, loaded: Loaded, context: WorkloadContext) -> str:
        return name if self.draws(loaded) and loaded.scenario.reject_oversize else super()._place(name, loaded, context)

    def _keep(self, place: str, jobs: JobTable) -> JobTable:
        return super()._keep(place, one_of_each(jobs))


def one_of_each(jobs: JobTable) -> JobTable:
    """The first job of each kind: of those that need the same and train the same model."""
    columns: list[Any] = [getattr(jobs, name) for name in NEEDS] + [getattr(jobs, name).codes for name in NAMED]
    table = np.stack([column.astype(np.float64) for column in columns if column is not None], axis=1)
    return jobs.take(np.sort(np.unique(table, axis=0, return_index=True)[1]))


def faults(points: Sequence[tuple[Point, Loaded]], traces: Traces, checked: Checked) -> list[Problem]:
    """What runs of these points would refuse, each once, with the points at which it does unless it does at all."""
    found = refusals(points, traces, checked)
    return [problem if len(at) == len(points) else _placed(problem, at) for problem, at in found.items()]


def refusals(points: Sequence[tuple[Point, Loaded]], traces: Traces, checked: Checked) -> dict[Problem, list[Point]]:
    """The points at which runs would refuse something, by what that is."""
    known: dict[str, tuple[Problem, ...]] = {}
    found: dict[Problem, list[Point]] = {}
    for number, (point, loaded) in enumerate(points, 1):
        facts = loaded.scenario.model_dump_json(exclude=NEVER_REFUSED)
        if facts not in known:
            known[facts] = refused(loaded, traces)
        for problem in known[facts]:
            found.setdefault(problem, []).append(point)
        checked(number, len(points))
    return found


def _placed(problem: Problem, points: Sequence[Point]) -> Problem:
    rest = len(points) - 1
    more = f" and {rest} other point{'s' * (rest > 1)}" if rest else ""
    return replace(problem, what=f"{problem.what}, at {points[0].text}{more}")


def seeds_count(scenarios: Iterable[Loaded], traces: Traces) -> bool:
    """Whether another seed changes any of these scenarios, whose jobs `traces` has been asked for."""
    return any(_draws(loaded, traces) for loaded in scenarios)


def _draws(loaded: Loaded, traces: Traces) -> bool:
    scenario = loaded.scenario
    if scenario.estimates.model not in ("trace", "exact") or traces.draws(loaded):
        return True
    if scenario.network is not None and any(failure.mtbf is not None for failure in scenario.network.failures):
        return True
    # No scheduler of dcsim's draws; one of somebody else's may.
    scheduler = type(build("scheduler", scenario.scheduler, loaded))
    uses_random: bool = build("placement", scenario.placement, loaded).uses_random
    return uses_random or not scheduler.__module__.startswith("dcsim.")
