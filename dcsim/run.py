"""run(scenario): the whole story on one screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dcsim.errors import Problem, TraceError
from dcsim.eventlog.log import EventLog
from dcsim.metrics.jobs import JobResults, job_results
from dcsim.metrics.summary import summary
from dcsim.metrics.timeline import Timeline, timeline
from dcsim.plugins import faults_named
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.load import load
from dcsim.scenario.loaded import Loaded, Source
from dcsim.scenario.plugin_tables import build
from dcsim.scenario.spec import Scenario
from dcsim.sim.engine import Engine, Progress
from dcsim.sim.rng import stream
from dcsim.workloads.base import WorkloadContext


@dataclass(frozen=True)
class Run:
    """A finished run: facts in, facts out; every number is computed from these on demand.

    `end_s`: simulated time at which the run stopped, s. `simpy_events`: events that SimPy processed. `wall_s`:
    seconds of wall time from loaded scenario to finished event log. `source`: how to run it again.
    """

    scenario: Scenario
    jobs: JobTable
    log: EventLog
    end_s: float
    simpy_events: int
    wall_s: float
    source: Source = field(default_factory=Source)

    @cached_property
    def results(self) -> JobResults:
        """What became of each job."""
        return job_results(self.jobs, self.log, self.end_s)

    @cached_property
    def timeline(self) -> Timeline:
        """Step functions of time."""
        return timeline(self.jobs, self.log, len(self.scenario.pools), self.end_s)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Scalars by name, units in the names."""
        return summary(self.jobs, self.results, self.timeline, self.log, capacity(self.scenario))


def capacity(scenario: Scenario) -> int:
    """Accelerators of all pools."""
    return sum(pool.nodes * pool.accelerators_per_node for pool in scenario.pools)


def load_jobs(loaded: Loaded) -> JobTable:
    """The jobs of a scenario, sorted by submission."""
    scenario = loaded.scenario
    context = WorkloadContext(
        resolve=loaded.resolve,
        stream=lambda name: stream(scenario.seed, name),
        capacity=capacity(scenario),
        file=loaded.file,
        start=scenario.start,
    )
    workload = build("workload", scenario.workload, loaded)
    with faults_named(lambda: "workload"):
        jobs: JobTable = workload.load(context).sorted()
    if not len(jobs):
        raise TraceError(Problem(loaded.file, "workload", "has no jobs"))
    return jobs


def run(
    source: Loaded | Scenario | str | Path, progress: Callable[[Progress], None] | None = None, **options: Any
) -> Run:
    """Simulate a scenario: a path, a loaded scenario, or facts made in Python.

    `options` are those of `load` (data, overrides, plugins) and go with a path; facts made in Python resolve
    paths in the current folder. Raises ScenarioError, TraceError or PolicyError.
    """
    if isinstance(source, str | Path):
        source = load(source, **options)
    elif isinstance(source, Scenario):
        source = Loaded.of(source, **options)
    begun = time.perf_counter()
    scenario = source.scenario
    jobs = load_jobs(source)
    scheduler = build("scheduler", scenario.scheduler, source)
    placement = build("placement", scenario.placement, source)
    outcome = Engine(scenario, jobs, scheduler, placement).run(progress)
    wall_s = time.perf_counter() - begun
    return Run(scenario, jobs, outcome.log, outcome.end_s, outcome.events, wall_s, source.source)
