"""Places whose nodes are near each other in a network: what placements that know the graph are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dcsim.policies.decisions import Allocation
from dcsim.policies.placements import Placement, one_node
from dcsim.policies.view import PoolView, Request

Ints = NDArray[np.int64]


@dataclass
class NetworkPlacement(Placement):
    """Base of placements that know the network: gangs under the smallest switch, on a torus in the smallest slice.

    While links are down, gangs go only where ways join all their nodes, or wait.

    A job of up to one node's accelerators goes on the fullest node that fits. Under a switch a larger gang has the
    shape of `pack`: the lowest empty nodes, then one node for the remainder, the fullest that fits. Pools are tried in
    the order of the scenario.
    """

    uses_network: ClassVar[bool] = True
    interleave: bool = field(default=False, kw_only=True)
    """Whether jobs are shifted in time so that those whose sending phases fit around a circle do not slow each other
    down (CASSINI, NSDI 2024)."""

    @property
    def selective(self) -> bool:
        """On a torus free nodes are not enough, nor are they where links go down."""
        return self.grid is not None or self.islands is not None

    def candidates(
        self, request: Request, pools: Sequence[PoolView], *, nearest: bool = False, turns: bool = False
    ) -> Iterator[Allocation]:
        """Places with room, from the smallest switch up; of one level, under the switch with least room first.

        `nearest`: only under switches as small, or in boxes, as the gang could have if its pool were empty. `turns`:
        under a switch with others below it, places that begin at each of these, see `_turned`.
        """
        need = request.accelerators
        for number in request.pools:
            pool = pools[number]
            if need <= pool.width:
                node = pool.fullest(need)
                if node >= 0:
                    yield one_node(number, node, need)
            elif need <= pool.free_total:
                free = pool.free()
                for nodes in self._sets(number, free, pool.width, need, nearest, turns):
                    if (found := _gang_on(free, nodes, pool.width, need)) is not None:
                        yield Allocation(number, *found)

    def _sets(self, pool: int, free: Ints, width: int, need: int, nearest: bool, turns: bool) -> Iterator[Ints]:
        """Sets of nodes to look for a place in, one after another."""
        count = -(-need // width)
        if self.grid is not None:
            for nodes in self.grid.boxes(pool, free == width, count):
                yield from self._joined(pool, nodes, count)
            if nearest and self.grid.holds(pool, len(free), count):
                return
        levels = [*(self.blocks[pool] if self.blocks else ()), np.zeros(len(free), np.int64)]
        if nearest:
            levels = levels[: next(k for k, level in enumerate(levels, 1) if np.bincount(level).max() >= count)]
        for below, level in zip([None, *levels], levels, strict=False):
            for under in _with_room(level, free, width, need):
                for nodes in self._joined(pool, under, count):
                    yield from _turned(nodes, below) if turns and below is not None else (nodes,)

    def _joined(self, pool: int, nodes: Ints, count: int) -> Iterator[Ints]:
        """Of these nodes those that ways join now, island by island, where there are `count` or more."""
        if not self.islands:
            yield nodes
            return
        island = self.islands[pool][nodes]
        numbers, sizes = np.unique(island, return_counts=True)
        for number in numbers[sizes >= count].tolist():
            yield nodes[island == number]


def _with_room(level: Ints, free: Ints, width: int, need: int) -> Iterator[Ints]:
    """Nodes, not full, of each switch of a level that may have room, least room first, lowest nodes on a tie."""
    empty, room = np.bincount(level, free == width), np.bincount(level, free)
    fitting = np.flatnonzero((empty >= need // width) & (room >= need))
    for switch in sorted(fitting.tolist(), key=room.__getitem__):
        yield np.flatnonzero((level == switch) & (free > 0))


def _turned(nodes: Ints, below: Ints) -> Iterator[Ints]:
    """Nodes of a switch, by the switches below it: from each of these on in turn, every one, every second, ...

    So two of them come together in each way that there is before any comes so again.
    """
    _, under = np.unique(below[nodes], return_inverse=True)
    count = int(under.max()) + 1
    for stride in range(1, count // 2 + 1):
        for begin in range(count):
            order = dict.fromkeys([(begin + stride * step) % count for step in range(count)] + list(range(count)))
            place = np.argsort(list(order))
            yield nodes[np.argsort(place[under], kind="stable")]
    if count == 1:
        yield nodes


def _gang_on(free: Ints, nodes: Ints, width: int, need: int) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Nodes and counts of a gang among these nodes: the first empty ones, then one for the remainder."""
    whole, rest = divmod(need, width)
    taken = nodes[free[nodes] == width][:whole]
    if len(taken) < whole:
        return None
    chosen = tuple(sorted(taken.tolist()))
    if not rest:
        return chosen, (width,) * whole
    others = nodes[(free[nodes] >= rest) & ~np.isin(nodes, taken)]
    if not len(others):
        return None
    return (*chosen, int(others[free[others].argmin()])), (width,) * whole + (rest,)
