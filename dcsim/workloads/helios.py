"""Helios Venus as one short CSV: `job_id, arrival_s, service_sec, gpu_count`."""

from __future__ import annotations

from dataclasses import dataclass

from dcsim.scenario.jobs import JobTable
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.reading.columns import Number, Text, Whole
from dcsim.workloads.reading.rows import read_rows
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.trace import TraceFile


@dataclass(frozen=True, kw_only=True)
class Helios(TraceFile):
    """GPU jobs of SenseTime's Helios cluster Venus (Hu et al., SC 2021), as `helios_trace.csv` has them.

    Columns: `job_id` (unique), `arrival_s` (s since the first job of the trace), `service_sec` (s),
    `gpu_count`. Second 0 is that of `arrival_s`; in the whole trace it is 2020-03-18 04:01:39 local time
    (+08:00). Service is clamped at 172,800 s by whoever made the file. No tenants, users or end states: see
    `helios_log` for those.
    """

    def read(self, source: Source, context: WorkloadContext) -> JobTable:
        """All jobs in the order of the file."""
        ids, arrival = Text("job_id"), Number("arrival_s")
        service, gpus = Number("service_sec"), Whole("gpu_count", least=1)
        rows = read_rows(source, [ids, arrival, service, gpus])
        return JobTable(
            arrival.values,
            service.values,
            gpus.values,
            requested_s=service.values,
            job_ids=rows.distinct(ids),
        )
