"""Weighted: load balancing by device speed and load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dcsim.policies.decisions import Allocation
from dcsim.policies.placements import Placement, emptiest_beside, gang, one_node
from dcsim.policies.view import PoolView, Request


@dataclass(frozen=True)
class Weighted(Placement):
    """Weighted load balancing: the pool with the most free speed, then its least loaded node.

    The weight of a pool is the speed of its device times its free share of accelerators, so that a fast, half
    empty pool is preferred to a slow, empty one. The speed is the accelerator's peak half-precision rate (bf16,
    else fp16, else fp32; 1 where none is known). Shapes of gangs are those of `pack`.
    """

    def place(self, request: Request, pools: Sequence[PoolView]) -> Allocation | None:
        """Pools by falling speed times free share; the scenario's order on a tie."""
        need = request.accelerators

        def weight(number: int) -> float:
            """What is least for the fastest and emptiest pool."""
            pool = pools[number]
            return -pool.speed * pool.free_total / (pool.nodes * pool.width)

        for number in sorted(request.pools, key=weight):
            pool = pools[number]
            if need <= pool.width:
                node = pool.emptiest(need)
                if node >= 0:
                    return one_node(number, node, need)
            elif (nodes := gang(pool, need, emptiest_beside)) is not None:
                return Allocation(number, *nodes)
        return None
