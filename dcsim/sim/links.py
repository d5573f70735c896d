"""Gangs that share the links of an interconnect: who sends over what, and what max-min fairness leaves each.

A gang that spans nodes sends around a ring of its nodes: one flow a hop, at most as fast as the NICs that its step time
was computed with. The slowest flow holds the ring up, so its share of that speed is the gang's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from dcsim.errors import Problem, ScenarioError
from dcsim.kernels.fairshare import NONE, Ints, change, idle_flows
from dcsim.kernels.routes import hops_to
from dcsim.performance.placed import domain_nodes, own_nic_b_per_s, steady
from dcsim.policies.decisions import Allocation
from dcsim.policies.grids import Grid
from dcsim.scenario.spec import Pool
from dcsim.topologies._routes import Links
from dcsim.topologies.torus import Torus, wrapped_axes

NOBODY = np.empty(0, np.int64)


@dataclass
class Sender:
    """A gang that sends: its flows, what each would carry alone, B/s, and the share that the slowest gets of it."""

    flows: Ints
    demand_b_per_s: float
    share: float = 1.0


class SharedLinks:
    """The links of a scenario while it runs: `sim.speeds.Contention` by max-min fair shares.

    `sends(job)`: whether anybody knows what a job would send. The endpoints of `links` are the nodes of the pools, in
    order, or their accelerators: then a gang sends on a rail for each accelerator that it has on all its nodes.
    """

    def __init__(self, links: Links, pools: Sequence[Pool], sends: Callable[[int], bool]) -> None:
        self._links, self._pools, self._sends = links, pools, sends
        self._hosts: list[int] = links.endpoints.tolist()
        self._rails = _rails(links, pools)
        self._first_host = _first_hosts(pools, self._rails)
        self._together = [domain_nodes(pool) for pool in pools]
        # A gang has an accelerator on each of its nodes, so there are never more flows than accelerators.
        most = sum(pool.nodes * pool.accelerators_per_node for pool in pools)
        # Behind the links of the graph, each flow has one of its own, which holds it at what its NICs can send.
        capacity = np.concatenate((links.capacity_b_per_s, np.ones(most)))
        self._flows = idle_flows(capacity, most, _longest(links) + 1)
        self._idle = list(range(most))[::-1]
        self._job = [NONE] * most
        self._senders: dict[int, Sender] = {}

    def join(self, job: int, allocation: Allocation) -> list[int]:
        """A gang begins to send; the other jobs whose shares change, in their order."""
        flows, demand = self._laid(job, allocation)
        if not len(flows):
            return []
        for flow in flows.tolist():
            self._job[flow] = job
        self._senders[job] = Sender(flows, demand)
        return [other for other in self._shared_anew(change(self._flows, NOBODY, flows)) if other != job]

    def share_there(self, job: int, allocation: Allocation) -> float:
        """Share of the bandwidth of its NICs that a job which does not run would get there now; changes nothing."""
        flows, demand = self._laid(job, allocation)
        if not len(flows):
            return 1.0
        before = self._flows.rate_b_per_s.copy()
        change(self._flows, NOBODY, flows)
        share = steady(float(self._flows.rate_b_per_s[flows].min()) / demand)
        change(self._flows, flows, NOBODY)
        self._flows.rate_b_per_s[:] = before  # found anew they would be the same to rounding only
        self._idle += flows.tolist()[::-1]
        return share

    def loads(self, job: int, allocation: Allocation) -> tuple[dict[int, float], float]:
        """What a job would send over each link there with all of its NICs, B/s, and the share of that which it would
        get alone; no links and 1 if it sends nothing."""
        _, link, demand = self._sent(job, allocation)
        numbers, counts = np.unique(link, return_counts=True)
        loads = dict(zip(numbers.tolist(), (counts * demand).tolist(), strict=True))
        return loads, steady(min([1.0, *(self.capacity_b_per_s(link) / load for link, load in loads.items())]))

    def capacity_b_per_s(self, link: int) -> float:
        """Capacity of a link, B/s."""
        return float(self._links.capacity_b_per_s[link])

    def _sent(self, job: int, allocation: Allocation) -> tuple[Ints, Ints, float]:
        """Paths of the flows that a gang would send, as `Links.routes`, and what each would carry alone, B/s; none if
        it sends nothing."""
        pairs, nics = self._ring(allocation) if self._sends(job) else ([], 0)
        if not pairs:
            return np.zeros(1, np.int64), NOBODY, 0.0
        demand = nics * own_nic_b_per_s(self._pools[allocation[0]], max(allocation[2]))
        ends = np.array(pairs)
        return *self._links.routes(ends[:, 0], ends[:, 1], np.full(len(pairs), job)), demand

    def _laid(self, job: int, allocation: Allocation) -> tuple[Ints, float]:
        """Flows that a gang would send, with their paths written, and what each would carry alone, B/s."""
        first, link, demand = self._sent(job, allocation)
        flows = np.array([self._idle.pop() for _ in first[1:]], np.int64)
        for flow, begin, end in zip(flows.tolist(), first[:-1].tolist(), first[1:].tolist(), strict=True):
            own = len(self._links.capacity_b_per_s) + flow
            self._flows.capacity_b_per_s[own] = demand
            path = self._flows.path[flow]
            path[:] = NONE
            path[: end - begin], path[end - begin] = link[begin:end], own
        return flows, demand

    def leave(self, job: int) -> list[int]:
        """A job sends no more, if it did; the jobs whose shares change, in their order."""
        sender = self._senders.pop(job, None)
        if sender is None:
            return []
        found = change(self._flows, sender.flows, NOBODY)
        self._idle += sender.flows.tolist()[::-1]
        return self._shared_anew(found)

    def share(self, job: int) -> float:
        """What the links leave a job of the bandwidth of its NICs, above 0 and at most 1; 1 for one that sends none."""
        sender = self._senders.get(job)
        return 1.0 if sender is None else sender.share

    def _shared_anew(self, flows: Ints) -> list[int]:
        """Jobs of these flows whose shares have changed, in their order."""
        changed = []
        for job in sorted({self._job[flow] for flow in flows.tolist()}):
            sender = self._senders[job]
            share = steady(float(self._flows.rate_b_per_s[sender.flows].min()) / sender.demand_b_per_s)
            if share != sender.share:
                sender.share = share
                changed.append(job)
        return changed

    def _ring(self, allocation: Allocation) -> tuple[list[tuple[int, int]], int]:
        """The hops of a gang's ring that leave a scale-up domain, from host to host, and the NICs that send over each.

        These are as many as the fewest accelerators of the gang on a node, but one on a rail. Domains that span nodes
        send from each node of one to a node of the next. Which accelerators a gang has is not known: its rails are the
        first ones.
        """
        pool, nodes, counts = allocation[:3]
        together, first, rails = self._together[pool], self._first_host[pool], self._rails[pool]
        used = min(*counts, rails)
        domains: dict[int, list[int]] = {}
        for node in sorted(nodes):
            host = first + node * rails
            domains.setdefault(node // together, []).extend(self._hosts[host : host + used])
        if len(domains) < 2:
            return [], 0
        stops = list(domains.values())
        hops = zip(stops, [*stops[1:], stops[0]], strict=True)
        return [pair for here, there in hops for pair in zip(here, there, strict=False)], min(counts) // used


def _rails(links: Links, pools: Sequence[Pool]) -> list[int]:
    """How many endpoints a node of each pool has: one, or one for each of its accelerators."""
    nodes = sum(pool.nodes for pool in pools)
    return [1 if len(links.endpoints) == nodes else pool.accelerators_per_node for pool in pools]


def _first_hosts(pools: Sequence[Pool], rails: Sequence[int]) -> list[int]:
    """The place among the endpoints of each pool's first node, and the number of all that nodes have."""
    return [0, *accumulate(pool.nodes * each for pool, each in zip(pools, rails, strict=True))]


