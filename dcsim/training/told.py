"""What became of the training jobs of a finished run: plan, step, utilisation, and what each was bound by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import RATE, START
from dcsim.scenario.jobs import JobTable

if TYPE_CHECKING:
    from dcsim.performance.placed import PlacedStep
    from dcsim.performance.training import Training


@dataclass(frozen=True)
class Trained:
    """A training job where it ran last; where it would run best, if it never started (`pool` is None then).

    `job`: its number. `step_s`: at its last rate. `tokens_per_s`: None of networks, and `memory_b` (bytes on the
    fullest accelerator) too. `mfu`: model FLOP/s over the dense peak at the nominal clock.
    """

    job: int
    model: str
    plan: str
    pool: str | None
    accelerators: int
    steps: int
    step_s: float
    samples_per_s: float
    tokens_per_s: float | None
    mfu: float
    memory_b: float | None
    bound: str


def trained(jobs: JobTable, log: EventLog, trainings: Sequence[Training]) -> tuple[Trained, ...]:
    """All training jobs, in order of submission."""
    if jobs.training is None:
        return ()
    from dcsim.performance.placed import Place, nic_b_per_s, spread

    starts = log.of_kind(START)
    last_start = np.full(len(jobs), -1)
    last_start[log.job[starts]] = starts
    changes = log.of_kind(START, RATE)
    rate = np.ones(len(jobs))
    rate[log.job[changes]] = log.value[changes]
    told = []
    for job in np.flatnonzero(jobs.training >= 0).tolist():
        training, row = trainings[int(jobs.training[job])], int(last_start[job])
        number = int(log.pool[row]) if row >= 0 else -1
        if number < 0:  # it never started, or shared all accelerators by time
            step = training.best_step(training.reference, training.sizes[0])
        else:
            piece, pool = slice(int(log.offsets[row]), int(log.offsets[row + 1])), training.pools[number]
            nodes, counts = log.nodes[piece].tolist(), log.counts[piece].tolist()
            size = sum(counts) or int(jobs.accelerators[job])
            if nodes:
                step = training.step(number, size, Place(spread(pool, nodes, counts), nic_b_per_s(pool)))
            else:
                step = training.best_step(number, size)
        told.append(_told(job, training, step, number, float(rate[job])))
    return tuple(told)


def _told(job: int, training: Training, step: PlacedStep, number: int, rate: float) -> Trained:
    reference_s = training.best_step(training.reference, training.sizes[0]).step_s()
    step_s = reference_s / rate
    return Trained(
        job=job,
        model=training.job.model.name,
        plan=step.plan,
        pool=None if number < 0 else training.pools[number].name,
        accelerators=step.accelerators,
        steps=training.steps,
        step_s=step_s,
        samples_per_s=step.samples / step_s,
        tokens_per_s=step.tokens / step_s if step.tokens else None,
        mfu=step.flop / step_s / step.peak_flop_per_s,
        memory_b=step.memory_b,
        bound=step.bound(1.0 if number < 0 else training.pools[number].clock),
    )
