"""Nodes that no way joins while links are down, told to placements that look at the network."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from dcsim.kernels.fairshare import NONE, Ints
from dcsim.kernels.routes import hops_to
from dcsim.policies.placements import Placement
from dcsim.scenario.spec import Pool
from dcsim.sim.hosts import first_hosts, rails_of
from dcsim.sim.parts import Part
from dcsim.topologies._routes import Links


class Islands:
    """Keeps `Placement.islands`: called with all parts that have failed now, it says whether nodes are cut off.

    Where the endpoints of the graph are accelerators, nodes are of one island if ways join them on every rail.
    """

    def __init__(self, graph: Links, pools: Sequence[Pool], placement: Placement) -> None:
        self._graph, self._placement = graph, placement
        self._rails = rails_of(graph, pools)
        self._first = first_hosts(pools, self._rails)
        placement.islands = ()

    def __call__(self, failed: Sequence[Part]) -> bool:
        """Tell the placement who is joined to whom."""
        down = [part.links for part in failed if not part.left]
        self._placement.islands = self._found(np.concatenate(down)) if down else ()
        return bool(self._placement.islands)

    def _found(self, down: Ints) -> Sequence[Ints]:
        """The island of each node, by pool; empty if there is only one."""
        label = _reached(self._graph.without(down))[self._graph.endpoints]
        if (label == label[0]).all():
            return ()
        pools = zip(pairwise(self._first), self._rails, strict=True)
        return [np.unique(label[a:b].reshape(-1, rails), axis=0, return_inverse=True)[1] for (a, b), rails in pools]


def _reached(links: Links) -> Ints:
    """For each node, the first endpoint that a way joins it to."""
    label = np.full(len(links.nodes), NONE)
    for place in links.endpoints.tolist():
        if label[place] == NONE:
            label[hops_to(place, links.begin, links.neighbour) >= 0] = place
    return label
