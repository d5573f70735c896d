"""Rebuild the world from the rows of an event log alone, and complain at the first row that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dcsim.eventlog.schema import (
    CANCEL,
    COMPLETE,
    FAIL,
    INTERRUPT,
    KINDS,
    NOBODY,
    PREEMPT,
    RATE,
    REJECT,
    RELEASE,
    SAVE,
    START,
    SUBMIT,
)
from tests.simulate import Simulated

TIME_SHARED = -1
WHOLE_POOL = -1  # the one "node" of a pool whose node walls the placement does not see


@dataclass
class Run:
    """Where a job is: pool, accelerators by node, and rate."""

    pool: int
    held: dict[int, int]
    rate: float


@dataclass
class Replay:
    """State after the rows so far. `free`: by pool, by node. `saving`: preempted jobs that still hold their place."""

    free: list[dict[int, int]]
    capacity: int
    need: list[int]
    waiting: list[int] = field(default_factory=list)
    running: dict[int, Run] = field(default_factory=dict)
    saving: dict[int, Run] = field(default_factory=dict)
    ended: dict[int, int] = field(default_factory=dict)
    start_s: dict[int, float] = field(default_factory=dict)
    submit_s: dict[int, float] = field(default_factory=dict)

    def submit(self, job: int) -> None:
        assert job not in self.submit_s
        self.waiting.append(job)

    def start(self, job: int, run: Run) -> None:
        assert job in self.waiting, "a job starts once, after it was submitted"
        self.waiting.remove(job)
        assert sum(run.held.values()) == (0 if run.pool == TIME_SHARED else self.need[job])
        for node, count in run.held.items():
            self.free[run.pool][node] -= count
            assert count > 0
            assert self.free[run.pool][node] >= 0, "no accelerator is held twice"
        self.running[job] = run
        self.check_shares()

    def leave(self, job: int) -> None:
        run = self.running.pop(job)
        self.give(run)

    def give(self, run: Run) -> None:
        for node, count in run.held.items():
            self.free[run.pool][node] += count

    def check_shares(self) -> None:
        shared = [self.need[job] * run.rate for job, run in self.running.items() if run.pool == TIME_SHARED]
        assert sum(shared) <= self.capacity * (1 + 1e-9)

    def row(self, kind: int, job: int, value: float) -> None:
        """Any row but submit and start."""
        if kind in (COMPLETE, FAIL, CANCEL):
            self.leave(job)
            self.ended[job] = kind
        elif kind == REJECT:
            self.waiting.remove(job)
            self.ended[job] = kind
        elif kind == RATE:
            self.running[job].rate = value
            self.check_shares()
        elif kind == SAVE:
            self.saving[job] = self.running.pop(job)
        elif kind in (PREEMPT, INTERRUPT):
            self.leave(job)
            self.waiting.append(job)
        elif kind == RELEASE:
            self.give(self.saving.pop(job))
            self.waiting.append(job)
        else:
            raise AssertionError(f"unknown kind {KINDS[kind]}")


def replay(run: Simulated) -> Iterator[tuple[float, Replay]]:
    """The state at the end of each instant, with its time.

    The scenario says how large the pools are; whether the placement sees node walls shows in the rows.
    """
    log, pools = run.log, run.scenario.pools
    walls = len(log.nodes) > 0
    free = [
        dict.fromkeys(range(p.nodes), p.accelerators_per_node)
        if walls
        else {WHOLE_POOL: p.nodes * p.accelerators_per_node}
        for p in pools
    ]
    capacity = sum(p.nodes * p.accelerators_per_node for p in pools)
    state = Replay(free, capacity, run.jobs.accelerators.tolist())
    columns = (log.time_s, log.kind, log.job, log.value, log.pool, log.offsets[:-1], log.offsets[1:])
    nodes, counts = log.nodes.tolist(), log.counts.tolist()
    last = None
    for time, kind, job, value, pool, a, b in zip(*(c.tolist() for c in columns), strict=True):
        if last is not None and time != last:
            assert time > last, "rows stand in the order of time"
            yield last, state
        last = time
        if kind == SUBMIT:
            state.submit(job)
            state.submit_s[job] = time
        elif kind == START:
            held = dict(zip(nodes[a:b], counts[a:b], strict=True))
            assert len(held) == b - a
            if not held and pool != TIME_SHARED and state.need[job]:  # without accelerators it holds nothing
                held = {WHOLE_POOL: state.need[job]}
            state.start(job, Run(pool, held, value))
            state.start_s.setdefault(job, time)
        elif job != NOBODY:
            state.row(kind, job, value)
    if last is not None:
        yield last, state


def final(run: Simulated) -> Replay:
    """The state at the end of a run."""
    state = None
    for _, state in replay(run):  # noqa: B007
        pass
    assert state is not None
    return state
