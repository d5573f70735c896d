"""Muri job lists: `job_id, num_gpu, submit_time, ..., duration, ..., priority`, in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass

from dcsim.scenario.jobs import JobTable
from dcsim.units import MILLI
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.reading.columns import Number, Text, Whole
from dcsim.workloads.reading.rows import read_rows
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.trace import TraceFile


@dataclass(frozen=True, kw_only=True)
class Muri(TraceFile):
    """Jobs of the Muri artifact (Zhao et al., SIGCOMM 2022), such as `cluster_trace.csv` and `trace1.csv`.

    Used columns: `job_id` (unique), `num_gpu`, `submit_time` (ms), `duration` (ms), and `priority` (whole
    number, larger is more important) where the file has it. Second 0 is that of `submit_time`. What each
    iteration needs of disk, processor and GPU (`resource_time_*`) is not looked at: dcsim does not interleave
    jobs on one device.
    """

    def read(self, source: Source, context: WorkloadContext) -> JobTable:
        """All jobs in the order of the file."""
        ids, gpus = Text("job_id"), Whole("num_gpu", least=1)
        submit, duration = Number("submit_time"), Number("duration")
        priority = Whole("priority", optional=True)
        rows = read_rows(source, [ids, gpus, submit, duration, priority])
        service_s = duration.values / MILLI
        return JobTable(
            submit.values / MILLI,
            service_s,
            gpus.values,
            requested_s=service_s,
            job_ids=rows.distinct(ids),
            priority=priority.values if priority.found else None,
        )
