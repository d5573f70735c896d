"""The story of one job, from the event log alone: why it waited, behind whom, and where its time went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from dcsim.errors import DcsimError
from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import START
from dcsim.metrics.queue import Before, Line
from dcsim.metrics.room import Found, Room, found
from dcsim.metrics.runs import Stretches, Waits, stretches, waits
from dcsim.metrics.spent import Spent, Step, rate_reasons, spent, steps
from dcsim.plugins import find
from dcsim.policies.placements import Placement
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.spec import Scenario

Kind = Literal["short", "fragmented", "behind", "apart"]
ENDS = {"complete": "completed", "fail": "failed", "cancel": "cancelled", "reject": "rejected"}
MOST_NAMED = 3


class Other(NamedTuple):
    """Another job, and the accelerators that it asked for."""

    job_id: str
    accelerators: float


class Range(NamedTuple):
    """Least and most of a number over a time."""

    least: float
    most: float

    def with_(self, value: float) -> Range:
        """The range that has this value too."""
        return Range(min(self.least, value), max(self.most, value))


@dataclass(frozen=True)
class Cause:
    """A time of waiting with one cause, from `start_s` to `end_s`.

    `kind`: "short" (too few free accelerators), "fragmented" (enough in a pool, but not as nodes need them), "behind"
    (there was room, but others go first or hold a reservation) or "apart" (there was room and nobody before it, but the
    placement wants nodes that `Story.wanted` says). `free`, `on_node`, `empty`: free
    accelerators in one pool and on one node, and wholly free nodes, as `metrics/room.py` counts them. `before`:
    jobs that stood before it; `first`: those of them that were first in line, longest first; `holders`: jobs that
    held most accelerator-time meanwhile. Both lists are cut.
    """

    start_s: float
    end_s: float
    kind: Kind
    free: Range
    on_node: Range
    empty: Range
    before: Range
    first: tuple[Other, ...]
    holders: tuple[Other, ...]

    @property
    def length_s(self) -> float:
        """Length, s."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Asked:
    """What a job asked for besides accelerators, None where its trace does not say: CPU cores and host memory, bytes,
    on each node, a pool, and names of accelerators separated by `|`."""

    cpus: float | None
    memory_b: float | None
    pool: str | None
    accelerator_names: str | None


@dataclass(frozen=True)
class Story:
    """What happened to a job, why it waited, and where its time went.

    `asked`: what the job asked for besides accelerators. `state`, `pool`: as in jobs.parquet. `until_s`: its end, or
    that of the run. `rates`: see `rate_reasons`. `wanted`: what the placement wants of a gang's nodes, or "".
    `unseen`: what a cause "behind" may also be, because the log does not tell: parts of devices, CPU cores, host
    memory, nodes that are wanted.
    """

    job_id: str
    tenant: str | None
    accelerators: float
    service_s: float
    asked: Asked
    state: str
    pool: str | None
    until_s: float
    steps: tuple[Step, ...]
    rates: tuple[tuple[str, int], ...]
    causes: tuple[Cause, ...]
    spent: Spent
    wanted: str
    unseen: tuple[str, ...]


class Moment(NamedTuple):
    """What the job found at one instant of its wait, which held from `start_s` to `end_s`."""

    start_s: float
    end_s: float
    kind: Kind
    found: Found
    before: Before


