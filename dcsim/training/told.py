"""What became of the training jobs of a finished run: plan, step, utilisation, and what each was bound by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import RATE, START
from dcsim.scenario.jobs import JobTable

if TYPE_CHECKING:
    from dcsim.performance.training import Training


@dataclass(frozen=True)
class Trained:
    """A training job where it ran last; in its reference, if it never started or shared all accelerators by time
    (`pool` is None then).

    `job`: its number. `started`: whether it ever did. `step_time_s`: at its last rate. `tokens_per_s`: None of
    networks. `device_memory_b`: bytes on the fullest accelerator. `nic_b_per_step`: bytes that one accelerator sends
    over NICs, mean of all. `mfu`: model FLOP/s over the dense peak at the nominal clock.
    """

    job: int
    started: bool
    model: str
    plan: str
    pool: str | None
    accelerators: int
    steps: int
    step_time_s: float
    samples_per_s: float
    tokens_per_s: float | None
    mfu: float
    device_memory_b: float
    nic_b_per_step: float
    bound: str


def trained(jobs: JobTable, log: EventLog, trainings: Sequence[Training]) -> tuple[Trained, ...]:
    """All training jobs, in order of submission."""
    if jobs.training is None:
        return ()
    starts = log.of_kind(START)
    last_start = np.full(len(jobs), -1)
    last_start[log.job[starts]] = starts
    rate = _last_rates(log, len(jobs))
    own = np.flatnonzero(jobs.training >= 0).tolist()
    return tuple(_told(jobs, log, job, int(last_start[job]), trainings, float(rate[job])) for job in own)


def steps_per_s(told: Sequence[Trained], log: EventLog, jobs: int) -> NDArray[np.float64]:
    """Steps of each job in a second of service, shape (jobs,); NaN where nobody knows."""
    found, rate = np.full(jobs, np.nan), _last_rates(log, jobs)
    for one in told:
        found[one.job] = 1.0 / (one.step_time_s * rate[one.job])
    return found


def _last_rates(log: EventLog, jobs: int) -> NDArray[np.float64]:
    changes = log.of_kind(START, RATE)
    changes = changes[log.value[changes] > 0.0]  # a job that is cut off takes no steps
    rate = np.ones(jobs)
    rate[log.job[changes]] = log.value[changes]
    return rate


def _told(jobs: JobTable, log: EventLog, job: int, row: int, trainings: Sequence[Training], rate: float) -> Trained:
    """One job: `row` of its last start, -1 if it never did; `rate`: its last one."""
    assert jobs.training is not None
    training = trainings[int(jobs.training[job])]
    number, nodes, counts = log.place(row) if row >= 0 else (-1, (), ())
    here, size, clock = training.reference, training.sizes[0], 1.0
    if number >= 0:  # else it never started, or shared all accelerators by time
        here, size, clock = number, sum(counts) or int(jobs.accelerators[job]), training.pools[number].clock
    place = training.place(here, size, (nodes, counts))
    step = training.step(here, size, place)
    step_s = training.reference_step.step_s() / rate
    return Trained(
        job=job,
        started=row >= 0,
        model=training.job.model.name,
        plan=step.plan,
        pool=None if number < 0 else training.pools[number].name,
        accelerators=step.accelerators,
        steps=training.steps,
        step_time_s=step_s,
        samples_per_s=step.samples / step_s,
        tokens_per_s=step.tokens / step_s if step.tokens else None,
        mfu=step.flop / step_s / step.peak_flop_per_s,
        device_memory_b=step.memory_b,
        nic_b_per_step=training.nic_b(here, size, (nodes, counts)),
        bound=step.bound(clock),
    )
