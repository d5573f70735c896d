"""Conservative backfill: every waiting job has a reservation that later jobs cannot move."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from math import inf

from dcsim.policies.actions import Actions
from dcsim.policies.decisions import Allocation
from dcsim.policies.ordered import OrderedScheduler
from dcsim.policies.view import View


class FreeOverTime:
    """Free accelerators of a pool as a step function of the future: `free[i]` from `times[i]` to `times[i + 1]`."""

    def __init__(self, now: float, free: int) -> None:
        self.times = [now]
        self.free = [free]

    def earliest(self, need: int, duration: float, now: float) -> float:
        """First time from `now` on at which `need` accelerators stay free for `duration` s."""
        start = now
        for i in range(max(bisect_right(self.times, now) - 1, 0), len(self.times)):
            if self.free[i] < need:
                start = inf
            elif start == inf:
                start = self.times[i]
            end = self.times[i + 1] if i + 1 < len(self.times) else inf
            if start + duration <= end:
                return start
        return inf

    def take(self, start: float, end: float, count: int) -> None:
        """Take `count` accelerators from `start` to `end`; a negative count gives them."""
        first, last = self._cut(start), self._cut(end) if end < inf else len(self.times)
        for i in range(first, last):
            self.free[i] -= count

    def forget(self, now: float) -> None:
        """Drop the past."""
        past = bisect_right(self.times, now) - 1
        if past > 0:
            del self.times[:past], self.free[:past]

    def _cut(self, time: float) -> int:
        at = bisect_left(self.times, time)
        if at == len(self.times) or self.times[at] != time:
            self.times.insert(at, time)
            self.free.insert(at, self.free[at - 1])
        return at


class ConservativeQueue:
    """The queue of conservative backfill, with reservations in accelerators of a pool.

    Reservations are made anew, in order of submission, when a run ends at another time than expected or the
    placement could not honour one; else only new jobs are added behind the others, which is the same.
    """

    def __init__(self, scheduler: OrderedScheduler, view: View) -> None:
        self._view = view
        self._waiting: dict[int, float] = {}  # reserved start, s, by job in order of submission
        self._new: list[int] = []
        self._expected: dict[int, float] = {}
        self._pool_of: dict[int, int] = {}
        self._future: list[FreeOverTime] = []
        self._stale = True
        self._rerated = False  # a running job goes on at another rate since the last pass

    def push(self, job: int) -> None:
        """Add a job behind the others, or at its old place by submission."""
        if self._waiting and job < next(reversed(self._waiting)):
            self._stale = True
        self._new.append(job)

    def ended(self, job: int) -> None:
        """An end at another time than expected moves reservations."""
        if self._expected.pop(job, -1.0) != self._view.now:
            self._stale = True

    def started(self, job: int) -> None:
        """A job runs that found nobody waiting: the future is made anew when the next one waits."""
        self._expected[job] = self._view.expected_end_s(job)
        self._stale = True

    def rerated(self, job: int) -> None:
        """A running job is expected to end at another time, which moves reservations."""
        self._expected[job] = self._view.expected_end_s(job)
        self._stale = self._rerated = True

    def decide(self, freed: bool, act: Actions) -> None:
        """Start the jobs whose reservation is due."""
        if not (self._new or freed or self._rerated):
            return
        self._rerated = False
        now = self._view.now
        self._plan(now)
        for job in [j for j, start in self._waiting.items() if start <= now]:
            allocation = self._view.place(job)
            if allocation is None:
                self._stale = True
                continue
            del self._waiting[job]
            size = self._view.facts.accelerators[job]
            act.start(job, allocation)
            # A larger gang than was reserved for: an elastic job takes what fits.
            self._stale |= allocation.pool != self._pool_of[job] or size != self._view.facts.accelerators[job]
            self._expected[job] = self._view.expected_end_s(job)

    def _plan(self, now: float) -> None:
        overrun = any(end < now for end in self._expected.values())
        if self._stale or overrun:
            for job in self._new:
                self._waiting[job] = inf
            self._waiting = dict.fromkeys(sorted(self._waiting), inf)
            self._rebuild(now)
            jobs = list(self._waiting)
        else:
            jobs = self._new
        for future in self._future:
            future.forget(now)
        for job in jobs:
            self._reserve(job, now)
        self._new = []
        self._stale = False

    def _rebuild(self, now: float) -> None:
        """The future without reservations: running jobs end as expected, overdue ones now."""
        self._future = [FreeOverTime(now, pool.free_total) for pool in self._view.pools]
        for job, end in self._expected.items():
            allocation = self._view.allocation(job)
            self._future[allocation.pool].take(max(end, now), inf, -self._view.facts.accelerators[job])

    def _reserve(self, job: int, now: float) -> None:
        """The earliest place in time that no earlier reservation needs."""
        need, pools = self._view.facts.accelerators[job], self._view.request(job).pools
        start, pool = min((self._future[n].earliest(need, self._lasts_s(job, n), now), n) for n in pools)
        self._future[pool].take(start, start + self._lasts_s(job, pool), need)
        self._waiting[job] = start
        self._pool_of[job] = pool

    def _lasts_s(self, job: int, pool: int) -> float:
        """How long a job is expected to hold its accelerators in a pool, s."""
        view = self._view
        return view.estimate(job, Allocation(pool)) if view.rates_vary else view.lasts_s[job]
