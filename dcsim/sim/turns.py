"""Gangs that take turns on links: `sim.speeds.Contention` where periodic jobs are shifted against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dcsim.performance.interleaving import ROUNDING, Phase, shifts_s
from dcsim.policies.decisions import Allocation
from dcsim.sim.links import SharedLinks
from dcsim.sim.parts import Part


@dataclass(frozen=True)
class Periodic:
    """A job as long as it has its place: what it sends over each link in its phase, B/s, its share alone, its phase."""

    loads: Mapping[int, float]
    alone: float
    phase: Phase | None


class Turns:
    """Shared links whose jobs do not slow each other down where they can take turns.

    Jobs belong together that meet on a link which cannot carry all of them at once. If shifts of time make all that
    belong together fit, each has the share it would have alone; if not, they share as `links` says. Found anew whenever
    a job comes or goes, and for all jobs where a link fails or is repaired. `phase(job, allocation, share)`: of a job
    alone that has that share of what it would send; None: it sends all the time.
    """

    def __init__(self, links: SharedLinks, phase: Callable[[int, Allocation, float], Phase | None]) -> None:
        self._links, self._phase = links, phase
        self._places: dict[int, Allocation] = {}  # of all that run, whether they send or not
        self._jobs: dict[int, Periodic] = {}  # those that send and that a way joins
        self._on: dict[int, dict[int, float]] = {}  # by link, by job, B/s
        self._share: dict[int, float] = {}

    def join(self, job: int, allocation: Allocation) -> list[int]:
        """A gang begins to send; the other jobs whose shares change, in their order."""
        told = self._links.join(job, allocation)
        self._places[job] = allocation
        if self._enter(job, allocation):
            self._share[job] = 0.0
            told.append(job)
        return [other for other in self._anew(told) if other != job]

    def leave(self, job: int) -> list[int]:
        """A job sends no more, if it did; the jobs whose shares change, in their order."""
        near = self._together(job) if job in self._jobs else ()
        told = self._links.leave(job)
        self._places.pop(job, None)
        if job in self._jobs:
            self._exit(job)
            del self._share[job]
        return self._anew([*told, *(other for other in near if other != job)])

    def share(self, job: int) -> float:
        """What the links leave a job of what it would send, from 0, where no way joins its nodes, to 1, also for one
        that sends nothing."""
        return self._share[job] if job in self._share else self._links.share(job)

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

    def _shares(self) -> dict[int, float]:
        return {job: self.share(job) for job in self._places}

    def _all_anew(self, before: Mapping[int, float]) -> list[int]:
        """Find ways, phases and shares of all jobs from nothing; those whose shares were others before, in order."""
        self._jobs, self._on, self._share = {}, {}, {}
        for job in sorted(self._places):
            if self._enter(job, self._places[job]):
                self._share[job] = 0.0
        self._anew(self._jobs)
        return [job for job in sorted(before) if before[job] != self.share(job)]

    def share_there(self, job: int, allocation: Allocation) -> float:
        """The same of a job that does not run, if it ran there now; changes nothing."""
        found = self._links.share_there(job, allocation)
        if self._enter(job, allocation):
            together = self._together(job)
            if len(together) > 1 and self._fit(together):
                found = self._jobs[job].alone
            self._exit(job)
        return found

    def _enter(self, job: int, allocation: Allocation) -> bool:
        """Count a job in; whether it sends."""
        full, alone = self._links.loads(job, allocation)
        if full:
            loads = {link: load * alone for link, load in full.items()}
            self._jobs[job] = Periodic(loads, alone, self._phase(job, allocation, alone))
            for link, load in loads.items():
                self._on.setdefault(link, {})[job] = load
        return bool(full)

    def _exit(self, job: int) -> None:
        for link in self._jobs.pop(job).loads:
            del self._on[link][job]

    def _anew(self, seeds: Iterable[int]) -> list[int]:
        """Find the shares of these jobs and of all that belong to them; those that change, in their order."""
        seen: dict[int, float] = {}
        for seed in sorted(seeds):
            if seed not in seen:
                together = self._together(seed)
                fit = len(together) > 1 and self._fit(together)
                seen |= {job: self._jobs[job].alone if fit else self._links.share(job) for job in together}
        changed = [job for job in sorted(seen) if seen[job] != self._share[job]]
        self._share |= seen
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
