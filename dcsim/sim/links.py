"""Gangs that share the links of an interconnect: who sends over what, and what max-min fairness leaves each.

A gang that spans scale-up domains has a flow for each two of which one sends to the other, by kind of traffic. A kind
is as fast as its slowest flow, and at most as the NICs that its step time was computed with. Where links fail, flows
are slower or take other ways; a gang for which there is none has share 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels.fairshare import (
    NONE,
    Floats,
    Ints,
    change,
    idle_flows,
    resize,
    running_over,
    with_room,
)
from dcsim.kernels.gang_flows import lay, settle, shares_alone, slowest
from dcsim.kernels.routes import hops_to
from dcsim.performance.placed import is_torus, steady
from dcsim.performance.plan_traffic import Legs, ring
from dcsim.performance.shares import CUT_OFF, WHOLE, Shares
from dcsim.policies.decisions import Allocation
from dcsim.scenario.spec import Pool
from dcsim.sim.parts import Part
from dcsim.sim.senders import NOBODY, Gangs, Sender, Sends
from dcsim.topologies._routes import Links

if TYPE_CHECKING:
    from dcsim.performance.training import Training

KINDS = len(WHOLE)
ROOM = 1 << 10  # flows at first; there is room for more when they come


class Sending(NamedTuple):
    """What a gang sends at a moment. `link`: the links that its flows cross, each as often as they do; `sent_b`: bytes
    of a step that each of these flows carries; `b_per_s`: what it would carry if the gang sent all the time."""

    link: Ints
    sent_b: Floats
    b_per_s: Floats


class SharedLinks:
    """The links of a scenario while it runs: `sim.speeds.Contention` by max-min fair shares.

    The endpoints of `links` are the nodes of the pools, in order, or their accelerators: then a gang sends from each of
    those that it has (`Seats`). `order`: see `Gangs`.
    """

    def __init__(
        self, links: Links, pools: Sequence[Pool], sends: Sends, order: Sequence[Sequence[int]] | None = None
    ) -> None:
        self.graph, self._pools, self._sends, self._order = links, pools, sends, order
        self._gangs = Gangs(links, pools, order)
        self._own = len(links.capacity_b_per_s)
        """Behind the links of the graph, each flow has one of its own, which holds it at what it asks for."""
        self._flows = idle_flows(np.concatenate((links.capacity_b_per_s, np.ones(ROOM))), ROOM, _longest(links) + 1)
        self._idle = list(range(ROOM))[::-1]
        self._load = np.zeros(self._own)
        # By flow: its group, which are a job's of one kind, the next flow of it, and the share that the group has.
        self._group, self._following, self._told = np.full(ROOM, NONE), np.full(ROOM, NONE), np.zeros(ROOM)
        self._senders: dict[int, Sender] = {}
        self._failed: list[Part] = []  # now
        self._down, self._up = NOBODY, links  # links over which nothing goes now, and those that there are besides
        self._detoured: dict[int, None] = {}  # jobs whose ways were looked for while links were down

    def join(self, job: int, allocation: Allocation) -> list[int]:
        """A gang begins to send; the other jobs whose shares change, in their order."""
        self._gangs.take(job, allocation)
        sender = self._sender(job, allocation)
        if sender is None:
            return []
        self._senders[job] = sender
        return [other for other in self._settled(NOBODY, self._laid(job)) if other != job]

    def share_there(self, job: int, allocation: Allocation) -> float:
        """Share of what it would send that a job which does not run would get there now, of its kinds of traffic the
        worst off, 0 where no way joins its nodes, 1 if it sends nothing; changes nothing."""
        sender = self._sender(job, allocation)
        if sender is None:
            return 1.0
        before = self._flows.rate_b_per_s.copy()
        self._lay(job, sender)
        if not len(sender.flows):
            return 0.0
        change(self._flows, NOBODY, sender.flows)
        share = min(
            steady(alone * float(self._ratio(flows).min()))
            for alone, flows in zip(sender.alone, sender.groups(), strict=True)
        )
        change(self._flows, sender.flows, NOBODY)
        self._flows.rate_b_per_s[: len(before)] = before  # found anew they would be the same to rounding only
        self._idle += sender.flows.tolist()[::-1]
        return share

    def sending(self, job: int) -> Sending | None:
        """What a running job sends now, None if that is nothing or no way joins its nodes."""
        sender = self._senders.get(job)
        if sender is None or not len(sender.flows):
            return None
        path = self._flows.path[sender.flows]
        crossed = (path != NONE) & (path < self._own)
        shares = np.array([sender.shares[kind] for kind in sender.kinds])
        columns = sender.sent_b, sender.burst_b_per_s * shares[sender.kind]
        return Sending(path[crossed], *(np.repeat(column, crossed.sum(axis=1)) for column in columns))

    def idle(self) -> SharedLinks:
        """The same links, all of them whole, on which nobody sends."""
        return SharedLinks(self.graph, self._pools, self._sends, self._order)

    def loads(self, job: int, allocation: Allocation) -> tuple[dict[int, float], Shares]:
        """What a job, which runs there or does not run, would send over each link if it were alone, B/s, mean while it
        sends, and the shares that it would have then; no links if it sends nothing or no way joins its nodes."""
        sender = self._senders.get(job) or self._sender(job, allocation)
        if sender is None:
            return {}, WHOLE
        first, link = self._ways(job, sender)
        lengths = np.diff(first)
        if not lengths.all():
            return {}, CUT_OFF
        alone = self._alone(sender, first, link)
        loads: dict[int, float] = {}
        for crossed, load in zip(link.tolist(), np.repeat(sender.asked_b_per_s(alone), lengths).tolist(), strict=True):
            loads[crossed] = loads.get(crossed, 0.0) + load
        return loads, _shares(sender.kinds, [steady(share) for share in alone])

    def alone(self, job: int, allocation: Allocation) -> Shares:
        """The shares that a job would have there if it were alone."""
        return self.loads(job, allocation)[1]

    def ranked(self, allocation: Allocation) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Nodes of a gang in the order of its ranks, and its accelerators on each."""
        return self._gangs.ranked(allocation)

    def capacity_b_per_s(self, link: int) -> float:
        """Capacity of a link now, B/s, less what a failure takes of it."""
        return float(self._flows.capacity_b_per_s[link])

    def leave(self, job: int) -> list[int]:
        """A job sends no more, if it did; the jobs whose shares change, in their order."""
        self._gangs.give(job)
        if job not in self._senders:
            return []
        gone = self._idle_again(job)
        del self._senders[job]
        self._detoured.pop(job, None)
        return self._settled(gone, NOBODY)

    def shares(self, job: int) -> Shares:
        """What the links leave a job of what it would send, from 0, where no way joins its nodes, to 1, also for one
        that sends nothing."""
        sender = self._senders.get(job)
        return WHOLE if sender is None else sender.shares

    def share(self, job: int) -> float:
        """The same of its kind of traffic that is worst off."""
        return self.shares(job).least

    def fail(self, part: Part) -> tuple[list[int], list[int]]:
        """Links fail; the jobs that this stops, which send no more, and the others whose shares change, in order."""
        self._failed.append(part)
        if part.left:
            return [], self._resized(part)
        self._set_down()
        across = self._across(part)
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
            return self._resized(part)
        self._set_down()
        again = sorted(self._detoured)
        self._detoured.clear()
        found = [self._end(job) for job in again]
        return self._shared_anew(self._running(*found, *[self._begin(job) for job in again]))

    def _begin(self, job: int) -> Ints:
        """Start the flows of a job on what ways there are, none where one hop has none; the flows with new rates."""
        coming = self._laid(job)  # which may make room: the flows are others then
        return change(self._flows, NOBODY, coming)

    def _laid(self, job: int) -> Ints:
        """The flows of a job that sends, which do not run yet, on what ways there are, none where one hop has none."""
        sender = self._senders[job]
        if len(self._down):
            self._detoured[job] = None
        self._lay(job, sender)
        if not len(sender.flows):
            sender.shares = _shares(sender.kinds, [0.0] * len(sender.kinds))
            return NOBODY
        for kind, flows in zip(sender.kinds, sender.groups(), strict=True):
            numbers = flows.tolist()
            self._group[flows], self._following[flows] = KINDS * job + kind, numbers[1:] + numbers[:1]
        self._told[sender.flows] = 0.0
        return sender.flows

    def _lay(self, job: int, sender: Sender) -> None:
        """Flows for a gang, which do not run yet, their paths written; none where one hop has no way."""
        first, link = self._ways(job, sender)
        lengths = first[1:] - first[:-1]
        sender.flows = NOBODY
        if lengths.min():
            self._make_room(len(sender), 1 + int(lengths.max()))
            sender.alone = self._alone(sender, first, link)
            sender.flows = np.array([self._idle.pop() for _ in range(len(sender))])
            asked_b_per_s = sender.asked_b_per_s(sender.alone)
            lay(self._flows.path, self._flows.capacity_b_per_s, sender.flows, first, link, asked_b_per_s)

    def _make_room(self, flows: int, longest: int) -> None:
        """For so many flows more, with paths of so many links: detours are longer than any way before."""
        count, room = self._flows.path.shape
        if flows <= len(self._idle) and longest <= room:
            return
        more = max(count, flows) if flows > len(self._idle) else 0
        self._flows = with_room(self._flows, count + more, longest)
        self._idle = [*range(count, count + more)][::-1] + self._idle
        fill = np.full(more, NONE)
        self._group, self._following = (np.concatenate((old, fill)) for old in (self._group, self._following))
        self._told = np.concatenate((self._told, np.zeros(more)))

    def _alone(self, sender: Sender, first: Ints, link: Ints) -> list[float]:
        """Share of its burst that each kind of a gang's traffic would get on these ways if it were alone there."""
        ways = first, link, sender.kind, sender.burst_b_per_s
        found: list[float] = shares_alone(self._flows.capacity_b_per_s, self._load, *ways).tolist()
        return found

    def _ratio(self, flows: Ints) -> Floats:
        """What flows get over what they ask for."""
        return self._flows.rate_b_per_s[flows] / self._flows.capacity_b_per_s[self._own + flows]

    def _ways(self, job: int, sender: Sender) -> tuple[Ints, Ints]:
        """Paths over what is not down now, as `Links.routes`; without links where there is no way."""
        return self._up.routes(sender.source, sender.target, np.full(len(sender), job))

    def _sender(self, job: int, allocation: Allocation) -> Sender | None:
        return self._gangs.sender(job, allocation, self._sends)

    def _across(self, part: Part) -> list[int]:
        """Jobs with flows over the links of a part, in their order."""
        found: list[int] = np.unique(self._group[running_over(self._flows, part.links)] // KINDS).tolist()
        return found

    def _end(self, job: int) -> Ints:
        """Stop the flows of a job; the flows with new rates."""
        return change(self._flows, self._idle_again(job), NOBODY)

    def _idle_again(self, job: int) -> Ints:
        """The flows of a job, which it has no more once they are stopped."""
        sender = self._senders[job]
        gone, sender.flows = sender.flows, NOBODY
        self._idle += gone.tolist()[::-1]
        return gone

    def _set_down(self) -> None:
        self._down = np.concatenate([NOBODY, *(part.links for part in self._failed if not part.left)])
        self._up = self.graph.without(self._down)

    def _resized(self, part: Part) -> list[int]:
        """Give the links of a part what the worst of their failures leaves them; the jobs whose shares change. What
        gangs across it ask for changes too, so their flows start anew, on the ways that they have."""
        across = self._across(part)
        found = [self._end(job) for job in across]
        for link in part.links.tolist():
            left = min((other.left for other in self._failed if other.left and link in other.links), default=1.0)
            found.append(resize(self._flows, link, left * float(self.graph.capacity_b_per_s[link])))
        found += [self._begin(job) for job in across]
        return self._shared_anew(self._running(*found))

    def _running(self, *flows: Ints) -> Ints:
        """Those of some flows that have not ended since."""
        found: Ints = np.concatenate([NOBODY, *flows])
        running: Ints = found[self._flows.rate_b_per_s[found] > 0.0]
        return running

    def _settled(self, leaving: Ints, coming: Ints) -> list[int]:
        """Stop and start flows; the jobs whose shares that changes, in their order."""
        return self._news(*settle(self._flows, leaving, coming, self._group, self._following, self._told))

    def _shared_anew(self, flows: Ints) -> list[int]:
        """Jobs of these running flows whose shares have changed, in their order."""
        now = self._flows.rate_b_per_s, self._flows.capacity_b_per_s
        return self._news(*slowest(*now, flows, self._group, self._following, self._told))

    def _news(self, groups: Ints, ratios: Floats) -> list[int]:
        """Take note of what groups of flows get of what they ask for; the jobs whose shares that changes."""
        changed: dict[int, None] = {}
        for group, ratio in zip(groups.tolist(), ratios.tolist(), strict=True):
            job, kind = divmod(group, KINDS)
            sender = self._senders[job]
            number = sender.kinds.index(kind)
            share = steady(sender.alone[number] * ratio)
            if share != sender.shares[kind]:
                shares = list(sender.shares)
                shares[kind] = share
                sender.shares = Shares(*shares)
                changed[job] = None
        return list(changed)


def _shares(kinds: Sequence[int], values: Sequence[float]) -> Shares:
    """Shares of some kinds, and 1 of those that are not sent."""
    found = list(WHOLE)
    for kind, value in zip(kinds, values, strict=True):
        found[kind] = value
    return Shares(*found)


def _longest(links: Links) -> int:
    """Links on the longest path between endpoints, or a little more: twice the way from the node with most cables."""
    busiest = int(np.argmax(np.diff(links.begin)))
    return int(2 * hops_to(busiest, links.begin, links.neighbour).max())


def who_sends(training: NDArray[np.int32] | None, trainings: Sequence[Training], trace_b_per_s: float) -> Sends:
    """What jobs send: training jobs, which have the number of their table, what their plans do, as fast as their NICs
    carry it; others, which have -1, as much as is said of them around a ring, if anything is."""
    tables = [] if training is None else training.tolist()

    def sends(job: int, pool: int, counts: tuple[int, ...]) -> tuple[Legs, float] | None:
        """See `Sends`."""
        if tables and tables[job] >= 0:
            training = trainings[tables[job]]
            if is_torus(training.pools[pool]):
                return None  # its step times have the links of the torus, as if it had them to itself
            return training.legs(pool, counts), math.inf
        return (ring(counts), trace_b_per_s) if trace_b_per_s else None

    return sends
