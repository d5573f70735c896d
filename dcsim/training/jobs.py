"""The scenario's training jobs as rows of the job table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dcsim.scenario.jobs import JobTable, Names

if TYPE_CHECKING:
    from dcsim.performance.training import Training


def training_table(trainings: Sequence[Training]) -> JobTable:
    """One row for each job, repeated ones counted out, sorted by submission.

    Service is that in each job's reference; accelerators are the fewest that it may have.
    """
    rows = [(number, k) for number, training in enumerate(trainings) for k in range(training.job.count)]
    of = np.array([number for number, _ in rows], np.int32)
    jobs = [trainings[number].job for number, _ in rows]
    service_s = np.array([training.service_s for training in trainings])[of]
    return JobTable(
        submit_s=np.array([job.submit + k * job.every for job, (_, k) in zip(jobs, rows, strict=True)]),
        service_s=service_s,
        accelerators=np.array([training.sizes[0] for training in trainings], np.int32)[of],
        requested_s=service_s,
        job_ids=[job.name if job.count == 1 else f"{job.name}-{k + 1}" for job, (_, k) in zip(jobs, rows, strict=True)],
        priority=_priorities(trainings, of),
        tenant=Names.of([job.tenant for job in jobs]) if any(job.tenant for job in jobs) else Names(),
        pool=Names.of([job.pool for job in jobs]) if any(job.pool for job in jobs) else Names(),
        accelerator_names=_devices(trainings, of),
        model=Names.of([job.model.name for job in jobs]),
        training=of,
        warnings=_assumed(trainings),
        origin={"format": "training", "rows": len(rows)},
    ).sorted()


def _assumed(trainings: Sequence[Training]) -> tuple[str, ...]:
    """What step times assume of accelerators that presets or measurements do not tell."""
    works = [(training.pools[number].name, work) for training in trainings for number, work in training.works.items()]
    notes = [f"training jobs in {pool}: {note}" for pool, work in works for note in work.request.device.notes]
    return tuple(dict.fromkeys(notes))


def _priorities(trainings: Sequence[Training], of: np.ndarray) -> np.ndarray | None:
    given = [training.job.priority for training in trainings]
    return None if all(p is None for p in given) else np.array([p or 0 for p in given], np.int32)[of]


def _devices(trainings: Sequence[Training], of: np.ndarray) -> Names:
    """Accelerators that will do, for jobs that do not fit into every pool."""
    named = []
    for training in trainings:
        devices = dict.fromkeys(training.pools[number].accelerator.name for number in training.works)
        named.append(None if len(training.works) == len(training.pools) else "|".join(devices))
    return Names.of([named[number] for number in of.tolist()]) if any(named) else Names()
