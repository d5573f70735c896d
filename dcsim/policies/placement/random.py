"""Random: any node that fits, each with the same chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dcsim.policies.decisions import Allocation
from dcsim.policies.placements import Placement, gang, one_node
from dcsim.policies.view import PoolView, Request


@dataclass
class Random(Placement):
    """Uniform choice among the nodes that fit, from the scenario's own stream `placement`.

    Larger gangs have the shape of `pack`: the lowest empty nodes, and the remainder on a random node that fits.
    Pools are tried in the order of the scenario.
    """

    uses_random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.stream: np.random.Generator | None = None

    def place(self, request: Request, pools: Sequence[PoolView]) -> Allocation | None:
        """A random node of the first pool that has one with room."""
        need = request.accelerators
        for number in request.pools:
            pool = pools[number]
            if need <= pool.width:
                node = self._any(pool, need)
                if node >= 0:
                    return one_node(number, node, need)
            elif (nodes := gang(pool, need, lambda rest, p=pool: self._any(p, rest))) is not None:  # type: ignore[misc]
                return Allocation(number, *nodes)
        return None

    def _any(self, pool: PoolView, need: int) -> int:
        fitting = np.flatnonzero(pool.free() >= need)
        assert self.stream is not None
        return int(fitting[self.stream.integers(len(fitting))]) if len(fitting) else -1
