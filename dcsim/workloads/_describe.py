"""What a job table looks like: sizes, run times, how bursty arrivals are, and the load they bring."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcsim.scenario.jobs import Floats, JobTable
from dcsim.units import HOUR
from dcsim.workloads._arrivals import second_of_week

CLASSES = ("0", "1", "2", "3-4", "5-7", "8", "9-16", "17-32", "33-64", ">64")
LARGEST = np.array([0, 1, 2, 4, 7, 8, 16, 32, 64])
"""Size classes by accelerators, and the largest size of each but the last."""

BATCH_GAP = 5.0
"""Arrivals at most so many seconds apart make one batch."""


def describe(jobs: JobTable, start: datetime | None = None, capacity: int | None = None) -> dict[str, Any]:
    """Figures of a table of at least two jobs, by name, with units in the names.

    `start`: calendar time of second 0; without it hours and weekdays count from second 0. `capacity`: the
    accelerators of a cluster, to relate the load to. Loads are those that there would be if no job waited.
    """
    work = work_of(jobs)
    span_s = float(jobs.submit_s[-1] - jobs.submit_s[0])
    hours = hourly_counts(jobs.submit_s, second_of_week(start))
    return {
        "jobs": len(jobs),
        "span_s": span_s,
        "jobs_per_hour": len(jobs) / span_s * HOUR,
        "accelerators_mean": float(jobs.accelerators.mean()),
        "accelerator_hours": float(work.sum() / HOUR),
        "classes": class_table(jobs),
        "arrivals": arrival_figures(jobs.submit_s, hours),
        "hour_factors": hours.factors(hours.hour_of_day, 24).tolist(),
        "weekday_factors": hours.factors(hours.weekday, 7).tolist(),
        "load": load_figures(jobs, work, span_s, capacity),
    }


def work_of(jobs: JobTable) -> Floats:
    """Accelerator-seconds of each job, shape (n,)."""
    return jobs.demand * jobs.service_s


def class_of(accelerators: NDArray[Any]) -> NDArray[np.intp]:
    """Index of each job's size class in CLASSES, shape (n,)."""
    return np.searchsorted(LARGEST, accelerators)


def class_table(jobs: JobTable) -> dict[str, dict[str, float]]:
    """Shares and run times by size class, then for all jobs."""
    work, code = work_of(jobs), class_of(jobs.accelerators)
    rows = {name: code == number for number, name in enumerate(CLASSES)} | {"all": np.ones(len(jobs), dtype=bool)}
    return {
        name: {
            "jobs": int(row.sum()),
            "jobs_share": float(row.mean()),
            "accelerator_hours_share": float(work[row].sum() / work.sum()) if work.any() else 0.0,
            **duration_figures(jobs.service_s[row]),
        }
        for name, row in rows.items()
        if row.any()
    }


def duration_figures(service_s: Floats) -> dict[str, float]:
    """Percentiles, mean and coefficient of variation of run times, shape (n,)."""
    p10, p50, p90, p99 = np.percentile(service_s, (10, 50, 90, 99)).tolist()
    mean = float(service_s.mean())
    return {
        "service_s_p10": p10,
        "service_s_p50": p50,
        "service_s_p90": p90,
        "service_s_p99": p99,
        "service_s_max": float(service_s.max()),
        "service_s_mean": mean,
        "service_cv": float(service_s.std() / mean) if mean else 0.0,
    }


class HourlyCounts:
    """Jobs in each calendar hour, from the first job's to the last one's.

    `counts`, `hour_of_day`, `weekday`, `day`: shape (hours,); days count from the first one.
    """

    def __init__(self, counts: NDArray[np.intp], first_hour: int) -> None:
        hour = first_hour + np.arange(len(counts))
        self.counts = counts
        self.hour_of_day = hour % 24
        self.weekday = hour // 24 % 7
        self.day = hour // 24 - first_hour // 24

    def factors(self, group: NDArray[np.intp], size: int) -> Floats:
        """Mean count of each group of hours over the mean of all groups, shape (size,); 1 where there is
        none."""
        number = np.bincount(group, minlength=size)
        mean = np.bincount(group, self.counts, size) / np.maximum(number, 1)
        level = mean[number > 0].mean()
        return np.where(number > 0, mean / level, 1.0)

    def whole_days(self) -> Floats:
        """Jobs of each day that is covered whole, shape (days,); the first and last day are left out."""
        return self.by_day(self.counts)[1:-1]

    def weekday_of_days(self) -> NDArray[np.intp]:
        """The weekday of each of `whole_days`, shape (days,)."""
        return self.weekday[np.flatnonzero(np.diff(self.day)) + 1][:-1]

    def by_day(self, values: NDArray[Any]) -> Floats:
        """Sum over the hours of each day, shape (days,), the first and last of which may be covered in
        part."""
        return np.bincount(self.day, values).astype(np.float64)


