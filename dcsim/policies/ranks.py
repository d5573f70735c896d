"""Running jobs by rank: who would have to make room first, under keys that change while jobs run."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from heapq import heappop, heappush
from math import inf, nextafter

from dcsim.policies.ordered import Key, OrderedScheduler, key_of
from dcsim.policies.view import JobView, View


class Ranks:
    """Running jobs in one sorted list, with their keys as they would be at time 0 if they always changed at `key_rate`.

    So the list stays sorted while time passes. A key counts as changing from the start on, overheads or not: a
    running job ranks no further behind than it would once preempted, and two jobs cannot take each other's place
    for ever. Most jobs start and end while nobody waits: those that started so get their rank only when it is
    asked for.
    """

    fresh_key: Key = ()
    """The key of all jobs that have not run before: () where they differ."""

    def __init__(self, scheduler: OrderedScheduler, view: View) -> None:
        self._scheduler = scheduler
        self._key = key_of(scheduler)
        self._view = view
        self._rate = scheduler.key_rate
        self.jumps = type(scheduler).next_change is not OrderedScheduler.next_change
        self._unranked: dict[int, None] = {}  # they started when nobody waited
        self._sorted: list[Key] = []  # keys, each with the job's number behind
        self._key_of: dict[int, Key] = {}
        self._changes: list[tuple[float, int]] = []  # when keys jump, s
        self.started = self._unranked.setdefault

    def ended(self, job: int) -> None:
        """A run has ended, or a preempted job has saved its state."""
        if job in self._unranked:
            del self._unranked[job]
        elif job in self._key_of:
            self.remove(job)

    def add(self, key: Key, job: int, seen: JobView | None, at_s: float) -> None:
        """A job runs since `at_s`, s, with the key and what was known of it then."""
        still = self._key_of[job] = (key[0] - self._rate * at_s, *key[1:], job) if self._rate else (*key, job)
        insort(self._sorted, still)
        if not self.jumps or seen is None or not seen.accelerators:  # a job without accelerators attains nothing
            return
        change = self._scheduler.next_change(seen)
        if change is not None:
            jump = at_s + (change - seen.attained_s) / seen.accelerators
            if jump <= at_s:  # by rounding, and then for ever
                jump = nextafter(at_s, inf)
            heappush(self._changes, (jump, job))

    def remove(self, job: int) -> None:
        """A ranked job runs no more."""
        del self._sorted[bisect_left(self._sorted, self._key_of.pop(job))]

    def any_behind(self, key: Key) -> bool:
        """Whether a running job has a strictly larger key."""
        if self._unranked:
            self._rank()
        if not self._sorted:
            return False
        if not self._rate:
            return self._sorted[-1] > (*key, inf)
        last = self._sorted[-1]  # most often the first elements differ already
        mine = key[0] - self._rate * self._view.now
        return last[0] > mine or (last[0] == mine and last > self._last_of(key))

    def behind(self, key: Key, most: int) -> list[int]:
        """Running jobs whose key is strictly larger, largest first; no more than `most`."""
        if self._unranked:
            self._rank()
        first = bisect_right(self._sorted, self._last_of(key))
        behind = self._sorted[max(first, len(self._sorted) - most) :]
        return [ranked[-1] for ranked in reversed(behind)]  # type: ignore[misc]

    def jump(self, floor: Key) -> bool:
        """Give new keys to jobs whose key has jumped by now; whether there were any. `floor`: the smallest key of who
        waits, which does not help here."""
        if self._unranked:
            self._rank()
        now, jumped = self._view.now, False
        while self._changes and self._changes[0][0] <= now:
            job = heappop(self._changes)[1]
            if job in self._key_of:
                self.remove(job)
                seen = self._view.job(job)
                self.add(self._key(seen), job, seen, now)
                jumped = True
        return jumped

    def due_s(self) -> float:
        """When the next key of a running job jumps, s; infinite if none does."""
        if self._unranked:
            self._rank()
        changes = self._changes
        while changes and changes[0][1] not in self._key_of:
            heappop(changes)
        return changes[0][0] if changes else inf

    def _rank(self) -> None:
        """Give their rank to those that started when nobody waited; none of them has run before."""
        facts, started_s, key = self._view.facts, self._view.started_s, self._key
        for job in self._unranked:
            seen = JobView(facts, job, 0.0, 0.0)
            self.add(key(seen), job, seen, started_s(job))
        self._unranked.clear()

    def _last_of(self, key: Key) -> Key:
        """Behind all running jobs with a key that a waiting job has now. Both sides of a comparison are brought to
        time 0 alike: equals stay equal."""
        return (key[0] - self._rate * self._view.now, *key[1:], inf) if self._rate else (*key, inf)
