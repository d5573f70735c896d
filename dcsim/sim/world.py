"""The world: all that changes during a run, changed in one place, each change a row of the event log."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from dcsim.errors import PolicyError, Problem
from dcsim.eventlog.log import Recorder
from dcsim.eventlog.schema import COMPLETE, PREEMPT, RATE, REJECT, RELEASE, SUBMIT
from dcsim.policies.decisions import TIME_SHARED, Allocation, Decision, Preempt, Reject, SetRate, Start, WakeAt
from dcsim.scenario.spec import Overheads
from dcsim.sim.clock import COMPLETION, TIMER, Clock, Moment
from dcsim.sim.facts import JobFacts
from dcsim.sim.fleet import Fleet
from dcsim.sim.work import Checkpoints

COMING, WAITING, RUNNING, SAVING, ENDED = range(5)
STATES = ("not yet submitted", "waiting", "running", "saving its state", "ended")


class Running(Moment):
    """One run of a job: its completion event, which also knows where the job is and how far it was at the start.

    `started_s`: when it took its accelerators; `since_s`: when useful work began at the present rate; `left_s`:
    service left then; `requested_left_s`: the same by the requested time; `rate`: service per second.
    """

    job: int
    allocation: Allocation
    started_s: float
    since_s: float
    left_s: float
    requested_left_s: float
    rate: float


class World:
    """Clock, fleet and the state of every job. The engine's callbacks and `apply` are its only writers.

    `service_s`: true run times by job, known here and to nobody who decides. `end_kinds`: kind of the last row of
    each job, or empty where all complete.
    """

    def __init__(
        self, facts: JobFacts, service_s: list[float], end_kinds: list[int], fleet: Fleet, overheads: Overheads
    ) -> None:
        self.facts = facts
        self.fleet = fleet
        self.clock = Clock()
        self.log = Recorder()
        self.policy = "scheduler"  # who decides, for errors
        self.freed = False  # accelerators were given back since the last scheduling pass
        self.open = len(service_s)  # jobs that have not ended
        self.waiting: dict[int, None] = {}
        self.running: dict[int, Running] = {}
        self.saving: dict[int, Running] = {}
        self.done_s: dict[int, float] = {}  # work kept by jobs that were preempted, s of service
        self.held_s: dict[int, float] = {}  # time for which they held accelerators, s
        self.on_end: list[Callable[[Any], None]] = []  # called when a run ends or a preempted job has saved
        self.on_wake: list[Callable[[Any], None]] = []
        self._service_s = service_s
        self._end_kinds = end_kinds
        self._overheads = overheads
        self._checkpoints = Checkpoints(overheads.checkpoint_interval or inf, overheads.checkpoint)
        self._plain = overheads == Overheads()
        self._state = bytearray(len(service_s))
        self._shared = 0.0  # accelerators of time-shared jobs, weighted by rate
        self._actions: dict[type, Callable[[Any], None]] = {
            Start: self._start,
            Preempt: self._preempt,
            Reject: self._reject,
            SetRate: self._set_rate,
            WakeAt: self._wake_at,
        }

    def submit(self, job: int) -> None:
        """A job begins to wait."""
        self._state[job] = WAITING
        self.waiting[job] = None
        self.log.row(self.clock.now, SUBMIT, job)

    def apply(self, decision: Decision) -> None:
        """Carry a decision out at once, or raise PolicyError: nothing is mended in silence."""
        action = self._actions.get(type(decision))
        if action is None:
            raise self._illegal(f"not a decision: {decision!r}")
        action(decision)

    def complete(self, run: Running) -> None:
        """A job has done its work: its accelerators are free, its last row is written."""
        job = run.job
        del self.running[job]
        self._free(run)
        self._end(job)
        self.log.row(self.clock.now, self._end_kinds[job] if self._end_kinds else COMPLETE, job)

    def saved(self, run: Running) -> None:
        """A preempted job has saved its state: its accelerators are free and it waits."""
        del self.saving[run.job]
        self._free(run)
        self._state[run.job] = WAITING
        self.waiting[run.job] = None
        self.log.row(self.clock.now, RELEASE, run.job)

    def useful_s(self, run: Running) -> float:
        """Useful work of a run at the present rate so far, s of service, checkpointed or not."""
        return min(self._checkpoints.done_after(self.clock.now - run.since_s, run.rate), run.left_s)

    def requested_end_s(self, run: Running) -> float:
        """When the run would end if the job took as long as requested, s; it may lie in the past."""
        if self._plain and run.rate == 1.0:
            return run.since_s + run.requested_left_s
        return run.since_s + self._checkpoints.time_for(max(run.requested_left_s, 0.0), run.rate)

    def _start(self, decision: Start) -> None:
        job, allocation, reason, rate = decision
        if self._state[job] != WAITING:
            raise self._illegal(f"start of job {job}, which is {STATES[self._state[job]]}")
        self._take(job, allocation, rate)
        now = self.clock._now  # one attribute instead of a property: this is the hot path
        del self.waiting[job]
        self._state[job] = RUNNING
        run = Running(self.clock, self.on_end)
        run.job = job
        run.allocation = allocation
        run.started_s = run.since_s = now
        run.rate = rate
        left = self._service_s[job]
        requested = self.facts.requested_s[job]
        if self._plain and not self.done_s:
            end = now + (left if rate == 1.0 else left / rate)
        else:
            done = self.done_s.get(job, 0.0)
            left -= done
            requested -= done
            over = self._overheads
            run.since_s = now + over.start + (over.restore if job in self.held_s else 0.0)
            end = run.since_s + self._checkpoints.time_for(left, rate)
        run.left_s = left
        run.requested_left_s = requested
        self.running[job] = run
        self.clock.schedule_at(end, COMPLETION, run)
        self.log.start(now, job, rate, reason, allocation)

    def _take(self, job: int, allocation: Allocation, rate: float) -> None:
        need = self.facts.accelerators[job]
        try:
            if allocation.pool == TIME_SHARED:
                self._share(need * rate)
            elif rate != 1.0:
                raise ValueError(f"rate {rate:g}, but only time-shared jobs may run at a rate below 1")
            else:
                self.fleet.occupy(allocation, need)
        except ValueError as error:
            raise self._illegal(f"start of job {job}: {error}") from None

    def _share(self, load: float) -> None:
        # Time-shared jobs have no place: only the sum of accelerators x rate is bounded.
        self._shared += load
        if self._shared > self.fleet.capacity * (1 + 1e-9):
            raise ValueError(f"time-shared jobs add up to {self._shared:g} of {self.fleet.capacity} accelerators")

    def _preempt(self, decision: Preempt) -> None:
        job = decision.job
        run = self.running.pop(job, None)
        if run is None:
            raise self._illegal(f"preemption of job {job}, which is {STATES[self._state[job]]}")
        now = self.clock.now
        self.clock.void(run)
        kept = min(self._checkpoints.kept_after(now - run.since_s, run.rate), run.left_s)
        lost = self.useful_s(run) - kept
        self.done_s[job] = self._service_s[job] - run.left_s + kept
        self.held_s[job] = self.held_s.get(job, 0.0) + now - run.started_s
        self.log.row(now, PREEMPT, job, lost, decision.reason)
        if self._overheads.preemption > 0.0:
            self._save(run)
            return
        self._free(run)
        self._state[job] = WAITING
        self.waiting[job] = None

    def _save(self, run: Running) -> None:
        """Keep the accelerators while the state is saved; `saved` follows."""
        self._state[run.job] = SAVING
        saving = Running(self.clock, self.on_end)
        saving.job, saving.allocation, saving.rate = run.job, run.allocation, run.rate
        self.saving[run.job] = saving
        self.clock.schedule_at(self.clock.now + self._overheads.preemption, COMPLETION, saving)

    def _reject(self, decision: Reject) -> None:
        job = decision.job
        if self._state[job] != WAITING:
            raise self._illegal(f"rejection of job {job}, which is {STATES[self._state[job]]}")
        del self.waiting[job]
        self._end(job)
        self.log.row(self.clock.now, REJECT, job, 0.0, decision.reason)

    def _set_rate(self, decision: SetRate) -> None:
        job, rate, reason = decision
        old = self.running.get(job)
        if old is None or not 0.0 < rate <= 1.0 or old.allocation.pool != TIME_SHARED:
            raise self._illegal(f"rate {rate:g} for job {job}, which is {STATES[self._state[job]]}")
        need = self.facts.accelerators[job]
        now = self.clock.now
        done = self.useful_s(old)
        self.clock.void(old)
        run = Running(self.clock, self.on_end)
        run.job, run.allocation, run.started_s, run.rate = job, old.allocation, old.started_s, rate
        run.since_s = max(now, old.since_s)
        run.left_s = old.left_s - done
        run.requested_left_s = old.requested_left_s - done
        self.running[job] = run
        self._shared += need * (rate - old.rate)
        self.clock.schedule_at(run.since_s + self._checkpoints.time_for(run.left_s, rate), COMPLETION, run)
        self.log.row(now, RATE, job, rate, reason)

    def _wake_at(self, decision: WakeAt) -> None:
        if not self.clock.now <= decision.time_s < inf:
            raise self._illegal(f"wake-up at {decision.time_s}, which is not a later time")
        self.clock.schedule_at(decision.time_s, TIMER, Moment(self.clock, self.on_wake))

    def _free(self, run: Running) -> None:
        need = self.facts.accelerators[run.job]
        if run.allocation.pool == TIME_SHARED:
            self._shared -= need * run.rate
        else:
            self.fleet.release(run.allocation, need)
        self.freed = True

    def _end(self, job: int) -> None:
        self._state[job] = ENDED
        self.open -= 1

    def _illegal(self, rule: str) -> PolicyError:
        return PolicyError(Problem(self.policy, f"at {self.clock.now:g} s", f"illegal decision: {rule}"))
