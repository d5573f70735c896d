"""Gangs that take turns on links: `sim.speeds.Contention` where periodic jobs are shifted against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dcsim.performance.interleaving import ROUNDING, Phase, shifts_s
from dcsim.performance.shares import CUT_OFF, Shares
from dcsim.policies.decisions import Allocation
from dcsim.sim.links import SharedLinks
from dcsim.sim.parts import Part


@dataclass(frozen=True)
class Periodic:
    """A job as long as it has its place: what it sends over each link in its phase, B/s; shares alone; its phase."""

    loads: Mapping[int, float]
    alone: Shares
    phase: Phase | None


class Turns:
    """Shared links whose jobs do not slow each other down where they can take turns.

    Jobs belong together that meet on a link which cannot carry all of them at once. If shifts of time make all that
    belong together fit, each has the share it would have alone; if not, they share as `links` says. Found anew whenever
    a job comes or goes, and for all jobs where a link fails or is repaired. `phase(job, allocation, shares)`: of a job
    alone that has those shares of what it would send; None: it sends all the time.
    """

    def __init__(self, links: SharedLinks, phase: Callable[[int, Allocation, Shares], Phase | None]) -> None:
        self._links, self._phase = links, phase
        self._places: dict[int, Allocation] = {}  # of all that run, whether they send or not
        self._jobs: dict[int, Periodic] = {}  # those that send and that a way joins
        self._on: dict[int, dict[int, float]] = {}  # by link, by job, B/s
        self._shared: dict[int, Shares] = {}

    def join(self, job: int, allocation: Allocation) -> list[int]:
        """A gang begins to send; the other jobs whose shares change, in their order."""
        told = self._links.join(job, allocation)
        self._places[job] = allocation
        if self._enter(job, allocation):
            self._shared[job] = CUT_OFF
            told.append(job)
        return [other for other in self._anew(told) if other != job]

    def leave(self, job: int) -> list[int]:
        """A job sends no more, if it did; the jobs whose shares change, in their order."""
        near = self._together(job) if job in self._jobs else ()
        told = self._links.leave(job)
        self._places.pop(job, None)
        if job in self._jobs:
            self._exit(job)
            del self._shared[job]
        return self._anew([*told, *(other for other in near if other != job)])

    def shares(self, job: int) -> Shares:
        """What the links leave a job of what it would send, from 0, where no way joins its nodes, to 1, also for one
        that sends nothing."""
        return self._shared[job] if job in self._shared else self._links.shares(job)

    def share(self, job: int) -> float:
        """The same of its kind of traffic that is worst off."""
        return self.shares(job).least

    def fail(self, part: Part) -> tuple[list[int], list[int]]:
        """Links fail; the jobs that this stops, which send no more, and the others whose shares change, in order."""
        before = self._shares()
        stopped, _ = self._links.fail(part)
        for job in stopped:
            del self._places[job], before[job]
        return stopped, self._all_anew(before)

    def repair(self, part: Part) -> list[int]:
        """Links work again; the jobs whose shares change, in their order."""
        before = self._shares()
        self._links.repair(part)
        return self._all_anew(before)

    def _shares(self) -> dict[int, Shares]:
        return {job: self.shares(job) for job in self._places}

    def _all_anew(self, before: Mapping[int, Shares]) -> list[int]:
        """Find ways, phases and shares of all jobs from nothing; those whose shares were others before, in order."""
        self._jobs, self._on, self._shared = {}, {}, {}
        for job in sorted(self._places):
            if self._enter(job, self._places[job]):
                self._shared[job] = CUT_OFF
        self._anew(self._jobs)
        return [job for job in sorted(before) if before[job] != self.shares(job)]

    def share_there(self, job: int, allocation: Allocation) -> float:
        """The same of a job that does not run, if it ran there now; changes nothing."""
        found = self._links.share_there(job, allocation)
        if self._enter(job, allocation):
            together = self._together(job)
            if len(together) > 1 and self._fit(together):
                found = self._jobs[job].alone.least
            self._exit(job)
        return found

    def _enter(self, job: int, allocation: Allocation) -> bool:
        """Count a job in; whether it sends."""
        loads, alone = self._links.loads(job, allocation)
        if loads:
            self._jobs[job] = Periodic(loads, alone, self._phase(job, allocation, alone))
            for link, load in loads.items():
                self._on.setdefault(link, {})[job] = load
        return bool(loads)

    def _exit(self, job: int) -> None:
        for link in self._jobs.pop(job).loads:
            del self._on[link][job]

    def _anew(self, seeds: Iterable[int]) -> list[int]:
        """Find the shares of these jobs and of all that belong to them; those that change, in their order."""
        seen: dict[int, Shares] = {}
        for seed in sorted(seeds):
            if seed not in seen:
                together = self._together(seed)
                fit = len(together) > 1 and self._fit(together)
                seen |= {job: self._jobs[job].alone if fit else self._links.shares(job) for job in together}
        changed = [job for job in sorted(seen) if seen[job] != self._shared[job]]
        self._shared |= seen
        return changed

    def _together(self, job: int) -> list[int]:
        """The jobs that belong together with this one, itself included, in their order."""
        found, todo = {job}, [job]
        while todo:
            for link in self._jobs[todo.pop()].loads:
                if self._crowded(link):
                    new = [other for other in self._on[link] if other not in found]
                    found.update(new)
                    todo += new
        return sorted(found)

    def _crowded(self, link: int) -> bool:
        """Whether a link cannot carry all jobs on it at once."""
        return sum(self._on[link].values()) > self._links.capacity_b_per_s(link) * (1.0 + ROUNDING)

    def _fit(self, together: list[int]) -> bool:
        """Whether jobs can be shifted so that all of them fit, beside those that send all the time."""
        phases = {job: phase for job in together if (phase := self._jobs[job].phase) is not None}
        place = {job: number for number, job in enumerate(phases)}
        facts = []
        for link in sorted({link for job in together for link in self._jobs[job].loads if self._crowded(link)}):
            loads = self._on[link]
            capacity = self._links.capacity_b_per_s(link)
            left = capacity - sum(load for job, load in loads.items() if job not in place)
            if left < -ROUNDING * capacity:
                return False
            facts.append((left, {place[job]: load for job, load in loads.items() if job in place}))
        return bool(phases) and shifts_s(list(phases.values()), facts) is not None
