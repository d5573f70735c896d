"""The facts of all jobs as plain lists, which single look-ups read several times faster than arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dcsim.policies.view import Request
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.spec import Estimates, Pool
from dcsim.sim.fleet import requests
from dcsim.sim.rng import stream


class JobFacts:
    """What policies may know of the jobs, by job number; jobs are numbered in order of submission."""

    def __init__(self, jobs: JobTable, requested_s: list[float], pools: Sequence[Pool]) -> None:
        self.submit_s: list[float] = jobs.submit_s.tolist()
        self.accelerators: list[int] = jobs.accelerators.tolist()
        self.requested_s = requested_s
        self.priority: list[int] = [] if jobs.priority is None else jobs.priority.tolist()
        self.tenant: list[int] = [] if jobs.tenant.codes is None else jobs.tenant.codes.tolist()
        self.requests: list[Request]
        self.request_class: list[int]
        self.requests, self.request_class = requests(jobs, pools)


def requested_times(jobs: JobTable, service_s: list[float], estimates: Estimates, seed: int) -> list[float]:
    """Requested run times, s, shape (n,), under the scenario's error model; `service_s` are the true ones.

    Returns `service_s` itself where the two are the same, to keep a million floats once.
    """
    if estimates.model == "trace":
        return service_s if jobs.requested_s is jobs.service_s else jobs.requested_s.tolist()
    if estimates.model == "exact":
        return service_s
    random = stream(seed, "estimates")
    if estimates.model == "uniform":
        factor = 1.0 + random.uniform(0.0, estimates.spread, len(jobs))
    else:
        factor = np.exp(random.normal(0.0, estimates.spread, len(jobs)))
    requested: list[float] = (jobs.service_s * factor).tolist()
    return requested
