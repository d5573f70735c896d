"""Alibaba OpenB 2023, original pod lists with fractional GPUs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dcsim.scenario.jobs import JobTable
from dcsim.units import MILLI, SIZE
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.reading.columns import BLANK, EndStates, Labels, Number, Text, Whole
from dcsim.workloads.reading.rows import read_rows
from dcsim.workloads.reading.states import KUBERNETES
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.trace import TraceFile


@dataclass(frozen=True, kw_only=True)
class Openb(TraceFile):
    """Pods of a GPU-sharing cluster of Alibaba (Weng et al., USENIX ATC 2023): `openb_pod_list_default.csv`.

    A pod is a job on one node: `num_gpu` accelerators (0 for pods without one), of each of which it takes
    `gpu_milli` / 1000 (below 1 for one-GPU pods only), `cpu_milli` / 1000 cores and `memory_mib` MiB.
    `gpu_spec` gives the models that the pod accepts, separated by `|`; empty means any. Times are s from the
    trace's start, which is second 0. A pod is submitted at `creation_time`. Its service is `deletion_time` -
    `scheduled_time`; a pod that was never scheduled is given `deletion_time` - `creation_time`, the time for
    which it was wanted. Phases at the end of the trace: Succeeded and Running pods complete, Failed ones
    fail, Pending ones are cancelled after their service. The classes in `qos` are not looked at: they are no
    priorities.
    """

    def read(self, source: Source, context: WorkloadContext) -> JobTable:
        """All pods in the order of the file."""
        ids, spec, phase = Text("name"), Labels("gpu_spec"), EndStates("pod_phase", KUBERNETES)
        gpus, milli = Whole("num_gpu"), Number("gpu_milli")
        cpus, memory = Number("cpu_milli"), Number("memory_mib")
        created, deleted = Number("creation_time"), Number("deletion_time")
        scheduled = Number("scheduled_time", gaps=BLANK)
        rows = read_rows(source, [ids, cpus, memory, gpus, milli, spec, phase, created, deleted, scheduled])
        part = (milli.values <= 0) | (milli.values > MILLI) | ((milli.values < MILLI) & (gpus.values > 1))
        part &= gpus.values > 0
        rows.refuse(part, milli, "no share of a GPU", f"1 to {MILLI}, or {MILLI} for pods of several GPUs")
        began = np.where(np.isnan(scheduled.values), created.values, scheduled.values)
        service_s = deleted.values - began
        rows.refuse(service_s < 0, deleted, "the pod ends before it starts", "a time after scheduled_time")
        return JobTable(
            created.values,
            service_s,
            gpus.values,
            requested_s=service_s,
            job_ids=rows.distinct(ids),
            share=np.where(gpus.values > 0, milli.values / MILLI, 1.0),
            cpus=cpus.values / MILLI,
            memory_b=memory.values * SIZE.factor("MiB"),
            end_state=phase.values,
            accelerator_names=spec.values,
        )
