"""Topology-aware: gangs under the smallest switch that has room, on a torus in a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dcsim.policies.decisions import Allocation
from dcsim.policies.near import NetworkPlacement
from dcsim.policies.view import PoolView, Request


@dataclass
class TopologyAware(NetworkPlacement):
    """Gangs go under the smallest switch of the network with room for them: a leaf, else a pod, else anywhere. Where
    nodes of a rack are one scale-up domain (NVL72), a rack comes before all switches.

    Among switches of one level, the one with fewest free accelerators that has room; lowest nodes on a tie. Under it a
    gang has the shape of `pack`: the lowest empty nodes, then one node for the remainder, the fullest that fits. A job
    of up to one node's accelerators goes on the fullest node that fits. Pools are tried in the order of the scenario.

    On a torus a gang takes a slice: the smallest free box with room for it, most like a cube, lowest on a tie; it waits
    where none is free. On an optical torus a slice is any free cubes, or a box in one cube, the fullest that has one.
    Gangs for which no box of their pool is large enough take the lowest empty nodes.
    """

    def place(self, request: Request, pools: Sequence[PoolView]) -> Allocation | None:
        """The first pool with room decides."""
        return next(self.candidates(request, pools, nearest=self.grid is not None), None)
