"""Stretches of time in which a job holds accelerators, read off the event log: what Gantt charts are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import RATE, START
from dcsim.metrics.jobs import free_rows


@dataclass(frozen=True)
class Stretches:
    """Each job holds its accelerators at a constant rate from `start_s` to `end_s`; all of shape (stretches,).

    `row`: row of the log that begins it (a start, or a rate for a time-shared job), in rising order. `end_row`:
    row that ends it, or the number of rows where the run stopped first. `job`: number of the job. `rate`: 1
    unless time-shared. The time for which a preempted job saves its state belongs to its stretch.
    """

    row: NDArray[np.intp]
    end_row: NDArray[np.intp]
    job: NDArray[np.int32]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    rate: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.row)

    @property
    def length_s(self) -> NDArray[np.float64]:
        """Length of each stretch, s."""
        return self.end_s - self.start_s


def stretches(log: EventLog, until_s: float) -> Stretches:
    """All stretches of a log, in the order in which they begin. `until_s`: end of the run, s."""
    opening = log.of_kind(START, RATE)
    rows = np.sort(np.concatenate([opening, free_rows(log)]))
    by_job = rows[np.argsort(log.job[rows], kind="stable")]
    following = np.append(by_job[1:], len(log))
    following[log.job[by_job] != np.append(log.job[by_job[1:]], -1)] = len(log)  # the run stops first
    end_of = np.empty(len(log), np.intp)
    end_of[by_job] = following
    end_row = end_of[opening]
    times = np.append(log.time_s, until_s)
    return Stretches(opening, end_row, log.job[opening], log.time_s[opening], times[end_row], log.value[opening])
