"""The state of a run: clock, fleet, every job, and what can be asked of them. `sim/world.py` alone changes it."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, SupportsIndex

from dcsim.errors import PolicyError, Problem
from dcsim.eventlog.log import Recorder
from dcsim.policies.decisions import TIME_SHARED, Allocation
from dcsim.scenario.spec import Overheads
from dcsim.sim.clock import Clock, Moment
from dcsim.sim.facts import JobFacts
from dcsim.sim.fleet import Fleet
from dcsim.sim.gangs import Gangs
from dcsim.sim.parts import Part
from dcsim.sim.speeds import Neighbours, Speeds
from dcsim.sim.work import Checkpoints


class Running(Moment):
    """One run of a job: its completion event, which also knows where the job is and how far it was at the start.

    `started_s`: when it took its accelerators; `since_s`: when useful work began at the present rate; `left_s`:
    service left then; `requested_left_s`: the same by the requested time; `rate`: service per second.
    """

    __slots__ = ("allocation", "job", "left_s", "rate", "requested_left_s", "since_s", "started_s")

    job: int
    allocation: Allocation
    started_s: float
    since_s: float
    left_s: float
    requested_left_s: float
    rate: float


def _nobody(_: object) -> None:
    """Nobody wants to be told."""


def _cuts_nothing_off(_: object) -> bool:
    """Placements know of no failures."""
    return False


class State:
    """Clock, fleet and the state of every job.

    `service_s`: true run times by job, known here and to nobody who decides. `end_kinds`: kind of the last row of
    each job, or empty where all complete. `speeds`: who says how fast jobs run where; None: all at rate 1.
    """

    __slots__ = (
        "_put_code",
        "_put_piece",
        "_put_place",
        "_put_time",
        "_queue",
        "_several",
        "_shared",
        "_ticket",
        "checkpoints",
        "clock",
        "clocks",
        "cut_off",
        "done_s",
        "end_kinds",
        "facts",
        "failed",
        "fleet",
        "freed",
        "gangs",
        "held_s",
        "job_id",
        "log",
        "needs",
        "neighbours",
        "occupy",
        "on_end",
        "on_failed",
        "on_rate",
        "on_return",
        "on_wait",
        "overheads",
        "plain",
        "policy",
        "release",
        "running",
        "saving",
        "service_s",
        "spare",
        "speeds",
        "submitted",
        "take",
        "waiting",
        "wakes",
    )

    def __init__(
        self,
        facts: JobFacts,
        service_s: list[float],
        end_kinds: list[int],
        fleet: Fleet,
        overheads: Overheads,
        speeds: Speeds | None = None,
    ) -> None:
        self.facts = facts
        self.fleet = fleet
        self.clock = Clock()
        self.log = Recorder()
        self.policy = "scheduler"  # who decides, for errors
        self.job_id: Callable[[int], str] = str  # what users call a job, for errors
        self.freed = False  # accelerators were given back since the last scheduling pass
        self.waiting: dict[int, None] = {}
        self.running: dict[int, Running] = {}
        self.saving: dict[int, Running] = {}
        self.done_s: dict[int, float] = {}  # work kept by jobs that were preempted, s of service
        self.held_s: dict[int, float] = {}  # time for which they held accelerators, s
        self.gangs: Gangs | None = None  # the sizes of elastic jobs, if there are any
        self.submitted = 0
        self.on_end: Callable[[int], None] | None = None  # told of runs that end, if the queue wants to know
        self.on_wait: Callable[[int], object] = _nobody  # told of preempted jobs that wait again
        self.on_return: Callable[[int], object] = _nobody  # told of interrupted jobs that wait again
        self.on_rate: Callable[[int], object] = _nobody  # told of placed jobs that go on at another rate
        self.failed: list[Part] = []  # links and switches that have failed now
        self.on_failed: Callable[[list[Part]], bool] = _cuts_nothing_off  # told of them; whether nodes are cut off
        self.cut_off = False  # nodes are, so that gangs may wait for repairs
        self.wakes = 0  # scheduling passes that are asked for
        self._queue, self._ticket = self.clock.queue, self.clock.ticket
        self._put_time, self._put_code = self.log.put_time, self.log.put_code
        self._put_place, self._put_piece = self.log.put_place, self.log.put_piece
        self.occupy = [pool.occupy for pool in fleet.pools]
        self.take = [pool.take for pool in fleet.pools]
        self.release = [pool.release for pool in fleet.pools]
        self.spare: list[Running] = []
        self._several = len(fleet.pools) > 1
        self.service_s = service_s
        self.end_kinds = end_kinds
        self.overheads = overheads
        self.checkpoints = Checkpoints(overheads.checkpoint_interval or inf, overheads.checkpoint)
        self.speeds = speeds
        self.clocks = list(fleet.clocks)  # core clocks as shares of the nominal ones
        self.neighbours = Neighbours(speeds.shared_nics if speeds else ())
        self.plain = overheads == Overheads() and speeds is None
        needs = [fleet.need(request) for request in facts.requests]
        self.needs: list[Any] = [needs[kind] for kind in facts.request_class] if fleet.shared else facts.accelerators
        self._shared = 0.0  # accelerators of time-shared jobs, weighted by rate

    def idle(self) -> bool:
        """Whether nobody waits, runs or saves."""
        return not (self.waiting or self.running or self.saving)

    def goes_on(self) -> bool:
        """Whether jobs are to come, run or save, or a scheduling pass is due or asked for: else nobody will start."""
        # Due at the end of this instant, for jobs that a failure has just stopped too, or when nodes are joined again.
        due = self.waiting and (self.freed or self.cut_off)
        return bool(self.submitted < len(self.service_s) or self.running or self.saving or self.wakes or due)

    def ended_jobs(self) -> int:
        """Number of jobs that were submitted and have ended for good."""
        return self.submitted - len(self.waiting) - len(self.running) - len(self.saving)

    def useful_s(self, run: Running) -> float:
        """Useful work of a run at the present rate so far, s of service, checkpointed or not."""
        return min(self.checkpoints.done_after(self.clock.now - run.since_s, run.rate), run.left_s)

    def rate_there(self, job: int, allocation: Allocation) -> float:
        """Rate at which a job would run on an allocation if it started there now."""
        if self.speeds is None or allocation[0] == TIME_SHARED:
            return 1.0
        return self.speeds.rate(job, allocation, self.clocks[allocation[0]], *self.neighbours.there(allocation))

    def requested_end_s(self, run: Running) -> float:
        """When the run would end if the job took as long as requested, s; it may lie in the past."""
        if self.plain and run.rate == 1.0:
            return run.since_s + run.requested_left_s
        return run.since_s + self.checkpoints.time_for(max(run.requested_left_s, 0.0), run.rate)

    def _state(self, job: int) -> str:
        if job in self.waiting:
            return "waiting"
        if job in self.running:
            return "time-shared" if self.running[job].allocation.pool == TIME_SHARED else "running"
        return "saving its state" if job in self.saving else "not waiting: unknown, not yet submitted or ended"

    def _named(self, job: int) -> str:
        """A job by its number, which policies know, and by its id, which users know."""
        known = isinstance(job, SupportsIndex) and 0 <= job < self.submitted and self.job_id(job) != str(job)
        return f"job {job} (id {self.job_id(job)!r})" if known else f"job {job}"

    def _illegal(self, rule: str) -> PolicyError:
        return PolicyError(Problem(self.policy, f"at {self.clock.now:g} s", f"illegal decision: {rule}"))
