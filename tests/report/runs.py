"""Runs of every kind, small, for the tests of the report."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np

from dcsim.run import Run
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.spec import Overheads
from tests.simulate import pools, simulate, table

EVIL = "<img src=x onerror=alert(1)></script>"
EVIL_TENANT = "<b>$x_1$</b> %{x} & \x1b"
START = datetime(2020, 3, 18, 4, 1, 39, tzinfo=timezone(timedelta(hours=8)))


def made(jobs: JobTable, nodes: int, width: int, *policies: Any, **fields: Any) -> Run:
    sim = simulate(jobs, nodes, width, *policies, **fields)
    return Run(sim.scenario, sim.jobs, sim.log, sim.outcome.end_s, sim.outcome.events, 0.0)


def random_jobs(count: int, seed: int = 0) -> JobTable:
    """Jobs of 1 to 16 accelerators that make a cluster of 16 wait; ids and tenants with markup in them."""
    random = np.random.default_rng(seed)
    submit = random.exponential(300.0, count).cumsum() - 0.0
    sizes = random.choice([1, 2, 4, 8, 16], count, p=[0.3, 0.2, 0.2, 0.2, 0.1])
    ids = [EVIL if n % 7 == 3 else f"job-{n}" for n in range(count)]
    tenants = [(EVIL_TENANT, "blue", "")[n % 3] for n in range(count)]
    return table(submit, random.lognormal(7.0, 1.0, count), sizes, job_ids=tuple(ids), tenant=tenants)


RUNS: dict[str, Callable[[], Run]] = {
    "one job": lambda: made(table([0], [60]), 2, 8),
    "many jobs": lambda: made(random_jobs(60), 2, 8),
    "a calendar": lambda: made(random_jobs(60), 2, 8, start=START),
    "no node walls": lambda: made(random_jobs(60), 2, 8, "fifo", "pool"),
    "all rejected": lambda: made(table([0, 1], [5, 5], [64, 64]), 2, 8),
    "preempted": lambda: made(random_jobs(60), 2, 8, "srtf", overheads=Overheads(preemption=20.0)),
    "unfinished": lambda: made(random_jobs(60), 2, 8, horizon=4000.0),
    "nothing submitted": lambda: made(table([50], [5]), 2, 8, horizon=10.0),
    "time-shared": lambda: made(random_jobs(60), 2, 8, "processor_sharing"),
    "two pools": lambda: made(random_jobs(60), 2, 8, pools=pools((3, 4), (2, 16))),
    "pools of very different sizes": lambda: made(random_jobs(60), 2, 8, pools=pools((2, 8), (1, 4), (60, 1), (1, 2))),
    "the same, more bars than can be read": lambda: made(
        random_jobs(1600), 2, 8, pools=pools((2, 8), (1, 4), (900, 1), (1, 2), (1, 1))
    ),
    "parts of devices": lambda: made(table([0, 0, 1], [10, 20, 5], share=np.array([0.6, 0.6, 0.5])), 2, 1),
    "more bars than can be read": lambda: made(random_jobs(1600), 4, 8),
    "all at once and over at once": lambda: made(table([0, 0], [0, 0]), 1, 1),
}
