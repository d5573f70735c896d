"""Alibaba PAI 2020 as the GAIA sample: `arrival_time, length, cpus`, in hours."""

from __future__ import annotations

from dataclasses import dataclass

from dcsim.scenario.jobs import JobTable
from dcsim.units import HOUR
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.reading.columns import Number, Whole
from dcsim.workloads.reading.rows import read_rows
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.trace import TraceFile


@dataclass(frozen=True, kw_only=True)
class Pai(TraceFile):
    """Jobs of Alibaba's PAI cluster of 2020, sampled and spread over a year (GAIA, ASPLOS 2024).

    Columns: `arrival_time` and `length` in hours, `cpus` (the accelerators of the gang). Second 0 is hour 0
    of the file, which is its first job. Jobs shorter than 5 minutes are not in the sample, and its arrivals
    have no day pattern. Job ids are row numbers.
    """

    def read(self, source: Source, context: WorkloadContext) -> JobTable:
        """All jobs in the order of the file."""
        arrival, length, size = Number("arrival_time"), Number("length"), Whole("cpus", least=1)
        read_rows(source, [arrival, length, size])
        service_s = length.values * HOUR
        return JobTable(arrival.values * HOUR, service_s, size.values, requested_s=service_s)
