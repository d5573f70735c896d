"""The world: all that changes during a run, changed in one place, each change a row of the event log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappush
from math import inf
from typing import Any

from dcsim.eventlog.log import HALF, KIND_BITS
from dcsim.eventlog.schema import (
    BREAK,
    COMPLETE,
    INTERRUPT,
    NOBODY,
    PREEMPT,
    RATE,
    REJECT,
    RELEASE,
    REPAIR,
    SAVE,
    START,
)
from dcsim.policies.decisions import TIME_SHARED, Allocation
from dcsim.scenario.spec import Overheads
from dcsim.sim.clock import COMPLETION, TIMER, Moment
from dcsim.sim.facts import JobFacts
from dcsim.sim.fleet import Fleet
from dcsim.sim.parts import Part
from dcsim.sim.places import Places
from dcsim.sim.speeds import Speeds
from dcsim.sim.state import Running, State


class World(State):
    """A state and what changes it: its own methods are the only writers. Made of the same as `State`."""

    __slots__ = ("_at_wake", "at_end", "places")

    def __init__(
        self,
        facts: JobFacts,
        service_s: list[float],
        end_kinds: list[int],
        fleet: Fleet,
        overheads: Overheads,
        speeds: Speeds | None = None,
    ) -> None:
        super().__init__(facts, service_s, end_kinds, fleet, overheads, speeds)
        self.at_end: list[Callable[[Any], None]] = [self.ended]
        self._at_wake: list[Callable[[Any], None]] = [self._woken]
        self.places = Places(facts, fleet, self.clock, self.neighbours.share_there, self._ask_again)

    def submit(self, first: int, last: int) -> None:
        """Jobs `first <= job < last` begin to wait."""
        self.submitted = last
        waiting = self.waiting
        for job in range(first, last):
            waiting[job] = None

    def ended(self, run: Running) -> None:
        """The clock's call at the end of a run, or of the saving of a preempted job's state."""
        if run.void:
            return
        job = run.job
        if self.saving and job in self.saving:
            self._saved(run)
            return
        del self.running[job]
        allocation = run.allocation
        if allocation[0] == TIME_SHARED:
            self._shared -= self.facts.accelerators[job] * run.rate
        else:
            self.release[allocation[0]](allocation, self.needs[job])
        self.freed = True
        self._put_time(self.clock._now)
        self._put_code(job << KIND_BITS | (self.end_kinds[job] if self.end_kinds else COMPLETE))
        if self.on_end is not None:
            self.on_end(job)
        self.spare.append(run)
        if self.speeds is not None:
            self._rerate(self.neighbours.leave(job, allocation), "a neighbour is gone")

    def start(self, job: int, allocation: Allocation, reason: str = "", rate: float = 1.0) -> None:
        """A waiting job takes its accelerators; PolicyError where it does not wait or they are not free."""
        if job not in self.waiting:
            raise self._illegal(f"start of {self._named(job)}, which is {self._state(job)}")
        try:
            if allocation[0] < 0 or rate != 1.0:
                self._share(job, allocation, rate)
            elif self._several and allocation[0] not in self.facts.requests[self.facts.request_class[job]].pools:
                raise ValueError(f"pool {allocation[0]}, which it may not use")
            else:
                if self.gangs is not None:
                    self.gangs.start(job, allocation, self.needs)
                self.occupy[allocation[0]](allocation, self.needs[job])
        except (IndexError, TypeError, ValueError) as error:
            rule = "no such pool" if isinstance(error, IndexError) else error
            raise self._illegal(f"start of {self._named(job)} on {allocation}: {rule}") from None
        del self.waiting[job]
        near: Sequence[int] = ()
        if self.speeds is not None and allocation[0] >= 0:
            near = self.neighbours.join(job, allocation)
            rate = self._rate(self.speeds, job, allocation)
        # Ended runs are used again: making an object costs more than all its fields.
        run = self.spare.pop() if self.spare else Running(self.clock, self.at_end)
        self.running[job] = run
        run.job = job
        run.allocation = allocation
        run.started_s = run.since_s = now = self.clock._now
        run.left_s = left = self.service_s[job]
        run.requested_left_s = self.facts.requested_s[job]
        run.rate = rate
        end = now + left if self.plain and rate == 1.0 and job not in self.done_s else self._resume(run)
        heappush(self._queue, (end, COMPLETION, next(self._ticket), run))
        if reason or rate != 1.0:
            self.log.extras(rate, reason)
        self._put_time(now)
        self._put_code(job << KIND_BITS | START)
        nodes = allocation[1]
        if len(nodes) == 1:
            self._put_place(allocation[0] << HALF | 1)
            self._put_piece(nodes[0] << HALF | allocation[2][0])
        else:
            self.log.place(allocation[0], nodes, allocation[2])
        if near:
            self._rerate(near, "a neighbour has come")

    def start_if_fits(self, job: int) -> bool:
        """Start a waiting job where the placement puts it; false, and nothing is done, if that is nowhere."""
        allocation = self.places.place(job)
        if allocation is None:
            return False
        self.start(job, allocation)
        return True

    def _resume(self, run: Running) -> float:
        """Take overheads and earlier work into account; when the run will end, s."""
        done = self.done_s.get(run.job, 0.0)
        run.left_s -= done
        run.requested_left_s -= done
        over = self.overheads
        run.since_s += over.start + (over.restore if run.job in self.held_s else 0.0)
        return run.since_s + self.checkpoints.time_for(run.left_s, run.rate)

    def _share(self, job: int, allocation: Allocation, rate: float) -> None:
        if self.neighbours.links is not None:
            raise ValueError("jobs that are time-shared have no place, so no links that they could share")
        if allocation[0] != TIME_SHARED or allocation[1]:
            raise ValueError(f"rate {rate:g}, but only time-shared jobs, which have no place, run at a rate below 1")
        if not 0.0 < rate <= 1.0:
            raise ValueError(f"rate {rate:g}, not above 0 and at most 1")
        self._load(self.facts.accelerators[job] * rate)

    def _load(self, change: float) -> None:
        # Time-shared jobs have no place: only the sum of accelerators x rate is bounded.
        self._shared += change
        if self._shared > self.fleet.capacity * (1 + 1e-9):
            raise ValueError(f"time-shared jobs add up to {self._shared:g} of {self.fleet.capacity} accelerators")

    def preempt(self, job: int, reason: str = "") -> None:
        """A running job stops, keeps the work of its last checkpoint and waits again, at once or when it has saved."""
        run = self.running.get(job)
        if run is None:
            raise self._illegal(f"preemption of {self._named(job)}, which is {self._state(job)}")
        saves = self.overheads.preemption > 0.0
        self._stop(run, SAVE if saves else PREEMPT, reason)
        if saves:
            self._save(run)
        else:
            self._free(run)
            self.waiting[job] = None
        if self.speeds is not None:
            self._rerate(self.neighbours.leave(job, run.allocation), "a neighbour is gone")

    def _stop(self, run: Running, kind: int, reason: str) -> None:
        """A run is cut: only work that is safe is kept; without periodic checkpoints, a failure leaves none of it."""
        job, now = run.job, self.clock.now
        del self.running[job]
        self.clock.void(run)
        useful, before = self.useful_s(run), self.service_s[job] - run.left_s  # at the present rate, and earlier
        if kind == INTERRUPT and self.checkpoints.interval == inf:
            kept = self.done_s.get(job, 0.0) - before  # as if the run had not been
        else:
            kept = min(self.checkpoints.kept_after(now - run.since_s, run.rate), useful)
        self.done_s[job] = before + kept
        self.held_s[job] = self.held_s.get(job, 0.0) + now - run.started_s
        self.places.forget(job)
        if self.gangs is not None:
            self.gangs.wait_again(job)
        self.log.row(now, kind, job, useful - kept, reason)

    def _save(self, run: Running) -> None:
        """Keep the accelerators while the state is saved; `saved` follows."""
        saving = self.saving[run.job] = Running(self.clock, self.at_end)
        saving.job, saving.allocation, saving.rate = run.job, run.allocation, run.rate
        self.clock.schedule_at(self.clock.now + self.overheads.preemption, COMPLETION, saving)

    def reject(self, job: int, reason: str = "") -> None:
        """A waiting job is sent away."""
        if job not in self.waiting:
            raise self._illegal(f"rejection of {self._named(job)}, which is {self._state(job)}")
        del self.waiting[job]
        self.log.row(self.clock.now, REJECT, job, 0.0, reason)

    def set_rate(self, job: int, rate: float, reason: str = "") -> None:
        """A time-shared job goes on at another rate."""
        old = self.running.get(job)
        if old is None or not 0.0 < rate <= 1.0 or old.allocation.pool != TIME_SHARED:
            raise self._illegal(f"rate {rate:g} for {self._named(job)}, which is {self._state(job)}")
        try:
            self._load(self.facts.accelerators[job] * (rate - old.rate))
        except ValueError as error:
            raise self._illegal(f"rate {rate:g} for {self._named(job)}: {error}") from None
        self._go_on(old, rate, reason)

    def fail(self, part: Part) -> None:
        """A link or switch fails: jobs across it stop and wait again, or go on at other rates."""
        assert self.neighbours.links is not None
        stopped, changed = self.neighbours.links.fail(part)
        self.log.row(self.clock.now, BREAK, NOBODY, part.left, part.name)
        self.failed.append(part)
        self.cut_off = self.on_failed(self.failed)
        reason, near = f"{part.name} has failed", dict.fromkeys(changed)
        for job in stopped:
            run = self.running[job]
            self._stop(run, INTERRUPT, reason)
            self._free(run)
            self.waiting[job] = None
            near |= dict.fromkeys(self.neighbours.leave(job, run.allocation))
            if self.on_end is not None:
                self.on_end(job)
            self.on_return(job)
        self._rerate([job for job in near if job in self.running], reason)

    def repair(self, part: Part) -> None:
        """A link or switch works again: jobs go on at other rates."""
        assert self.neighbours.links is not None
        changed = self.neighbours.links.repair(part)
        self.log.row(self.clock.now, REPAIR, NOBODY, part.left, part.name)
        self.failed.remove(part)
        self.freed |= self.cut_off  # there may be places again
        self.cut_off = self.on_failed(self.failed)
        self._rerate(changed, f"{part.name} is repaired")

    def set_clock(self, pool: int, share: float, reason: str = "") -> None:
        """The core clock of a pool becomes a share of the nominal one; jobs that run there go on at their new rates."""
        if self.speeds is None or not 0 <= pool < len(self.clocks) or not 0.0 < share < inf:
            raise self._illegal(f"clock {share:g} for pool {pool}: no such pool, not above 0, or nobody knows speeds")
        self.clocks[pool] = share
        self._rerate([job for job, run in self.running.items() if run.allocation[0] == pool], reason)

    def _rerate(self, jobs: Sequence[int], reason: str) -> None:
        """Running jobs go on at the rates that clocks and neighbours of now give them."""
        for job in jobs:
            run = self.running[job]
            rate = self._rate(self.speeds, job, run.allocation) if self.speeds else 1.0
            if rate != run.rate:
                self._go_on(run, rate, reason)
                self.on_rate(job)

    def _rate(self, speeds: Speeds, job: int, allocation: Allocation) -> float:
        crowd, shares = self.neighbours.around(job, allocation)
        return speeds.rate(job, allocation, self.clocks[allocation[0]], crowd, shares) if all(shares) else 0.0

    def _go_on(self, old: Running, rate: float, reason: str) -> None:
        """A running job goes on at another rate, in the same place and at the same point between two checkpoints."""
        now, job = self.clock.now, old.job
        safe, ago = self.checkpoints.at_rate(now - old.since_s, old.rate, rate)
        safe = min(safe, old.left_s)
        self.clock.void(old)
        run = self.running[job] = Running(self.clock, self.at_end)
        run.job, run.allocation, run.started_s, run.rate = job, old.allocation, old.started_s, rate
        run.since_s = old.since_s if old.since_s > now else now - ago
        run.left_s = old.left_s - safe
        run.requested_left_s = old.requested_left_s - safe
        self.clock.schedule_at(run.since_s + self.checkpoints.time_for(run.left_s, rate), COMPLETION, run)
        self.log.row(now, RATE, job, rate, reason)

    def wake_at(self, time_s: float) -> None:
        """Ask for a scheduling pass at a later time."""
        if not self.clock.now < time_s < inf:
            raise self._illegal(f"wake-up at {time_s}, which is not a later time")
        self.wakes += 1
        self.clock.schedule_at(time_s, TIMER, Moment(self.clock, self._at_wake))

    def _woken(self, _: object) -> None:
        self.wakes -= 1

    def _ask_again(self, job: int) -> None:
        """A job takes places now that it did not before: to queues that is as if somebody had gone."""
        self.freed |= job in self.waiting

    def _saved(self, run: Running) -> None:
        """A preempted job has saved its state: its accelerators are free and it waits."""
        del self.saving[run.job]
        self._free(run)
        self.waiting[run.job] = None
        self.log.end(self.clock.now, RELEASE, run.job)
        if self.on_end is not None:
            self.on_end(run.job)
        self.on_wait(run.job)

    def _free(self, run: Running) -> None:
        if run.allocation[0] == TIME_SHARED:
            self._shared -= self.facts.accelerators[run.job] * run.rate
        else:
            self.release[run.allocation[0]](run.allocation, self.needs[run.job])
        self.freed = True
