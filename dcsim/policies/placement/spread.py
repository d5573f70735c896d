"""Spread: least loaded node first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcsim.policies.decisions import Allocation
from dcsim.policies.placements import Placement, emptiest_beside, gang, in_parts, on_devices, one_node
from dcsim.policies.view import PoolView, Request, SharedPoolsView


@dataclass(frozen=True)
class Spread(Placement):
    """Load balancing: the least loaded node, lowest index on a tie.

    A job of up to one node's accelerators goes on the node with most free accelerators. Larger gangs have the
    shape of `pack` (whole empty nodes plus one remainder node), with the remainder on the least loaded node. Of
    several pools, the one with the largest free share is tried first, the scenario's order on a tie.

    Jobs with fractions, CPU cores or memory go on the node, of all pools they may use, with the largest share of
    its accelerators free (of its CPU cores, for jobs without accelerators), and on the emptiest accelerator. Gangs
    larger than a node keep their shape, and want their cores and memory on each node.
    """

    def place(self, request: Request, pools: Sequence[PoolView]) -> Allocation | None:
        """The least loaded pool with room decides."""
        need = request.accelerators
        for number in _least_loaded_first(request, pools):
            pool = pools[number]
            if need <= pool.width:
                node = pool.emptiest(need)
                if node >= 0:
                    return one_node(number, node, need)
            elif (nodes := gang(pool, need, emptiest_beside)) is not None:
                return Allocation(number, *nodes)
        return None

    def place_shared(self, request: Request, pools: SharedPoolsView) -> Allocation | None:
        """The least loaded node, over all pools."""
        return in_parts(request, pools, self._one_of, _least_loaded_first(request, pools))

    def _one_of(self, nodes: NDArray[np.intp], request: Request, pools: SharedPoolsView) -> Allocation:
        free = pools.free_share()[nodes] / pools.width[nodes]
        if not request.accelerators:
            known = np.flatnonzero(pools.cpus_each[nodes] < np.inf)
            free[known] = pools.cpus[nodes][known] / pools.cpus_each[nodes][known]
        return on_devices(int(nodes[free.argmax()]), request, pools, lambda milli: int(milli.argmax()))


def _least_loaded_first(request: Request, pools: Sequence[PoolView] | SharedPoolsView) -> Sequence[int]:
    """The pools of a request, the one with the largest free share first, the scenario's order on a tie."""
    numbers = request.pools
    if len(numbers) == 1:
        return numbers
    return sorted(numbers, key=lambda n: -pools[n].free_total / (pools[n].nodes * pools[n].width))
