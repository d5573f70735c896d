"""Which endpoints of an interconnect the nodes of the pools are, and which nodes are near each other there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from dcsim.errors import Problem, ScenarioError
from dcsim.kernels.fairshare import NONE, Ints
from dcsim.kernels.routes import hops_to
from dcsim.performance.placed import domain_nodes
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
    is on a rail of its own, distances are those of the first rail. Nodes in one host are nearest; below all are
    scale-up domains of several nodes (racks), of which every higher block has whole ones."""
    outer, place = outside(links)
    hosts, number = np.unique(place[_first_hosts_of_nodes(links, pools)], return_inverse=True)
    some, alike = _alike(outer, hosts)
    apart = np.array([hops_to(host, outer.begin, outer.neighbour)[some] for host in some.tolist()], np.int16)
    if len(alike) > len(some):  # some hosts are two hops from another that stands for both
        np.fill_diagonal(apart, 2)
    distances = np.unique(apart) if len(alike) > len(some) else np.unique(apart)[1:]
    levels = [_chained(apart <= reach)[alike][number] for reach in distances[:-1].tolist()]
    if 1 < len(hosts) < len(number):
        levels.insert(0, number)
    bounds = pairwise(accumulate((pool.nodes for pool in pools), initial=0))
    own = [[np.unique(level[a:b], return_inverse=True)[1] for level in levels] for a, b in bounds]
    return [_of_domains(pool, levels) for pool, levels in zip(pools, own, strict=True)]


def _of_domains(pool: Pool, levels: list[Ints]) -> list[Ints]:
    """Levels of a pool whose scale-up domains span nodes: domains first, then blocks of these, each the domains that
    chains of common blocks join. Of other pools, and of TPUs, whose domain is the torus, all as they are."""
    joined = domain_nodes(pool)
    if joined == 1 or pool.accelerator.device_class == "tpu":
        return levels
    domain = np.arange(pool.nodes) // joined
    found = [domain]
    for level in levels:
        has = np.zeros((domain[-1] + 1, level.max() + 1), bool)
        has[domain, level] = True
        wider = _chained(has @ has.T)[domain]
        if (wider != found[-1]).any() and wider.any():  # else it says nothing new
            found.append(wider)
    return found


def _first_hosts_of_nodes(links: Links, pools: Sequence[Pool]) -> Ints:
    """Places in the graph of the first endpoint of each node of the pools, in their order."""
    rails = rails_of(links, pools)
    starts = zip(first_hosts(pools, rails), pools, rails, strict=False)
    places = np.concatenate([first + np.arange(pool.nodes) * each for first, pool, each in starts])
    found: Ints = links.endpoints[places]
    return found


def _alike(links: Links, hosts: Ints) -> tuple[Ints, Ints]:
    """Hosts that stand for all that have the same switches as they, and for each host the number of the one that does:
    hosts with the same switches are as far from all others, and two hops from each other."""
    known: dict[object, int] = {}
    switches = set(links.switches.tolist())
    some: list[int] = []
    alike: list[int] = []
    for host in hosts.tolist():
        near = links.neighbour[links.begin[host] : links.begin[host + 1]].tolist()
        key = tuple(near) if switches.issuperset(near) else host
        if key not in known:
            known[key] = len(some)
            some.append(host)
        alike.append(known[key])
    return np.array(some), np.array(alike)


def ring_order(links: Links, pools: Sequence[Pool]) -> list[list[int]]:
    """Place of each node of each pool in the order in which gangs have their ranks: near ones follow each other.

    Switch by switch, from the largest blocks to the smallest, as launchers that know the network number ranks (Slurm's
    topology plugins); through a torus back and forth, so that each node of a box is a neighbour of the next.
    """
    hosts = _first_hosts_of_nodes(links, pools)
    names = [links.nodes[host] for host in hosts.tolist()]
    if not len(links.switches) and all(isinstance(name, tuple) and name[0] == "accelerator" for name in names):
        keys = [_back_and_forth(name[1:]) for name in names]
        bounds = pairwise(accumulate((pool.nodes for pool in pools), initial=0))
        return [_places(np.array(sorted(range(b - a), key=keys[a:b].__getitem__))) for a, b in bounds]
    return [
        _places(np.lexsort((np.arange(pool.nodes), *levels)))
        for pool, levels in zip(pools, blocks(links, pools), strict=True)
    ]


def _back_and_forth(place: Sequence[int]) -> tuple[int, ...]:
    """Where a place comes on a way through a grid that turns round at the end of each row."""
    before = accumulate(place[:-1], initial=0)
    return tuple(-at if turns % 2 else at for at, turns in zip(place, before, strict=True))


def _places(order: Ints) -> list[int]:
    """Place of each number in an order of all."""
    found: list[int] = np.argsort(order).tolist()
    return found


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
