"""The engine: carries a scenario's jobs through the world, instant by instant, and leaves an event log."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from dcsim.errors import PolicyError, Problem, ScenarioError
from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import CANCEL, COMPLETE, FAIL
from dcsim.plugins import faults_named
from dcsim.policies.conservative import ConservativeQueue
from dcsim.policies.ordered import GeneralQueue, OrderedScheduler, Queue, SkipQueue, strict_queue
from dcsim.policies.placements import Placement
from dcsim.policies.preemption import PreemptiveQueue
from dcsim.policies.shallow_backfill import backfill_queue
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.spec import Scenario
from dcsim.sim import road
from dcsim.sim.clock import Callbacks
from dcsim.sim.facts import JobFacts, requested_times
from dcsim.sim.fleet import fleet_for
from dcsim.sim.gangs import Gangs
from dcsim.sim.parts import Part, have_fail
from dcsim.sim.reasons import why_never
from dcsim.sim.rng import stream
from dcsim.sim.speeds import Contention, Speeds
from dcsim.sim.view import WorldView
from dcsim.sim.world import World

ALWAYS = (True,)  # for schedulers that decide at every instant, whether jobs wait or not

QUEUES: dict[str, Callable[[Any, Any], Any]] = {
    "none": strict_queue,
    "skip": SkipQueue,
    "reserve_head": backfill_queue,
    "reserve_all": ConservativeQueue,
}


@dataclass(frozen=True)
class Progress:
    """How far a run is: simulated time, s, jobs ended of all, jobs waiting, SimPy events so far."""

    time_s: float
    ended: int
    jobs: int
    waiting: int
    events: int


@dataclass(frozen=True)
class Outcome:
    """What a simulation leaves: the log, the number of SimPy events, and the world at the end (for replay tests)."""

    log: EventLog
    events: int
    end_s: float
    world: World


def queue_for(scheduler: Any, view: WorldView) -> Queue:
    """The queue that carries a scheduler's rule out."""
    if not isinstance(scheduler, OrderedScheduler):
        return GeneralQueue(scheduler, view)
    kind = PreemptiveQueue if scheduler.preempts else QUEUES[scheduler.overtake]
    queue: Queue = kind(scheduler, view)
    return queue