class Teller:
    """Tells the stories of the jobs of one run; keeps what all of them need."""

    def __init__(self, scenario: Scenario, jobs: JobTable, log: EventLog, end_s: float) -> None:
        self.scenario, self.jobs, self.log, self.end_s = scenario, jobs, log, end_s
        self.held: Stretches = stretches(log, end_s)
        self.waits: Waits = waits(log)
        self.by_submission = overtaking(scenario) in ("reserve_head", "reserve_all")
        self.walls = len(log.nodes) > 0
        self.parts = jobs.share is not None and bool((jobs.share < 1.0).any())
        self.times = np.append(log.time_s, end_s)
        self.demand = jobs.demand
        self.wanted = wanted_nodes(scenario)

    def story(self, job: int) -> Story:
        """The whole story of one job."""
        happened = tuple(steps(self.log, job))
        last = happened[-1] if happened else None
        state = ENDS.get(last.kind, "unfinished") if last else "not submitted before the run stopped"
        return Story(
            job_id=self.jobs.job_id(job),
            tenant=self.jobs.tenant.name(job),
            accelerators=float(self.demand[job]),
            service_s=float(self.jobs.service_s[job]),
            asked=self._asked(job),
            state=state,
            pool=self._pool(job),
            until_s=last.time_s if last and last.kind in ENDS else self.end_s,
            steps=happened,
            rates=rate_reasons(self.log, job),
            causes=tuple(self.causes(job)),
            spent=spent(self.jobs, self.log, self.scenario.overheads, job, self.end_s),
            wanted=self.wanted,
            unseen=tuple(self._unseen()),
        )

    def causes(self, job: int) -> list[Cause]:
        """Why the job waited: its waits in order, cut where the cause changes."""
        told = []
        for wait in np.flatnonzero(self.waits.job == job).tolist():
            moments = list(self._moments(job, wait))
            first = 0
            for i in range(1, len(moments) + 1):
                if i == len(moments) or moments[i].kind != moments[first].kind:
                    told.append(self._cause(job, moments[first:i]))
                    first = i
        return told

    def _asked(self, job: int) -> Asked:
        jobs = self.jobs
        cpus = None if jobs.cpus is None else float(jobs.cpus[job])
        memory_b = None if jobs.memory_b is None else float(jobs.memory_b[job])
        return Asked(cpus, memory_b, jobs.pool.name(job), jobs.accelerator_names.name(job))

    def _pool(self, job: int) -> str | None:
        """The pool of the job's last start."""
        starts = self.log.of_kind(START)
        own = starts[self.log.job[starts] == job]
        pool = int(self.log.pool[own[-1]]) if len(own) else -1
        return None if pool < 0 else self.scenario.pools[pool].name

    def _moments(self, job: int, wait: int) -> Iterator[Moment]:
        """Replay the rows of a wait, and look at what the job found at the end of each instant."""
        begin, end = int(self.waits.row[wait]), int(self.waits.end_row[wait])
        rooms = self._rooms(begin)
        line = Line(self.waits, wait, self.by_submission)
        need = float(self.demand[job])
        one_node = self.jobs.one_node is not None and bool(self.jobs.one_node[job])
        mine = [rooms[n] for n in allowed_pools(self.scenario, self.jobs, job)]
        changes = self._changes(begin, end)
        last = np.flatnonzero(np.diff(self.times[begin : end + 1])) + begin  # last rows of the instants
        for row, following in pairwise([*last.tolist(), end]):
            while changes and changes[-1][0] <= row:
                self._apply(rooms, *changes.pop()[1:])
            before, kind = line.at(row), self._kind(need, one_node, mine)
            if kind == "behind" and self.wanted and not before.jobs and need > min(room.width for room in mine):
                kind = "apart"
            yield Moment(self.times[row], self.times[following], kind, found(mine), before)

    def _kind(self, need: float, one_node: bool, rooms: Sequence[Room]) -> Kind:
        """What a job lacked that found these pools, none of them or something else."""
        if not any(room.free >= need for room in rooms):
            return "short"
        return "behind" if any(room.fits(need, one_node) for room in rooms) else "fragmented"

    def _rooms(self, row: int) -> list[Room]:
        """What was free before a row of the log."""
        rooms = [Room(pool, self.walls, self.parts) for pool in self.scenario.pools]
        for stretch in np.flatnonzero((self.held.row < row) & (self.held.end_row >= row)).tolist():
            self._apply(rooms, stretch, -1)
        return rooms

    def _changes(self, begin: int, end: int) -> list[tuple[int, int, int]]:
        """(row, stretch, sign) of the accelerators taken and given back from a row to another, last first."""
        taken = np.flatnonzero((self.held.row >= begin) & (self.held.row < end))
        given = np.flatnonzero((self.held.end_row >= begin) & (self.held.end_row < end))
        both = [(int(self.held.row[s]), int(s), -1) for s in taken]
        both += [(int(self.held.end_row[s]), int(s), 1) for s in given]
        return sorted(both, reverse=True)

    def _apply(self, rooms: Sequence[Room], stretch: int, sign: int) -> None:
        pool, nodes, counts = self.log.place(int(self.held.row[stretch]))
        if pool < 0:
            return  # time-shared: it has no place
        pieces = list(zip(nodes, counts, strict=True))
        rooms[pool].change(float(self.demand[int(self.held.job[stretch])]), pieces, sign)

    def _unseen(self) -> Iterator[str]:
        jobs, pools = self.jobs, self.scenario.pools
        if self.parts:
            yield "parts of devices"
        if jobs.cpus is not None and any(pool.cpus_per_node is not None for pool in pools):
            yield "CPU cores"
        if jobs.memory_b is not None and any(pool.memory_per_node is not None for pool in pools):
            yield "host memory"
        if self.wanted:
            yield f"nodes {self.wanted}"

    def _cause(self, job: int, moments: Sequence[Moment]) -> Cause:
        """Moments of one kind, one after another, as one cause."""
        free, on_node, empty = (
            Range(min(values), max(values))
            for values in zip(*((m.found.free, m.found.on_node, m.found.empty) for m in moments), strict=True)
        )
        counts = [m.before.jobs for m in moments]
        lead: dict[int, float] = {}
        for moment in moments:
            if moment.before.first >= 0:
                lead[moment.before.first] = lead.get(moment.before.first, 0.0) + moment.end_s - moment.start_s
        start_s, end_s = moments[0].start_s, moments[-1].end_s
        leaders = sorted(lead, key=lambda other: -lead[other])
        return Cause(
            start_s=start_s,
            end_s=end_s,
            kind=moments[0].kind,
            free=free,
            on_node=on_node,
            empty=empty,
            before=Range(min(counts), max(counts)),
            first=self._others(leaders),
            holders=self._others(self._holders(start_s, end_s)),
        )

    def _holders(self, start_s: float, end_s: float) -> list[int]:
        """The jobs that held most accelerator-time, most first, ties by number."""
        held = self.held
        overlap = np.minimum(held.end_s, end_s) - np.maximum(held.start_s, start_s)
        at = np.flatnonzero(overlap > 0.0)
        jobs, row = np.unique(held.job[at], return_inverse=True)
        total = np.bincount(row, overlap[at] * held.share[at] * self.demand[held.job[at]], len(jobs))
        order = np.argsort(-total, kind="stable")[:MOST_NAMED]
        return [int(jobs[i]) for i in order]

    def _others(self, jobs: Sequence[int]) -> tuple[Other, ...]:
        return tuple(Other(self.jobs.job_id(j), float(self.demand[j])) for j in jobs[:MOST_NAMED])


