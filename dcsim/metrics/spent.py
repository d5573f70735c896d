"""Where the time of one job went: waiting, start-up, useful work, lost work, saving, checkpoints."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import END_KINDS, INTERRUPT, KINDS, PREEMPT, RATE, REJECT, RELEASE, SAVE, START, SUBMIT
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.spec import Overheads

ROUNDING_S = 1e-6  # differences of times that are no more than rounding


@dataclass(frozen=True)
class Spent:
    """Seconds of a job's time from submission to its end, or to the end of the run; they add up to all of it.

    `startup_s`: start and restore overheads. `useful_s`: the job's service, at the rates at which it ran. `lost_s`:
    work that preemptions and failures threw away, likewise. `saving_s`: a preempted job holds its accelerators while
    it saves its state. `cut_off_s`: no way joined its nodes. `other_s`: what is left of the time on accelerators:
    pauses for checkpoints, and running slower than alone where jobs share by time. For a job that has not ended, it
    counts as useful. Where a job ran at several rates, their mean over time stands for each: `pace`, service per second
    of work, 1 where jobs share by time.
    """

    waiting_s: float = 0.0
    startup_s: float = 0.0
    useful_s: float = 0.0
    lost_s: float = 0.0
    saving_s: float = 0.0
    cut_off_s: float = 0.0
    other_s: float = 0.0
    pace: float = 1.0


@dataclass(frozen=True)
class Step:
    """One thing that happened to a job: when, kind of the log's row, the reason that the policy gave."""

    time_s: float
    kind: str
    reason: str


def steps(log: EventLog, job: int) -> list[Step]:
    """All that happened to a job, in order; changes of rate are left out."""
    rows = np.flatnonzero(log.job == job)
    told = [Step(float(log.time_s[r]), KINDS[log.kind[r]], log.reasons[log.reason[r]]) for r in rows.tolist()]
    return [step for step in told if step.kind != "rate"]


def rate_reasons(log: EventLog, job: int) -> tuple[tuple[str, int], ...]:
    """Why the rate of a job changed while it ran, and how often, most frequent first; only where a reason was given."""
    rows = log.of_kind(RATE)
    told = Counter(log.reasons[reason] for reason in log.reason[rows[log.job[rows] == job]].tolist() if reason)
    return tuple(told.most_common())


def spent(jobs: JobTable, log: EventLog, overheads: Overheads, job: int, until_s: float) -> Spent:
    """Add up a job's time. `until_s`: end of the run, s."""
    rows = np.flatnonzero(log.job == job)
    kinds, times = log.kind[rows].tolist(), log.time_s[rows].tolist()
    waiting = startup = working = saving = cut_off = done = 0.0
    rate = placed = 1.0
    for i, kind in enumerate(kinds):
        length = (times[i + 1] if i + 1 < len(times) else until_s) - times[i]
        if kind == START:
            first = START not in kinds[:i]
            placed = log.pool[rows[i]] >= 0
            rate = float(log.value[rows[i]]) if placed else 1.0
            ready = min(overheads.start + (0.0 if first else overheads.restore), length)
            startup += ready
            if rate:
                working += length - ready
            else:
                cut_off += length - ready
            done += (length - ready) * rate
        elif kind == SAVE:
            saving += length
        elif kind in (SUBMIT, PREEMPT, RELEASE, INTERRUPT):
            waiting += length
        elif kind not in (REJECT, *END_KINDS):
            working += length  # a new rate
            rate = float(log.value[rows[i]]) if placed else 1.0
            done += length * rate
    pace = done / working if working else 1.0
    lost = (
        min(float(log.value[rows[np.isin(kinds, (PREEMPT, SAVE, INTERRUPT))]].sum()) / pace, working)
        if rows.size
        else 0.0
    )
    ended = bool(kinds) and kinds[-1] in END_KINDS
    useful = min(float(jobs.service_s[job]) / pace, working - lost) if ended else working - lost
    other = working - lost - useful
    return Spent(waiting, startup, useful, lost, saving, cut_off, other if other > ROUNDING_S else 0.0, pace)
