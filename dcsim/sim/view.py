"""The world as policies see it: read-only, without true run times."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from dcsim.policies.decisions import Allocation
from dcsim.policies.view import JobView, PoolView, Request
from dcsim.sim.reasons import lacking
from dcsim.sim.world import World


class Profile:
    """Copies of the pools' counts to play "what if" with."""

    def __init__(self, world: World) -> None:
        self._facts = world.facts
        self._needs = world.needs
        self._pools: list[Any] = world.fleet.scratch()

    def release(self, job: int, allocation: Allocation) -> None:
        """As if the job had left this allocation."""
        self._pools[allocation[0]].release(allocation, self._needs[job])

    def occupy(self, job: int, allocation: Allocation) -> None:
        """As if the job ran on this allocation."""
        self._pools[allocation[0]].occupy(allocation, self._needs[job])

    def fits(self, job: int) -> bool:
        """Whether the job could be placed."""
        pools, need = self._pools, self._needs[job]
        for number in self._facts.requests[self._facts.request_class[job]].pools:  # noqa: SIM110 - half the time
            if pools[number].fits(need):
                return True
        return False


class WorldView:
    """A read-only view of the world; see `policies/view.py` for the contract."""

    def __init__(self, world: World, random: np.random.Generator) -> None:
        self._world = world
        self._clock = world.clock
        self._saving = world.saving.keys()
        self.facts = world.facts
        self.random = random
        self.rates_vary = world.speeds is not None
        self.lasts_s: Sequence[float] = _lasts_s(world)
        self._requests = world.facts.requests
        self._classes = world.facts.request_class
        self._pools = world.fleet.pools
        self._where = world.places.where
        self._in_parts = world.fleet.shared
        self._needs = world.needs
        self.by_node = not world.fleet.shared and world.fleet.by_node
        self.place = world.places.place

    @property
    def now(self) -> float:
        """Simulated time, s."""
        return self._clock._now

    @property
    def pools(self) -> Sequence[PoolView]:
        """The pools, in the order of the scenario."""
        return self._pools

    def waiting(self) -> Collection[int]:
        """Jobs that wait, in the order in which they began to."""
        return tuple(self._world.waiting)

    def running(self) -> Collection[int]:
        """Jobs that run, in the order in which they started."""
        return tuple(self._world.running)

    def saving(self) -> Collection[int]:
        """Preempted jobs that still hold accelerators."""
        return self._saving

    def job(self, job: int) -> JobView:
        """One job with its progress so far."""
        world = self._world
        run = world.running.get(job)
        if job not in world.held_s and (run is None or run.started_s == world.clock._now):
            return JobView(self.facts, job, 0.0, 0.0)
        done = world.done_s.get(job, 0.0)
        held = world.held_s.get(job, 0.0)
        if run is not None:
            done += world.useful_s(run)
            held += world.clock._now - run.started_s
        return JobView(self.facts, job, done, held * self.facts.accelerators[job])

    def request(self, job: int) -> Request:
        """What one job needs."""
        return self._requests[self._classes[job]]

    def lacking(self, job: int) -> str:
        """What a waiting job that has no place finds too little of."""
        return lacking(self._world.fleet, self._requests[self._classes[job]])

    def place_after(self, job: int, leaving: Sequence[int]) -> tuple[Allocation, list[int]] | None:
        """Where it would go once enough jobs of `leaving` had gone, and those; the world is as before afterwards."""
        pools, needs = self._pools, self._needs
        request = self._requests[self._classes[job]]
        enough, found = self._enough(request, leaving)
        if not enough:
            return None
        if found is not None:
            return found, list(leaving[:enough])
        gone: list[tuple[Allocation, Any]] = []
        for count, other in enumerate(leaving, 1):
            allocation = self.allocation(other)
            pools[allocation[0]].release(allocation, needs[other])
            gone.append((allocation, needs[other]))
            if count >= enough and (found := self._where(job)) is not None:
                break
        for allocation, held in gone:
            pools[allocation[0]].take(allocation, held)
        return None if found is None else (found, list(leaving[: len(gone)]))

    def _enough(self, request: Request, leaving: Sequence[int]) -> tuple[int, Allocation | None]:
        """How many jobs of `leaving` must go, one after another, before the request can fit, 0 if all are too few;
        and where it goes then, if there is only one place.

        Counted beside the pools, which is several times as quick as changing them. Pools shared in parts are not
        counted: there any job that goes may be enough.
        """
        if self._in_parts:
            return min(1, len(leaving)), None
        need, pools = request.accelerators, self._pools
        best: tuple[int, Allocation | None] = (0, None)
        held = sum(map(self._needs.__getitem__, leaving))
        for number in request.pools:
            if pools[number].free_total + held >= need:
                found = self._enough_in(number, need, leaving)
                if found[0] and not 0 < best[0] <= found[0]:
                    best = found
        return best

    def _enough_in(self, number: int, need: int, leaving: Sequence[int]) -> tuple[int, Allocation | None]:
        """The same for one pool."""
        pool, running, needs = self._pools[number], self._world.running, self._needs
        free_on = pool.free_on
        wanted = min(need, pool.width)  # on each of `whole` nodes, the remainder of a gang apart
        whole = need // wanted
        missing = need - pool.free_total
        if self.by_node:
            missing = whole - (pool.empty_count() if need > wanted else pool.emptiest(need) >= 0)
        room: dict[int, int] = {}  # free accelerators on nodes of jobs that have gone
        found: list[int] = []  # nodes that then have room
        for count, job in enumerate(leaving, 1):
            at, nodes, counts, _, _ = (running[job] if job in running else self._world.saving[job]).allocation
            if at != number:
                continue
            if not self.by_node:
                missing -= needs[job]
            else:
                for node, held in zip(nodes, counts):  # noqa: B905 - of one length, as checked when they were taken
                    before = room[node] if node in room else free_on(node)
                    after = room[node] = before + held
                    if before < wanted <= after:
                        found.append(node)
                        missing -= 1
            if missing <= 0:
                if missing < 0 or not found or need % wanted:
                    return count, None
                all_nodes = [*pool.empty(whole), *found] if need > wanted else found
                return count, Allocation(number, tuple(sorted(all_nodes)), (wanted,) * whole)
        return 0, None

    def allocation(self, job: int) -> Allocation:
        """Where a running or saving job is."""
        world = self._world
        return (world.running.get(job) or world.saving[job]).allocation

    def rate(self, job: int) -> float:
        """Rate of a running job."""
        return self._world.running[job].rate

    def started_s(self, job: int) -> float:
        """When a running job took its accelerators."""
        return self._world.running[job].started_s

    def expected_end_s(self, job: int) -> float:
        """When a running job would end if it ran as long as requested."""
        return self._world.requested_end_s(self._world.running[job])

    def estimate(self, job: int, allocation: Allocation) -> float:
        """How long a job would hold an allocation if it started there now and took as long as requested."""
        world = self._world
        over, left_s = world.overheads, self.facts.requested_s[job] - world.done_s.get(job, 0.0)
        before_s = over.start + (over.restore if job in world.held_s else 0.0)
        return before_s + world.checkpoints.time_for(max(left_s, 0.0), world.rate_there(job, allocation))

    def profile(self) -> Profile:
        """A scratch copy of the present allocation."""
        return Profile(self._world)


def _lasts_s(world: World) -> list[float]:
    """`View.lasts_s`: by the pool that suits a job best, where pools differ."""
    requested_s, classes, requests = world.facts.requested_s, world.facts.request_class, world.facts.requests
    if world.plain:
        return requested_s
    over, times = world.overheads.start, world.checkpoints.time_for
    if world.speeds is None:
        return [over + times(max(requested, 0.0)) for requested in requested_s]
    places = [[Allocation(pool) for pool in request.pools] for request in requests]
    rates = (max((world.rate_there(j, at) for at in places[kind]), default=1.0) for j, kind in enumerate(classes))
    return [over + times(max(left, 0.0), rate) for left, rate in zip(requested_s, rates, strict=True)]