def overtaking(scenario: Scenario) -> str:
    """The rule of overtaking of the scenario's scheduler; "" where it is not built in or keeps no such rule."""
    try:
        return str(getattr(find("scheduler", scenario.scheduler.use), "overtake", ""))
    except DcsimError:
        return ""


def wanted_nodes(scenario: Scenario) -> str:
    """What the scenario's placement, if built in, wants of a gang's nodes, so that gangs wait for them; or ""."""
    try:
        placement = find("placement", scenario.placement.use)
    except DcsimError:
        return ""
    network = scenario.network
    if not issubclass(placement, Placement) or not placement.uses_network:
        return ""
    near = placement.waits() or (network is not None and network.topology.use in ("torus", "optical_torus"))
    down = network is not None and any(failure.on_failure != "slow" for failure in network.failures)
    return " and ".join([*["near each other"] * near, *["joined by working links"] * down])


def allowed_pools(scenario: Scenario, jobs: JobTable, job: int) -> list[int]:
    """Numbers of the pools that a job may use; of all of them where none will do."""
    pool, names = jobs.pool.name(job), jobs.accelerator_names.name(job)
    wanted = None if names is None else names.split("|")
    numbers = [
        number
        for number, candidate in enumerate(scenario.pools)
        if pool in (None, candidate.name) and (wanted is None or candidate.accelerator.name in wanted)
    ]
    return numbers or list(range(len(scenario.pools)))
