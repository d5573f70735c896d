"""One row a job: what happened to it, from the event log."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import CANCEL, COMPLETE, FAIL, INTERRUPT, PREEMPT, REJECT, RELEASE, SAVE, START
from dcsim.scenario.jobs import JobTable

STATES = ("completed", "failed", "cancelled", "rejected", "unfinished")
COMPLETED, FAILED, CANCELLED, REJECTED, UNFINISHED = range(5)

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]


@dataclass(frozen=True)
class JobResults:
    """What became of each job; all arrays of shape (jobs,), times in s, NaN where something did not happen.

    `start_s`: first start. `end_s`: end, also of a rejection. `run_s`: time for which the job held accelerators,
    up to `until_s` for a job that still runs. `nodes, pool`: nodes and number of the pool of its last start; pool -1
    for a job that never started or shared all accelerators by time. `state`: index into STATES.
    `interruptions`: by failures. `restarts`: starts after the first. `lost_work_s`: service that preemptions and
    interruptions threw away.
    """

    submit_s: Floats
    start_s: Floats
    end_s: Floats
    run_s: Floats
    nodes: Counts
    pool: NDArray[np.int16]
    state: NDArray[np.int8]
    preemptions: Counts
    interruptions: Counts
    restarts: Counts
    lost_work_s: Floats

    @cached_property
    def wait_s(self) -> Floats:
        """From submission to first start, s."""
        return self.start_s - self.submit_s

    @cached_property
    def jct_s(self) -> Floats:
        """Job completion time: from submission to the end, s; NaN for jobs that were rejected or did not end."""
        return np.where(self.state <= CANCELLED, self.end_s - self.submit_s, np.nan)


def job_results(jobs: JobTable, log: EventLog, until_s: float) -> JobResults:
    """Read each job's story off the log. `until_s`: end of the run, s."""
    n = len(jobs)
    starts, preempts, interrupts = log.of_kind(START), log.of_kind(PREEMPT, SAVE), log.of_kind(INTERRUPT)
    cuts = log.of_kind(PREEMPT, SAVE, INTERRUPT)
    start_s = np.full(n, np.nan)
    start_s[log.job[starts[::-1]]] = log.time_s[starts[::-1]]
    nodes = np.zeros(n, np.int32)
    nodes[log.job[starts]] = np.diff(log.offsets)[starts]
    pool = np.full(n, -1, np.int16)
    pool[log.job[starts]] = log.pool[starts]
    count = np.bincount(log.job[starts], minlength=n).astype(np.int32)
    state = np.full(n, UNFINISHED, np.int8)
    end_s = np.full(n, np.nan)
    for kind, code in ((COMPLETE, COMPLETED), (FAIL, FAILED), (CANCEL, CANCELLED), (REJECT, REJECTED)):
        rows = log.of_kind(kind)
        state[log.job[rows]] = code
        end_s[log.job[rows]] = log.time_s[rows]
    return JobResults(
        submit_s=jobs.submit_s,
        start_s=start_s,
        end_s=end_s,
        run_s=_held(log, n, until_s),
        nodes=nodes,
        pool=pool,
        state=state,
        preemptions=np.bincount(log.job[preempts], minlength=n).astype(np.int32),
        interruptions=np.bincount(log.job[interrupts], minlength=n).astype(np.int32),
        restarts=np.maximum(count - 1, 0),
        lost_work_s=np.bincount(log.job[cuts], log.value[cuts], minlength=n).astype(np.float64),
    )


def unstarted(results: JobResults, until_s: float) -> NDArray[np.bool_]:
    """Whether each job had come by the end of the run, `until_s`, and still waited to start; shape (jobs,)."""
    waits: NDArray[np.bool_] = np.isnan(results.start_s) & (results.state == UNFINISHED)
    return waits & (results.submit_s <= until_s)


def free_rows(log: EventLog) -> NDArray[np.intp]:
    """Rows at which accelerators are given back: ends, releases, interruptions, and preemptions that need no saving."""
    return log.of_kind(COMPLETE, FAIL, CANCEL, RELEASE, PREEMPT, INTERRUPT)


def _held(log: EventLog, n: int, until_s: float) -> Floats:
    """Time for which each job held accelerators, s: sum of free times minus sum of start times."""
    starts, frees = log.of_kind(START), free_rows(log)
    open_runs = np.bincount(log.job[starts], minlength=n) - np.bincount(log.job[frees], minlength=n)
    if len(starts) == n == len(frees):  # one run each: the exact difference, without sums
        held = np.empty(n)
        held[log.job[frees]] = log.time_s[frees]
        held[log.job[starts]] -= log.time_s[starts]
        return held
    given = np.bincount(log.job[frees], log.time_s[frees], minlength=n)
    taken = np.bincount(log.job[starts], log.time_s[starts], minlength=n)
    return np.asarray(given + open_runs * until_s - taken)
