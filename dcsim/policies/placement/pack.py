"""Pack: best fit, whole nodes for gangs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dcsim.policies.decisions import Allocation
from dcsim.policies.placements import Placement, gang, one_node
from dcsim.policies.view import PoolView, Request


@dataclass(frozen=True)
class Pack(Placement):
    """Best fit: the fullest node that fits, whole nodes for gangs.

    A job of up to one node's accelerators goes on the fullest node that fits, lowest index on a tie; a multiple
    of a node needs that many empty nodes; anything else, empty nodes plus one remainder node, which is again the
    fullest that fits. Pools are tried in the order of the scenario.
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
            elif (nodes := gang(pool, need, pool.fullest)) is not None:
                return Allocation(number, *nodes)
        return None
