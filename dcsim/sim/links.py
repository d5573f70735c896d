"""Gangs that share the links of an interconnect: who sends over what, and what max-min fairness leaves each.

A gang that spans nodes sends around a ring of its nodes: one flow a hop, at most as fast as the NICs that its step time
was computed with. The slowest flow holds the ring up, so its share of that speed is the gang's. Where links fail, flows
are slower or take other ways; a gang for which there is none has share 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels.fairshare import (
    NONE,
    Ints,
    change,
    idle_flows,
    lay,
    resize,
    running_over,
    slowest,
    with_longer_paths,
)
from dcsim.kernels.routes import hops_to
from dcsim.performance.placed import domain_nodes, own_nic_b_per_s, steady
from dcsim.policies.decisions import Allocation
from dcsim.scenario.spec import Pool
from dcsim.sim.hosts import first_hosts, rails_of
from dcsim.sim.parts import Part
from dcsim.sim.seats import Seats
from dcsim.topologies._routes import Links

NOBODY = np.empty(0, np.int64)


class Sending(NamedTuple):
    """What a gang sends at a moment. `link`: the links that its flows cross, each as often as they do. `accelerators`:
    that send over each flow. `b_per_s`: what its slowest flow gets of the links, and with it all others."""

    link: Ints
    accelerators: int
    b_per_s: float


@dataclass
class Sender:
    """A gang that sends: from where to where, shape (hops, 2), the accelerators that send over each hop, what a flow
    would carry alone, B/s, its flows, and the share that the slowest gets of that. Without a way for one of them it has
    no flows, and share 0."""

    hops: Ints
    accelerators: int
    demand_b_per_s: float
    flows: Ints = field(default_factory=NOBODY.copy)
    share: float = 1.0


class SharedLinks:
    """The links of a scenario while it runs: `sim.speeds.Contention` by max-min fair shares.

    `sends(job)`: what each accelerator of a job would send, B/s: inf for as much as its NICs carry, 0 where nobody
    knows. The endpoints of `links` are the nodes of the pools, in order, or their accelerators: then a gang sends from
    each of those that it has (`Seats`), as many as on the node where it has fewest.
    """

    def __init__(self, links: Links, pools: Sequence[Pool], sends: Callable[[int], float]) -> None:
        self.graph, self.sends, self._pools = links, sends, pools
        self._hosts: list[int] = links.endpoints.tolist()
        self._rails = rails_of(links, pools)
        self._first_host = first_hosts(pools, self._rails)
        self._together = [domain_nodes(pool) for pool in pools]
        self._seats = Seats(pools) if max(self._rails) > 1 else None
        # A gang has an accelerator on each of its nodes, so there are never more flows than accelerators.
        most = sum(pool.nodes * pool.accelerators_per_node for pool in pools)
        # Behind the links of the graph, each flow has one of its own, which holds it at what its NICs can send.
        capacity = np.concatenate((links.capacity_b_per_s, np.ones(most)))
        self._flows = idle_flows(capacity, most, _longest(links) + 1)
        self._idle = list(range(most))[::-1]
        self._job, self._following = np.full(most, NONE), np.full(most, NONE)  # by flow: its job, and the job's next
        self._senders: dict[int, Sender] = {}
        self._failed: list[Part] = []  # now
        self._down, self._up = NOBODY, links  # links over which nothing goes now, and those that there are besides
        self._detoured: dict[int, None] = {}  # jobs whose ways were looked for while links were down

    def join(self, job: int, allocation: Allocation) -> list[int]:
        """A gang begins to send; the other jobs whose shares change, in their order."""
        if self._seats is not None:
            self._seats.take(job, allocation)
        sender = self._sender(job, allocation)
        if sender is None:
            return []
        self._senders[job] = sender
        return [other for other in self._shared_anew(self._begin(job)) if other != job]

    def share_there(self, job: int, allocation: Allocation) -> float:
        """Share of what it would send that a job which does not run would get there now, 0 where no way joins its
        nodes, 1 if it sends nothing; changes nothing."""
        sender = self._sender(job, allocation)
        if sender is None:
            return 1.0
        before = self._flows.rate_b_per_s.copy()
        flows = self._laid(job, sender)
        if not len(flows):
            return 0.0
        change(self._flows, NOBODY, flows)
        share = steady(float(self._flows.rate_b_per_s[flows].min()) / sender.demand_b_per_s)
        change(self._flows, flows, NOBODY)
        self._flows.rate_b_per_s[:] = before  # found anew they would be the same to rounding only
        self._idle += flows.tolist()[::-1]
        return share

    def sending(self, job: int) -> Sending | None:
        """What a running job sends now, None if that is nothing or no way joins its nodes."""
        sender = self._senders.get(job)
        if sender is None or not len(sender.flows):
            return None
        return Sending(self._crossed(sender), sender.accelerators, sender.share * sender.demand_b_per_s)

    def idle(self) -> SharedLinks:
        """The same links, all of them whole, on which nobody sends."""
        return SharedLinks(self.graph, self._pools, self.sends)

    def loads(self, job: int, allocation: Allocation) -> tuple[dict[int, float], float]:
        """What a job, which runs there or does not run, would send over each link if nothing were in its way, B/s, and
        the share of that which it would get alone; no links if it sends nothing or no way joins its nodes."""
        sender = self._senders.get(job)
        if sender is not None:
            link = self._crossed(sender)
        elif (sender := self._sender(job, allocation)) is not None:
            first, there = self._ways(job, sender.hops)
            link = there if np.diff(first).all() else NOBODY
        else:
            return {}, 1.0
        numbers, counts = np.unique(link, return_counts=True)
        loads = dict(zip(numbers.tolist(), (counts * sender.demand_b_per_s).tolist(), strict=True))
        return loads, steady(min([1.0, *(self.capacity_b_per_s(link) / load for link, load in loads.items())]))

    def capacity_b_per_s(self, link: int) -> float:
        """Capacity of a link now, B/s, less what a failure takes of it."""
        return float(self._flows.capacity_b_per_s[link])

    def leave(self, job: int) -> list[int]:
        """A job sends no more, if it did; the jobs whose shares change, in their order."""
        if self._seats is not None:
            self._seats.give(job)
        if job not in self._senders:
            return []
        found = self._end(job)
        del self._senders[job]
        self._detoured.pop(job, None)
        return self._shared_anew(found)

    def share(self, job: int) -> float:
        """What the links leave a job of what it would send, from 0, where no way joins its nodes, to 1, also for one
        that sends nothing."""
        sender = self._senders.get(job)
        return 1.0 if sender is None else sender.share

    def fail(self, part: Part) -> tuple[list[int], list[int]]:
        """Links fail; the jobs that this stops, which send no more, and the others whose shares change, in order."""
        self._failed.append(part)
        if part.left:
            return [], self._shared_anew(self._resized(part))
        self._set_down()
        across: list[int] = np.unique(self._job[running_over(self._flows, part.links)]).tolist()
        found = [self._end(job) for job in across]
        if not part.stops:
            found += [self._begin(job) for job in across]
        stopped = [job for job in across if not len(self._senders[job].flows)]
        for job in stopped:
            del self._senders[job]
            self._detoured.pop(job, None)
        return stopped, self._shared_anew(self._running(*found))

    def repair(self, part: Part) -> list[int]:
        """Links work again, and flows that had to go other ways take those that there are now; the jobs whose shares
        change, in their order."""
        self._failed.remove(part)
        if part.left:
            return self._shared_anew(self._resized(part))
        self._set_down()
        again = sorted(self._detoured)
        self._detoured.clear()
        found = [self._end(job) for job in again]
        return self._shared_anew(self._running(*found, *[self._begin(job) for job in again]))

    def _begin(self, job: int) -> Ints:
        """Start the flows of a job on what ways there are, none where one hop has none; the flows with new rates."""
        sender = self._senders[job]
        if len(self._down):
            self._detoured[job] = None
        sender.flows = self._laid(job, sender)
        if not len(sender.flows):
            sender.share = 0.0
            return NOBODY
        numbers = sender.flows.tolist()
        self._job[sender.flows], self._following[sender.flows] = job, numbers[1:] + numbers[:1]
        return change(self._flows, NOBODY, sender.flows)

    def _laid(self, job: int, sender: Sender) -> Ints:
        """Flows for a gang, which do not run yet, their paths written; none where one hop has no way."""
        first, link = self._ways(job, sender.hops)
        lengths = np.diff(first).tolist()
        if 0 in lengths:
            return NOBODY
        if max(lengths) >= self._flows.path.shape[1]:  # a detour: with its own link it needs more room
            self._flows = with_longer_paths(self._flows, 1 + max(lengths))
        flows = np.array([self._idle.pop() for _ in lengths])
        lay(self._flows, flows, first, link, len(self.graph.capacity_b_per_s), sender.demand_b_per_s)
        return flows

    def _crossed(self, sender: Sender) -> Ints:
        """Links over which flows go now, each as often as flows cross it."""
        path = self._flows.path[sender.flows]
        crossed: Ints = path[(path != NONE) & (path < len(self.graph.capacity_b_per_s))]
        return crossed

    def _ways(self, job: int, hops: Ints) -> tuple[Ints, Ints]:
        """Paths over what is not down now, as `Links.routes`; without links where there is no way."""
        return self._up.routes(hops[:, 0], hops[:, 1], np.full(len(hops), job))

    def _sender(self, job: int, allocation: Allocation) -> Sender | None:
        """A gang that would send there, None if it sends nothing."""
        sends_b_per_s = self.sends(job)
        hops, nics = self._ring(job, allocation) if sends_b_per_s else ([], 0)
        if not hops:
            return None
        own = own_nic_b_per_s(self._pools[allocation[0]], max(allocation[2]))
        return Sender(np.array(hops), nics, nics * min(sends_b_per_s, own))

    def _end(self, job: int) -> Ints:
        """Stop the flows of a job; the flows with new rates."""
        sender = self._senders[job]
        found = change(self._flows, sender.flows, NOBODY)
        self._idle += sender.flows.tolist()[::-1]
        sender.flows = NOBODY
        return found

    def _set_down(self) -> None:
        self._down = np.concatenate([NOBODY, *(part.links for part in self._failed if not part.left)])
        self._up = self.graph.without(self._down)

    def _resized(self, part: Part) -> Ints:
        """Give the links of a part what the worst of their failures leaves them; the flows with new rates."""
        found = [NOBODY]
        for link in part.links.tolist():
            left = min((other.left for other in self._failed if other.left and link in other.links), default=1.0)
            found.append(resize(self._flows, link, left * float(self.graph.capacity_b_per_s[link])))
        return np.concatenate(found)

    def _running(self, *flows: Ints) -> Ints:
        """Those of some flows that have not ended since."""
        found: Ints = np.concatenate([NOBODY, *flows])
        running: Ints = found[self._flows.rate_b_per_s[found] > 0.0]
        return running

    def _shared_anew(self, flows: Ints) -> list[int]:
        """Jobs of these running flows whose shares have changed, in their order."""
        changed = []
        jobs, rates = slowest(self._flows, flows, self._job, self._following)
        for job, rate in zip(jobs.tolist(), rates.tolist(), strict=True):
            sender = self._senders[job]
            share = steady(rate / sender.demand_b_per_s)
            if share != sender.share:
                sender.share = share
                changed.append(job)
        return changed

    def _ring(self, job: int, allocation: Allocation) -> tuple[list[tuple[int, int]], int]:
        """The hops of a gang's ring that leave a scale-up domain, from host to host, and the NICs that send over each.

        These are as many as the fewest accelerators of the gang on a node, but one where each is an endpoint. Domains
        that span nodes send from each node of one to a node of the next.
        """
        pool, nodes, counts = allocation[:3]
        together, first, rails = self._together[pool], self._first_host[pool], self._rails[pool]
        if len({node // together for node in nodes}) < 2:
            return [], 0
        used = min(*counts, rails)
        on_each = [(0,)] * len(nodes) if rails == 1 or self._seats is None else self._seats.there(job, allocation)
        domains: dict[int, list[int]] = {}
        for node, own in sorted(zip(nodes, on_each, strict=True)):
            hosts = [self._hosts[first + node * rails + one] for one in own[:used]]
            domains.setdefault(node // together, []).extend(hosts)
        stops = list(domains.values())
        hops = zip(stops, [*stops[1:], stops[0]], strict=True)
        return [pair for here, there in hops for pair in zip(here, there, strict=False)], min(counts) // used


def _longest(links: Links) -> int:
    """Links on the longest path between endpoints, or a little more: twice the way from the node with most cables."""
    busiest = int(np.argmax(np.diff(links.begin)))
    return int(2 * hops_to(busiest, links.begin, links.neighbour).max())


def senders(training: NDArray[np.int32] | None, trace_b_per_s: float) -> Callable[[int], float]:
    """What each accelerator of a job would send, B/s: a training job, which has the number of its table, as much as its
    NICs carry; others, which have -1, as much as is said of them."""
    known = frozenset(() if training is None else np.flatnonzero(training >= 0).tolist())
    return lambda job: math.inf if job in known else trace_b_per_s
