"""Pack: best fit, whole nodes for gangs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dcsim.policies.decisions import Allocation
from dcsim.policies.placements import Placement, fullest_beside, gang, in_parts, on_devices, one_node
from dcsim.policies.view import PoolView, Request, SharedPoolsView


@dataclass(frozen=True)
class Pack(Placement):
    """Best fit: the fullest node that fits, whole nodes for gangs.

    A job of up to one node's accelerators goes on the fullest node that fits, lowest index on a tie; a multiple
    of a node needs that many empty nodes; anything else, empty nodes plus one remainder node, which is again the
    fullest that fits. Pools are tried in the order of the scenario.

    Jobs with fractions, CPU cores or memory go on the node, of all pools they may use, that they leave with least
    free: half the free CPU cores plus half the free accelerators, each as a share of the largest node's; lowest
    index on a tie, and on the accelerator with least room. Source: BestFit of Weng et al., USENIX ATC 2023. Gangs
    larger than a node keep their shape, and want their cores and memory on each node.
    """

    best_fit: ClassVar[bool] = True

    def place(self, request: Request, pools: Sequence[PoolView]) -> Allocation | None:
        """The first pool with room decides."""
        need = request.accelerators
        for number in request.pools:
            pool = pools[number]
            if need <= pool.width:
                node = pool.fullest(need)
                if node >= 0:
                    return one_node(number, node, need)
            elif (nodes := gang(pool, need, fullest_beside)) is not None:
                return Allocation(number, *nodes)
        return None

    def place_shared(self, request: Request, pools: SharedPoolsView) -> Allocation | None:
        """Least free afterwards, over all pools."""
        return in_parts(request, pools, self._one_of)

    def _one_of(self, nodes: NDArray[np.intp], request: Request, pools: SharedPoolsView) -> Allocation:
        known = pools.cpus_each < np.inf
        cores = pools.cpus_each.max(where=known, initial=1.0)
        free = pools.free_share()[nodes] / pools.width.max() + np.where(known, pools.cpus, 0.0)[nodes] / cores
        return on_devices(int(nodes[free.argmin()]), request, pools, lambda milli: int(milli.argmin()))
