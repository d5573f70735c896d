"""The world as policies see it: read-only, without true run times."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np

from dcsim.policies.decisions import Allocation
from dcsim.policies.view import JobView, PoolView, Request
from dcsim.sim.world import World


class Profile:
    """Copies of the pools' counts to play "what if" with."""

    def __init__(self, world: World) -> None:
        self._facts = world.facts
        self._needs = world.needs
        self._pools: list[Any] = world.fleet.scratch()

    def release(self, job: int, allocation: Allocation) -> None:
        """As if the job had left this allocation."""
        self._pools[allocation.pool].release(allocation, self._needs[job])

    def occupy(self, job: int, allocation: Allocation) -> None:
        """As if the job ran on this allocation."""
        self._pools[allocation.pool].occupy(allocation, self._needs[job])

    def fits(self, job: int) -> bool:
        """Whether the job could be placed."""
        request = self._facts.requests[self._facts.request_class[job]]
        return any(self._pools[n].fits(self._needs[job]) for n in request.pools)


class WorldView:
    """A read-only view of the world; see `policies/view.py` for the contract."""

    def __init__(self, world: World, random: np.random.Generator) -> None:
        self._world = world
        self.facts = world.facts
        self.random = random
        self.lasts_s: Sequence[float] = world.lasts_s()
        self._requests = world.facts.requests
        self._classes = world.facts.request_class
        self._pools = world.fleet.pools
        self._placement = world.fleet.place
        self.place = _placer(world)

    @property
    def now(self) -> float:
        """Simulated time, s."""
        return self._world.clock.now

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
        return self._world.saving.keys()

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

    def place_after(self, job: int, leaving: Iterable[int]) -> tuple[Allocation, list[int]] | None:
        """Where it would go once enough jobs of `leaving` had gone, and those; the world is as before afterwards."""
        pools, needs, parts = self._pools, self._world.needs, self._world.fleet.shared
        request = self._requests[self._classes[job]]
        need, mine = request.accelerators, request.pools
        gone: list[tuple[Allocation, Any]] = []
        jobs: list[int] = []
        found = None
        for other in leaving:
            allocation = self.allocation(other)
            pools[allocation[0]].release(allocation, needs[other])
            gone.append((allocation, needs[other]))
            jobs.append(other)
            if parts or any(pools[n].free_total >= need for n in mine):
                found = self._placement(request, pools)
                if found is not None:
                    break
        for allocation, held in gone:
            pools[allocation[0]].occupy(allocation, held)
        return None if found is None else (found, jobs)

    def allocation(self, job: int) -> Allocation:
        """Where a running or saving job is."""
        world = self._world
        return (world.running.get(job) or world.saving[job]).allocation

    def rate(self, job: int) -> float:
        """Rate of a running job."""
        return self._world.running[job].rate

    def expected_end_s(self, job: int) -> float:
        """When a running job would end if it ran as long as requested."""
        return self._world.requested_end_s(self._world.running[job])

    def profile(self) -> Profile:
        """A scratch copy of the present allocation."""
        return Profile(self._world)


def _placer(world: World) -> Callable[[int], Allocation | None]:
    """`View.place`, with all that never changes at hand: it is asked at least once for every job."""
    place, pools = world.fleet.place, world.fleet.pools
    requests, classes = world.facts.requests, world.facts.request_class

    def where(job: int) -> Allocation | None:
        return place(requests[classes[job]], pools)

    return where
