"""Random: any node that fits, each with the same chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dcsim.policies.decisions import Allocation
from dcsim.policies.placements import Placement, gang, in_parts, on_devices, one_node
from dcsim.policies.view import PoolView, Request, SharedPoolsView


@dataclass
class Random(Placement):
    """Uniform choice among the nodes that fit, over all pools the job may use, from the named stream `placement`.

    Larger gangs have the shape of `pack`: the lowest empty nodes of the first pool that has them, and the remainder
    on a random node that fits. A fraction goes on a random accelerator, of the node, that has room for it. Cores and
    memory are wanted on each node of a gang.
    """

    uses_random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.stream = np.random.default_rng(0)  # the engine gives each run its own

    def place(self, request: Request, pools: Sequence[PoolView]) -> Allocation | None:
        """A random node with room."""
        need = request.accelerators
        found = self._any([(n, np.flatnonzero(pools[n].free() >= need)) for n in request.pools])
        if found is not None:
            return one_node(*found, need)
        for number in request.pools:
            pool = pools[number]
            if need > pool.width and (nodes := gang(pool, need, self._rest)) is not None:
                return Allocation(number, *nodes)
        return None

    def place_shared(self, request: Request, pools: SharedPoolsView) -> Allocation | None:
        """A random node with room, and a random accelerator for a fraction."""
        return in_parts(request, pools, self._one_of)

    def _one_of(self, nodes: NDArray[np.intp], request: Request, pools: SharedPoolsView) -> Allocation:
        node = int(nodes[self.stream.integers(len(nodes))])
        return on_devices(node, request, pools, lambda milli: int(self.stream.integers(len(milli))))

    def _any(self, fitting: list[tuple[int, np.ndarray[tuple[int], np.dtype[np.intp]]]]) -> tuple[int, int] | None:
        """A uniform choice among the nodes of several pools: (pool, node)."""
        total = sum(len(nodes) for _, nodes in fitting)
        if not total:
            return None
        at = int(self.stream.integers(total))
        for number, nodes in fitting:
            if at < len(nodes):
                return number, int(nodes[at])
            at -= len(nodes)
        raise AssertionError("the choice is among the nodes counted")

    def _rest(self, pool: PoolView, need: int, whole: int) -> int:
        fitting = np.flatnonzero(pool.free() >= need)
        found = self._any([(0, fitting[~np.isin(fitting, pool.empty(whole))])])
        return -1 if found is None else found[1]
