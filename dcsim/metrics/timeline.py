"""Step functions of time: accelerators allocated, jobs and accelerators waiting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import INTERRUPT, PREEMPT, RATE, REJECT, RELEASE, START, SUBMIT
from dcsim.metrics.jobs import free_rows
from dcsim.metrics.runs import share_rows, shares
from dcsim.scenario.jobs import JobTable


@dataclass(frozen=True)
class Timeline:
    """Values hold from their `time_s` to the next; all of shape (changes,).

    `allocated`: accelerators held by jobs, time-shared ones by their rate. `pools`: the same by pool, shape
    (pools, changes); time-shared jobs are in no pool. `queue_jobs, queue_accelerators`: jobs that wait and what
    they ask for. `end_s`: where the last value ends.
    """

    time_s: NDArray[np.float64]
    allocated: NDArray[np.float64]
    pools: NDArray[np.float64]
    queue_jobs: NDArray[np.int64]
    queue_accelerators: NDArray[np.float64]
    end_s: float

    def integral(self, values: NDArray[np.float64] | NDArray[np.int64]) -> float:
        """Integral of a step function over the run: value x s."""
        # Not np.dot: its order of summation, and so the last digit, depends on the machine's number of cores.
        return float((values * np.diff(self.time_s, append=self.end_s)).sum())


def timeline(jobs: JobTable, log: EventLog, pools: int, until_s: float) -> Timeline:
    """The step functions of a run. `pools`: number of pools; `until_s`: end of the run, s."""
    need = jobs.demand[log.job]
    waits = _waiting(log)
    held, pool = _allocated(log, need, pools)
    last = np.append(np.flatnonzero(np.diff(log.time_s)), len(log) - 1) if len(log) else np.empty(0, np.intp)
    by_pool = [np.cumsum(np.where(pool == p, held, 0.0))[last] for p in range(pools)] if pools > 1 else []
    allocated = np.cumsum(held)[last]
    return Timeline(
        time_s=log.time_s[last],
        allocated=allocated,
        pools=np.array(by_pool) if by_pool else allocated.reshape(1, -1),
        queue_jobs=np.cumsum(waits)[last],
        queue_accelerators=np.cumsum(waits * need)[last],
        end_s=until_s,
    )


def _waiting(log: EventLog) -> NDArray[np.int64]:
    """Change of the number of waiting jobs at each row."""
    change = np.zeros(len(log), np.int64)
    change[log.of_kind(SUBMIT)] = 1
    change[log.of_kind(START, REJECT)] = -1
    change[log.of_kind(PREEMPT, RELEASE, INTERRUPT)] = 1
    return change


def _allocated(log: EventLog, need: NDArray[np.float64], pools: int) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
    """Change of allocated accelerators at each row, and the pool of the run that the row belongs to."""
    change = np.zeros(len(log))
    pool = log.pool.copy()
    starts, frees, rates, share = log.of_kind(START), free_rows(log), share_rows(log), shares(log)
    change[starts] = need[starts] * share[starts]
    if len(rates) == 0 and len(frees) <= len(starts) == np.count_nonzero(share[starts] == 1.0) and pools == 1:
        change[frees] = -need[frees]  # nobody shares by time, and there is one pool: no need to look starts up
        return change, pool
    # The start or share that a later row of the same job refers to is the last of these rows before it.
    rows = np.sort(np.concatenate([starts, frees, rates]))
    order = rows[np.argsort(log.job[rows], kind="stable")]
    before = np.roll(order, 1)
    closing = log.kind[order] != START
    pool[order[closing]] = log.pool[before[closing]]
    delta = np.where(log.kind[order] == RATE, share[order], 0.0) - share[before]
    change[order[closing]] = need[order[closing]] * delta[closing]
    return change, pool
