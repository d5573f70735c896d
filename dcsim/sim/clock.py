"""The clock: a SimPy environment that also walks a sorted list of arrivals and calls back once per instant.

Arrivals are merged from their sorted list instead of being events, which halves the events of a job; measured in
`benchmarks/RESULTS.md`. This is the one module that touches SimPy's private queue: it schedules at absolute times
(`now + delay` would round twice and break ties that a trace has), which SimPy's public interface cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import inf
from typing import Any

import simpy
from simpy.events import Event

COMPLETION = 0
TIMER = 1
REPORT_EVERY = 4096  # events between two progress reports


class Moment(Event):
    """An event at an absolute time with one callback; it cannot fail and nobody waits for its value.

    Set `void` when it must do nothing any more: it stays in SimPy's queue until its time or until a compaction.
    """

    __slots__ = ("void",)

    callbacks: list[Callable[[Any], None]]

    def __init__(self, clock: Clock, callbacks: list[Callable[[Any], None]]) -> None:
        # Event.__init__ would make a list of callbacks for each event: one shared list serves all.
        self.env = clock
        self.callbacks = callbacks
        self._ok = True
        self.void = False


@dataclass(frozen=True)
class Callbacks:
    """What the clock calls. `admit(i, j)`: arrivals i <= k < j are there. `instant`: at the end of an instant, if
    `waiting` is true then. `report`: every few thousand events. `idle`: whether nothing is left to happen once all
    have arrived."""

    admit: Callable[[int, int], None]
    instant: Callable[[], None]
    waiting: Sized
    report: Callable[[], None]
    idle: Callable[[], bool]


class Clock(simpy.Environment):
    """Simulated time. At each instant: events in order of priority and insertion, then arrivals, then `instant`."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: list[Any] = self._queue  # of (time, priority, ticket, event)
        self.ticket = self._eid  # events of one time and priority go in the order of their tickets
        self.voided = 0
        self.events = 0

    def schedule_at(self, time_s: float, priority: int, event: Event) -> None:
        """Put a triggered event on the queue at an absolute time, s."""
        heappush(self.queue, (time_s, priority, next(self.ticket), event))

    def void(self, moment: Moment) -> None:
        """Take a moment back. The queue is compacted when more than half of it is void."""
        moment.void = True
        self.voided += 1
        if self.voided > 64 and 2 * self.voided > len(self.queue):
            self.queue[:] = [entry for entry in self.queue if not getattr(entry[3], "void", False)]
            heapify(self.queue)
            self.voided = 0

    def walk(self, arrivals: Sequence[float], on: Callbacks, until: float = inf) -> None:
        """Run to the end of arrivals and events, to `until` (inclusive), or until `on.idle` says that all is done.

        `arrivals`: sorted times, s.
        """
        queue, count = self.queue, len(arrivals)
        admit, instant, waiting = on.admit, on.instant, on.waiting
        i = 0
        coming = arrivals[0] if count else inf
        while i < count or not on.idle():
            now = queue[0][0] if queue else inf
            if coming < now:
                now = coming
            if now > until or now == inf:
                break
            self._now = now
            while queue and queue[0][0] <= now:
                event = queue[0][3]
                if isinstance(event, Moment):
                    # What step() does for an event that cannot fail, without a call.
                    heappop(queue)
                    event.callbacks[0](event)
                else:
                    self.step()
                self.events += 1
                if not self.events % REPORT_EVERY:
                    on.report()
            if coming == now:
                first = i
                i += 1
                while i < count and arrivals[i] == now:
                    i += 1
                coming = arrivals[i] if i < count else inf
                admit(first, i)
            if waiting:
                instant()
