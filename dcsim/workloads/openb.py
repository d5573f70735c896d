"""Alibaba OpenB 2023, original pod lists with fractional GPUs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.jobs import JobTable
from dcsim.units import MILLI, SIZE, TIME, human_count
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.reading.columns import BLANK, EndStates, Labels, Number, Text, Whole
from dcsim.workloads.reading.rows import read_rows
from dcsim.workloads.reading.states import KUBERNETES
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.trace import TraceFile

FOR_EVER_S = TIME.parse("100 y")
MOST_PODS = 10_000_000


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

    `dcsim trace NODES --format openb --pools` prints the `[[pools]]` of the node list, `openb_node_list_gpu_node.csv`.

    With `fill`, the pods are the population of a filling experiment instead, see `filled`: they come one a second
    in random order and never leave, and their times are not looked at.
    """

    fill: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False, strict=True)] | None = None
    """Fill the cluster: pods come until their accelerators add up to so many times those of all pools."""

    def load(self, context: WorkloadContext) -> JobTable:
        """All pods, sorted by submission, or the sequence that fills the cluster. Raises TraceError."""
        pods = super().load(context)
        return pods if self.fill is None else filled(pods, self.fill, context)

    @staticmethod
    def pools(source: Source) -> tuple[list[dict[str, Any]], int]:
        """The `[[pools]]` tables of a node list, and its number of nodes without GPUs, which pools cannot have.

        Columns: `sn`, `cpu_milli`, `memory_mib`, `gpu`, `model`. Nodes that are alike make one pool, sorted by model,
        GPUs, cores and memory.
        """
        model, gpus, cpus, memory = Labels("model"), Whole("gpu"), Number("cpu_milli"), Number("memory_mib")
        rows = read_rows(source, [model, gpus, cpus, memory])
        names = [model.values.name(row) or "" for row in range(len(gpus.values))]
        nameless = (gpus.values > 0) & np.array([not name for name in names])
        rows.refuse(nameless, model, "the node has GPUs of no model", "a model")
        columns = (names, gpus.values.tolist(), cpus.values.tolist(), memory.values.tolist())
        kinds = Counter(zip(*columns, strict=True))
        pools = [_pool(*kind, nodes) for kind, nodes in sorted(kinds.items()) if kind[1]]
        return pools, sum(nodes for kind, nodes in kinds.items() if not kind[1])

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
            one_node=np.ones(len(service_s), np.int8),
        )


def _pool(model: str, gpus: int, milli_cpus: float, memory_mib: float, nodes: int) -> dict[str, Any]:
    """One `[[pools]]` table, named after what each node has."""
    cpus, memory_gib = _short(milli_cpus / MILLI), _short(memory_mib * SIZE.factor("MiB") / SIZE.factor("GiB"))
    return {
        "name": f"{model}-x{gpus}-{cpus}c-{memory_gib}g",
        "accelerator": {"name": model},
        "nodes": nodes,
        "accelerators_per_node": gpus,
        "cpus_per_node": cpus,
        "memory_per_node": f"{memory_gib} GiB",
    }


def _short(value: float) -> int | float:
    return int(value) if value.is_integer() else value


def filled(pods: JobTable, fill: float, context: WorkloadContext) -> JobTable:
    """The arrivals of the filling experiment of Weng et al. (FGD, USENIX ATC 2023), one a second, never leaving.

    All pods in random order; then pods drawn from the list, with replacement, until the accelerators asked for,
    plus one device's share of the next pod, would pass `fill` x the accelerators of the scenario. A list that asks
    for more at once loses random pods until it does not. Pods keep their places when they have one and never come
    again when they have not, so the scheduler is `loss`. A pod that comes again has its number of times behind its
    name: `openb-pod-0007#2`. Service is 100 years, beyond any horizon. Drawn from the stream "workload.fill".

    Source: github.com/hkust-adsl/kubernetes-scheduler-simulator, pkg/simulator/core.go and simulator.go
    (SortClusterPods, tuneUpPods, tuneDownPods), as run by experiments/run_scripts with `-tune 1.3
    --shuffle-pod=true`; data/pod_csv_to_yaml.py leaves the times out. Raises ScenarioError where that takes more
    than 10 million pods.
    """
    demand, limit = pods.demand.tolist(), fill * context.capacity
    if limit * len(pods) > MOST_PODS * sum(demand):
        what = f"pods of this list fill {human_count(context.capacity)} accelerators too slowly"
        raise ScenarioError(Problem(context.file, "workload.fill", what, f"{fill:g}", f"at most {MOST_PODS:,} pods"))
    random = context.stream("workload.fill")
    order = random.permutation(len(pods)).tolist()
    asked = sum(demand)
    if asked > limit:
        while order and asked > limit:
            asked -= demand[order.pop()]
    else:
        share = np.where(pods.accelerators > 0, 1.0 if pods.share is None else pods.share, 0.0).tolist()
        while asked + share[pod := int(random.integers(len(pods)))] <= limit:
            asked += demand[pod]
            order.append(pod)
    return _arriving(pods, order)


def _arriving(pods: JobTable, order: list[int]) -> JobTable:
    """The pods of `order`, one a second, for ever."""
    times: Counter[int] = Counter()
    names = []
    for pod in order:
        times[pod] += 1
        names.append(pods.job_id(pod) + (f"#{times[pod]}" if times[pod] > 1 else ""))
    service_s = np.full(len(order), FOR_EVER_S)
    return replace(
        pods.take(np.array(order, np.intp)),
        submit_s=np.arange(len(order), dtype=np.float64),
        service_s=service_s,
        requested_s=service_s,
        end_state=None,
        job_ids=names,
    )
