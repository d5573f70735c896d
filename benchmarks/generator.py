"""How true are synthetic workloads? Fitted on one half of a trace, judged by the other.

    python -m benchmarks.generator --data DIR

DIR holds `helios/`, `philly/` and `pai2020/`. Each trace is cut twice: in the middle of its span, and into
odd and even weeks put end to end. For each cut a table of three: the half that was fitted, the half that
was not, and five generated workloads of the other half's span at the fitted rate (median and range). Where
the two halves differ, the trace changes in time, and no imitation of the one can be nearer to the other.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import heapq
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dcsim import plugins
from dcsim.cli.tables import aligned
from dcsim.scenario.jobs import JobTable
from dcsim.sim.rng import stream
from dcsim.units import WEEK
from dcsim.workloads import _presets
from dcsim.workloads._arrivals import second_of_week
from dcsim.workloads._describe import CLASSES, class_of, describe, work_of
from dcsim.workloads._fit import fit
from dcsim.workloads._laws import ks_distance, ks_two_samples
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.synthetic import Synthetic

SEEDS = range(5)
LOAD = 0.68
"""Load at which waits are compared: each workload on as many accelerators as make it so."""


@dataclass(frozen=True)
class Trace:
    """A trace to judge by: loader, file in the data folder, calendar time of second 0, and time from which on.

    Studies of Helios and Philly leave out what comes before, when hardly any job was logged.
    """

    loader: str
    path: str
    start: datetime | None = None
    since: datetime | None = None


TRACES = {
    "helios": Trace("helios", "helios/helios_trace.csv.gz", datetime(2020, 3, 18, 4, 1, 39), datetime(2020, 4, 1)),
    "philly": Trace("philly", "philly/philly.csv.gz", datetime(2017, 9, 4, 10, 30, 41), datetime(2017, 10, 1)),
    "pai": Trace("pai", "pai2020/pai-100k.csv.gz"),
}


@dataclass(frozen=True)
class Half:
    """The jobs of one half of a trace, the calendar time of its second 0, and its length, s."""

    jobs: JobTable
    start: datetime | None
    span: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Judge synthetic workloads by the half they were not fitted to.")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder of the traces")
    folder = parser.parse_args().data
    verdicts: dict[str, Any] = {}
    for name, trace in TRACES.items():
        jobs, start = read(trace, folder)
        verdicts[name] = {
            "halves": judge(f"{name}, first and second half", *in_the_middle(jobs, start)),
            "weeks": judge(f"{name}, odd and even weeks", *by_weeks(jobs, start)),
        }
    seconds = seconds_per_million()
    print(f"1,000,000 venus-like jobs: {seconds:.2f} s CPU\n")
    print(json.dumps(verdicts | {"cpu_s_per_million_jobs": round(seconds, 3)}))


def judge(title: str, fitted: Half, other: Half) -> dict[str, Any]:
    """Fit, generate, print the table; its figures."""
    begun = time.process_time()
    table = fit(fitted.jobs, fitted.start)
    fit_s = time.process_time() - begun
    keys = _presets.typed({k: v for k, v in table.items() if k != "use"}, Synthetic)
    keys |= {"jobs": round(len(fitted.jobs) / fitted.span * other.span), "span": other.span}
    made = [generate(keys, other.start, seed) for seed in SEEDS]
    figures = {key: figure(fitted, other, made, keys) for key, figure in FIGURES.items()}
    print(f"{title}: {len(fitted.jobs):,} jobs fitted in {fit_s:.1f} s CPU, {len(other.jobs):,} judged by")
    print("\n".join(aligned([HEAD, *(row(key, *values) for key, values in figures.items())], "<>>>>")), end="\n\n")
    return {
        key: {
            "fitted_half": round(one, 4),
            "other_half": round(two, 4),
            "generated": round(float(np.median(many)), 4),
        }
        for key, (one, two, many) in figures.items()
    }


HEAD = ("", "fitted half", "other half", "generated", "(range)")


def row(key: str, fitted: float, other: float, made: list[float]) -> tuple[str, ...]:
    """One line of the table."""
    span = f"({min(made):.4g} .. {max(made):.4g})"
    return (key, f"{fitted:.4g}", f"{other:.4g}", f"{np.median(made):.4g}", span)


def read(trace: Trace, folder: Path) -> tuple[JobTable, datetime | None]:
    """The jobs of a trace, and the calendar time of their second 0."""
    loader = plugins.find("workload", trace.loader)
    skipped = 0.0
    if trace.start is not None and trace.since is not None:
        skipped = (trace.since - trace.start).total_seconds()
    context = WorkloadContext(Path, partial(stream, 0), capacity=1)
    jobs: JobTable = loader(path=str(folder / trace.path), since=skipped).load(context)
    return jobs, trace.since or trace.start


def in_the_middle(jobs: JobTable, start: datetime | None) -> tuple[Half, Half]:
    """The jobs before and after the middle of the span, each from its own second 0."""
    first, last = float(jobs.submit_s[0]), float(jobs.submit_s[-1])
    middle = (first + last) / 2
    later = jobs.submit_s >= middle
    return (
        Half(part(jobs, ~later, jobs.submit_s - first), start, middle - first),
        Half(part(jobs, later, jobs.submit_s - middle), start and start + timedelta(seconds=middle), last - middle),
    )


def by_weeks(jobs: JobTable, start: datetime | None) -> tuple[Half, Half]:
    """The jobs of odd and of even whole weeks from Monday on, weeks put end to end; second 0 is Monday
    0:00."""
    since_monday = jobs.submit_s + second_of_week(start)
    week = np.floor(since_monday / WEEK).astype(int)
    pairs = (int(week[-1]) - 1) // 2  # the first and the last week are covered in part
    time_s = since_monday - WEEK * week + WEEK * ((week - 1) // 2)
    inside = (week >= 1) & (week <= 2 * pairs)
    odd, even = (Half(part(jobs, inside & (week % 2 == r), time_s), None, pairs * WEEK) for r in (1, 0))
    return odd, even


def part(jobs: JobTable, rows: np.ndarray, submit_s: np.ndarray) -> JobTable:
    """Some jobs, submitted at other times."""
    service_s = jobs.service_s[rows]
    return JobTable(submit_s[rows], service_s, jobs.accelerators[rows], requested_s=service_s)


def generate(keys: dict[str, Any], start: datetime | None, seed: int) -> JobTable:
    """One workload of the fitted laws."""
    return Synthetic(**keys).load(WorkloadContext(Path, partial(stream, seed), capacity=1, start=start))


def mean_wait_s(jobs: JobTable) -> float:
    """Mean wait under strict first in, first out on one pool of as many accelerators as make the load
    LOAD."""
    demand = float(work_of(jobs).sum() / jobs.submit_s[-1])
    free = max(round(demand / LOAD), int(jobs.accelerators.max()))
    now, waited, running = 0.0, 0.0, list[tuple[float, int]]()
    for submit, size, service in zip(
        jobs.submit_s.tolist(), jobs.accelerators.tolist(), jobs.service_s.tolist(), strict=True
    ):
        now = max(now, submit)
        while running and (running[0][0] <= now or free < size):
            end, released = heapq.heappop(running)
            now, free = max(now, end), free + released
        free -= size
        waited += now - submit
        heapq.heappush(running, (now + service, size))
    return waited / len(jobs)


def class_shares(jobs: JobTable) -> np.ndarray:
    """Accelerator-hours by size class, %, shape (classes,)."""
    work = np.bincount(class_of(jobs.accelerators), work_of(jobs), len(CLASSES))
    shares: np.ndarray = 100 * work / work.sum()
    return shares


def law_distance(jobs: JobTable, keys: dict[str, Any]) -> float:
    """Largest distance of a class's run times from the class's law, among classes of 1,000 jobs or more."""
    distances = [0.0]
    for size_class in keys["classes"].values():
        rows = np.isin(jobs.accelerators, size_class.sizes.values)
        if rows.sum() >= 1000:
            distances.append(ks_distance(jobs.service_s[rows], size_class.service))
    return max(distances)


Figure = Callable[[Half, Half, list[JobTable], dict[str, Any]], tuple[float, float, list[float]]]


def of_one(measure: Callable[[JobTable], float]) -> Figure:
    """A measure of each workload by itself."""
    return lambda fitted, other, made, keys: (measure(fitted.jobs), measure(other.jobs), [*map(measure, made)])


def from_other(distance: Callable[[JobTable, JobTable], float]) -> Figure:
    """A distance of each workload from the half that was not fitted."""
    return lambda fitted, other, made, keys: (
        distance(fitted.jobs, other.jobs),
        0.0,
        [distance(jobs, other.jobs) for jobs in made],
    )


def from_laws(
    fitted: Half, other: Half, made: list[JobTable], keys: dict[str, Any]
) -> tuple[float, float, list[float]]:
    """Distance of each workload's run times from the fitted laws."""
    return law_distance(fitted.jobs, keys), law_distance(other.jobs, keys), [law_distance(j, keys) for j in made]


