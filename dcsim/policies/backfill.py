"""EASY backfill: the head has a reservation, later jobs may pass it if they do not delay it."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import inf

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
    changes, a run ends early or an overrun makes it lie in the past; and without freed accelerators only new jobs
    can have become eligible, since room and time to the reservation only shrink.
    """

    def __init__(self, scheduler: OrderedScheduler, view: View) -> None:
        self._view = view
        self._order = Fifo()
        self._lines: dict[int, Line] = {}
        self._classes = view.facts.request_class
        self._requested_s = view.facts.requested_s
        self._backfilled: set[int] = set()  # started from the middle; still in `_order` until they reach its head
        self._new: list[int] = []
        self._reservation: Reservation | None = None
        self._expected: dict[int, float] = {}  # expected ends of running jobs

    def push(self, job: int) -> None:
        """Add a job at its place by submission."""
        self._order.push(job)
        kind = self._classes[job]
        if kind not in self._lines:
            self._lines[kind] = Line(self._requested_s)
        self._lines[kind].push(job)
        self._new.append(job)

    def ended(self, job: int) -> None:
        """An end at another time than expected makes the reservation stale."""
        if self._expected.pop(job, self._view.now) != self._view.now:
            self._reservation = None

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
        candidates = self._lines if changed else dict.fromkeys(self._classes[j] for j in self._new if j != head)
        first_new = -1 if changed else min(self._new, default=0) - 1
        heads = [(job, kind) for kind in candidates if (job := self._next(kind, inf, max(head, first_new))) >= 0]
        heapify(heads)
        while heads:
            job, kind = heappop(heads)
            allocation = self._view.place(job)
            if allocation is None:
                continue  # nor does any other job with the same needs
            window = held.time_s - self._view.now
            spare = self._spares(held, job, allocation)
            if not spare and self._requested_s[job] > window:
                job = self._next(kind, window, job)
                if job >= 0:
                    heappush(heads, (job, kind))
                continue
            if self._requested_s[job] > window:
                held.profile.occupy(job, allocation)
            self._backfilled.add(job)
            act.start(job, allocation, "backfill")
            self._started(job)
            if (following := self._next(kind, inf, job)) >= 0:
                heappush(heads, (following, kind))

    def _spares(self, held: Reservation, job: int, allocation: Allocation) -> bool:
        """Whether the head still fits at its reservation if this job runs past it."""
        held.profile.occupy(job, allocation)
        fits = held.profile.fits(held.head)
        held.profile.release(job, allocation)
        return fits

    def _reserve(self, head: int) -> Reservation:
        """The earliest expected time at which the head fits, as running jobs end one after another."""
        view = self._view
        profile = view.profile()
        now = view.now
        releases = sorted((max(end, now), job) for job, end in self._expected.items())
        i = 0
        while i < len(releases):
            time = releases[i][0]
            while i < len(releases) and releases[i][0] == time:
                job = releases[i][1]
                profile.release(job, view.allocation(job))
                i += 1
            if profile.fits(head):
                return Reservation(head, time, profile)
        raise AssertionError("a job that can never fit was not rejected")

    def _next(self, kind: int, longest_s: float, after: int) -> int:
        return self._lines[kind].first(longest_s, after)

    def _head(self) -> int:
        """The first waiting job; backfilled jobs at the front are forgotten."""
        while (head := self._order.head()) in self._backfilled:
            self._backfilled.remove(self._order.pop())
        return head

    def _started(self, job: int) -> None:
        self._lines[self._classes[job]].remove(job)
        self._expected[job] = self._view.expected_end_s(job)
