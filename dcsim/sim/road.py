"""The plain road: the clock's walk for runs without overheads, with the world's most frequent changes written out.

Most scenarios charge nothing for starting and stopping jobs and use an ordered queue. For them this loop does what
`Clock.walk`, `World.ended` and, for a job that finds nobody waiting, `World.start` do, event for event and row for
row, in half the time: in Python the calls and look-ups cost as much as the work. `tests/sim/test_road.py` holds both
roads equal. SimPy's queue and its order of events are the same on both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf

from dcsim.eventlog.log import HALF, KIND_BITS
from dcsim.eventlog.schema import COMPLETE, START
from dcsim.policies.decisions import Allocation
from dcsim.sim.clock import COMPLETION, REPORT_EVERY, Callbacks
from dcsim.sim.world import Running, World


@dataclass(frozen=True)
class Told:
    """What the loop tells the queue. `started`, `ended`: see Queue; None if it does not care. `place`: see View.
    `alone`: whether a job that finds nobody waiting may start without asking the queue."""

    place: Callable[[int], Allocation | None]
    started: Callable[[int], None] | None
    ended: Callable[[int], None] | None
    alone: bool


def walk(world: World, on: Callbacks, queue: Told, until: float) -> None:
    """Run to the end, or to `until`, s; see `Clock.walk`."""
    clock, log, waiting, running, spare = world.clock, world.log, world.waiting, world.running, world.spare
    heap, ticket, events = clock.queue, clock.ticket, 0
    occupy, release, needs, kinds = world.occupy, world.release, world.needs, world.end_kinds
    place, pools, facts, service = world.fleet.place, world.fleet.pools, world.facts, world.service_s
    requests, classes, requested = facts.requests, facts.request_class, facts.requested_s
    put_time, put_code, put_place, put_piece = log.put_time, log.put_code, log.put_place, log.put_piece
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
            placed = place(requests[classes[job]], pools) if alone and not waiting and arrivals[i] != now else None
            if placed is not None:
                world.submitted = i
                occupy[placed[0]](placed, needs[job])
                run = running[job] = spare.pop() if spare else Running(clock, world.at_end)
                run.job, run.allocation, run.started_s, run.since_s, run.rate = job, placed, now, now, 1.0
                run.left_s, run.requested_left_s = service[job], requested[job]
                heappush(heap, (now + service[job], COMPLETION, next(ticket), run))
                put_time(now)
                put_code(job << KIND_BITS | START)
                if len(placed[1]) == 1:
                    put_place(placed[0] << HALF | 1)
                    put_piece(placed[1][0] << HALF | placed[2][0])
                else:
                    log.place(placed[0], placed[1], placed[2])
                if told_start is not None:
                    told_start(job)
                continue
            while arrivals[i] == now:
                i += 1
            on.admit(job, i)
        if waiting:
            on.instant()
    clock.events = events
