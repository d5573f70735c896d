"""run(scenario): the whole story on one screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dcsim.errors import DcsimError, EnvironmentFault, Problem, ScenarioError, TraceError, tried
from dcsim.eventlog.log import EventLog
from dcsim.metrics.contention import slowdowns
from dcsim.metrics.fragmentation import fragmentation
from dcsim.metrics.jobs import JobResults, job_results
from dcsim.metrics.summary import spread, summary
from dcsim.metrics.timeline import Timeline, timeline
from dcsim.plugins import faults_named
from dcsim.policies.placements import Placement
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.load import load
from dcsim.scenario.loaded import Loaded, Source
from dcsim.scenario.plugin_tables import build
from dcsim.scenario.spec import PluginTable, Scenario
from dcsim.sim.engine import Engine, Outcome, Progress
from dcsim.sim.parts import Part
from dcsim.sim.rng import stream
from dcsim.speeds.base import SpeedContext
from dcsim.training.checks import look
from dcsim.training.jobs import training_table
from dcsim.training.rates import Rates, kept_away
from dcsim.training.told import Linked, Trained, steps_per_s, trained
from dcsim.workloads.base import WorkloadContext

if TYPE_CHECKING:
    from dcsim.performance.training import Training
    from dcsim.sim.islands import Islands
    from dcsim.sim.links import SharedLinks
    from dcsim.sim.speeds import Contention
    from dcsim.sim.traffic import Traffic
    from dcsim.topologies._routes import Links


@dataclass(frozen=True)
class Run:
    """A finished run: facts in, facts out; every number is computed from these on demand.

    `end_s`: simulated time at which the run stopped, s. `simpy_events`: events that SimPy processed. `wall_s`:
    seconds of wall time from loaded scenario to finished event log. `source`: how to run it again. `trained`: what
    became of the training jobs. `slowdown`: by contention, shape (jobs,), NaN for jobs that did not run or send nothing
    that anybody knows of; None where links are not shared; see `metrics.contention`.
    """

    scenario: Scenario
    jobs: JobTable
    log: EventLog
    end_s: float
    simpy_events: int
    wall_s: float
    source: Source = field(default_factory=Source)
    trained: tuple[Trained, ...] = ()
    slowdown: NDArray[np.float64] | None = None

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
        """Scalars by name, units in the names. Fragmentation only of runs that are about places, with a network or
        parts of accelerators, since it takes as long as all else here; slow-downs by contention where links are shared.
        """
        found = summary(self.jobs, self.results, self.timeline, self.log, self.scenario.pools)
        if self.scenario.network is not None or self.jobs.share is not None:
            found |= fragmentation(self.jobs, self.log, self.scenario.pools, self.end_s).named()
        return found if self.slowdown is None else found | spread("contention_slowdown", self.slowdown)

    @cached_property
    def interconnect(self) -> Links | None:
        """The graph whose links jobs share, built anew; ScenarioError where that cannot be done any more."""
        if not self.scenario.shares_links:
            return None
        from dcsim.sim.interconnect import links_of

        return links_of(Loaded.again(self.scenario, self.source))

    def traffic(self, slots_s: NDArray[np.float64]) -> Traffic | None:
        """What links and switches carried; None where links are not shared. `slots_s`: see `sim.traffic.traffic`."""
        if self.interconnect is None:
            return None
        from dcsim.sim.traffic import traffic

        trainings = trainings_of(Loaded.again(self.scenario, self.source))
        links = _shared_links(self.interconnect, self.scenario, self.jobs, trainings)
        return traffic(self.log, links, steps_per_s(self.trained, self.log, self.end_s, len(self.jobs)), slots_s)


def capacity(scenario: Scenario) -> int:
    """Accelerators of all pools."""
    return sum(pool.nodes * pool.accelerators_per_node for pool in scenario.pools)


def trainings_of(loaded: Loaded) -> tuple[Training, ...]:
    """The scenario's training jobs with what each takes in each pool; ScenarioError with every mistake in them."""
    if not loaded.scenario.jobs:
        return ()
    from dcsim.performance.training import trainings  # its kernels load Numba, which plain replays do without

    try:
        return trainings(loaded.scenario.jobs, loaded.scenario.pools)
    except ScenarioError as error:
        raise ScenarioError(_in_its_file(problem, loaded) for problem in error.problems) from None


def _in_its_file(problem: Problem, loaded: Loaded) -> Problem:
    """A problem of `jobs.N`, as `trainings` tells it, with file, line and key."""
    _, _, number = problem.file.partition("jobs.")
    file, line = loaded.place(("jobs", int(number), *problem.key.split(".")))
    return replace(problem, file=file, line=line, key=f"{problem.file}.{problem.key}")


class Traces(Protocol):
    """Whoever keeps parsed workloads."""

    def jobs(self, loaded: Loaded, context: WorkloadContext, read: Callable[[WorkloadContext], JobTable]) -> JobTable:
        """The jobs of a scenario's workload, which `read` makes where they are not kept."""
        ...


