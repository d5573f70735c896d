"""Pool: accelerators without node walls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from dcsim.policies.decisions import Allocation
from dcsim.policies.placements import Placement, no_node
from dcsim.policies.view import PoolView, Request


@dataclass(frozen=True)
class Pool(Placement):
    """Ignores node walls: a job fits when its pool has as many free accelerators.

    The yardstick of queueing theory and of published simulators that count GPUs only. Pools are tried in the
    order of the scenario; a job never spans two pools.
    """

    ignores_nodes: ClassVar[bool] = True

    def place(self, request: Request, pools: Sequence[PoolView]) -> Allocation | None:
        """The first pool with enough free accelerators."""
        for number in request.pools:
            if pools[number].free_total >= request.accelerators:
                return no_node(number)
        return None
