"""Preemptive queues: a waiting job may take the place of running jobs that the scheduler ranks behind it."""

from __future__ import annotations

import sys
from heapq import heapify, heappop, heappush
from math import inf, nextafter

from dcsim.policies.actions import Actions
from dcsim.policies.decisions import Allocation
from dcsim.policies.levels import Levels
from dcsim.policies.ordered import Key, OrderedScheduler, key_of
from dcsim.policies.ranks import Ranks
from dcsim.policies.room import largest_room
from dcsim.policies.varied_ranks import VariedRanks
from dcsim.policies.view import JobView, View

FEW = 24  # so many running jobs are looked at first: nearly all newcomers need the place of fewer
Entry = tuple[Key, int, JobView | None]  # key, job, what was known of it where its rank needs that


class PreemptiveQueue:
    """The queue of SRTF, LAS and preemptive priorities.

    Waiting jobs stand in one line for each kind of needs: if the first of a line cannot go, none of that line can.
    A job stops only jobs whose key is strictly larger than its own: ties never preempt. As long as no accelerators
    are given back and no key jumps, whoever could not go still cannot: others start in room that it could not use,
    and running jobs do not sink behind it (`key_rate` above 0 apart).
    """

    def __init__(self, scheduler: OrderedScheduler, view: View) -> None:
        self._key = key_of(scheduler)
        self._view = view
        self._strict = scheduler.overtake == "none"
        self._grows = scheduler.key_rate > 0.0  # running jobs sink behind waiting ones as time passes
        self._classes = view.facts.request_class
        self._facts = view.facts
        self._need = view.facts.accelerators
        self._stopped: set[int] = set()  # jobs that have run before they wait
        self._lines: dict[int, list[Entry]] = {}  # by kind of needs; those that are not empty
        self._new: dict[int, None] = {}  # kinds with new jobs
        self._first = False  # whether one of these is the first of its line
        self._ranks = _ranks_for(scheduler, view)
        self._fresh_key = self._ranks.fresh_key
        self._floor: Key = ()  # no key of who waited at the last jump was smaller
        self._lowered = True  # somebody waits with a smaller one
        self._woken = inf  # earliest wake-up that is already asked for
        self._largest, self._least = largest_room(view)  # jobs that need more than there is need not be tried
        self._jumps = self._ranks.jumps
        self._savers = view.saving()  # preempted jobs that still hold accelerators while they save their state
        self._saving = False  # whether there are any
        self._kinds: list[int] = []  # what this pass is about
        self._again: list[int] = []  # and with what it goes on after a preemption
        self._claims: list[int] = []  # jobs for which others save their state, at this pass
        self._behind_any = self._any_behind if self._jumps else self._ranks.any_behind
        self.started = self._ranks.started
        self.ended = self._ranks.ended

    def push(self, job: int) -> None:
        """Add a job to the line of its needs, with the key it has now."""
        kind = self._classes[job]
        seen: JobView | None
        if job in self._stopped:
            seen = self._view.job(job)
            key = self._key(seen)
        elif self._fresh_key:
            seen, key = None, self._fresh_key
        else:
            seen = JobView(self._facts, job, 0.0, 0.0)
            key = self._key(seen)
        line = self._lines.get(kind)
        if line is None:
            line = self._lines[kind] = []
        heappush(line, (key, job, seen))
        if key < self._floor:
            self._lowered = True
        self._new[kind] = None
        self._first |= line[0][1] == job

    def again(self, job: int) -> None:
        """A job that was interrupted waits again, with the key that its progress gives it."""
        self._stopped.add(job)
        self.push(job)

    def decide(self, freed: bool, act: Actions) -> None:
        """Look at waiting jobs in order; each takes free room or the place of jobs that rank behind it."""
        lines = self._lines
        if not lines:
            return
        jumped = False
        if self._jumps and self._ranks.due_s() <= self._view.now:
            jumped = self._jump()
        self._saving = bool(self._savers)
        if freed or jumped or self._saving or self._grows or self._strict:
            self._pass(list(lines), self._saving or self._strict, act)
        elif self._first:
            self._pass(list(self._new), False, act)
        self._new.clear()
        self._first = False
        if self._jumps and lines:
            self._wake(act)

    def _pass(self, kinds: list[int], every: bool, act: Actions) -> None:
        """Merge lines in order, from their first jobs on; without those where neither free room nor anybody behind
        is enough, unless it is to be `every` one."""
        lines, least, largest, add = self._lines, self._least, self._largest, self._ranks.add
        start_if_fits, behind, now, room = act.start_if_fits, self._behind_any, self._view.now, largest()
        self._kinds = kinds
        self._claims.clear()
        heads = [(lines[k][0], k) for k in kinds if every or least[k] <= room or behind(lines[k][0][0])]
        heapify(heads)
        while heads:
            entry, kind = heappop(heads)
            if least[kind] <= room and not self._claims and start_if_fits(entry[1]):
                self._leave(kind)
                add(*entry, now)
                room = largest()
                if kind in lines:
                    heappush(heads, (lines[kind][0], kind))
            elif not self._force(entry, kind, act):
                if self._strict:
                    return
            else:
                room = largest()
                if self._again:
                    heads = [(lines[k][0], k) for k in self._again]
                    heapify(heads)
                    self._again = []
                elif kind in lines:
                    heappush(heads, (lines[kind][0], kind))

    def _force(self, entry: Entry, kind: int, act: Actions) -> bool:
        """Start a job that does not fit, or that may be in others' way, preempting if it may; whether anything was
        decided."""
        key, job, seen = entry
        allocation = self._view.place(job) if self._claims else None
        if allocation is None:
            return (self._saving or self._behind_any(key)) and self._make_room(entry, kind, act)
        if not self._spares(job, allocation):
            return False
        act.start(job, allocation)
        self._leave(kind)
        self._ranks.add(key, job, seen, self._view.now)
        return True

    def _any_behind(self, key: Key) -> bool:
        """Whether a running job ranks behind this key of a waiting one."""
        if key < self._floor:
            self._floor = key
            self._ranks.jump(key)
        return self._ranks.any_behind(key)

    def _make_room(self, entry: Entry, kind: int, act: Actions) -> bool:
        """Stop jobs that rank behind this one and start it, at once or when they have saved their state."""
        key, job, seen = entry
        victims = self._victims(job, key)
        if not victims:
            return False
        for victim in victims:
            self._ranks.remove(victim)
            self._stopped.add(victim)
            act.preempt(victim, "makes room for a job that goes first")
        self._saving = bool(self._savers)
        # Others behind this one may now find more room than it needed; those before it have failed.
        lines = self._lines
        if self._saving:
            self._again = [k for k in self._kinds if k in lines and lines[k][0] >= entry]
            return True
        self._leave(kind)
        failed = [k for k in lines if lines[k][0] < entry]
        for victim in victims:
            self.push(victim)
        self._again = [k for k in lines if k not in failed]
        started = act.start_if_fits(job)
        assert started, "the victims leave room"
        self._ranks.add(key, job, seen, self._view.now)
        return True

    def _leave(self, kind: int) -> None:
        """The first job of a line waits no more."""
        line = self._lines[kind]
        heappop(line)
        if not line:
            del self._lines[kind]

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
        if saving and view.place_after(job, [*saving]) is not None:
            self._claims.append(job)
            return []
        found, few = None, FEW
        while found is None:
            behind = self._ranks.behind(key, few)
            found = view.place_after(job, [*saving, *behind] if saving else behind)
            if found is None and len(behind) < few:
                return []
            few = sys.maxsize
        allocation, gone = found
        return self._needed(job, gone[len(saving) :], allocation)

    def _needed(self, job: int, victims: list[int], allocation: Allocation) -> list[int]:
        """Only the victims whose place is taken; who can go on beside the newcomer does, smallest key first."""
        view, need = self._view, self._need
        if len(victims) == 1 and not self._saving:
            return victims  # without it the job did not fit
        places = [view.allocation(victim) for victim in victims]
        if allocation.devices or not need[job]:
            there = {(allocation.pool, node) for node in allocation.nodes}
            near = [not there.isdisjoint((place.pool, node) for node in place.nodes) for place in places]
            return self._needed_by_asking(job, [v for v, yes in zip(victims, near, strict=True) if yes])
        if allocation.nodes and not view.by_node:
            beside = [v for v, a in zip(victims, places, strict=True) if a.pool == allocation.pool]
            return self._needed_by_asking(job, beside)
        pool = view.pools[allocation.pool]
        spare = {n: pool.free_on(n) - c for n, c in zip(allocation.nodes, allocation.counts, strict=True)}
        if not spare:  # no node walls: the pool as a whole is node -1
            spare = {-1: pool.free_total - need[job]}
        parts = []
        for victim, (at, nodes, counts, _, _) in zip(victims, places, strict=True):
            if at == allocation.pool:
                held = zip(nodes, counts, strict=True) if nodes else [(-1, need[victim])]
                part = [(node, count) for node, count in held if node in spare]
                if part:
                    parts.append((victim, part))
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

    def _needed_by_asking(self, job: int, victims: list[int]) -> list[int]:
        """The same where nodes are shared in parts, or a placement wants more than as many free nodes as it takes:
        whoever need not go for the job to fit does not."""
        saving = self._view.saving()
        for victim in reversed(victims):
            others = [v for v in victims if v != victim]
            if self._view.place_after(job, [*saving, *others]) is not None:
                victims = others
        return victims

    def _least_key(self) -> Key:
        """The smallest key of a waiting job."""
        return min([line[0] for line in self._lines.values()])[0]

    def _jump(self) -> bool:
        """Have the keys that have jumped by now changed, as far as they matter to who waits; whether there were any."""
        self._floor = self._least_key()
        self._lowered = False
        return self._ranks.jump(self._floor)

    def _wake(self, act: Actions) -> None:
        """While jobs wait, ask for a pass when the next key of a running job jumps."""
        now, due = self._view.now, self._ranks.due_s()
        if self._woken <= now:
            self._woken = inf
        if now < due < self._woken or (self._lowered and self._least_key() < self._floor):
            self._jump()  # nobody jumps that matters by now, but the bound is made exact
            due = self._ranks.due_s()
        self._lowered = False
        if due < self._woken:
            self._woken = max(due, nextafter(now, inf))  # by rounding it may be now, while the clock only goes on
            act.wake_at(self._woken)


def _ranks_for(scheduler: OrderedScheduler, view: View) -> Ranks | Levels:
    """The list of running jobs that suits a scheduler's keys."""
    limits = scheduler.levels()
    # Who derives a scheduler and changes its key has not said that levels are still all there is to it.
    said, keyed = (next(c for c in type(scheduler).__mro__ if name in vars(c)) for name in ("levels", "key"))
    if limits is not None and said is keyed:
        return Levels(limits, view)
    return VariedRanks(scheduler, view) if scheduler.key_rate and view.rates_vary else Ranks(scheduler, view)
