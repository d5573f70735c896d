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
from dcsim.scenario.spec import Pool
from dcsim.topologies._routes import Links

NOBODY = np.empty(0, np.int64)


@dataclass
class Sender:
    """A gang that sends: its flows, what each would carry alone, B/s, and the share that the slowest gets of it."""

    flows: Ints
    demand_b_per_s: float
    share: float = 1.0


class SharedLinks:
    """The links of a scenario while it runs: `sim.speeds.Contention` by max-min fair shares.

    `sends(job)`: whether anybody knows what a job would send. Nodes of the pools, in order, are the endpoints of
    `links`.
    """

    def __init__(self, links: Links, pools: Sequence[Pool], sends: Callable[[int], bool]) -> None:
        self.graph, self._pools, self.sends = links, pools, sends
        self._hosts: list[int] = links.endpoints.tolist()
        self._first_host = _first_hosts(pools)
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
        first, link, least = self.ways(job, allocation)
        if not least:
            return []
        demand = least * own_nic_b_per_s(self._pools[allocation[0]], max(allocation[2]))
        flows = np.array([self._idle.pop() for _ in first[1:]])
        for flow, begin, end in zip(flows.tolist(), first[:-1].tolist(), first[1:].tolist(), strict=True):
            own = len(self.graph.capacity_b_per_s) + flow
            self._flows.capacity_b_per_s[own] = demand
            path = self._flows.path[flow]
            path[:] = NONE
            path[: end - begin], path[end - begin] = link[begin:end], own
        for flow in flows.tolist():
            self._job[flow] = job
        self._senders[job] = Sender(flows, demand)
        return [other for other in self._shared_anew(change(self._flows, NOBODY, flows)) if other != job]

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

    def ways(self, job: int, allocation: Allocation) -> tuple[Ints, Ints, int]:
        """Paths of a gang's flows, as `Links.routes` gives them, and the number of accelerators that send over each
        flow; none, and 0, for a gang that sends nothing."""
        pairs, least = self._ring(allocation) if self.sends(job) else ([], 0)
        if not pairs:
            return np.zeros(1, np.int64), NOBODY, 0
        ends = np.array(pairs)
        first, link = self.graph.routes(ends[:, 0], ends[:, 1], np.full(len(pairs), job))
        return first, link, least

    def idle(self) -> SharedLinks:
        """The same links, on which nobody sends."""
        return SharedLinks(self.graph, self._pools, self.sends)

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
        """The hops of a gang's ring that leave a scale-up domain, from host to host, and the fewest accelerators of the
        gang on a node. Domains that span nodes send from each node of one to a node of the next."""
        pool, nodes, counts = allocation[:3]
        together, first = self._together[pool], self._first_host[pool]
        domains: dict[int, list[int]] = {}
        for node in sorted(nodes):
            domains.setdefault(node // together, []).append(self._hosts[first + node])
        if len(domains) < 2:
            return [], 0
        stops = list(domains.values())
        hops = zip(stops, [*stops[1:], stops[0]], strict=True)
        return [pair for here, there in hops for pair in zip(here, there, strict=False)], min(counts)


def _first_hosts(pools: Sequence[Pool]) -> list[int]:
    """The place among the endpoints of each pool's first node, and the number of all nodes."""
    return [0, *accumulate(pool.nodes for pool in pools)]


def refuse_other_hosts(links: Links, pools: Sequence[Pool], file: str) -> None:
    """ScenarioError where the endpoints of a graph are not as many as the nodes of the pools."""
    nodes, hosts = _first_hosts(pools)[-1], len(links.endpoints)
    if nodes != hosts:
        what = "the hosts of the graph are the nodes of the pools"
        fix = "change the topology or pools.nodes"
        raise ScenarioError(Problem(file, "network.topology", what, f"{hosts} hosts", f"{nodes} nodes", fix=fix))


def blocks(links: Links, pools: Sequence[Pool]) -> list[list[Ints]]:
    """Blocks of nodes that are near each other, as `Placement.blocks`: at level k, chains of hosts joined by at most
    the k-th smallest distance. In trees and Clos networks these are the hosts under one switch."""
    hosts = links.endpoints
    apart = np.array([hops_to(host, links.begin, links.neighbour)[hosts] for host in hosts.tolist()], np.int16)
    levels = [_chained(apart <= reach) for reach in np.unique(apart)[1:-1].tolist()]
    bounds = pairwise(_first_hosts(pools))
    return [[np.unique(level[a:b], return_inverse=True)[1] for level in levels] for a, b in bounds]


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