def described(section: str, name: str) -> Figure:
    """A figure of `dcsim trace`."""
    return of_one(lambda jobs: float(describe(jobs)[section][name]))


FIGURES: dict[str, Figure] = {
    "jobs_per_hour": of_one(lambda jobs: float(describe(jobs)["jobs_per_hour"])),
    "run_times_ks_from_other_half": from_other(lambda one, two: ks_two_samples(one.service_s, two.service_s)),
    "run_times_ks_from_fitted_laws": from_laws,
    "class_hours_points_from_other_half": from_other(
        lambda one, two: float(np.abs(class_shares(one) - class_shares(two)).max())
    ),
    "hourly_variance_over_mean": described("arrivals", "hourly_variance_over_mean"),
    "gap_cv": described("arrivals", "gap_cv"),
    "same_second_share": described("arrivals", "same_second_share"),
    "batch_mean": described("arrivals", "batch_mean"),
    "batch_single_share": described("arrivals", "batch_single_share"),
    "daily_cv": described("arrivals", "daily_cv"),
    "accelerators_mean": described("load", "accelerators_mean"),
    "swing": described("load", "swing"),
    f"fifo_wait_s_mean_at_load_{LOAD}": of_one(mean_wait_s),
}


def seconds_per_million() -> float:
    """CPU time for a million venus-like jobs, s."""
    workload = Synthetic(preset="venus-like", jobs=1_000_000)
    begun = time.process_time()
    workload.load(WorkloadContext(Path, partial(stream, 0), capacity=1))
    return time.process_time() - begun


if __name__ == "__main__":
    main()