def hourly_counts(submit_s: Floats, first_second: float) -> HourlyCounts:
    """Counts by calendar hour of sorted times, shape (n,); `first_second` is that of second 0 in its week."""
    hour = np.floor((submit_s + first_second) / HOUR).astype(np.int64)
    return HourlyCounts(np.bincount(hour - hour[0]), int(hour[0]))


def batch_heads(submit_s: Floats, gap: float = BATCH_GAP) -> NDArray[np.bool_]:
    """Which jobs begin a batch, shape (n,): those that come more than `gap` s after the one before."""
    return np.concatenate(([True], np.diff(submit_s) > gap))


def batch_lengths(heads: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Number of jobs of each batch, shape (batches,)."""
    return np.diff(np.append(np.flatnonzero(heads), len(heads)))


def arrival_figures(submit_s: Floats, hours: HourlyCounts) -> dict[str, float]:
    """How bursty arrivals are; of a Poisson process, hourly variance over mean and gap CV are 1."""
    gaps = np.diff(submit_s)
    sizes = batch_lengths(batch_heads(submit_s))
    p50, p90, p99 = np.percentile(hours.counts, (50, 90, 99)).tolist()
    return {
        "hourly_p50": p50,
        "hourly_p90": p90,
        "hourly_p99": p99,
        "hourly_max": int(hours.counts.max()),
        "hourly_variance_over_mean": float(hours.counts.var() / hours.counts.mean()),
        "gap_cv": float(gaps.std() / gaps.mean()) if gaps.any() else 0.0,
        "same_second_share": same_second_share(submit_s),
        "batch_mean": float(sizes.mean()),
        "batch_single_share": float((sizes == 1).mean()),
        "batch_p99": float(np.percentile(sizes, 99)),
        "batch_max": int(sizes.max()),
        **_daily_figures(hours.whole_days()),
    }


def same_second_share(submit_s: Floats) -> float:
    """Share of gaps that begin and end in the same whole second."""
    return float((np.diff(np.floor(submit_s)) == 0).mean())


def _daily_figures(days: Floats) -> dict[str, float]:
    if len(days) < 3 or days.std() == 0:
        return {}
    correlation = np.corrcoef(days[1:], days[:-1])[0, 1] if days[1:].std() * days[:-1].std() > 0 else 0.0
    return {"daily_cv": float(days.std() / days.mean()), "daily_lag1_correlation": float(correlation)}


def load_figures(jobs: JobTable, work: Floats, span_s: float, capacity: int | None) -> dict[str, float]:
    """Accelerators that jobs would keep busy if none waited: mean over the span of submissions, and peak."""
    mean, peak = float(work.sum() / span_s), peak_demand(jobs)
    figures = {"accelerators_mean": mean, "accelerators_peak": peak, "swing": swing(jobs)}
    if capacity is None:
        return figures
    return figures | {"capacity": capacity, "load_mean": mean / capacity, "load_peak": peak / capacity}


def peak_demand(jobs: JobTable) -> float:
    """Most accelerators busy at once if no job waited; a job that ends makes room for one that begins."""
    size = jobs.demand
    times = np.concatenate((jobs.submit_s, jobs.submit_s + jobs.service_s))
    change = np.concatenate((size, -size))
    order = np.lexsort((change, times))
    return float(np.cumsum(change[order]).max())


def demand_at(jobs: JobTable, times_s: Floats) -> Floats:
    """Accelerators busy at each of `times_s`, shape (m,), if no job waited."""
    size, end_s = jobs.demand, jobs.submit_s + jobs.service_s
    order = np.argsort(end_s)
    begun = np.append(0.0, np.cumsum(size))[np.searchsorted(jobs.submit_s, times_s, side="right")]
    ended = np.append(0.0, np.cumsum(size[order]))[np.searchsorted(end_s[order], times_s, side="right")]
    busy: Floats = begun - ended
    return busy


def swing(jobs: JobTable) -> float:
    """How far demand swings: its 99th percentile over its mean, each half hour after the first tenth of the
    span.

    Demand is what `demand_at` says, in the time of submissions; 1 if nothing swings, and then nothing waits.
    """
    first, last = float(jobs.submit_s[0]), float(jobs.submit_s[-1])
    demand = demand_at(jobs, np.arange(first + (last - first) / 10, last, HOUR / 2))
    return float(np.percentile(demand, 99) / demand.mean()) if demand.any() else 1.0
