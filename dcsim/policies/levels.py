"""Running jobs by level: who would have to make room first, where keys count the limits of attained service passed."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from math import inf

from dcsim.policies.ordered import Key
from dcsim.policies.view import JobView, View

SLACK = 64  # rises that a heap may hold beside three times as many as there are running jobs
FRESH = (0, 0.0)  # level and attained service of a job that has not run before


class Levels:
    """Running jobs in one sorted list a level; the same service as `Ranks`, for keys of which more is known.

    Nobody goes before jobs of level 0, so those stand in no list, and a job rises only when that can matter: when
    somebody waits who would then go first. `_rises[l]`: when running jobs reach level l + 1, for each run all at
    once, since its attained service grows evenly. Most runs end before anybody asks when they rise: those that
    started since, `_fresh`, are looked at only then.
    """

    jumps = True

    def __init__(self, limits: Sequence[float], view: View) -> None:
        self._view = view
        self._fresh: dict[int, tuple[int, float]] = {}  # level and attained service at their start
        self._level: dict[int, int] = {}  # of all others, and of those above level 0
        self._began: dict[int, float] = {}  # when the present run of each job that is not fresh began, s
        self._members: list[list[int]] = [[] for _ in range(len(limits) + 1)]
        self._rises: list[list[tuple[float, int, float]]] = [[] for _ in limits]  # time, s; job; began
        rows = list(zip(range(len(limits)), limits, self._rises, strict=True))
        self._above = [rows[level:] for level in range(len(limits) + 1)]  # from each level on: its limit and rises
        self._floor = 0
        self._due_s = inf

    def started(self, job: int) -> None:
        """A job that has not run before has started, when nobody waited."""
        self._fresh[job] = FRESH

    def ended(self, job: int) -> None:
        """A run has ended, or a preempted job has saved its state."""
        if job in self._fresh:
            del self._fresh[job]
        if job in self._level:
            self._leave(job)

    remove = ended

    def add(self, key: Key, seen: JobView, at_s: float) -> None:
        """A job runs since `at_s`, s, with the key and the attained service that it had then."""
        level = int(key[0])
        if level:
            self._level[seen.job] = level
            insort(self._members[level], seen.job)
        self._fresh[seen.job] = level, seen.attained_s

    def any_behind(self, key: Key) -> bool:
        """Whether a running job has a strictly larger key."""
        members = self._members
        for level in range(int(key[0]) + 1, len(members)):  # noqa: SIM110 - half the time
            if members[level]:
                return True
        return False

    def behind(self, key: Key) -> list[int]:
        """Running jobs whose key is strictly larger, largest first."""
        return [job for members in self._members[: int(key[0]) : -1] for job in reversed(members)]

    def due_s(self) -> float:
        """When a running job next passes a limit above the floor, s, or earlier; infinite if none does."""
        if self._fresh and self._floor < len(self._rises):
            self._foresee()
        return self._due_s

    def jump(self, floor: Key) -> bool:
        """Let jobs rise that have passed a limit by now; whether there were any. From now on, only rises above the
        `floor` are looked for, the smallest key of who waits."""
        self._floor, self._due_s, jumped = int(floor[0]), inf, False
        if self._floor == len(self._rises):
            return False
        if self._fresh:
            self._foresee()
        now, began, most = self._view.now, self._began, SLACK + 3 * len(self._level)
        for level, rises in enumerate(self._rises):
            if len(rises) > most:
                self._forget_ended(rises)
            if level < self._floor:
                continue
            while rises and (rises[0][0] <= now or began.get(rises[0][1]) != rises[0][2]):
                _, job, at_s = heappop(rises)
                if began.get(job) == at_s and self._level[job] <= level:
                    self._rise(job, level + 1)
                    jumped = True
        self._due_s = min([rises[0][0] for rises in self._rises[self._floor :] if rises], default=inf)
        return jumped

    def _foresee(self) -> None:
        """Say when the fresh runs will rise."""
        accelerators, started_s, due = self._view.facts.accelerators, self._view.started_s, self._due_s
        for job, (level, attained_s) in self._fresh.items():
            at_s = self._began[job] = started_s(job)
            self._level[job] = level
            each = accelerators[job]
            if not each:  # attains nothing
                continue
            for above, limit, rises in self._above[level]:
                rise = at_s + (limit - attained_s) / each
                heappush(rises, (rise, job, at_s))
                if rise < due and above >= self._floor:
                    due = rise
        self._due_s = due
        self._fresh.clear()

    def _forget_ended(self, rises: list[tuple[float, int, float]]) -> None:
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
