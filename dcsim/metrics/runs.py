"""Stretches of time in which a job holds accelerators, and waits, read off the event log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import INTERRUPT, PREEMPT, RATE, REJECT, RELEASE, SAVE, START, SUBMIT
from dcsim.metrics.jobs import free_rows

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Stretches:
    """Each job holds its accelerators from `start_s` to `end_s`; all of shape (stretches,).

    `row`: row of the log that begins it (a start, or a rate for a time-shared job), in rising order. `end_row`:
    row that ends it, or the number of rows where the run stopped first. `job`: number of the job. `share`: share
    of its accelerators' time, 1 unless time-shared. The time for which a preempted job saves its state belongs to
    its stretch.
    """

    row: Rows
    end_row: Rows
    job: NDArray[np.int32]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    share: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.row)

    @property
    def length_s(self) -> NDArray[np.float64]:
        """Length of each stretch, s."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Waits:
    """Each job waits from row `row` of the log to `end_row`, the number of rows if to the end; shape (waits,)."""

    row: Rows
    end_row: Rows
    job: NDArray[np.int32]


def stretches(log: EventLog, until_s: float) -> Stretches:
    """All stretches of a log, in the order in which they begin. `until_s`: end of the run, s."""
    starts = log.of_kind(START)
    row = np.sort(np.concatenate([starts, share_rows(log)])) if len(log.of_kind(RATE)) else starts
    end_row = _only_ends(log, starts) if _run_once(log) else ends(log, row, free_rows(log))
    times = np.append(log.time_s, until_s)
    return Stretches(row, end_row, log.job[row], log.time_s[row], times[end_row], shares(log)[row])


def _run_once(log: EventLog) -> bool:
    """Whether all jobs run at most once, at one rate."""
    return not (len(log.of_kind(PREEMPT, SAVE, INTERRUPT)) or len(log.of_kind(RATE)))


def _only_ends(log: EventLog, starts: Rows) -> Rows:
    """What `ends` says of jobs that run once."""
    frees = free_rows(log)
    end_of = np.full(int(log.job.max(initial=0)) + 1, len(log))
    end_of[log.job[frees]] = frees
    found: Rows = end_of[log.job[starts]]
    return found


def share_rows(log: EventLog) -> Rows:
    """Rows at which the share of a time-shared job changes: rates of jobs whose last start was in no pool."""
    rates = log.of_kind(RATE)
    if not len(rates):
        return rates
    rows, last_start = rated(log)
    found: Rows = np.sort(rows[(log.kind[rows] == RATE) & (log.pool[last_start] < 0)])
    return found


def rated(log: EventLog) -> tuple[Rows, Rows]:
    """Rows that set a rate, starts and rates, job by job; and the start that each belongs to."""
    rows = log.of_kind(START, RATE)
    by_job = rows[np.argsort(log.job[rows], kind="stable")]
    starts = np.where(log.kind[by_job] == START, np.arange(len(by_job)), 0)
    return by_job, by_job[np.maximum.accumulate(starts)]  # a job's first row is a start


def shares(log: EventLog) -> NDArray[np.float64]:
    """Share of its accelerators' time that a job gets from a start or row of `share_rows` on, shape (rows,); else 1."""
    starts = log.of_kind(START)
    share = np.ones(len(log))
    changes = np.concatenate([starts[log.pool[starts] < 0], share_rows(log)])
    share[changes] = log.value[changes]
    return share


def waits(log: EventLog) -> Waits:
    """All waits of a log, in the order in which they begin: from a submission, or from a preemption or an
    interruption when the accelerators are given back, to a start or a rejection."""
    frees = free_rows(log)
    back = frees[np.isin(log.kind[frees], (PREEMPT, RELEASE, INTERRUPT))]
    row = np.sort(np.concatenate([log.of_kind(SUBMIT), back]))
    return Waits(row, ends(log, row, log.of_kind(START, REJECT)), log.job[row])


def ends(log: EventLog, opening: Rows, closing: Rows) -> Rows:
    """For each opening row the next opening or closing row of the same job, or the number of rows."""
    rows = np.sort(np.concatenate([opening, closing]))
    by_job = rows[np.argsort(log.job[rows], kind="stable")]
    following = np.full(len(by_job), len(log))
    following[:-1] = np.where(log.job[by_job[1:]] == log.job[by_job[:-1]], by_job[1:], len(log))
    end_of = np.empty(len(log), np.intp)
    end_of[by_job] = following
    found: Rows = end_of[opening]
    return found
