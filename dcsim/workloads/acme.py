"""Acme (Seren and Kalos), original logs: `trace_seren.csv` and `trace_kalos.csv`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dcsim.scenario.jobs import JobTable
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.reading.columns import GAPS, Clock, EndStates, Labels, Text, Whole
from dcsim.workloads.reading.rows import read_rows
from dcsim.workloads.reading.states import SLURM
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.trace import TraceFile, without


@dataclass(frozen=True, kw_only=True)
class Acme(TraceFile):
    """Jobs of Shanghai AI Lab's clusters Seren and Kalos (Hu et al., NSDI 2024).

    Used columns: `job_id` (unique), `user`, `gpu_num`, `state`, and `submit_time`, `start_time`, `end_time`
    with their offsets from UTC (+08:00 in Seren, +00:00 in Kalos). Service is end - start: the column
    `duration` is that in Seren but counts from submission in Kalos. TIMEOUT and NODE_FAIL count as failed, as
    in the paper. Second 0 is the first submission of a GPU job. Jobs without a GPU are passed over, and so
    are jobs without a start or an end, which never ran or were still running; a warning counts them. The
    trace names no tenants.
    """

    def read(self, source: Source, context: WorkloadContext) -> JobTable:
        """All GPU jobs in the order of the file."""
        ids, user = Text("job_id"), Labels("user")
        gpus, state = Whole("gpu_num"), EndStates("state", SLURM)
        submit = Clock("submit_time", zoned=True)
        start, end = (Clock(name, zoned=True, gaps=GAPS) for name in ("start_time", "end_time"))
        rows = read_rows(source, [ids, user, gpus, state, submit, start, end])
        service_s = end.values - start.values
        rows.refuse(service_s < 0, end, "the job ends before it starts", "end_time >= start_time")
        dropped = (gpus.values == 0) | np.isnan(service_s)
        first = submit.first(~dropped)
        jobs = JobTable(
            submit.values - first,
            service_s,
            gpus.values,
            requested_s=service_s,
            job_ids=rows.distinct(ids),
            end_state=state.values,
            user=user.values,
            origin={"start": submit.text(first)},
        )
        return without(jobs, dropped, source, "no GPU, or no start or end")