class Engine:
    """One run. The clock calls the world for completions, then `_admit` for arrivals, then `_instant`.

    `plain_road = False` keeps to the general walk of the clock where the plain road would do, for comparison.
    `speeds`: who says how fast jobs run where; None where all run at rate 1.
    """

    def __init__(
        self,
        scenario: Scenario,
        jobs: JobTable,
        scheduler: Any,
        placement: Placement,
        plain_road: bool = True,
        speeds: Speeds | None = None,
    ) -> None:
        self._scenario = scenario
        # The plain road does not check what a placement says, and asks it by needs: it is for dcsim's own of this sort.
        self._roads = plain_road and type(placement).__module__.startswith("dcsim.") and not placement.asks_by_job()
        self._submit_s, self._placement = jobs.submit_s, placement
        if placement.uses_random:
            placement.stream = stream(scenario.seed, "placement")  # type: ignore[attr-defined]
        fleet = fleet_for(jobs, scenario.pools, placement, scenario.placement.use)
        service_s: list[float] = jobs.service_s.tolist()
        facts = JobFacts(jobs, requested_times(jobs, service_s, scenario.estimates, scenario.seed), scenario.pools)
        if placement.uses_tasks:
            counts = np.bincount(facts.request_class, minlength=len(facts.requests)).tolist()
            placement.expect(list(zip(facts.requests, counts, strict=True)), len(scenario.pools))
        gangs = None
        if speeds is not None and speeds.sizes:
            _refuse_without_walls(scenario, placement)
            gangs = Gangs(facts, speeds.sizes)
            fleet.place_largest()
        if not fleet.shared and not all(request.accelerators for request in facts.requests):
            fleet.place_nothing()
        ends = [] if jobs.end_state is None else [(COMPLETE, FAIL, CANCEL)[s] for s in jobs.end_state.tolist()]
        self._world = World(facts, service_s, ends, fleet, scenario.overheads, speeds)
        self._world.gangs = gangs
        self._world.policy, self._world.job_id = scenario.scheduler.use, jobs.job_id
        self._unfit = {n: text for n, r in enumerate(facts.requests) if (text := why_never(fleet, r, scenario.pools))}
        if self._unfit and not scenario.reject_oversize:
            self._refuse(jobs, facts)
        self._view = WorldView(self._world, stream(scenario.seed, "scheduler"))
        queue = queue_for(scheduler, self._view)
        self._push, self._decide = queue.push, queue.decide
        self._always = isinstance(queue, GeneralQueue)
        started, ended = getattr(queue, "started", None), getattr(queue, "ended", None)
        self._told = road.Told(queue.decide, started, ended, not self._always and not self._unfit)
        self._world.on_end = ended
        self._world.on_wait = queue.push
        self._world.on_return = getattr(queue, "again", queue.push)
        self._world.on_rate = getattr(queue, "rerated", self._world.on_rate)

    def contend(
        self, links: Contention, parts: Sequence[Part] = (), islands: Callable[[list[Part]], bool] | None = None
    ) -> None:
        """From now on gangs share links, of which `parts` fail, as `islands` is told; before the run, where there are
        speeds."""
        self._world.neighbours.links = links
        self._world.on_failed = islands or self._world.on_failed
        have_fail(self._world, parts, self._scenario.seed)

    def run(self, progress: Callable[[Progress], None] | None = None) -> Outcome:
        """Simulate to the end, or to the horizon; `progress` is called now and then."""
        world = self._world

        def report() -> None:
            """Pack the log so far, and tell how far the run is."""
            world.log.pack()
            if progress is not None:
                progress(self._state())

        on = Callbacks(self._admit, self._instant, ALWAYS if self._always else world.waiting, report, world.idle)
        with _calm_collector(), faults_named(lambda: f"at {world.clock.now:g} s"):
            until = inf if self._scenario.horizon is None else self._scenario.horizon
            if world.plain and not self._always and self._roads:
                road.walk(world, on, self._told, until)
            else:
                world.clock.walk(world.facts.submit_s, on, until)
        end_s = world.clock.now if self._scenario.horizon is None else self._scenario.horizon
        if not world.idle() and self._scenario.horizon is None:
            left = len(world.waiting)
            raise PolicyError(
                Problem(world.policy, f"at {world.clock.now:g} s", f"{left} jobs are left waiting for ever")
            )
        return Outcome(world.log.freeze(self._submit_s[: world.submitted]), world.clock.events, end_s, world)

    def _admit(self, first: int, last: int) -> None:
        world, push, unfit = self._world, self._push, self._unfit
        world.submit(first, last)
        told = self._told
        # Under every order of the queue a job that comes alone, finds nobody waiting, and fits, starts.
        if told.alone and last - first == 1 == len(world.waiting) and world.start_if_fits(first):
            if told.started is not None:
                told.started(first)
            return
        for job in range(first, last):
            if unfit and (why := unfit.get(world.facts.request_class[job])):
                world.reject(job, why)
            else:
                push(job)

    def _instant(self) -> None:
        world = self._world
        freed = world.freed
        world.freed = False
        self._decide(freed, world)

    def _state(self) -> Progress:
        world = self._world
        jobs = len(world.facts.submit_s)
        return Progress(world.clock.now, world.ended_jobs(), jobs, len(world.waiting), world.clock.events)

    def _refuse(self, jobs: JobTable, facts: JobFacts) -> None:
        """`reject_oversize = false`: a job that can never fit is an error of the scenario."""
        which = [job for job, kind in enumerate(facts.request_class) if kind in self._unfit]
        raise ScenarioError(
            Problem("", "workload", f"job {jobs.job_id(job)} {self._unfit[facts.request_class[job]]}") for job in which
        )


def _refuse_without_walls(scenario: Scenario, placement: Placement) -> None:
    """The log tells a gang's size by its nodes."""
    if placement.ignores_nodes:
        what, got = "elastic jobs need a placement that looks at nodes", f"'{scenario.placement.use}'"
        raise ScenarioError(Problem("", "placement.use", what, got=got, fix="use 'pack' or 'spread'"))


@contextmanager
def _calm_collector() -> Iterator[None]:
    """Keep the garbage collector away from facts that live as long as the run (up to 15 % of its time)."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(1_000_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