def load_jobs(loaded: Loaded, trainings: Sequence[Training] = (), traces: Traces | None = None) -> JobTable:
    """The jobs of a scenario, those of its workload and its own, sorted by submission."""
    own = training_table(trainings) if trainings else None
    if loaded.scenario.workload is None:
        assert own is not None
        return own
    found = _workload_jobs(loaded, loaded.scenario.workload, traces)
    return found if own is None else found.beside(own)


def _workload_jobs(loaded: Loaded, table: PluginTable, traces: Traces | None) -> JobTable:
    scenario = loaded.scenario
    context = WorkloadContext(
        resolve=loaded.resolve,
        stream=lambda name: stream(scenario.seed, name),
        capacity=capacity(scenario),
        file=loaded.file,
        start=scenario.start,
    )
    workload = build("workload", table, loaded)

    def read(context: WorkloadContext) -> JobTable:
        """Ask the workload."""
        with faults_named(lambda: "workload"):
            jobs: JobTable = workload.load(context).sorted()
        return jobs

    jobs = read(context) if traces is None else traces.jobs(loaded, context, read)
    if not len(jobs):
        raise TraceError(Problem(loaded.file, "workload", "has no jobs"))
    return jobs


def speeds_of(loaded: Loaded, jobs: JobTable, trainings: Sequence[Training]) -> tuple[JobTable, Rates | None]:
    """How fast the jobs run where, None where all run at rate 1 everywhere; and the jobs, kept away from pools where
    they cannot run."""
    scenario = loaded.scenario
    traffic = None if scenario.network is None else scenario.network.traffic
    plain = scenario.speeds.use == "same" and all(pool.clock == 1.0 for pool in scenario.pools)
    if not trainings and plain and traffic is None:
        return jobs, None
    if scenario.workload is None:
        return jobs, Rates(jobs, scenario.pools, trainings, None)
    own = jobs if jobs.training is None else jobs.take(np.flatnonzero(jobs.training < 0))
    model = build("speeds", scenario.speeds, loaded)
    with faults_named(lambda: "speeds"):
        trace = model.speeds(own, _speed_context(loaded))
    rates = Rates(jobs, scenario.pools, trainings, trace, traffic.exposed if traffic else 0.0)
    return kept_away(jobs, scenario.pools, trace), rates


def verify(loaded: Loaded) -> None:
    """ScenarioError with every mistake that only models and graphs tell: plans that are illegal or do not fit, pools
    whose speed nobody knows, graphs that cannot be, or whose hosts are not the nodes of the pools."""
    problems: list[Problem] = []
    for part in (trainings_of, _check_speeds, _interconnect):
        tried(problems, part, loaded)
    if problems:
        raise ScenarioError(problems)


def _speed_context(loaded: Loaded) -> SpeedContext:
    return SpeedContext(loaded.scenario.pools, loaded.file, loaded.resolve)


def _check_speeds(loaded: Loaded) -> None:
    """What is wrong with `[speeds]` whatever the jobs are."""
    if loaded.scenario.workload is not None:
        check = getattr(build("speeds", loaded.scenario.speeds, loaded), "check", None)
        if check is not None:
            with faults_named(lambda: "speeds"):
                check(_speed_context(loaded))


def _interconnect(loaded: Loaded) -> None:
    from dcsim.sim.interconnect import failing_parts, interconnect  # loads networkx and Numba

    scenario = loaded.scenario
    scheduler = build("scheduler", scenario.scheduler, loaded)
    links = interconnect(loaded, build("placement", scenario.placement, loaded), scheduler)
    if links is not None:
        failing_parts(loaded, links)


def _connected(
    loaded: Loaded,
    jobs: JobTable,
    speeds: Rates | None,
    trainings: Sequence[Training],
    placement: Placement,
    scheduler: object,
) -> tuple[SharedLinks, Contention, list[Part], Islands | None] | None:
    """The links of the scenario's network where jobs share them, who says what they get of them, what can fail, and who
    is told of it; tells the placement where nodes are."""
    network, pools = loaded.scenario.network, loaded.scenario.pools
    if network is None and not placement.uses_network:
        return None
    from dcsim.sim.hosts import blocks, grid
    from dcsim.sim.interconnect import failing_parts, interconnect  # loads networkx and Numba
    from dcsim.sim.islands import Islands
    from dcsim.sim.turns import Turns

    graph = interconnect(loaded, placement, scheduler)
    if graph is None or network is None:
        return None
    if placement.uses_network:
        placement.blocks = blocks(graph, pools)
        placement.grid = grid(build("topology", network.topology, loaded), graph, pools)
    if not loaded.scenario.shares_links:
        return None
    links = _shared_links(graph, loaded.scenario, jobs, trainings)
    contention = Turns(links, speeds.phase) if placement.interleave and speeds is not None else links
    parts = failing_parts(loaded, graph)
    down = placement.uses_network and any(not part.left for part in parts)
    return links, contention, parts, Islands(graph, pools, placement) if down else None


