"""The clock: a SimPy environment that also walks a sorted list of arrivals and calls back once per instant.

Arrivals are merged from their sorted list instead of being events, which halves the events of a job; measured in
`benchmarks/RESULTS.md`. This is the one module that touches SimPy's private queue: it schedules at absolute times
(`now + delay` would round twice and break ties that a trace has), which SimPy's public interface cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappush
from math import inf

import simpy
from simpy.events import Event, EventCallbacks

COMPLETION = 0
TIMER = 1
REPORT_EVERY = 4096  # events between two progress reports


class Moment(Event):
    """An event at an absolute time that carries a subject; it cannot fail and nobody waits for its value.

    Set `void` when it must do nothing any more: it stays in SimPy's queue until its time or until a compaction.
    """

    def __init__(self, clock: Clock, callbacks: EventCallbacks) -> None:
        # Event.__init__ would make a list of callbacks for each event: one shared list serves all.
        self.env = clock
        self.callbacks = callbacks
        self._ok = True
        self.void = False


class Clock(simpy.Environment):
    """Simulated time. At each instant: events in order of priority and insertion, then arrivals, then `instant`."""

    def __init__(self) -> None:
        super().__init__()
        self.voided = 0
        self.events = 0
        self.stop = False

    def schedule_at(self, time_s: float, priority: int, event: Event) -> None:
        """Put a triggered event on the queue at an absolute time, s."""
        heappush(self._queue, (time_s, priority, next(self._eid), event))

    def void(self, moment: Moment) -> None:
        """Take a moment back. The queue is compacted when more than half of it is void."""
        moment.void = True
        self.voided += 1
        if self.voided > 64 and 2 * self.voided > len(self._queue):
            self._queue[:] = [entry for entry in self._queue if not getattr(entry[3], "void", False)]
            heapify(self._queue)
            self.voided = 0

    def walk(
        self,
        arrivals: Sequence[float],
        admit: Callable[[int, int], None],
        instant: Callable[[], None],
        report: Callable[[], None],
        until: float = inf,
    ) -> None:
        """Run to the end of arrivals and events, to `until` (inclusive), or until `stop` is set.

        `arrivals`: sorted times, s. `admit(i, j)` is called for arrivals i <= k < j of one instant, `instant` at the
        end of each instant, `report` every few thousand events.
        """
        queue, step, count = self._queue, self.step, len(arrivals)
        i = 0
        coming = arrivals[0] if count else inf
        while not self.stop:
            now = queue[0][0] if queue else inf
            if coming < now:
                now = coming
            if now > until or now == inf:
                break
            self._now = now
            while queue and queue[0][0] <= now:
                step()
                self.events += 1
                if not self.events % REPORT_EVERY:
                    report()
            if coming == now:
                first = i
                i += 1
                while i < count and arrivals[i] == now:
                    i += 1
                coming = arrivals[i] if i < count else inf
                admit(first, i)
            instant()
