"""What became of the training jobs of a finished run: plan, step, utilisation, and what each was bound by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import START
from dcsim.metrics.contention import SEEN, paces
from dcsim.performance.shares import Shares
from dcsim.policies.decisions import Allocation
from dcsim.scenario.jobs import JobTable

if TYPE_CHECKING:
    from dcsim.performance.training import Training, Where


@dataclass(frozen=True)
class Trained:
    """A training job where it ran last; in its reference, if it never started or shared all accelerators by time
    (`pool` is None then).

    `job`: its number. `started`: whether it ever did. `step_time_s`: at its last rate. `tokens_per_s`: None of
    networks. `device_memory_b`: bytes on the fullest accelerator. `nic_b_per_step`: bytes that one accelerator sends
    over NICs, mean of all. `mfu`: model FLOP/s over the dense peak at the nominal clock. `run_as`: by whom and how its
    plan is run, in words; None of networks.
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
    run_as: str | None = None


class Ways(Protocol):
    """What links that nobody else uses leave a gang at a place."""

    def ranked(self, allocation: Allocation) -> Where:
        """Nodes in the order of the gang's ranks, and its accelerators on each."""
        ...

    def alone(self, job: int, allocation: Allocation) -> Shares:
        """What it would get of each kind of its traffic, 0 where no way joins its nodes."""
        ...


@dataclass(frozen=True)
class Linked:
    """A network that jobs share: who knows its links, and the rate of each start's gang alone there, shape (rows,)."""

    ways: Ways
    rate_alone: NDArray[np.float64]


def trained(
    jobs: JobTable, log: EventLog, end_s: float, trainings: Sequence[Training], linked: Linked | None = None
) -> tuple[Trained, ...]:
    """All training jobs, in order of submission. end_s: of the run."""
    if jobs.training is None:
        return ()
    starts = log.of_kind(START)
    last_start = np.full(len(jobs), -1)
    last_start[log.job[starts]] = starts
    rate = _last_rates(log, end_s, len(jobs))
    own = np.flatnonzero(jobs.training >= 0).tolist()
    teller = _Teller(jobs, log, trainings, linked)
    return tuple(teller.told(job, int(last_start[job]), float(rate[job])) for job in own)


def steps_per_s(told: Sequence[Trained], log: EventLog, end_s: float, jobs: int) -> NDArray[np.float64]:
    """Steps of each job in a second of service, shape (jobs,); NaN where nobody knows."""
    found, rate = np.full(jobs, np.nan), _last_rates(log, end_s, jobs)
    for one in told:
        found[one.job] = 1.0 / (one.step_time_s * rate[one.job])
    return found


def _last_rates(log: EventLog, end_s: float, jobs: int) -> NDArray[np.float64]:
    """The last rate above 0 of each job that lasted: a job that is cut off takes no steps, and none fits in no time."""
    kept = paces(log, end_s)
    rate = np.ones(jobs)
    for lasted in (kept.rate > 0.0, (kept.rate > 0.0) & (kept.end_s > kept.start_s)):
        rate[log.job[kept.row[lasted]]] = kept.rate[lasted]
    return rate


@dataclass(frozen=True)
class _Teller:
    """A finished run, and who tells what became of its training jobs."""

    jobs: JobTable
    log: EventLog
    trainings: Sequence[Training]
    linked: Linked | None

    def told(self, job: int, row: int, rate: float) -> Trained:
        """One job: `row` of its last start, -1 if it never did; `rate`: its last one."""
        assert self.jobs.training is not None
        training = self.trainings[int(self.jobs.training[job])]
        number, nodes, counts = self.log.place(row) if row >= 0 else (-1, (), ())
        here, size, clock = training.reference, training.sizes[0], 1.0
        where: Where = (nodes, counts)
        if number >= 0:  # else it never started, or shared all accelerators by time
            here, size = number, sum(counts) or int(self.jobs.accelerators[job])
            clock = training.pools[number].clock
        step = training.step(here, size, training.place(here, size, where))
        alone = step
        if self.linked is not None and number >= 0 and len(nodes) > 1:
            allocation = Allocation(number, nodes, counts)
            where = self.linked.ways.ranked(allocation)
            if self.linked.rate_alone[row] < training.reference_step.step_s() / step.step_s(clock):
                shares = self.linked.ways.alone(job, allocation)
                if all(shares):  # its cables are slower than its NICs
                    alone = training.step(here, size, training.place(here, size, (nodes, counts), shares=shares))
        step_s = training.reference_step.step_s() / rate
        slowed_s = step_s - alone.step_s(clock) if number >= 0 else 0.0  # whoever shares by time is slowed by no link
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
            nic_b_per_step=training.nic_b(here, size, where),
            bound=alone.bound(clock, slowed_s if slowed_s > (SEEN - 1.0) * step_s else 0.0),
            run_as=training.run_as(here),
        )
