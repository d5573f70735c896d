"""Where jobs would go now: the placement, asked for one job at a time, and who waits for a better place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf

from dcsim.policies.decisions import Allocation
from dcsim.sim.clock import TIMER, Clock, Moment
from dcsim.sim.facts import JobFacts
from dcsim.sim.fleet import Fleet

Where = Callable[[int], Allocation | None]


class Places:
    """What queues ask of the placement. `share(job, place)`: see `Contention.share_there`. `ask_again(job)`: the
    world is told that a job which waited for a better place takes any now.

    `place(job)`: where a job goes now, None if nowhere or if it waits for better. `where(job)`: the same for what-if
    questions, which never begin a job's patience.
    """

    def __init__(
        self,
        facts: JobFacts,
        fleet: Fleet,
        clock: Clock,
        share: Callable[[int, Allocation], float],
        ask_again: Callable[[int], None],
    ) -> None:
        self._clock, self._ask_again = clock, ask_again
        self._until: dict[int, float] = {}  # when the patience of jobs that were passed over ends, s
        self._patience_s = fleet.patience_s
        self._now = _asked(facts, fleet, share)
        late = fleet.place_late
        self._late: Where = _by_need(facts, fleet, late) if late else _nowhere
        self.place: Where = self._place if late else self._now
        self.where: Where = self._where if late else self._now

    def forget(self, job: int) -> None:
        """A preempted job is patient anew when it waits again."""
        self._until.pop(job, None)

    def _where(self, job: int) -> Allocation | None:
        found = self._now(job)
        if found is None and self._until.get(job, inf) <= self._clock._now:
            return self._late(job)
        return found

    def _place(self, job: int) -> Allocation | None:
        found = self._where(job)
        if found is not None or job in self._until or self._late(job) is None:
            return found
        until = self._until[job] = self._clock._now + self._patience_s
        if self._clock._now < until < inf:
            self._clock.schedule_at(until, TIMER, Moment(self._clock, [partial(self._run_out, job)]))
        return self._where(job)

    def _run_out(self, job: int, _: Moment) -> None:
        """The patience of a job has run out, if it still waits as it did."""
        if self._until.get(job, inf) <= self._clock._now:
            self._ask_again(job)


def _nowhere(_: int) -> Allocation | None:
    return None


def _by_need(facts: JobFacts, fleet: Fleet, place: Callable[..., Allocation | None]) -> Where:
    """A placement asked by job, with all that never changes at hand: it is asked at least once for every job."""
    pools, requests, classes = fleet.pools, facts.requests, facts.request_class

    def where(job: int) -> Allocation | None:
        """Where a waiting job would go now, None if nowhere."""
        return place(requests[classes[job]], pools)

    return where


def _asked(facts: JobFacts, fleet: Fleet, share: Callable[[int, Allocation], float]) -> Where:
    """The placement, by links where it looks at them."""
    by_share = fleet.place_by_share
    if by_share is None:
        return _by_need(facts, fleet, fleet.place)

    def where(job: int) -> Allocation | None:
        """Where a waiting job would find most of the links, None if nowhere."""
        return by_share(facts.requests[facts.request_class[job]], fleet.pools, partial(share, job))

    return where
