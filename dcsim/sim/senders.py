"""Gangs that send over an interconnect: from which hosts to which, and how fast if nothing is in their way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from dcsim.kernels.fairshare import Floats, Ints
from dcsim.performance.placed import away_b_per_s, domain_nodes, is_torus
from dcsim.performance.plan_traffic import Legs
from dcsim.performance.shares import WHOLE
from dcsim.policies.decisions import Allocation
from dcsim.scenario.spec import Pool
from dcsim.sim.hosts import first_hosts, rails_of
from dcsim.sim.seats import Seats
from dcsim.topologies._routes import Links

NOBODY = np.empty(0, np.int64)


class Sends(Protocol):
    """Who knows what jobs send."""

    def __call__(self, job: int, pool: int, counts: tuple[int, ...]) -> tuple[Legs, float] | None:
        """What a gang with so many accelerators in each domain, in the order of its ranks, sends in a step, and B/s
        that a NIC of it does, inf for as much as it carries. None if nobody knows."""
        ...


class Sender:
    """A gang that sends. Its flows, shape (flows,): `source`, `target`, places in the graph; `kind`, number among
    `kinds`, which are places in `Shares`; `sent_b`, bytes a step; `burst_b_per_s`, speed while their kind is sent and
    nothing is in the way. `nic_b`, shape (kinds,): bytes of a step that the busiest NICs have of each kind.

    What they have of the links now: `flows`, none while no way joins their ends; `alone`, share of its burst that each
    kind would get if nobody else sent; `shares`, what others leave of that.
    """

    __slots__ = (
        "alone",
        "burst_b_per_s",
        "flows",
        "kind",
        "kinds",
        "nic_b",
        "sent_b",
        "shares",
        "source",
        "target",
    )

    def __init__(self, legs: Legs, hosts: Sequence[Ints], nic_b_per_s: float) -> None:
        """hosts: of each domain, which share what it sends and gets; a NIC sends `nic_b_per_s`."""
        self.kinds: list[int] = legs.kinds.tolist()
        self.nic_b = legs.nic_b
        self.kind, self.sent_b, part = legs.number, legs.sent_b, legs.part
        if max(map(len, hosts)) == 1:
            one = np.concatenate(hosts)
            self.source, self.target = one[legs.here], one[legs.there]
        else:
            widths = np.array([len(some) for some in hosts])
            each = np.maximum(widths[legs.here], widths[legs.there])
            self.kind, self.sent_b, part = (np.repeat(c, each) for c in (self.kind, self.sent_b / each, part / each))
            nth = np.arange(int(each.sum())) - np.repeat(np.cumsum(each) - each, each)
            all_hosts, first = np.concatenate(hosts), np.cumsum(widths) - widths
            self.source, self.target = (
                all_hosts[first[ends] + nth % widths[ends]]
                for ends in (np.repeat(legs.here, each), np.repeat(legs.there, each))
            )
        self.burst_b_per_s: Floats = nic_b_per_s * part
        self.flows, self.shares = NOBODY, WHOLE
        self.alone = [1.0] * len(self.kinds)

    def __len__(self) -> int:
        return len(self.source)

    def asked_b_per_s(self, alone: Sequence[float]) -> Floats:
        """What each flow asks of the links, mean over a step that sends without a pause: one kind after another, each
        as fast as it could `alone`. So no link is asked for more than it has as long as nobody else sends."""
        part: Floats = np.array(alone)
        if len(alone) > 1:
            part = (self.nic_b / (self.nic_b / part).sum())[self.kind]
        return part * self.burst_b_per_s

    def groups(self) -> list[Ints]:
        """The flows of each of `kinds`."""
        if len(self.kinds) == 1:
            return [self.flows]
        return [self.flows[self.kind == number] for number in range(len(self.kinds))]


class Gangs:
    """Where gangs of some pools are in a graph: `order[pool][node]` is the place of a node among all that gangs have
    their ranks in, that of their numbers if it is not given.

    Endpoints are nodes, or their accelerators: then each gang that has come has some of its own (`Seats`).
    """

    def __init__(self, links: Links, pools: Sequence[Pool], order: Sequence[Sequence[int]] | None = None) -> None:
        self._pools = pools
        self._order = order or [range(pool.nodes) for pool in pools]
        rails = rails_of(links, pools)
        starts = zip(first_hosts(pools, rails), pools, rails, strict=False)
        # Endpoints of each node, shape (nodes, rails), by pool.
        self._hosts = [links.endpoints[at : at + pool.nodes * n].reshape(-1, n) for at, pool, n in starts]
        self._seats = Seats(pools) if max(rails) > 1 else None
        self._together = [1 if is_torus(pool) else domain_nodes(pool) for pool in pools]
        self._own_b_per_s: dict[tuple[int, int], float] = {}

    def take(self, job: int, allocation: Allocation) -> None:
        """A gang comes, whether it sends or not."""
        if self._seats is not None:
            self._seats.take(job, allocation)

    def give(self, job: int) -> None:
        """A gang goes, if it has come."""
        if self._seats is not None:
            self._seats.give(job)

    def sender(self, job: int, allocation: Allocation, sends: Sends) -> Sender | None:
        """A gang that sends if it is there, None if nothing of what it sends leaves a domain.

        Where endpoints are accelerators, those of a domain share what it sends and gets: the r-th sends to the r-th,
        and where one domain has fewer, they take turns.
        """
        pool = allocation[0]
        if len(allocation[1]) < 2:
            return None
        domains: list[tuple[int, ...]]
        nodes, counts = self.ranked(allocation)
        domains, in_each = [(node,) for node in nodes], counts
        if self._together[pool] > 1:
            domains, in_each = _joined(nodes, counts, self._together[pool])
        found = sends(job, pool, in_each) if len(domains) > 1 else None
        if found is None or not len(found[0]):
            return None
        legs, most_b_per_s = found
        key = pool, max(counts)
        if key not in self._own_b_per_s:
            self._own_b_per_s[key] = away_b_per_s(self._pools[pool], key[1])
        hosts = self._hosts_of(job, allocation, domains)
        return Sender(legs, hosts, min(most_b_per_s, self._own_b_per_s[key]))

    def ranked(self, allocation: Allocation) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Nodes of a gang in the order of its ranks, and its accelerators on each."""
        pool, nodes, counts = allocation[:3]
        there = sorted(zip(map(self._order[pool].__getitem__, nodes), nodes, counts, strict=True))
        _, nodes, counts = zip(*there, strict=True)
        return nodes, counts

    def _hosts_of(self, job: int, allocation: Allocation, domains: Sequence[tuple[int, ...]]) -> Sequence[Ints]:
        """Endpoints of a gang in each domain."""
        here = self._hosts[allocation[0]]
        if self._seats is None:
            return [here[list(nodes), 0] for nodes in domains]
        own = dict(zip(allocation.nodes, self._seats.there(job, allocation), strict=True))
        return [np.concatenate([here[node, list(own[node])] for node in nodes]) for nodes in domains]


def _joined(
    nodes: Sequence[int], counts: Sequence[int], together: int
) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """Nodes, and accelerators, of each scale-up domain of so many nodes, in order of the first of each."""
    found: dict[int, list[int]] = {}
    sums: dict[int, int] = {}
    for node, count in zip(nodes, counts, strict=True):
        found.setdefault(node // together, []).append(node)
        sums[node // together] = sums.get(node // together, 0) + count
    return [tuple(domain) for domain in found.values()], tuple(sums.values())
