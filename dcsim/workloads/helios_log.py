"""Helios, original logs: `cluster_log.csv` of one cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dcsim.scenario.jobs import JobTable
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.reading.columns import GAPS, Clock, EndStates, Labels, Number, Text, Whole
from dcsim.workloads.reading.rows import read_rows
from dcsim.workloads.reading.states import SLURM
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.trace import TenantTraceFile, without


@dataclass(frozen=True, kw_only=True)
class HeliosLog(TenantTraceFile):
    """Jobs of one SenseTime Helios cluster (Hu et al., SC 2021) as published in `cluster_log.csv`.

    Used columns: `job_id` (unique), `user`, `vc` (the tenant), `gpu_num`, `state`, `submit_time` (wall clock
    without zone, `2020-06-09 18:41:01`) and `duration` (s, run time). TIMEOUT and NODE_FAIL count as failed,
    as in the paper. Second 0 is the first submission of a GPU job. Jobs without a GPU are passed over, as all
    published studies do, and so are jobs without a duration, which never started; a warning counts them.
    """

    def read(self, source: Source, context: WorkloadContext) -> JobTable:
        """All GPU jobs in the order of the file."""
        ids, user, vc = Text("job_id"), Labels("user"), Labels("vc")
        gpus, state = Whole("gpu_num"), EndStates("state", SLURM)
        submit, duration = Clock("submit_time"), Number("duration", gaps=GAPS)
        rows = read_rows(source, [ids, user, vc, gpus, state, submit, duration])
        dropped = (gpus.values == 0) | np.isnan(duration.values)
        first = submit.first(~dropped)
        jobs = JobTable(
            submit.values - first,
            duration.values,
            gpus.values,
            requested_s=duration.values,
            job_ids=rows.distinct(ids),
            end_state=state.values,
            tenant=vc.values,
            user=user.values,
            origin={"start": submit.text(first)},
        )
        return without(jobs, dropped, source, "no GPU, or never started")