def refuse_other_hosts(links: Links, pools: Sequence[Pool], file: str) -> None:
    """ScenarioError where a graph has neither as many endpoints as the pools have nodes, nor as accelerators."""
    hosts, accelerators = len(links.endpoints), _first_hosts(pools, _rails(links, pools))[-1]
    nodes = sum(pool.nodes for pool in pools)
    if hosts not in (nodes, accelerators):
        what = "the hosts of the graph are the nodes of the pools, or their accelerators"
        fix = "change the topology or pools.nodes"
        expected = f"{nodes} nodes or {accelerators} accelerators"
        raise ScenarioError(Problem(file, "network.topology", what, f"{hosts} hosts", expected, fix=fix))


def blocks(links: Links, pools: Sequence[Pool]) -> list[list[Ints]]:
    """Blocks of nodes that are near each other, as `Placement.blocks`: at level k, chains of hosts joined by at most
    the k-th smallest distance. In trees and Clos networks these are the hosts under one switch; where each accelerator
    is on a rail of its own, distances are those of the first rail."""
    rails = _rails(links, pools)
    starts = zip(_first_hosts(pools, rails), pools, rails, strict=False)
    hosts = links.endpoints[np.concatenate([first + np.arange(pool.nodes) * each for first, pool, each in starts])]
    apart = np.array([hops_to(host, links.begin, links.neighbour)[hosts] for host in hosts.tolist()], np.int16)
    levels = [_chained(apart <= reach) for reach in np.unique(apart)[1:-1].tolist()]
    bounds = pairwise(accumulate((pool.nodes for pool in pools), initial=0))
    return [[np.unique(level[a:b], return_inverse=True)[1] for level in levels] for a, b in bounds]


def grid(topology: object, links: Links, pools: Sequence[Pool]) -> Grid | None:
    """The torus whose places are the nodes of the pools, as `Placement.grid`; None for other topologies.

    Where its places are accelerators, a node is a row of them along the last axis; None where that does not go up.
    """
    if not isinstance(topology, Torus):
        return None
    rails, wraps = _rails(links, pools), wrapped_axes(topology.sides, topology.wrap)
    if len(set(rails)) > 1 or topology.sides[-1] % rails[0]:
        return None
    first = accumulate((pool.nodes for pool in pools[:-1]), initial=0)
    return Grid((*topology.sides[:-1], topology.sides[-1] // rails[0]), wraps, tuple(first))


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


def _longest(links: Links) -> int:
    """Links on the longest path between endpoints, or a little more: twice the way from the node with most cables."""
    busiest = int(np.argmax(np.diff(links.begin)))
    return int(2 * hops_to(busiest, links.begin, links.neighbour).max())


def senders(training: NDArray[np.int32] | None) -> Callable[[int], bool]:
    """Whether a job is a training job, which has the number of its table; others have -1."""
    known = frozenset(() if training is None else np.flatnonzero(training >= 0).tolist())
    return known.__contains__
