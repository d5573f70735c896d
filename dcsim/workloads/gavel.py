"""Gavel traces: tab-separated rows of 7 or 10 fields, with run times from measured throughputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dcsim.scenario.datapath import DataPath
from dcsim.scenario.jobs import JobTable, Names
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.reading.columns import Number, Text, Whole
from dcsim.workloads.reading.rows import Layout, read_rows, tabs
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.throughputs import Throughputs
from dcsim.workloads.reading.trace import TraceFile

_FIELDS = {
    7: ("job_type", "command", "steps_flag", "needs_data", "total_steps", "arrival_time", "gpus"),
    10: (
        *("job_type", "command", "folder", "steps_flag", "needs_data", "total_steps", "gpus"),
        *("priority", "slo", "arrival_time"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Gavel(TraceFile):
    """Training jobs of the Gavel artifact (Narayanan et al., OSDI 2020).

    Rows have 7 fields (job type, command, steps flag, data flag, steps, arrival s, GPUs) or 10 (job type,
    command, folder, steps flag, data flag, steps, GPUs, priority, SLO, arrival s), told apart by the first
    row. Second 0 is that of the arrivals; job ids are row numbers; larger priorities are more important; the
    SLO is not looked at.

    The trace has work, not time: service is steps / throughput, with the steps/s of the job type alone on so
    many GPUs of type `accelerator` from the file `throughputs`. A gang size that was not measured is given
    the throughput of the largest measured gang of its job type, in proportion to the GPUs; a warning counts
    such jobs.
    """

    throughputs: DataPath
    """Gavel's JSON of throughputs, such as `simulation_throughputs.json`."""
    accelerator: str = "v100"
    """A GPU type of that file: k80, p100, v100, or one of them with `_unconsolidated` behind it."""

    def read(self, source: Source, context: WorkloadContext) -> JobTable:
        """All jobs in the order of the file."""
        fields = source.head.partition("\n")[0].count("\t") + 1
        if fields not in _FIELDS:
            raise source.error("not a Gavel trace", line=1, got=f"{fields} fields", expected="7 or 10, tab-separated")
        kind, steps, arrival = Text("job_type"), Number("total_steps"), Number("arrival_time")
        gpus, priority = Whole("gpus", least=1), Whole("priority", optional=True)
        read_rows(source, [kind, steps, arrival, gpus, priority], Layout(tabs, "\t", _FIELDS[fields]))
        jobs = list(zip(kind.values, gpus.values.tolist(), strict=True))
        table = Throughputs(Source(context.resolve(self.throughputs), self.throughputs), self.accelerator)
        rates = {job: table.rate(*job) for job in dict.fromkeys(jobs)}
        service_s = steps.values / np.array([rates[job][0] for job in jobs])
        guessed = sum(not rates[job][1] for job in jobs)
        warning = f"{source.name}: {guessed} of {len(jobs)} jobs have a gang size without a measured throughput"
        return JobTable(
            arrival.values,
            service_s,
            gpus.values,
            requested_s=service_s,
            priority=priority.values if priority.found else None,
            model=Names.of(kind.values),
            warnings=(warning,) if guessed else (),
        )
