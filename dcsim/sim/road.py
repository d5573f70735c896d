"""The plain road: the clock's walk for runs without overheads, with the world's most frequent changes written out.

Most scenarios charge nothing for starting and stopping jobs and use an ordered queue. For them this loop does what
`Clock.walk`, `World.ended` and `World.start` do, event for event and row for row, in half the time: in Python the
calls and look-ups cost as much as the work. `tests/sim/test_road.py` holds both roads equal. SimPy's queue and its
order of events are the same on both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf

from dcsim.eventlog.log import HALF, KIND_BITS
from dcsim.eventlog.schema import COMPLETE, START
from dcsim.policies.actions import Actions
from dcsim.policies.decisions import Allocation
from dcsim.sim.clock import COMPLETION, REPORT_EVERY, Callbacks
from dcsim.sim.world import Running, World


@dataclass(frozen=True)
class Told:
    """The queue, as the loop drives it. `decide, started, ended`: see Queue; None if it does not care. `place`: see
    View. `alone`: whether a job that finds nobody waiting may start without asking the queue."""

    place: Callable[[int], Allocation | None]
    decide: Callable[[bool, Actions], None]
    started: Callable[[int], None] | None
    ended: Callable[[int], None] | None
    alone: bool


class Hand:
    """The world's hand on the plain road: `start` is quick and trusts dcsim's own queues, the rest is the world's."""

    def __init__(self, world: World) -> None:
        self.start = _starter(world)
        self.preempt = world.preempt
        self.reject = world.reject
        self.set_rate = world.set_rate
        self.wake_at = world.wake_at


def walk(world: World, on: Callbacks, queue: Told, until: float) -> None:
    """Run to the end, or to `until`, s; see `Clock.walk`."""
    clock, log, waiting, running, spare = world.clock, world.log, world.waiting, world.running, world.spare
    heap, events, release, needs, kinds = clock.queue, 0, world.release, world.needs, world.end_kinds
    place, pools, facts, hand = world.fleet.place, world.fleet.pools, world.facts, Hand(world)
    requests, classes, start, decide = facts.requests, facts.request_class, hand.start, queue.decide
    put_time, put_code = log.put_time, log.put_code
    alone, told_end, told_start = queue.alone, queue.ended, queue.started
    arrivals, i = [*facts.submit_s, inf], 0
    while arrivals[i] < inf or running or waiting:
        coming = arrivals[i]
        now = coming if not heap or coming < heap[0][0] else heap[0][0]
        if now > until or now == inf:
            break
        clock._now = now
        while heap and heap[0][0] <= now:
            run = heappop(heap)[3]
            if not (events := events + 1) % REPORT_EVERY:
                clock.events = events
                on.report()
            if run.void or run.__class__ is not Running:
                continue  # a run that was cut short, or a wake-up: the queue is asked below
            job, allocation = run.job, run.allocation
            del running[job]
            release[allocation[0]](allocation, needs[job])
            world.freed = True
            put_time(now)
            put_code(job << KIND_BITS | (kinds[job] if kinds else COMPLETE))
            if told_end is not None:
                told_end(job)
            spare.append(run)
        if coming == now:
            job, i = i, i + 1
            if alone and not waiting and arrivals[i] != now:
                placed = place(requests[classes[job]], pools)
                if placed is not None:
                    world.submitted = i
                    start(job, placed)
                    if told_start is not None:
                        told_start(job)
                    continue
            while arrivals[i] == now:
                i += 1
            on.admit(job, i)
        if waiting:
            freed = world.freed
            world.freed = False
            decide(freed, hand)
    clock.events = events


def _starter(world: World) -> Callable[..., None]:
    """`World.start` for the plain road, with all that never changes at hand and without checks: a job takes an
    allocation that dcsim's own placement has just found free."""
    clock, log, waiting, running, spare = world.clock, world.log, world.waiting, world.running, world.spare
    heap, ticket, done_s, at_end = clock.queue, clock.ticket, world.done_s, world.at_end
    take, needs, service, requested = world.take, world.needs, world.service_s, world.facts.requested_s
    put_time, put_code, put_place, put_piece = log.put_time, log.put_code, log.put_place, log.put_piece

    def start(job: int, allocation: Allocation, reason: str = "") -> None:
        pool, nodes, counts, _, _ = allocation
        take[pool](allocation, needs[job])
        waiting.pop(job, None)
        run = running[job] = spare.pop() if spare else Running(clock, at_end)
        now = clock._now
        run.job, run.allocation, run.started_s, run.since_s, run.rate = job, allocation, now, now, 1.0
        left = service[job]
        run.requested_left_s = requested[job]
        if job in done_s:
            left -= done_s[job]
            run.requested_left_s -= done_s[job]
        run.left_s = left
        heappush(heap, (now + left, COMPLETION, next(ticket), run))
        if reason:
            log.extras(1.0, reason)
        put_time(now)
        put_code(job << KIND_BITS | START)
        if len(nodes) == 1:
            put_place(pool << HALF | 1)
            put_piece(nodes[0] << HALF | counts[0])
        else:
            log.place(pool, nodes, counts)

    return start
