"""A `[workload]` table that imitates a trace: laws of `synthetic`, fitted by moments and by likelihood."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dcsim.errors import Problem, TraceError
from dcsim.scenario.jobs import Ints, JobTable
from dcsim.units import DAY, HOUR, MINUTE, human_count
from dcsim.workloads import _presets
from dcsim.workloads._arrivals import second_of_week
from dcsim.workloads._describe import CLASSES, class_of, hourly_counts, swing, work_of
from dcsim.workloads._durations import Service
from dcsim.workloads._laws import fit_service
from dcsim.workloads._rhythm import FEWEST_DAYS, clumping, fit_batches, fit_rate, rounded
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.synthetic import Synthetic

MOST_STEADY = 0.5
"""Largest steadiness that a fit gives."""


def fit(jobs: JobTable, start: datetime | None = None) -> dict[str, Any]:
    """Keys of a `[workload]` table, as TOML has them, that imitates a table of jobs, all with whole
    accelerators.

    `start` is the calendar time of the trace's second 0. Run times of each size class: `_laws.fit_service`.
    Arrivals: `_rhythm`.
    """
    span_s = float(jobs.submit_s[-1] - jobs.submit_s[0])
    batches = fit_batches(jobs)
    table = {
        "jobs": len(jobs),
        "span": _time(span_s),
        "arrivals": "bursty",
        **fit_rate(hourly_counts(jobs.submit_s, second_of_week(start)), clumping(batches["batch_sizes"])),
        **batches,
        **_priorities(jobs),
        **_tenants(jobs),
        "classes": fit_classes(jobs),
    }
    if span_s >= FEWEST_DAYS * DAY:
        table |= {"steadiness": fit_steadiness(jobs, table, start), "classes": table.pop("classes")}
    return {"use": "synthetic"} | table


def whole(jobs: JobTable) -> tuple[JobTable, list[str]]:
    """The jobs that take accelerators, parts of one made whole, and a sentence on each thing changed.

    Raises TraceError if fewer than two are left.
    """
    remarks = []
    taking = np.flatnonzero(jobs.accelerators > 0)
    if len(taking) < 2:
        file = str(jobs.origin.get("file", "trace"))
        raise TraceError(Problem(file, "", "fewer than two jobs take accelerators"))
    if len(taking) < len(jobs):
        remarks.append(f"left out, jobs that take no accelerator: {human_count(len(jobs) - len(taking))}")
        jobs = jobs.take(taking)
    parts = 0 if jobs.share is None else int(np.count_nonzero(jobs.share < 1))
    if parts:
        remarks.append(f"made whole, jobs that take a part of an accelerator: {human_count(parts)}")
    return replace(jobs, share=None), remarks


def fit_classes(jobs: JobTable) -> dict[str, Any]:
    """The size classes of a table of jobs: share, accelerators and law of run times of each.

    The mean of a law is the class's accelerator-seconds over its accelerators, so that it brings the
    trace's load although size and run time are drawn independently within a class.
    """
    least, most = float(jobs.service_s.min()), float(jobs.service_s.max())
    offset = math.floor(least) if least >= MINUTE else 0.0
    at_most = int(np.count_nonzero(jobs.service_s == most))
    cap = most if at_most >= max(3, len(jobs) / 1000) and most > offset else None
    code = class_of(jobs.accelerators)
    classes = {}
    for number in np.unique(code).tolist():
        row = code == number
        mean = float(work_of(jobs)[row].sum() / jobs.accelerators[row].sum())
        classes[CLASSES[number]] = {
            "share": rounded(float(row.mean())),
            "accelerators": _shares(jobs.accelerators[row]),
            "service": service_table(fit_service(jobs.service_s[row], mean, offset, cap)),
        }
    return classes


def _shares(values: Ints) -> dict[str, float]:
    numbers, counts = np.unique(values, return_counts=True)
    return {str(n): rounded(c / len(values)) for n, c in zip(numbers.tolist(), counts.tolist(), strict=True)}


def _priorities(jobs: JobTable) -> dict[str, Any]:
    if jobs.priority is None or jobs.priority.min() < 0:
        return {}
    return {"priorities": _shares(jobs.priority)}


def _tenants(jobs: JobTable) -> dict[str, Any]:
    """Number of tenants, and the Zipf exponent (at most 4) that gives the largest its share of jobs."""
    codes = jobs.tenant.codes
    counts = np.zeros(0) if codes is None else np.bincount(codes[codes >= 0])
    rank = np.arange(1.0, np.count_nonzero(counts) + 1)
    if len(rank) < 2:
        return {}
    low, high = 0.0, 4.0
    for _ in range(30):
        middle = (low + high) / 2
        enough = 1 / float(np.sum(rank**-middle)) >= counts.max() / counts.sum()
        low, high = (low, middle) if enough else (middle, high)
    return {"tenants": len(rank), "tenant_skew": rounded(round(high, 6))}


def service_table(service: Service) -> dict[str, Any]:
    """A law of run times as TOML has it."""
    table: dict[str, Any] = {"law": service.law}
    for key in ("mean", "median"):
        if (value := getattr(service, key)) is not None:
            table[key] = f"{rounded(value)} s"
    for key in ("scv", "sigma"):
        if (value := getattr(service, key)) is not None:
            table[key] = rounded(value)
    if service.weights is not None and service.means is not None:
        table["weights"] = [rounded(w) for w in service.weights]
        table["means"] = [f"{rounded(m)} s" for m in service.means]
    if service.offset:
        table["offset"] = f"{rounded(service.offset)} s"
    if service.cap is not None:
        table["cap"] = f"{service.cap:.15g} s"
    return table


def _time(seconds: float) -> str:
    """Four significant digits, in the largest unit of which there are two."""
    for unit, factor in (("d", DAY), ("h", HOUR), ("min", MINUTE)):
        if seconds >= 2 * factor:
            return f"{rounded(seconds / factor)} {unit}"
    return f"{rounded(seconds)} s"


def fit_steadiness(jobs: JobTable, table: dict[str, Any], start: datetime | None) -> float:
    """The steadiness with which demand swings as the trace's does, by simulated moments.

    Swings shrink as steadiness grows to about a half, beyond which busy hours become the idle ones: the
    value is found by halving that interval, three workloads drawn at each step.
    """
    target = math.log(swing(jobs))
    keys = _presets.typed(table, Synthetic)
    low, high = 0.0, MOST_STEADY
    for _ in range(5):
        middle = (low + high) / 2
        calmer = _log_swing(Synthetic(**keys | {"steadiness": middle}), start) < target
        low, high = (low, middle) if calmer else (middle, high)
    return rounded((low + high) / 2)


def _log_swing(workload: Synthetic, start: datetime | None) -> float:
    total = 0.0
    for seed in range(3):
        context = WorkloadContext(_no_file, partial(_stream, seed), capacity=1, start=start)
        total += math.log(swing(workload.load(context)))
    return total / 3


def _stream(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, *name.encode()])


def _no_file(path: str) -> Path:
    raise AssertionError("a synthetic workload reads no file")
