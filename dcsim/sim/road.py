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
from dcsim.policies.placements import one_node
from dcsim.sim.clock import COMPLETION, REPORT_EVERY, Callbacks
from dcsim.sim.state import Running
from dcsim.sim.world import World


@dataclass(frozen=True)
class Told:
    """The queue, as the loop drives it. `decide, started, ended`: see Queue; None if it does not care. `alone`:
    whether a job that finds nobody waiting may start without asking the queue, and all who come may wait."""

    decide: Callable[[bool, Actions], None]
    started: Callable[[int], None] | None
    ended: Callable[[int], None] | None
    alone: bool


class Hand:
    """The world's hand on the plain road: starts are quick and trust dcsim's own queues and placements."""

    def __init__(self, world: World) -> None:
        self.start_if_fits = begin = _beginner(world)
        take, needs = world.take, world.needs

        def start(job: int, allocation: Allocation, reason: str = "", rate: float = 1.0) -> None:
            """See `Actions.start`; all rates are 1 on this road."""
            take[allocation[0]](allocation, needs[job])
            begin(job, allocation, reason)

        self.start = start
        self.preempt = world.preempt
        self.reject = world.reject
        self.set_rate = world.set_rate
        self.wake_at = world.wake_at


def walk(world: World, on: Callbacks, queue: Told, until: float) -> None:
    """Run to the end, or to `until`, s; see `Clock.walk`."""
    clock, log, waiting, running, spare = world.clock, world.log, world.waiting, world.running, world.spare
    heap, release, needs, kinds = clock.queue, world.release, world.needs, world.end_kinds
    hand, decide, push = Hand(world), queue.decide, world.on_wait
    start_if_fits, put_time, put_code = hand.start_if_fits, log.put_time, log.put_code
    alone, told_end, told_start = queue.alone, queue.ended, queue.started
    arrivals, i, events, report_at = [*world.facts.submit_s, inf], 0, 0, REPORT_EVERY
    while True:
        coming = arrivals[i]
        now = heap[0][0] if heap else inf
        if coming <= now:
            now = coming
        if now == inf or now > until or not (coming < inf or running or waiting):
            break
        clock._now = now
        while heap and heap[0][0] <= now:
            run = heappop(heap)[3]
            events += 1
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
            if alone and not waiting and arrivals[i] != now and start_if_fits(job):
                if told_start is not None:
                    told_start(job)
            else:
                while arrivals[i] == now:
                    i += 1
                if alone:
                    for new in range(job, i):
                        waiting[new] = None
                        push(new)
                else:
                    on.admit(job, i)
        if waiting:
            freed = world.freed
            world.freed = False
            decide(freed, hand)
        if events >= report_at:
            report_at = events + REPORT_EVERY
            clock.events, world.submitted = events, i
            on.report()
    clock.events, world.submitted = events, i


def _beginner(world: World) -> Callable[..., bool]:
    """`World.start`, and `World.start_if_fits` where no allocation is given, in one: with all that never changes at
    hand and without checks. The accelerators of a given allocation are taken."""
    clock, log, waiting, running, spare = world.clock, world.log, world.waiting, world.running, world.spare
    heap, ticket, done_s, at_end = clock.queue, clock.ticket, world.done_s, world.at_end
    service, requested = world.service_s, world.facts.requested_s
    put_time, put_code, put_place, put_piece = log.put_time, log.put_code, log.put_place, log.put_piece
    fleet, facts, take, needs = world.fleet, world.facts, world.take, world.needs
    place, pools, requests, classes = fleet.place, fleet.pools, facts.requests, facts.request_class
    # A job of up to so many accelerators goes on the fullest node of the only pool, found and taken in one stroke.
    small = pools[0].width if fleet.best_fit else -1
    take_fullest = pools[0].take_fullest if fleet.best_fit else None
    known: dict[int, Allocation] = {}

    def begin(job: int, allocation: Allocation | None = None, reason: str = "") -> bool:
        """Start a job; false, and nothing is done, where no allocation is given and there is no place."""
        piece = 0
        if allocation is None:
            need = needs[job]
            if take_fullest is not None and need <= small:
                node = take_fullest(need)
                if node < 0:
                    return False
                piece = node << HALF | need
                allocation = known.get(piece)
                if allocation is None:
                    allocation = known[piece] = one_node(0, node, need)
            else:
                allocation = place(requests[classes[job]], pools)
                if allocation is None:
                    return False
                take[allocation[0]](allocation, need)
        waiting.pop(job, None)
        run = running[job] = spare.pop() if spare else Running(clock, at_end)
        now = clock._now
        run.job, run.allocation, run.started_s, run.since_s, run.rate = job, allocation, now, now, 1.0
        left = service[job]
        run.requested_left_s = requested[job]
        if done_s and job in done_s:
            left -= done_s[job]
            run.requested_left_s -= done_s[job]
        run.left_s = left
        heappush(heap, (now + left, COMPLETION, next(ticket), run))
        if reason:
            log.extras(1.0, reason)
        put_time(now)
        put_code(job << KIND_BITS | START)
        if piece:
            put_place(1)  # one piece in pool 0
            put_piece(piece)
        else:
            log.place(*allocation[:3])
        return True

    return begin
