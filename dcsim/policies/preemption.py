"""Preemptive queues: a waiting job may take the place of running jobs that the scheduler ranks behind it."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Container, Iterator
from heapq import heapify, heappop, heappush
from itertools import chain
from math import inf, nextafter

from dcsim.policies.actions import Actions
from dcsim.policies.decisions import Allocation
from dcsim.policies.ordered import Key, OrderedScheduler
from dcsim.policies.view import JobView, View

Entry = tuple[Key, int, JobView]


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
        self._lines: defaultdict[int, list[Entry]] = defaultdict(list)
        self._new: dict[int, None] = {}  # kinds of needs with new jobs
        self._running: list[tuple[Key, int]] = []
        self._key_of: dict[int, Key] = {}
        self._changes: list[tuple[float, int]] = []  # when keys of running jobs jump, s
        self._woken = inf  # earliest wake-up that is already asked for
        self._waiting = 0
        self._claims: list[int] = []  # jobs for which others save their state, at this pass

    def push(self, job: int) -> None:
        """Add a job to the line of its needs, with the key it has now."""
        kind = self._classes[job]
        seen = self._view.job(job)
        heappush(self._lines[kind], (self._scheduler.key(seen), job, seen))
        self._new[kind] = None
        self._waiting += 1

    def ended(self, job: int) -> None:
        """A run has ended, or a preempted job has saved its state."""
        if job in self._key_of:
            self._forget(job)

    def started(self, job: int) -> None:
        """A job runs that found nobody waiting."""
        seen = self._view.job(job)
        self._remember((self._scheduler.key(seen), job, seen))

    def decide(self, freed: bool, act: Actions) -> None:
        """Look at waiting jobs in order; each takes free room or the place of jobs that rank behind it."""
        jumped = self._jump()
        grows = self._scheduler.key_rate > 0.0  # running jobs sink behind waiting ones as time passes
        lines = self._lines
        saving = bool(self._view.saving())
        every = freed or jumped or grows or saving or self._strict  # else only new jobs can have become eligible
        heads = [(lines[kind][0], kind) for kind in (lines if every else self._new) if lines[kind]]
        heapify(heads)
        self._new.clear()
        self._claims.clear()
        failed: dict[int, None] = {}  # kinds whose first job could not go: nor can any other of that kind
        while heads:
            entry, kind = heappop(heads)
            if self._try(entry, act):
                if lines[kind]:
                    heappush(heads, (lines[kind][0], kind))
                if self._new:  # preempted jobs are back in their lines, and may leave more room than was needed
                    heads = [(line[0], k) for k, line in lines.items() if line and k not in failed]
                    heapify(heads)
                    self._new.clear()
            elif self._strict:
                break
            else:
                failed[kind] = None
        self._wake(act)

    def _try(self, entry: Entry, act: Actions) -> bool:
        """Start the job if it fits, preempting if it may; whether anything was decided."""
        key, job, _ = entry
        view = self._view
        allocation = view.place(job)
        if allocation is None:
            victims = self._victims(job, key)
            if not victims:
                return False
            for victim in victims:
                self._forget(victim)
                act.preempt(victim, "makes room for a job that goes first")
                if victim not in view.saving():
                    self.push(victim)
            if view.saving():
                return True  # it starts when they have saved their state
            allocation = view.place(job)
            assert allocation is not None, "the victims leave room"
        elif self._claims and not self._spares(job, allocation):
            return False
        heappop(self._lines[self._classes[job]])
        self._waiting -= 1
        act.start(job, allocation)
        self._remember(entry)
        return True

    def _spares(self, job: int, allocation: Allocation) -> bool:
        """Whether each job that waits for others to save their state would still fit then, beside this one."""
        view = self._view
        then = view.profile()
        for leaving in view.saving():
            then.release(leaving, view.allocation(leaving))
        then.occupy(job, allocation)
        return all(then.fits(claimant) for claimant in self._claims)

    def _victims(self, job: int, key: Key) -> list[int]:
        """The jobs to stop, largest key first; none if that would not be enough.

        Jobs that are saving their state count as gone already: one does not preempt twice for the same room.
        """
        view = self._view
        saving = view.saving()
        if not saving and not (self._running and self._running[-1][0] > self._still(key)):
            return []  # nobody ranks behind it
        if saving and view.place_after(job, saving) is not None:
            self._claims.append(job)
            return []
        found = view.place_after(job, chain(saving, self._behind(key)))
        if found is None:
            return []
        allocation, gone = found
        return self._needed(job, gone[len(saving) :], allocation)

    def _behind(self, key: Key) -> Iterator[int]:
        """Running jobs whose key is strictly larger, largest first."""
        still = self._still(key)
        for running, victim in reversed(self._running):
            if not running > still:
                return
            yield victim

    def _needed(self, job: int, victims: list[int], allocation: Allocation) -> list[int]:
        """Only the victims whose place is taken; who can go on beside the newcomer does, smallest key first."""
        view, need = self._view, self._need
        held = [(v, a) for v in victims if (a := view.allocation(v)).pool == allocation.pool]
        if allocation.devices or not need[job]:
            return self._needed_in_parts(job, [v for v, a in held if a.nodes == allocation.nodes])
        pool = view.pools[allocation.pool]
        spare = {n: pool.free_on(n) - c for n, c in zip(allocation.nodes, allocation.counts, strict=True)}
        if not spare:  # no node walls: the pool as a whole is node -1
            spare = {-1: pool.free_total - need[job]}
        parts = [(v, _part(a, need[v], spare)) for v, a in held]
        for _, part in parts:
            for node, count in part:
                spare[node] += count
        stopped = []
        for victim, part in reversed(parts):
            if all(count <= spare[node] for node, count in part):
                for node, count in part:
                    spare[node] -= count
            else:
                stopped.append(victim)
        return stopped[::-1]

    def _needed_in_parts(self, job: int, victims: list[int]) -> list[int]:
        """The same where nodes are shared in parts: whoever need not go for the job to fit does not."""
        saving = self._view.saving()
        for victim in reversed(victims):
            others = [v for v in victims if v != victim]
            if self._view.place_after(job, chain(saving, others)) is not None:
                victims = others
        return victims

    def _still(self, key: Key) -> Key:
        """A key of now as it would be at time 0. Both sides of a comparison go through here: equals stay equal."""
        rate = self._scheduler.key_rate
        return (key[0] - rate * self._view.now, *key[1:]) if rate else key

    def _remember(self, entry: Entry) -> None:
        """List a job as running. Its key counts as changing from now on, overheads or not.

        So a running job ranks no further behind than it would once preempted, and two jobs cannot take each
        other's place for ever.
        """
        key, job, seen = entry
        still = self._still(key)
        self._key_of[job] = still
        insort(self._running, (still, job))
        change = self._scheduler.next_change(seen)
        if change is not None and seen.accelerators:  # a job without accelerators attains nothing
            now = self._view.now
            at = now + (change - seen.attained_s) / seen.accelerators
            heappush(self._changes, (max(at, nextafter(now, inf)), job))  # by rounding it could be now, for ever

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
                seen = self._view.job(job)
                self._remember((self._scheduler.key(seen), job, seen))
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


def _part(allocation: Allocation, need: int, nodes: Container[int]) -> list[tuple[int, int]]:
    """What of an allocation lies on some nodes: (node, accelerators) pairs; without walls all, on node -1."""
    if not allocation.nodes:
        return [(-1, need)]
    return [(n, c) for n, c in zip(allocation.nodes, allocation.counts, strict=True) if n in nodes]
