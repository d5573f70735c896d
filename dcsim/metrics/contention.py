"""By how much other gangs slowed each job down, from the rates in the event log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import END_KINDS, INTERRUPT, PREEMPT, SAVE
from dcsim.metrics.runs import Rows, ends, rated

Floats = NDArray[np.float64]

SEEN = 1.0 + 1e-3  # a slow-down below this is not seen


@dataclass(frozen=True)
class Paces:
    """Times for which a running job keeps a rate; all of shape (paces,), job by job, in order.

    `row`: row of the log that sets the rate, a start or a rate. `start`: row of the start of that run. `rate`: service
    per second from `start_s` to `end_s`. Start-up and the writing of checkpoints count as running.
    """

    row: Rows
    start: Rows
    start_s: Floats
    end_s: Floats
    rate: Floats


def paces(log: EventLog, until_s: float) -> Paces:
    """All of a log. until_s: end of the run, s."""
    row, start = rated(log)
    times_s = np.append(log.time_s, until_s)
    end = ends(log, row, log.of_kind(PREEMPT, SAVE, INTERRUPT, *END_KINDS))
    return Paces(row, start, times_s[row], times_s[end], log.value[row])


def fastest(log: EventLog) -> Floats:
    """Highest rate of the run that each start row begins, shape (rows,); NaN for other rows."""
    rows, start = rated(log)
    found = np.full(len(log), np.nan)
    np.fmax.at(found, start, log.value[rows])
    return found


def slowdowns(log: EventLog, alone: Floats, jobs: int, until_s: float) -> Floats:
    """Time for which each job ran over what the same work takes at its places when nobody else sends and no link has
    failed; shape (jobs,).

    alone: shape (rows,): that rate at each start row, NaN for runs that do not count. until_s: end of the run, s. Jobs
    without a run that counts have NaN.
    """
    kept = paces(log, until_s)
    job, length_s, speed = log.job[kept.row], kept.end_s - kept.start_s, kept.rate / alone[kept.start]
    counts = ~np.isnan(speed)
    took_s = np.bincount(job[counts], length_s[counts], jobs)
    alone_s = np.bincount(job[counts], (length_s * speed)[counts], jobs)
    found: Floats = np.divide(took_s, alone_s, out=np.full(jobs, np.nan), where=alone_s > 0.0)
    return found
