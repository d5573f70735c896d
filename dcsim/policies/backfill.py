"""EASY backfill: the head has a reservation, later jobs may pass it if they do not delay it."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import inf, ulp

from dcsim.policies.actions import Actions
from dcsim.policies.decisions import Allocation
from dcsim.policies.lines import Line
from dcsim.policies.ordered import Fifo, OrderedScheduler
from dcsim.policies.view import Profile, View


@dataclass
class Reservation:
    """A promise to the head job: at `time_s` it fits into `profile`, the expected state of that moment.

    `profile` counts jobs that were started since and will still run then.
    """

    head: int
    time_s: float
    profile: Profile


class BackfillQueue:
    """The queue of EASY.

    A reservation stays exact while the head is the same, running jobs end when expected and only backfilled jobs
    start: none of these moves the earliest time at which the head fits. So it is made anew only when the head
    changes, a run ends early or an overrun makes it lie in the past. Without freed accelerators only two sorts of
    jobs can have become eligible, since room and time to the reservation only shrink: new ones, and those that fit
    but were in the head's way, because a start may have moved where the placement would put them.
    """

    def __init__(self, scheduler: OrderedScheduler, view: View) -> None:
        self._view = view
        self._order = Fifo()
        self._lines: dict[int, Line] = {}  # those that are not empty
        # Accelerators without which no job with these needs can go: none where it asks for a part of one.
        self._least = [r.accelerators if r.share == 1.0 else 0 for r in view.facts.requests]
        self._classes = view.facts.request_class
        self._lasts_s = view.lasts_s
        self._backfilled: set[int] = set()  # started from the middle; still in `_order` until they reach its head
        self._new: list[int] = []
        self._barred: dict[int, None] = {}  # kinds of needs with jobs that fit but were in the head's way
        self._moved = False  # something was backfilled since the jobs barred at the last pass were looked at
        self._reservation: Reservation | None = None
        self._expected: dict[int, float] = {}  # expected ends of running jobs
        self._ends: list[tuple[float, int]] = []  # the same, sorted

    def push(self, job: int) -> None:
        """Add a job at its place by submission."""
        self._order.push(job)
        kind = self._classes[job]
        if kind not in self._lines:
            self._lines[kind] = Line(self._lasts_s)
        self._lines[kind].push(job)
        self._new.append(job)

    def ended(self, job: int) -> None:
        """An end at another time than expected makes the reservation stale."""
        expected = self._expected.pop(job)
        del self._ends[bisect_left(self._ends, (expected, job))]
        if expected != self._view.now:
            self._reservation = None

    def started(self, job: int) -> None:
        """A job runs that found nobody waiting."""
        end = self._expected[job] = self._view.expected_end_s(job)
        insort(self._ends, (end, job))

    def decide(self, freed: bool, act: Actions) -> None:
        """Start from the head; when it does not fit, reserve for it and backfill behind it."""
        view = self._view
        changed = freed
        while (head := self._head()) >= 0:
            if not freed and self._reservation is not None and self._reservation.head == head:
                break  # it did not fit at the last pass and nothing was freed since
            allocation = view.place(head)
            if allocation is None:
                break
            changed = True
            self._order.pop()
            act.start(head, allocation)
            self._started(head)
        if head >= 0:
            self._backfill(head, changed, act)
        self._new.clear()

    def _backfill(self, head: int, changed: bool, act: Actions) -> None:
        held = self._reservation
        if held is None or held.head != head or held.time_s < self._view.now:
            held = self._reservation = self._reserve(head)
            changed = True
        heads = self._candidates(head, changed)
        now, until = self._view.now, held.time_s
        longest = until - now + ulp(until)  # a job that may end in time asks for no more
        while heads:
            job, kind = heappop(heads)
            allocation = self._view.place(job)
            if allocation is None:
                continue  # nor does any other job with the same needs
            if now + self._lasts_s[job] > until and not self._spares(held, job, allocation):
                self._barred[kind] = None
                following = self._next(kind, longest, job)
            else:
                self._backfilled.add(job)
                self._moved = True
                act.start(job, allocation, "backfill")
                self._started(job)
                following = self._next(kind, inf, job)
                if self._barred:
                    heads = [entry for entry in heads if entry[1] not in self._barred]
                    heads += self._firsts(dict.fromkeys(k for k in self._barred if k != kind), job)
                    heapify(heads)
            if following >= 0:
                heappush(heads, (following, kind))

    def _candidates(self, head: int, changed: bool) -> list[tuple[int, int]]:
        """The first jobs behind the head, a kind of needs each, that may have become eligible; with their kinds."""
        if changed:
            heads = self._firsts(self._lines, head)
            self._barred = {}
        else:
            barred = self._barred if self._moved else {}
            fresh = dict.fromkeys(k for j in self._new if j != head and (k := self._classes[j]) not in barred)
            heads = self._firsts(barred, head) + self._firsts(fresh, max(head, min(self._new, default=0) - 1))
        self._moved = False
        heapify(heads)
        return heads

    def _firsts(self, kinds: Iterable[int], after: int) -> list[tuple[int, int]]:
        # Lines that are empty, or whose jobs are larger than all that is free, are not worth a search.
        free = max([pool.free_total for pool in self._view.pools])
        lines, least = self._lines, self._least
        return [
            (job, kind)
            for kind in kinds
            if least[kind] <= free and kind in lines and (job := lines[kind].first(inf, after)) >= 0
        ]

    def _spares(self, held: Reservation, job: int, allocation: Allocation) -> bool:
        """Whether the head still fits at its reservation if this job runs past it; counts the job in if so."""
        held.profile.occupy(job, allocation)
        if held.profile.fits(held.head):
            return True
        held.profile.release(job, allocation)
        return False

    def _reserve(self, head: int) -> Reservation:
        """The earliest expected time at which the head fits, as running jobs end one after another."""
        view = self._view
        profile = view.profile()
        now = view.now
        ends, i = self._ends, 0
        while i < len(ends):
            time = max(ends[i][0], now)  # who overruns is expected to end at any moment
            while i < len(ends) and ends[i][0] <= time:
                profile.release(ends[i][1], view.allocation(ends[i][1]))
                i += 1
            if profile.fits(head):
                return Reservation(head, time, profile)
        raise AssertionError("a job that can never fit was not rejected")

    def _next(self, kind: int, longest_s: float, after: int) -> int:
        line = self._lines.get(kind)
        return -1 if line is None else line.first(longest_s, after)

    def _head(self) -> int:
        """The first waiting job; backfilled jobs at the front are forgotten."""
        while (head := self._order.head()) in self._backfilled:
            self._backfilled.remove(self._order.pop())
        return head

    def _started(self, job: int) -> None:
        kind = self._classes[job]
        line = self._lines[kind]
        line.remove(job)
        if not line:
            del self._lines[kind]
        self.started(job)
