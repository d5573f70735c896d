"""Topology-aware: gangs under the smallest switch that has room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dcsim.policies.decisions import Allocation
from dcsim.policies.placements import Placement, one_node
from dcsim.policies.view import PoolView, Request


@dataclass
class TopologyAware(Placement):
    """Gangs go under the smallest switch of the network with room for them: a leaf, else a pod, else anywhere.

    Among switches of one level, the one with fewest free accelerators that has room; lowest nodes on a tie. Under it a
    gang has the shape of `pack`: the lowest empty nodes, then one node for the remainder, the fullest that fits. A job
    of up to one node's accelerators goes on the fullest node that fits. Pools are tried in the order of the scenario.
    """

    uses_network: ClassVar[bool] = True

    def place(self, request: Request, pools: Sequence[PoolView]) -> Allocation | None:
        """The first pool with room decides."""
        need = request.accelerators
        for number in request.pools:
            pool = pools[number]
            if need <= pool.width:
                node = pool.fullest(need)
                if node >= 0:
                    return one_node(number, node, need)
            elif need <= pool.free_total and (found := self._under_one_switch(number, pool, need)) is not None:
                return found
        return None

    def _under_one_switch(self, number: int, pool: PoolView, need: int) -> Allocation | None:
        free = pool.free()
        levels = [*self.blocks[number], np.zeros(pool.nodes, np.int64)] if self.blocks else [np.zeros_like(free)]
        whole, rest = divmod(need, pool.width)
        for block in levels:
            empty = np.bincount(block, free == pool.width)
            room = np.bincount(block, free)
            for best in sorted(np.flatnonzero(empty >= whole).tolist(), key=lambda b: room[b]):
                nodes = np.flatnonzero(block == best)
                taken = nodes[free[nodes] == pool.width][:whole].tolist()
                if not rest:
                    return Allocation(number, tuple(taken), (pool.width,) * whole)
                last = _fullest(free, np.setdiff1d(nodes, taken), rest)
                if last >= 0:
                    return Allocation(number, (*taken, last), (pool.width,) * whole + (rest,))
        return None


def _fullest(free: NDArray[np.int64], nodes: NDArray[np.int64], need: int) -> int:
    """The node with fewest free accelerators that has as many, lowest number on a tie; -1 if none."""
    fitting = nodes[free[nodes] >= need]
    return int(fitting[free[fitting].argmin()]) if len(fitting) else -1
