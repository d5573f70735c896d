"""How fast jobs run where: the one seam between the simulator and whatever knows of models and hardware."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from dcsim.policies.decisions import Allocation


class Speeds(Protocol):
    """Says the rate of a job: service per second, 1 where and as its service time was given.

    The world asks at each start, and again for a running job when the clock of its pool or its neighbours change.
    Answers depend on the arguments alone; who answers keeps what is dear to compute.
    """

    @property
    def shared_nics(self) -> Collection[int]:
        """Numbers of the pools whose nodes have fewer NICs than accelerators, so that gangs share them."""
        ...

    @property
    def sizes(self) -> Mapping[int, tuple[int, ...]]:
        """Gang sizes that elastic jobs may have, largest first, by number of the job; others have one size."""
        ...

    def rate(self, job: int, allocation: Allocation, clock: float, crowd: int) -> float:
        """Rate of a job on an allocation, above 0.

        `clock`: core clock of its pool as a share of the nominal one. `crowd`: accelerators, its own included, whose
        gangs send over the NICs of its busiest node; 0 where NICs are not shared. An allocation without nodes
        stands for the best place in its pool.
        """
        ...


class Crowds:
    """Gangs that span nodes, by node, in the pools where they share NICs."""

    def __init__(self, pools: Collection[int]) -> None:
        self._pools = frozenset(pools)
        self._on: dict[tuple[int, int], dict[int, int]] = {}  # accelerators by job, by (pool, node)

    def join(self, job: int, allocation: Allocation) -> list[int]:
        """A gang begins to send; the jobs that have got a new neighbour, in the order in which they came."""
        return self._change(job, allocation, True)

    def leave(self, job: int, allocation: Allocation) -> list[int]:
        """A gang sends no more; the jobs that have lost a neighbour, in the order in which they came."""
        return self._change(job, allocation, False)

    def size(self, allocation: Allocation) -> int:
        """Most accelerators, over the nodes of an allocation, whose gangs send over the NICs of one node."""
        at = ((allocation.pool, node) for node in allocation.nodes)
        return max((sum(self._on[key].values()) for key in at if key in self._on), default=0)

    def with_(self, allocation: Allocation) -> int:
        """The same if a gang came there too."""
        if not self._sends(allocation):
            return 0
        there = zip(allocation.nodes, allocation.counts, strict=True)
        return max(count + sum(self._on.get((allocation.pool, node), {}).values()) for node, count in there)

    def _change(self, job: int, allocation: Allocation, comes: bool) -> list[int]:
        near: dict[int, None] = {}
        if self._sends(allocation):
            for node, count in zip(allocation.nodes, allocation.counts, strict=True):
                here = self._on.setdefault((allocation.pool, node), {})
                if comes:
                    here[job] = count
                else:
                    del here[job]
                near |= dict.fromkeys(other for other in here if other != job)
        return list(near)

    def _sends(self, allocation: Allocation) -> bool:
        return len(allocation.nodes) > 1 and allocation.pool in self._pools