def _shared_links(graph: Links, scenario: Scenario, jobs: JobTable, trainings: Sequence[Training]) -> SharedLinks:
    """The links of a graph, on which nobody sends yet."""
    from dcsim.sim.hosts import ring_order
    from dcsim.sim.links import SharedLinks, who_sends

    traffic = None if scenario.network is None else scenario.network.traffic
    sends = who_sends(jobs.training, trainings, traffic.bandwidth if traffic else 0.0)
    return SharedLinks(graph, scenario.pools, sends, ring_order(graph, scenario.pools))


def _linked(run: Outcome, jobs: JobTable, scenario: Scenario, rates: Rates, links: SharedLinks) -> Linked:
    """How fast each job that may send would have been alone on these links."""
    from dcsim.sim.alone import rates_alone

    traces_send = scenario.network is not None and scenario.network.traffic is not None
    sends = np.full(len(jobs), traces_send) | (False if jobs.training is None else jobs.training >= 0)
    idle = links.idle()
    return Linked(idle, rates_alone(run.log, sends, rates, [pool.clock for pool in scenario.pools], idle))


def run(
    source: Loaded | Scenario | str | Path,
    progress: Callable[[Progress], None] | None = None,
    traces: Traces | None = None,
    **options: Any,
) -> Run:
    """Simulate a scenario: a path, a loaded scenario, or facts made in Python.

    `options` are those of `load` (data, overrides, plugins) and go with a path; facts made in Python resolve
    paths in the current folder. `traces`: where parsed workloads are kept. Raises ScenarioError, TraceError or
    PolicyError.
    """
    if isinstance(source, str | Path):
        source = load(source, look=look, **options)
    elif isinstance(source, Scenario):
        source = Loaded.of(source, **options)
    with source.placing():
        return _run(source, progress, traces)


@dataclass(frozen=True)
class _Ready:
    """A run before its first instant. `links`: what jobs share, None where they share none."""

    trainings: tuple[Training, ...]
    jobs: JobTable
    speeds: Rates | None
    links: SharedLinks | None
    engine: Engine


def _jobs_and_speeds(source: Loaded, traces: Traces | None) -> tuple[tuple[Training, ...], JobTable, Rates | None]:
    """Training jobs, all jobs, and how fast they run where; ScenarioError or TraceError with all that is wrong with
    them, and then with the network too."""
    problems: list[Problem] = []
    fault: type[DcsimError] = ScenarioError
    trainings = tried(problems, trainings_of, source)
    try:
        if trainings is not None:
            jobs = load_jobs(source, trainings, traces)
            return trainings, *speeds_of(source, jobs, trainings)
        if source.scenario.workload is not None:
            load_jobs(source, traces=traces)
    except (ScenarioError, TraceError) as error:
        problems += error.problems
        fault = type(error)
    for part in (_check_speeds, _interconnect):
        tried(problems, part, source)
    raise fault(dict.fromkeys(problems))


def _ready(source: Loaded, traces: Traces | None) -> _Ready:
    """All that a scenario names, read and put together; whatever cannot be run is refused here."""
    scenario = source.scenario
    trainings, jobs, speeds = _jobs_and_speeds(source, traces)
    scheduler = build("scheduler", scenario.scheduler, source)
    placement = build("placement", scenario.placement, source)
    connected = _connected(source, jobs, speeds, trainings, placement, scheduler)
    engine = Engine(scenario, jobs, scheduler, placement, speeds=speeds)
    if connected is not None:
        engine.contend(*connected[1:])
    return _Ready(trainings, jobs, speeds, None if connected is None else connected[0], engine)


def refused(loaded: Loaded, traces: Traces) -> tuple[Problem, ...]:
    """All that a run would refuse before its first instant: what models, graphs and jobs tell of a scenario."""
    try:
        with loaded.placing():
            _ready(loaded, traces)
    except EnvironmentFault:  # may be over when it is run
        return ()
    except DcsimError as error:
        return error.problems
    return ()


def _run(source: Loaded, progress: Callable[[Progress], None] | None, traces: Traces | None) -> Run:
    """Simulate a loaded scenario; see `run`."""
    begun = time.perf_counter()
    scenario, ready = source.scenario, _ready(source, traces)
    jobs, speeds = ready.jobs, ready.speeds
    outcome = ready.engine.run(progress)
    if speeds is not None and speeds.sizes:  # elastic jobs have the size on which they started
        jobs = replace(jobs, accelerators=np.array(outcome.world.facts.accelerators, np.int32))
    wall_s = time.perf_counter() - begun
    slowdown, linked = None, None
    if ready.links is not None and speeds is not None:
        linked = _linked(outcome, jobs, scenario, speeds, ready.links)
        slowdown = slowdowns(outcome.log, linked.rate_alone, len(jobs), outcome.end_s)
    told = trained(jobs, outcome.log, outcome.end_s, ready.trainings, linked)
    return Run(scenario, jobs, outcome.log, outcome.end_s, outcome.events, wall_s, source.source, told, slowdown)
