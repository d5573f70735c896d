"""Which endpoints of an interconnect the nodes of the pools are, and which nodes are near each other there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from dcsim.errors import Problem, ScenarioError
from dcsim.kernels.fairshare import NONE, Ints
from dcsim.kernels.routes import hops_to
from dcsim.policies.grids import Cubes, Grid
from dcsim.scenario.spec import Pool
from dcsim.topologies._hosts import outside
from dcsim.topologies._routes import Links
from dcsim.topologies.optical_torus import OpticalTorus
from dcsim.topologies.torus import CUBE, Torus, wrapped_axes


def rails_of(links: Links, pools: Sequence[Pool]) -> list[int]:
    """How many endpoints a node of each pool has: one, or one for each of its accelerators."""
    nodes = sum(pool.nodes for pool in pools)
    return [1 if len(links.endpoints) == nodes else pool.accelerators_per_node for pool in pools]


def first_hosts(pools: Sequence[Pool], rails: Sequence[int]) -> list[int]:
    """The place among the endpoints of each pool's first node, and the number of all that nodes have."""
    return [0, *accumulate(pool.nodes * each for pool, each in zip(pools, rails, strict=True))]


def refuse_other_hosts(links: Links, pools: Sequence[Pool]) -> None:
    """ScenarioError where a graph has neither as many endpoints as the pools have nodes, nor as accelerators."""
    hosts, accelerators = len(links.endpoints), first_hosts(pools, rails_of(links, pools))[-1]
    nodes = sum(pool.nodes for pool in pools)
    if hosts not in (nodes, accelerators):
        what = "the hosts of the graph are the nodes of the pools, or their accelerators"
        fix = "change the topology, network.host or pools.nodes"
        expected = f"{nodes} nodes or {accelerators} accelerators"
        raise ScenarioError(Problem("", "network.topology", what, f"{hosts} hosts", expected, fix=fix))


def blocks(links: Links, pools: Sequence[Pool]) -> list[list[Ints]]:
    """Blocks of nodes that are near each other, as `Placement.blocks`: at level k, chains of hosts joined by at most
    the k-th smallest distance. In trees and Clos networks these are the hosts under one switch; where each accelerator
    is on a rail of its own, distances are those of the first rail. Nodes in one host (a rack) are nearest."""
    rails = rails_of(links, pools)
    starts = zip(first_hosts(pools, rails), pools, rails, strict=False)
    first = links.endpoints[np.concatenate([at + np.arange(pool.nodes) * each for at, pool, each in starts])]
    outer, place = outside(links)
    hosts, number = np.unique(place[first], return_inverse=True)
    hops = np.array([hops_to(host, outer.begin, outer.neighbour)[hosts] for host in hosts.tolist()], np.int16)
    apart = hops[number[:, None], number]
    if len(hosts) < len(first):
        apart[(apart == 0) & ~np.eye(len(first), dtype=np.bool_)] = 1
    levels = [_chained(apart <= reach) for reach in np.unique(apart)[1:-1].tolist()]
    bounds = pairwise(accumulate((pool.nodes for pool in pools), initial=0))
    return [[np.unique(level[a:b], return_inverse=True)[1] for level in levels] for a, b in bounds]


def grid(topology: object, links: Links, pools: Sequence[Pool]) -> Grid | Cubes | None:
    """The torus whose places are the nodes of the pools, as `Placement.grid`; None for other topologies.

    Where its places are accelerators, a node is a row of them along the last axis; None where that does not go up.
    """
    if not isinstance(topology, Torus | OpticalTorus):
        return None
    sides = topology.sides if isinstance(topology, Torus) else (CUBE,) * 3
    rails, first = rails_of(links, pools), tuple(accumulate((pool.nodes for pool in pools[:-1]), initial=0))
    if len(set(rails)) > 1 or sides[-1] % rails[0]:
        return None
    of_nodes = (*sides[:-1], sides[-1] // rails[0])
    if isinstance(topology, OpticalTorus):
        return Cubes(topology.cubes, of_nodes, first)
    return Grid(of_nodes, wrapped_axes(sides, topology.wrap), first)


def _chained(near: NDArray[np.bool_]) -> Ints:
    """The number of the connected component of each row of a symmetric matrix."""
    label, found = np.full(len(near), NONE), 0
    for row in range(len(near)):
        fresh = np.array([row] if label[row] == NONE else [], np.int64)
        while len(fresh):
            label[fresh] = found
            fresh = np.flatnonzero(near[fresh].any(axis=0) & (label == NONE))
            found += not len(fresh)
    return label
