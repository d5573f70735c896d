"""Preemptive queues: a waiting job may take the place of running jobs that the scheduler ranks behind it."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from math import inf

from dcsim.policies.actions import Actions
from dcsim.policies.decisions import Allocation
from dcsim.policies.ordered import Key, OrderedScheduler
from dcsim.policies.view import View

Entry = tuple[Key, int]


class PreemptiveQueue:
    """The queue of SRTF, LAS and preemptive priorities.

    Waiting jobs stand in one line for each kind of needs, running ones in one sorted list. Keys of running jobs
    are kept as they would be at time 0 if they always changed at `key_rate`, so the list stays sorted while time
    passes. A job stops only jobs whose key is strictly larger than its own: ties never preempt.
    """

    def __init__(self, scheduler: OrderedScheduler, view: View) -> None:
        self._scheduler = scheduler
        self._view = view
        self._strict = scheduler.overtake == "none"
        self._classes = view.facts.request_class
        self._need = view.facts.accelerators
        self._lines: dict[int, list[Entry]] = {}
        self._new: dict[int, None] = {}  # kinds of needs with new jobs
        self._running: list[Entry] = []
        self._key_of: dict[int, Key] = {}
        self._changes: list[tuple[float, int]] = []  # when keys of running jobs jump, s
        self._woken = inf  # earliest wake-up that is already asked for
        self._waiting = 0

    def push(self, job: int) -> None:
        """Add a job to the line of its needs, with the key it has now."""
        kind = self._classes[job]
        heappush(self._lines.setdefault(kind, []), (self._scheduler.key(self._view.job(job)), job))
        self._new[kind] = None
        self._waiting += 1

    def ended(self, job: int) -> None:
        """A run has ended, or a preempted job has saved its state."""
        if job in self._key_of:
            self._forget(job)

    def decide(self, freed: bool, act: Actions) -> None:
        """Look at waiting jobs in order; each takes free room or the place of jobs that rank behind it."""
        jumped = self._jump()
        grows = self._scheduler.key_rate > 0.0  # running jobs sink behind waiting ones as time passes
        kinds = list(self._lines) if freed or jumped or grows else list(self._new)
        self._new.clear()
        heads = self._heads(kinds)
        while heads:
            (key, job), kind = heappop(heads)
            if self._try(job, key, act):
                # Preempted jobs have come back to their lines; one that stood empty has a head again.
                heads = self._heads({kind: None, **{k: None for _, k in heads}, **self._new})
            elif self._strict:
                break
        self._new.clear()
        self._wake(act)

    def _heads(self, kinds: Iterable[int]) -> list[tuple[Entry, int]]:
        heads = [(self._lines[kind][0], kind) for kind in kinds if self._lines[kind]]
        heapify(heads)
        return heads

    def _try(self, job: int, key: Key, act: Actions) -> bool:
        """Start the job if it fits, preempting if it may; whether anything was decided."""
        view = self._view
        allocation = view.place(job)
        if allocation is None:
            found = self._victims(job, key)
            if found is None:
                return False
            allocation, victims = found
            for victim in victims:
                self._forget(victim)
                act.preempt(victim, "makes room for a job that goes first")
                if victim not in view.saving():
                    self.push(victim)
            if view.saving():
                return True  # it starts when they have saved their state
        heappop(self._lines[self._classes[job]])
        self._waiting -= 1
        act.start(job, allocation)
        self._remember(job)
        return True

    def _victims(self, job: int, key: Key) -> tuple[Allocation, list[int]] | None:
        """The jobs to stop, largest key first, and the place they leave; None if that is not enough.

        Jobs that are saving their state count as gone already: one does not preempt twice for the same room.
        """
        view, need = self._view, self._need
        leaving = list(view.saving())
        freed = sum(need[victim] for victim in leaving) + sum(pool.free_total for pool in view.pools)
        if leaving and view.place_without(job, leaving) is not None:
            return None
        drift = self._scheduler.key_rate * view.now
        for running, victim in reversed(self._running):
            if not (running[0] + drift, *running[1:]) > key:
                return None
            leaving.append(victim)
            freed += need[victim]
            if freed >= need[job]:
                allocation = view.place_without(job, leaving)
                if allocation is not None:
                    saving = len(view.saving())
                    return allocation, self._needed(job, leaving[saving:], allocation, freed)
        return None

    def _needed(self, job: int, victims: list[int], allocation: Allocation, freed: int) -> list[int]:
        """Only the victims whose place is taken: by node, or by count where there are no nodes."""
        if allocation.nodes:
            taken = set(allocation.nodes)
            return [
                victim
                for victim in victims
                if (held := self._view.allocation(victim)).pool == allocation.pool
                and not taken.isdisjoint(held.nodes)
            ]
        spare = freed - self._need[job]
        kept = []
        for victim in reversed(victims):  # the smallest key has the best claim to go on
            if self._need[victim] <= spare:
                spare -= self._need[victim]
            else:
                kept.append(victim)
        return kept[::-1]

    def _remember(self, job: int) -> None:
        view = self._view
        seen = view.job(job)
        key = self._scheduler.key(seen)
        now = view.now + view.start_delay_s(job)
        still = (key[0] - self._scheduler.key_rate * now, *key[1:])
        self._key_of[job] = still
        insort(self._running, (still, job))
        change = self._scheduler.next_change(seen)
        if change is not None:
            heappush(self._changes, (view.now + (change - seen.attained_s) / seen.accelerators, job))

    def _forget(self, job: int) -> None:
        entry = (self._key_of.pop(job), job)
        del self._running[bisect_left(self._running, entry)]

    def _jump(self) -> bool:
        """Give new keys to running jobs whose key has jumped by now; whether there were any."""
        jumped = False
        while self._changes and self._changes[0][0] <= self._view.now:
            job = heappop(self._changes)[1]
            if job in self._key_of:
                self._forget(job)
                self._remember(job)
                jumped = True
        if self._woken <= self._view.now:
            self._woken = inf
        return jumped

    def _wake(self, act: Actions) -> None:
        """While jobs wait, ask for a pass when the next key of a running job jumps."""
        while self._changes and self._changes[0][1] not in self._key_of:
            heappop(self._changes)
        if self._waiting and self._changes and self._changes[0][0] < self._woken:
            self._woken = self._changes[0][0]
            act.wake_at(self._woken)
