"""Rates of all jobs of a run: what the simulator asks, answered from models and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dcsim.errors import Problem, ScenarioError
from dcsim.performance.interleaving import Phase
from dcsim.performance.shares import WHOLE, Shares
from dcsim.policies.decisions import Allocation
from dcsim.scenario.jobs import JobTable, Names
from dcsim.scenario.spec import Pool
from dcsim.speeds.base import TraceSpeeds

if TYPE_CHECKING:
    from dcsim.performance.training import Training


SCARCE = 2.0**-12
"""A share of NICs' bandwidth that nothing hides behind."""
NOWHERE = "an accelerator that it can run on"
"""What a job asks for that can run in no pool: it is rejected."""


class Rates:
    """`sim.speeds.Speeds` of a scenario: training jobs by their step times, others by the trace's speeds.

    Answers are kept by job class, place, clock and crowd, since many jobs ask the same. `exposed`: share of their time
    in which jobs of the trace wait for what they send, when nothing is in its way; with a share of that bandwidth, it
    alone grows.
    """

    def __init__(
        self,
        jobs: JobTable,
        pools: Sequence[Pool],
        trainings: Sequence[Training],
        trace: TraceSpeeds | None,
        exposed: float = 0.0,
    ) -> None:
        self._trainings = trainings
        self._needs: list[int] = jobs.accelerators.tolist()
        self._training: list[int] = [-1] * len(jobs) if jobs.training is None else jobs.training.tolist()
        self._ratio: list[list[float]] = [] if trace is None else trace.ratio.tolist()
        self._core_share: list[list[float]] = [] if trace is None else trace.core_share.tolist()
        self._kind = self._kinds(trace)
        self._exposed = exposed
        self._known: dict[tuple[object, ...], float] = {}
        self._clocks = [pool.clock for pool in pools]
        few = (n for n, p in enumerate(pools) if p.nics_per_node and p.nics_per_node < p.accelerators_per_node)
        self.shared_nics = frozenset(few if trainings else ())

        self.sizes = {
            job: trainings[number].sizes[::-1]
            for job, number in enumerate(self._training)
            if number >= 0 and len(trainings[number].sizes) > 1
        }

    def _kinds(self, trace: TraceSpeeds | None) -> list[int]:
        """Class of each job of the trace, by job number; those of training jobs mean nothing."""
        kinds = np.zeros(len(self._training), np.intp)
        if trace is not None:
            kinds[np.array(self._training) < 0] = trace.kind
        found: list[int] = kinds.tolist()
        return found

    def rate(self, job: int, allocation: Allocation, clock: float, crowd: int, shares: Shares = WHOLE) -> float:
        """Service per second; see `sim.speeds.Speeds`."""
        number, pool = self._training[job], allocation[0]
        if number < 0:
            core_share = self._core_share[self._kind[job]][pool]
            time = 1.0 - core_share + core_share / clock + self._exposed * (1.0 / shares.dp - 1.0)
            return self._ratio[self._kind[job]][pool] / time
        training = self._trainings[number]
        where = allocation if pool in training.racks else allocation[2] or self._needs[job]
        key = (number, pool, where, clock, crowd, shares)
        rate = self._known.get(key)
        if rate is None:
            size = sum(allocation[2]) or self._needs[job]
            step = training.step(pool, size, training.place(pool, size, allocation[1:3], crowd, shares))
            rate = self._known[key] = training.reference_step.step_s() / step.step_s(clock)
        return rate

    def phase(self, job: int, allocation: Allocation, shares: Shares) -> Phase | None:
        """How long a step of a training job takes with such shares, and for how much of it it sends; None for jobs of a
        trace, of whose steps nobody knows.

        What it sends may hide behind computing; with next to no bandwidth nothing does, and a step grows by all of it.
        """
        if self._training[job] < 0:
            return None
        service_s = self._trainings[self._training[job]].reference_step.step_s()
        clock = self._clocks[allocation[0]]
        step_s, little_s, less_s = (
            service_s / self.rate(job, allocation, clock, 0, shares.times(left)) for left in (1.0, SCARCE, SCARCE / 2.0)
        )
        return Phase(step_s, min((less_s - little_s) * SCARCE, step_s))


def kept_away(jobs: JobTable, pools: Sequence[Pool], trace: TraceSpeeds) -> JobTable:
    """The jobs, with those of the trace asking for accelerators of pools in which they run at all.

    Jobs that name accelerators themselves keep to these. Raises ScenarioError where two pools of the same accelerator
    differ in what runs there.
    """
    if trace.ratio.all():
        return jobs
    devices = [pool.accelerator.name for pool in pools]
    able = [{name for name, ratio in zip(devices, row, strict=True) if ratio} for row in trace.ratio.tolist()]
    unable = [{name for name, ratio in zip(devices, row, strict=True) if not ratio} for row in trace.ratio.tolist()]
    for here, there in zip(able, unable, strict=True):
        if here & there:
            what = "a job cannot run in one pool and can in another of the same accelerator"
            raise ScenarioError(Problem("speeds", "speeds.pools", what, got=", ".join(sorted(here & there))))
    names: list[str | None] = [jobs.accelerator_names.name(row) for row in range(len(jobs))]
    own = range(len(jobs)) if jobs.training is None else np.flatnonzero(jobs.training < 0).tolist()
    for row, kind in zip(own, trace.kind.tolist(), strict=True):
        if unable[kind]:
            asked = names[row]
            wanted = devices if asked is None else asked.split("|")
            names[row] = "|".join(name for name in dict.fromkeys(wanted) if name not in unable[kind]) or NOWHERE
    return replace(jobs, accelerator_names=Names.of(names))
