"""The scalars of a run: what `summary.json` holds and the terminal shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import BREAK
from dcsim.metrics.jobs import CANCELLED, COMPLETED, FAILED, REJECTED, UNFINISHED, JobResults, unstarted
from dcsim.metrics.timeline import Timeline
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.spec import Pool
from dcsim.units import HOUR

SLOWDOWN_FLOOR_S = 10.0  # run times below this count as this in the bounded slowdown (Feitelson, JSSPP 2001)

_PARTS = ("mean", "p50", "p90", "p99", "max")
NAMES = (
    "jobs",
    "jobs_submitted",
    "jobs_completed",
    "jobs_failed",
    "jobs_cancelled",
    "jobs_rejected",
    "jobs_unfinished",
    *(f"wait_s_{part}" for part in _PARTS),
    *(f"jct_s_{part}" for part in _PARTS),
    "jobs_waited",
    "jobs_waiting_at_end",
    "waiting_at_end_s_max",
    "bounded_slowdown_mean",
    "makespan_s",
    "end_s",
    "accelerators",
    "utilization_allocated",
    "accelerator_hours",
    "queue_jobs_mean",
    "queue_jobs_max",
    "preemptions",
    "interruptions",
    "network_failures",
    "lost_accelerator_hours",
    "jain_fairness_tenants",
    "events",
    "unusable_accelerators_mean",
    "fragmentation",
    *(f"contention_slowdown_{part}" for part in _PARTS),
)
"""All names of a summary, in its order; slow-downs by contention are there where links are shared."""


def summary(
    jobs: JobTable, results: JobResults, line: Timeline, log: EventLog, pools: Sequence[Pool]
) -> dict[str, Any]:
    """Scalars by name with the unit in the name; None where a quantity does not exist (no job started, say).

    `wait_s_*` are of jobs that started, `jct_s_*` of jobs that ended by themselves. `jobs_submitted`: those that had
    come when the run stopped. `jobs_waited`: jobs that waited for their first start, among them `jobs_waiting_at_end`:
    those that had not started when the run stopped, the longest of them for `waiting_at_end_s_max` so far.
    `utilization_allocated`: accelerator-time held by jobs over that of the cluster, from second 0 to the end of the
    run. `jain_fairness_tenants`: see `fairness`.
    """
    capacity = sum(pool.nodes * pool.accelerators_per_node for pool in pools)
    state = results.state
    ended = state <= CANCELLED
    span = line.end_s
    held = line.integral(line.allocated)
    waiting_s = span - jobs.submit_s[unstarted(results, span)]
    return {
        "jobs": len(jobs),
        "jobs_submitted": int(np.sum(jobs.submit_s <= span)),
        "jobs_completed": int(np.sum(state == COMPLETED)),
        "jobs_failed": int(np.sum(state == FAILED)),
        "jobs_cancelled": int(np.sum(state == CANCELLED)),
        "jobs_rejected": int(np.sum(state == REJECTED)),
        "jobs_unfinished": int(np.sum(state == UNFINISHED)),
        **spread("wait_s", results.wait_s),
        **spread("jct_s", results.jct_s),
        "jobs_waited": int(np.sum(results.wait_s > 0.0) + np.sum(waiting_s > 0.0)),
        "jobs_waiting_at_end": len(waiting_s),
        "waiting_at_end_s_max": float(waiting_s.max()) if len(waiting_s) else None,
        "bounded_slowdown_mean": _mean(bounded_slowdown(results)[ended]),
        "makespan_s": float(np.nanmax(results.end_s) - jobs.submit_s[0]) if ended.any() else None,
        "end_s": span,
        "accelerators": capacity,
        "utilization_allocated": held / (capacity * span) if span > 0.0 else None,
        "accelerator_hours": held / HOUR,
        "queue_jobs_mean": line.integral(line.queue_jobs) / span if span > 0.0 else None,
        "queue_jobs_max": int(line.queue_jobs.max(initial=0)),
        "preemptions": int(results.preemptions.sum()),
        "interruptions": int(results.interruptions.sum()),
        "network_failures": len(log.of_kind(BREAK)),
        "lost_accelerator_hours": float((results.lost_work_s * jobs.demand).sum()) / HOUR,
        "jain_fairness_tenants": fairness(jobs, results),
        "events": len(log),
    }


def bounded_slowdown(results: JobResults) -> NDArray[np.float64]:
    """max(1, completion time / max(run time, 10 s)), shape (jobs,); NaN where a job did not end."""
    return np.maximum(1.0, results.jct_s / np.maximum(results.run_s, SLOWDOWN_FLOOR_S))


def fairness(jobs: JobTable, results: JobResults) -> float | None:
    """Jain's index over tenants of the mean speed their jobs saw: run time / completion time, 1 without waiting.

    (sum x)^2 / (n sum x^2), Jain, Chiu and Hawe, DEC-TR-301 (1984): 1 when all tenants see the same, 1/n when one
    has everything. None without tenants or ended jobs.
    """
    if jobs.tenant.codes is None:
        return None
    ended = (results.state <= CANCELLED) & (jobs.tenant.codes >= 0)
    if not ended.any():
        return None
    speed = np.minimum(1.0, results.run_s[ended] / np.maximum(results.jct_s[ended], 1e-9))
    codes = jobs.tenant.codes[ended]
    count = np.bincount(codes)
    mean = (np.bincount(codes, speed) / np.maximum(count, 1))[count > 0]
    return float(mean.sum() ** 2 / (len(mean) * (mean**2).sum())) if mean.any() else None


def spread(name: str, values: NDArray[np.float64]) -> dict[str, float | None]:
    """Mean, three percentiles (linear interpolation) and the maximum of the values that are not NaN."""
    known = values[~np.isnan(values)]
    if not len(known):
        return {f"{name}_{part}": None for part in _PARTS}
    p50, p90, p99 = np.percentile(known, (50, 90, 99)).tolist()
    return {
        f"{name}_mean": float(known.mean()),
        f"{name}_p50": p50,
        f"{name}_p90": p90,
        f"{name}_p99": p99,
        f"{name}_max": float(known.max()),
    }


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None
