"""Tiresias job lists: `job_id, num_gpu, submit_time, ..., duration, ...`, in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from dcsim.scenario.jobs import JobTable
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.reading.columns import Number, Text, Whole
from dcsim.workloads.reading.rows import read_rows
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.trace import TraceFile


@dataclass(frozen=True, kw_only=True)
class Tiresias(TraceFile):
    """Jobs of the Tiresias simulator (Gu et al., NSDI 2019), such as `60_job.csv`.

    Used columns: `job_id` (unique), `num_gpu`, `submit_time` (s), `duration` (s). Second 0 is that of
    `submit_time`.
    """

    def read(self, source: Source, context: WorkloadContext) -> JobTable:
        """All jobs in the order of the file."""
        ids, gpus = Text("job_id"), Whole("num_gpu", least=1)
        submit, duration = Number("submit_time"), Number("duration")
        rows = read_rows(source, [ids, gpus, submit, duration])
        return JobTable(
            submit.values,
            duration.values,
            gpus.values,
            requested_s=duration.values,
            job_ids=rows.distinct(ids),
        )
