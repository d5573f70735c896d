"""Running jobs by level: who would have to make room first, where keys count the limits of attained service passed."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from heapq import heapify, heappop, heappush, heapreplace
from math import inf

from dcsim.policies.ordered import Key
from dcsim.policies.view import JobView, View

SLACK = 64  # rises that a heap may hold beside three times as many as there are running jobs
FRESH = (0, 0.0)  # level and attained service at a first start, for which the lists have None


class Levels:
    """Running jobs in one sorted list a level; the same service as `Ranks`, for keys of which more is known.

    Nobody goes before jobs of level 0, so those stand in no list, and a job rises only when that can matter: when
    somebody waits who would then go first. `_rises` says when each running job does next. Most runs end before
    anybody asks when they rise: those that started since, `_fresh`, are looked at only then.
    """

    jumps = True
    fresh_key: Key = (0.0,)
    """The key of all jobs that have not run before."""

    def __init__(self, limits: Sequence[float], view: View) -> None:
        self._view = view
        self._accelerators = view.facts.accelerators
        self._fresh: dict[int, tuple[int, float] | None] = {}  # level and attained service at a later start
        self.started = self._fresh.setdefault  # a job that has not run before has started, when nobody waited
        self._level: dict[int, int] = {}  # of all others, and of those above level 0
        self._began: dict[int, float] = {}  # when the present run of each job that is not fresh began, s
        self._members: list[list[int]] = [[] for _ in range(len(limits) + 1)]
        self._rises: list[tuple[float, int, float, float]] = []  # time, s; job; when it began, attained until then
        self._limits = limits
        self._top = len(limits)
        self._floor = 0

    def ended(self, job: int) -> None:
        """A run has ended, or a preempted job has saved its state."""
        if self._fresh.pop(job, FRESH) is None:
            return
        if job in self._level:
            self._leave(job)

    remove = ended

    def add(self, key: Key, job: int, seen: JobView | None, at_s: float) -> None:
        """A job runs since `at_s`, s, with the key and what was known of it then: nothing if it had not run before."""
        if seen is None:
            self._fresh[job] = None
            return
        level = int(key[0])
        if level:
            self._level[job] = level
            insort(self._members[level], job)
        self._fresh[job] = level, seen.attained_s

    def any_behind(self, key: Key) -> bool:
        """Whether a running job has a strictly larger key."""
        if self._members[-1]:
            return key[0] < self._top
        for members in self._members[int(key[0]) + 1 :]:  # noqa: SIM110 - half the time
            if members:
                return True
        return False

    def behind(self, key: Key, most: int) -> list[int]:
        """Running jobs whose key is strictly larger, largest first; no more than `most`."""
        found: list[int] = []
        for members in self._members[: int(key[0]) : -1]:
            found += members[: ~(most - len(found)) : -1]
        return found

    def due_s(self) -> float:
        """When a running job next passes a limit above the floor, s, or earlier; infinite if none does."""
        if self._floor == self._top:
            return inf
        if self._fresh:
            self._foresee()
        return self._rises[0][0] if self._rises else inf

    def jump(self, floor: Key) -> bool:
        """Let jobs rise that have passed a limit by now; whether any rose above the `floor`, the smallest key of who
        waits. From now on, only such rises are looked for."""
        self._floor = lowest = int(floor[0])
        if lowest == self._top:
            return False
        if self._fresh:
            self._foresee()
        now, began, rises, jumped = self._view.now, self._began, self._rises, False
        if len(rises) > SLACK + 3 * len(self._level):
            self._forget_ended(rises)
        while rises and (rises[0][0] <= now or began.get(rises[0][1]) != rises[0][2]):
            _, job, at_s, attained_s = rises[0]
            if began.get(job) != at_s:
                heappop(rises)
                continue
            level = self._level[job] + 1
            self._rise(job, level)
            jumped |= level > lowest
            if level == self._top:
                heappop(rises)
            else:
                rise = at_s + (self._limits[level] - attained_s) / self._accelerators[job]
                heapreplace(rises, (rise, job, at_s, attained_s))
        return jumped

    def _foresee(self) -> None:
        """Say when the fresh runs will rise."""
        accelerators, started_s, limits, rises = self._accelerators, self._view.started_s, self._limits, self._rises
        for job, state in self._fresh.items():
            level, attained_s = state or FRESH
            at_s = self._began[job] = started_s(job)
            self._level[job] = level
            if accelerators[job] and level < self._top:  # else it attains nothing, or cannot rise
                heappush(rises, (at_s + (limits[level] - attained_s) / accelerators[job], job, at_s, attained_s))
        self._fresh.clear()

    def _forget_ended(self, rises: list[tuple[float, int, float, float]]) -> None:
        rises[:] = [entry for entry in rises if self._began.get(entry[1]) == entry[2]]
        heapify(rises)

    def _leave(self, job: int) -> None:
        self._leave_level(job)
        del self._level[job]
        self._began.pop(job, None)

    def _leave_level(self, job: int) -> None:
        level = self._level[job]
        if level:
            members = self._members[level]
            del members[bisect_left(members, job)]

    def _rise(self, job: int, level: int) -> None:
        self._leave_level(job)
        self._level[job] = level
        insort(self._members[level], job)
