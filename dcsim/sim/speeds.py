"""How fast jobs run where: the one seam between the simulator and whatever knows of models and hardware."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from dcsim.performance.shares import WHOLE, Shares
from dcsim.policies.decisions import Allocation
from dcsim.sim.parts import Part


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

    def rate(self, job: int, allocation: Allocation, clock: float, crowd: int, shares: Shares) -> float:
        """Rate of a job on an allocation, above 0.

        `clock`: core clock of its pool as a share of the nominal one. `crowd`: accelerators, its own included, whose
        gangs send over the NICs of its busiest node; 0 where NICs are not shared. `shares`: what the links between
        nodes leave each kind of its traffic of what it sends when nothing is in its way (a training job: what its NICs
        carry), above 0 and at most 1. An allocation without nodes stands for the best place in its pool.
        """
        ...


class Contention(Protocol):
    """Who sends over which links between nodes, and what that leaves each."""

    def join(self, job: int, allocation: Allocation) -> list[int]:
        """A job begins to send, if it does; the other jobs whose shares change."""
        ...

    def leave(self, job: int) -> list[int]:
        """A job sends no more, if it did; the jobs whose shares change."""
        ...

    def shares(self, job: int) -> Shares:
        """Shares that a job gets of what it would send, at most 1; 0 while no way joins its nodes."""
        ...

    def fail(self, part: Part) -> tuple[list[int], list[int]]:
        """Links fail; the jobs that this stops, which send no more, and the others whose shares change."""
        ...

    def repair(self, part: Part) -> list[int]:
        """Links work again; the jobs whose shares change."""
        ...

    def share_there(self, job: int, allocation: Allocation) -> float:
        """The least of a job that does not run, if it ran there now; changes nothing."""
        ...


class Neighbours:
    """What running jobs do to each other's rates: gangs on a node share its NICs, and gangs anywhere the links.

    `pools`: see `Speeds.shared_nics`. `links`: None where links are not contended.
    """

    def __init__(self, pools: Collection[int], links: Contention | None = None) -> None:
        self._crowds, self.links = Crowds(pools), links

    def join(self, job: int, allocation: Allocation) -> list[int]:
        """A job starts; the others whose rates that may change."""
        near = self._crowds.join(job, allocation)
        return near if self.links is None else list(dict.fromkeys(near + self.links.join(job, allocation)))

    def leave(self, job: int, allocation: Allocation) -> list[int]:
        """A job stops; the others whose rates that may change."""
        near = self._crowds.leave(job, allocation)
        return near if self.links is None else list(dict.fromkeys(near + self.links.leave(job)))

    def around(self, job: int, allocation: Allocation) -> tuple[int, Shares]:
        """`crowd` and `shares`, as in `Speeds.rate`, of a job that runs there; a share of 0: no way joins its nodes."""
        return self._crowds.size(allocation), WHOLE if self.links is None else self.links.shares(job)

    def share_there(self, job: int, allocation: Allocation) -> float:
        """What a gang that is not there yet would have of the links, of its kinds of traffic the worst off."""
        return 1.0 if self.links is None else self.links.share_there(job, allocation)

    def there(self, allocation: Allocation) -> tuple[int, Shares]:
        """`crowd` and `shares` of a gang that is not there yet; what others leave it of the links is not looked at."""
        return self._crowds.with_(allocation), WHOLE


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
        """Most accelerators, over the nodes of a gang that sends, whose gangs send over the NICs of one node."""
        if not self._sends(allocation):
            return 0
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
