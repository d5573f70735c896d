"""The world as policies see it: read-only, without true run times."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
        self._requests = world.facts.requests
        self._classes = world.facts.request_class
        self._pools = world.fleet.pools
        self._placement = world.fleet.place

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
        if run is None and not world.done_s:
            return JobView(self.facts, job, 0.0, 0.0)
        done = world.done_s.get(job, 0.0)
        held = world.held_s.get(job, 0.0)
        if run is not None:
            done += world.useful_s(run)
            held += world.clock.now - run.started_s
        return JobView(self.facts, job, done, held * self.facts.accelerators[job])

    def request(self, job: int) -> Request:
        """What one job needs."""
        return self._requests[self._classes[job]]

    def place(self, job: int) -> Allocation | None:
        """Where the scenario's placement would put a waiting job now."""
        return self._placement(self._requests[self._classes[job]], self._pools)

    def place_without(self, job: int, leaving: Sequence[int]) -> Allocation | None:
        """The same, if the jobs of `leaving` were gone; the world is as before afterwards."""
        pools, needs = self._pools, self._world.needs
        held = [(self.allocation(other), needs[other]) for other in leaving]
        for allocation, need in held:
            pools[allocation.pool].release(allocation, need)
        found = self.place(job)
        for allocation, need in held:
            pools[allocation.pool].occupy(allocation, need)
        return found

    def allocation(self, job: int) -> Allocation:
        """Where a running or saving job is."""
        world = self._world
        return (world.running.get(job) or world.saving[job]).allocation

    def rate(self, job: int) -> float:
        """Rate of a running job."""
        return self._world.running[job].rate

    def start_delay_s(self, job: int) -> float:
        """Time until a running job begins useful work, s."""
        return max(0.0, self._world.running[job].since_s - self._world.clock.now)

    def expected_end_s(self, job: int) -> float:
        """When a running job would end if it ran as long as requested."""
        return self._world.requested_end_s(self._world.running[job])

    def profile(self) -> Profile:
        """A scratch copy of the present allocation."""
        return Profile(self._world)
