"""Gangs that send over an interconnect: from which hosts to which, and how fast if nothing is in their way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from dcsim.kernels.fairshare import Floats, Ints
from dcsim.performance.placed import domain_nodes, own_nic_b_per_s
from dcsim.performance.plan_traffic import Legs
from dcsim.performance.shares import WHOLE
from dcsim.policies.decisions import Allocation
from dcsim.scenario.spec import Pool
from dcsim.sim.hosts import first_hosts, rails_of
from dcsim.topologies._routes import Links

NOBODY = np.empty(0, np.int64)


class Sends(Protocol):
    """Who knows what jobs send."""

    def __call__(self, job: int, pool: int, counts: tuple[int, ...]) -> tuple[Legs, float] | None:
        """What a gang with so many accelerators in each domain, in the order of its ranks, sends in a step, and B/s
        that each of its accelerators does: inf for as much as its NICs carry. None if nobody knows."""
        ...


class Sender:
    """A gang that sends. Its flows, shape (flows,): `source`, `target`, places in the graph; `kind`, number among
    `kinds`, which are places in `Shares`; `sent_b`, bytes a step; `burst_b_per_s`, speed while their kind is sent and
    nothing is in the way. `weight_b`, shape (kinds,): bytes of a step that the busiest NICs have of each kind.

    What they have of the links now: `flows`, none while no way joins their ends; `alone`, share of its burst that each
    kind would get if nobody else sent; `shares`, what others leave of that.
    """

    __slots__ = (
        "alone",
        "burst_b_per_s",
        "flows",
        "kind",
        "kinds",
        "sent_b",
        "shares",
        "source",
        "target",
        "weight_b",
    )

    def __init__(self, legs: Legs, hosts: Ints, peak_b_per_s: float) -> None:
        """hosts: shape (domains, hosts of each), from each of which `peak_b_per_s` can be sent."""
        each = hosts.shape[1]
        self.kinds: list[int] = legs.kinds.tolist()
        self.weight_b = legs.busiest_b
        self.source, self.target = hosts[legs.here].ravel(), hosts[legs.there].ravel()
        self.kind, self.sent_b, part = legs.number, legs.sent_b, legs.part
        if each > 1:
            self.kind, self.sent_b, part = (np.repeat(column, each) for column in (self.kind, self.sent_b / each, part))
        self.burst_b_per_s: Floats = peak_b_per_s * part
        self.flows, self.shares = NOBODY, WHOLE
        self.alone = [1.0] * len(self.kinds)

    def __len__(self) -> int:
        return len(self.source)

    def asked_b_per_s(self, alone: Sequence[float]) -> Floats:
        """What each flow asks of the links, mean over a step that sends without a pause: one kind after another, each
        as fast as it could `alone`. So no link is asked for more than it has as long as nobody else sends."""
        part: Floats = np.array(alone)
        if len(alone) > 1:
            part = (self.weight_b / (self.weight_b / part).sum())[self.kind]
        return part * self.burst_b_per_s

    def groups(self) -> list[Ints]:
        """The flows of each of `kinds`."""
        if len(self.kinds) == 1:
            return [self.flows]
        return [self.flows[self.kind == number] for number in range(len(self.kinds))]


class Gangs:
    """Where gangs of some pools are in a graph: `order[pool][node]` is the place of a node among all that gangs have
    their ranks in, that of their numbers if it is not given.

    Endpoints are nodes or their accelerators. Which accelerators of a node a gang has is not known: the first ones.
    """

    def __init__(self, links: Links, pools: Sequence[Pool], order: Sequence[Sequence[int]] | None = None) -> None:
        self._pools, self._hosts = pools, links.endpoints
        self._order = order or [range(pool.nodes) for pool in pools]
        self._rails = rails_of(links, pools)
        self._first_host = first_hosts(pools, self._rails)
        self._together = [domain_nodes(pool) for pool in pools]

    def sender(self, job: int, allocation: Allocation, sends: Sends) -> Sender | None:
        """A gang that sends if it is there, None if nothing of what it sends leaves a domain.

        Each node sends as fast as the NICs of as many accelerators as the gang has on any of its nodes at least.
        Domains that span nodes send from each node of one to a node of the next.
        """
        pool, nodes, counts = allocation[:3]
        if len(nodes) < 2:
            return None
        domains = self._domains(pool, nodes, counts)
        if len(domains) < 2:
            return None
        found = sends(job, pool, tuple(sum(count for _, count in domain) for domain in domains))
        if found is None or not len(found[0]):
            return None
        legs, most_b_per_s = found
        fewest = min(counts)
        used, each = min(fewest, self._rails[pool]), min(map(len, domains))
        first = np.array([[node for node, _ in domain[:each]] for domain in domains])
        places = self._first_host[pool] + first * self._rails[pool]
        hosts = self._hosts[(places[:, :, None] + np.arange(used)).reshape(len(domains), -1)]
        own = own_nic_b_per_s(self._pools[pool], max(counts))
        return Sender(legs, hosts, fewest // used * min(most_b_per_s, own))

    def _domains(self, pool: int, nodes: Sequence[int], counts: Sequence[int]) -> list[list[tuple[int, int]]]:
        """Nodes and accelerators of a gang by scale-up domain, in order of its ranks."""
        order, together = self._order[pool], self._together[pool]
        there = sorted(zip(nodes, counts, strict=True), key=lambda pair: order[pair[0]])
        if together == 1:
            return [[pair] for pair in there]
        found: dict[int, list[tuple[int, int]]] = {}
        for pair in there:
            found.setdefault(pair[0] // together, []).append(pair)
        return list(found.values())
