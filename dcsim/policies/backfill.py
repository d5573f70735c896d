"""EASY backfill: the head has a reservation, later jobs may pass it if they do not delay it."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import inf, ulp

from dcsim.policies.actions import Actions
from dcsim.policies.decisions import Allocation
from dcsim.policies.lines import Line
from dcsim.policies.ordered import OrderedScheduler
from dcsim.policies.room import least_needed, room
from dcsim.policies.view import Profile, View


@dataclass(slots=True)
class Reservation:
    """A promise to the head job: at `time_s` it fits into `profile`, the expected state of that moment.

    `profile` counts jobs that were started since and will still run then. `refused`: kinds of needs and allocations
    on which they would not leave the head its room; they stay so, since `profile` only fills.
    """

    head: int
    time_s: float
    profile: Profile
    refused: set[tuple[int, Allocation]] = field(default_factory=set)

    def spares(self, job: int, kind: int, allocation: Allocation) -> bool:
        """Whether the head keeps its room if this job runs past the reservation; counts the job in if so."""
        if (kind, allocation) in self.refused:
            return False
        self.profile.occupy(job, allocation)
        if self.profile.fits(self.head):
            return True
        self.profile.release(job, allocation)
        self.refused.add((kind, allocation))
        return False

    def longest_s(self, now: float) -> float:
        """A job that may end by the reservation asks for no more, s."""
        return self.time_s - now + ulp(self.time_s)


class BackfillQueue:
    """The queue of EASY.

    A reservation stays exact while the head is the same, running jobs end when expected and only backfilled jobs
    start: none of these moves the earliest time at which the head fits. So it is made anew only when the head
    starts, a run ends early or an overrun makes it lie in the past. Without freed accelerators only two sorts of
    jobs can have become eligible, since room and time to the reservation only shrink: new ones, and those that fit
    but were in the head's way, because a start may have moved where the placement would put them.

    Jobs are pushed in order of submission; only failures make any come back (`again`), since EASY preempts nobody. The
    head and new jobs, many of which start at once, stand in no line.
    """

    def __init__(self, scheduler: OrderedScheduler, view: View) -> None:
        self._view = view
        self._place = view.place
        self._room = room(view.pools)
        self._least = least_needed(view)
        self._kinds = view.facts.request_class
        self._lasts_s = view.lasts_s
        # Where rates vary, `lasts_s` is the least time, and where a job would go says how long it takes.
        self._there = view.estimate if view.rates_vary else None
        self._order: deque[int] = deque()
        self._backfilled: set[int] = set()  # started from the middle; still in `_order` until they reach its head
        self._lines: dict[int, Line] = {}  # by kind of needs; those that are not empty
        self._new: list[int] = []  # jobs that came since the last pass
        self._barred: dict[int, None] = {}  # kinds of needs with jobs that fit but were in the head's way
        self._moved = False  # something was backfilled since the jobs barred at the last pass were looked at
        self._reservation: Reservation | None = None
        self._unseen: set[int] = set()  # running jobs that started when nobody needed to know when they end
        self._expected: dict[int, float] = {}  # expected ends of the other running jobs
        self._ends: list[tuple[float, int]] = []  # the same as a heap, and some that have ended before their time
        self.push = self._new.append
        self.started = self._unseen.add

    def ended(self, job: int) -> None:
        """An end at another time than expected makes the reservation stale."""
        if job in self._unseen:
            self._unseen.remove(job)
            return
        if self._expected.pop(job) != self._view.now:
            self._reservation = None

    def again(self, job: int) -> None:
        """A job that was interrupted goes back to its place. Its line still asks for all of its time, of which it may
        have kept some: it is backfilled a little less often than it could be."""
        order = self._order
        if order and job < order[0]:
            self._line_in(order[0])  # it is the head no more
        if job in self._backfilled:
            self._backfilled.remove(job)
        else:
            insort(order, job)
        self._line_in(job)
        self._reservation = None

    def rerated(self, job: int) -> None:
        """A running job goes on at another rate and is expected to end at another time."""
        if job in self._expected:
            self._expect(job)
            self._reservation = None

    def decide(self, freed: bool, act: Actions) -> None:
        """Start from the head; when it does not fit, reserve for it and backfill behind it."""
        self._order.extend(self._new)
        changed = freed
        if freed or self._reservation is None:
            changed |= self._start_heads(act)
        if self._order:
            self._start_others(changed, act)
        self._new.clear()

    def _start_heads(self, act: Actions) -> bool:
        """Start jobs from the head until one does not fit; whether any could."""
        order, some = self._order, False
        while order:
            head = order[0]
            if head in self._backfilled:
                self._backfilled.remove(order.popleft())
                continue
            if self._least[self._kinds[head]] > self._room.free_total or not act.start_if_fits(head):
                break
            some = True
            order.popleft()
            self.started(head)
            self._leave_front(head)
            self._reservation = None
        return some

    def _start_others(self, changed: bool, act: Actions) -> None:
        """Backfill: from all that wait, when something has changed, or from those that may have become eligible."""
        head, held, new = self._order[0], self._reservation, self._new
        now = self._view.now
        if held is None or held.time_s < now:
            self._leave_front(head)
            held = self._reservation = self._reserve(head, now)
            changed = True
        if new and new[0] <= head:
            new = [job for job in new if job > head]
        again = not changed and self._moved and bool(self._barred)
        self._moved = False
        if changed:
            firsts = self._firsts(new)
        elif again:
            firsts = self._firsts_again(new)
        else:
            self._start_new(new, now, held, act)
            return
        if firsts:
            self._start_waiting(firsts, now, held, act)

    def _firsts(self, new: list[int]) -> list[tuple[int, int]]:
        """The first jobs of all lines and their kinds, without those that lack room whatever the placement."""
        self._barred = {}
        for job in new:
            self._line_up(job)
        free, least = self._room.free_total, self._least
        return [(line.head(), kind) for kind, line in self._lines.items() if least[kind] <= free]

    def _firsts_again(self, new: list[int]) -> list[tuple[int, int]]:
        """The first jobs, with their kinds, of lines that are barred, and the first new jobs of others."""
        for job in new:
            self._line_up(job)
        fresh = [kind for job in new if (kind := self._kinds[job]) not in self._barred]
        return self._behind(self._barred) + self._behind(dict.fromkeys(fresh), min(new, default=0) - 1)

    def _behind(self, kinds: Iterable[int], after: int = -1) -> list[tuple[int, int]]:
        """The first jobs later than job `after` of some kinds, with their kinds; not of those that lack room."""
        free, lines, least = self._room.free_total, self._lines, self._least
        return [
            (job, kind)
            for kind in kinds
            if least[kind] <= free and kind in lines and (job := lines[kind].first(inf, after)) >= 0
        ]

    def _start_waiting(self, firsts: list[tuple[int, int]], now: float, held: Reservation, act: Actions) -> None:
        """Merge lines in order of submission, from some of their jobs on, and start whoever may."""
        place, lasts_s, there, until = self._place, self._lasts_s, self._there, held.time_s
        heapify(firsts)
        while firsts:
            job, kind = heappop(firsts)
            allocation = place(job)
            if allocation is None:
                continue  # nor does any other job with the same needs
            line = self._lines[kind]
            lasts = there(job, allocation) if there else lasts_s[job]
            if now + lasts > until and not held.spares(job, kind, allocation):
                self._barred[kind] = None
                following = line.first(held.longest_s(now), job)
            else:
                self._leave(line, job, kind)
                following = line.first(inf, job) if line else -1
                self._start(job, allocation, now + lasts, act)
                if self._barred:
                    firsts = [entry for entry in firsts if entry[1] not in self._barred]
                    firsts += self._behind([k for k in self._barred if k != kind], job)
                    heapify(firsts)
            if following >= 0:
                heappush(firsts, (following, kind))

    def _start_new(self, new: list[int], now: float, held: Reservation, act: Actions) -> None:
        """Look at new jobs only, in order of submission; who does not start goes to a line."""
        least, lasts_s, there, free = self._least, self._lasts_s, self._there, self._room.free_total
        limits: dict[int, float] = {}  # by kind: who asks for more time need not be looked at
        for job in new:
            kind = self._kinds[job]
            if least[kind] <= free and lasts_s[job] <= limits.get(kind, inf):
                allocation = self._place(job)
                if allocation is None:
                    limits[kind] = -inf
                elif (
                    end := now + (there(job, allocation) if there else lasts_s[job])
                ) > held.time_s and not held.spares(job, kind, allocation):
                    self._barred[kind] = None
                    limits[kind] = held.longest_s(now)
                else:
                    self._start(job, allocation, end, act)
                    limits = {k: limit for k, limit in limits.items() if limit < 0.0}
                    continue
            self._line_up(job)

    def _reserve(self, head: int, now: float) -> Reservation:
        """The earliest expected time at which the head fits, as running jobs end one after another."""
        for job in sorted(self._unseen):
            self._expect(job)
        self._unseen.clear()
        profile, allocation, expected, ends = self._view.profile(), self._view.allocation, self._expected, self._ends
        gone: list[tuple[float, int]] = []
        while ends:
            time = max(ends[0][0], now)  # who overruns is expected to end at any moment
            while ends and ends[0][0] <= time:
                entry = heappop(ends)
                # A job that was slowed down and set free again is expected twice at the same time.
                if expected.get(entry[1]) == entry[0] and entry not in gone[-1:]:
                    gone.append(entry)
                    profile.release(entry[1], allocation(entry[1]))
            if profile.fits(head):
                break
        else:
            raise AssertionError("a job that can never fit was not rejected")
        for entry in gone:
            heappush(ends, entry)
        return Reservation(head, time, profile)

    def _expect(self, job: int) -> None:
        end = self._expected[job] = self._view.expected_end_s(job)
        heappush(self._ends, (end, job))

    def _start(self, job: int, allocation: Allocation, end_s: float, act: Actions) -> None:
        """Start a job that is not the head. `end_s`: when it would end without others in its way; where it then is
        slower, the reservation, which counts on that, is made anew."""
        self._backfilled.add(job)
        self._moved = True
        act.start(job, allocation, "backfill")
        self._expect(job)
        if self._there is not None and self._expected[job] > end_s:
            self._reservation = None

    def _line_up(self, job: int) -> None:
        kind = self._kinds[job]
        line = self._lines.get(kind)
        if line is None:
            line = self._lines[kind] = Line(self._lasts_s)
        line.push(job)

    def _line_in(self, job: int) -> None:
        """Put a job that may have been the head into its line, if it is not there."""
        line = self._lines.get(self._kinds[job])
        if line is None:
            self._line_up(job)
        elif line.head() != job:
            line.insert(job)

    def _leave(self, line: Line, job: int, kind: int) -> None:
        line.remove(job)
        if not line:
            del self._lines[kind]

    def _leave_front(self, head: int) -> None:
        """The head stands in no line; who becomes head may stand in front of one."""
        kind = self._kinds[head]
        line = self._lines.get(kind)
        if line is not None and line.head() == head:
            self._leave(line, head, kind)
