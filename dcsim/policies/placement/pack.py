"""Pack: best fit, whole nodes for gangs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dcsim.policies.decisions import Allocation
from dcsim.policies.placements import Placement, fullest_beside, gang, on_devices, one_node
from dcsim.policies.view import PoolView, Request, SharedPoolView


@dataclass(frozen=True)
class Pack(Placement):
    """Best fit: the fullest node that fits, whole nodes for gangs.

    A job of up to one node's accelerators goes on the fullest node that fits, lowest index on a tie; a multiple
    of a node needs that many empty nodes; anything else, empty nodes plus one remainder node, which is again the
    fullest that fits. Pools are tried in the order of the scenario.

    Jobs with fractions, CPU cores or memory go on the node, of all pools they may use, that they leave with least
    free: half the free CPU cores plus half the free accelerators, each as a share of the largest node's; lowest
    index on a tie, and on the accelerator with least room. Source: BestFit of Weng et al., USENIX ATC 2023.
    """

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

    def place_shared(self, request: Request, pools: Sequence[SharedPoolView]) -> Allocation | None:
        """Least free afterwards, over all pools."""
        cores = max((p.cpus_each for p in pools if p.cpus_each < np.inf), default=1.0)
        width = max(p.width for p in pools)
        best: tuple[float, int, int] | None = None
        for number in request.pools:
            pool = pools[number]
            nodes = pool.fitting(request)
            if len(nodes):
                free = pool.free_share()[nodes] / width + np.where(pool.cpus_each < np.inf, pool.cpus[nodes] / cores, 0.0)
                at = int(np.argmin(free))
                if best is None or free[at] < best[0]:
                    best = (float(free[at]), number, int(nodes[at]))
        return None if best is None else on_devices(best[1], best[2], request, pools[best[1]], lambda m: int(m.argmin()))
