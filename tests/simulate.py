"""Run the engine on jobs made by hand, without a scenario file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dcsim import plugins
from dcsim.eventlog.log import EventLog
from dcsim.metrics.jobs import JobResults, job_results
from dcsim.metrics.summary import summary
from dcsim.metrics.timeline import Timeline, timeline
from dcsim.scenario.jobs import JobTable, Names
from dcsim.scenario.spec import Accelerator, PluginTable, Pool, Scenario
from dcsim.sim.engine import Engine, Outcome
from dcsim.sim.parts import Part
from dcsim.sim.speeds import Contention, Speeds

if TYPE_CHECKING:
    from dcsim.sim.islands import Islands  # loads networkx and Numba

V100 = Accelerator(name="V100")


@dataclass(frozen=True)
class Simulated:
    """A finished run and what the metrics make of it."""

    scenario: Scenario
    jobs: JobTable
    outcome: Outcome

    @property
    def log(self) -> EventLog:
        return self.outcome.log

    @cached_property
    def results(self) -> JobResults:
        return job_results(self.jobs, self.log, self.outcome.end_s)

    @cached_property
    def timeline(self) -> Timeline:
        return timeline(self.jobs, self.log, len(self.scenario.pools), self.outcome.end_s)

    @cached_property
    def summary(self) -> dict[str, Any]:
        return summary(self.jobs, self.results, self.timeline, self.log, self.scenario.pools)

    @property
    def start_s(self) -> list[float]:
        return self.results.start_s.tolist()

    @property
    def end_s(self) -> list[float]:
        return self.results.end_s.tolist()


def table(
    submit: Sequence[float],
    service: Sequence[float],
    accelerators: Sequence[int] | None = None,
    requested: Sequence[float] | None = None,
    priority: Sequence[int] | None = None,
    **columns: Any,
) -> JobTable:
    """A job table, sorted by submission; one accelerator each and exact requests unless said."""
    service_s = np.asarray(service, dtype=float)
    return JobTable(
        submit_s=np.asarray(submit, dtype=float),
        service_s=service_s,
        accelerators=np.asarray([1] * len(service_s) if accelerators is None else accelerators, dtype=np.int32),
        requested_s=service_s if requested is None else np.asarray(requested, dtype=float),
        priority=None if priority is None else np.asarray(priority, dtype=np.int32),
        **{name: Names.of(v) if isinstance(v, list) else v for name, v in columns.items()},
    ).sorted()


def pools(*sizes: tuple[int, int], accelerator: Accelerator = V100) -> tuple[Pool, ...]:
    """Pools named a, b, ... of (nodes, accelerators in each)."""
    return tuple(
        Pool(name="abcdefgh"[i], accelerator=accelerator, nodes=nodes, accelerators_per_node=width)
        for i, (nodes, width) in enumerate(sizes)
    )


def simulate(
    jobs: JobTable, nodes: int, width: int, scheduler: Any = "fifo", placement: Any = "pack", **fields: Any
) -> Simulated:
    """Run jobs on one pool (or on `pools=` of the fields); policies by name or as objects."""
    speeds: Speeds | None = fields.pop("speeds", None)
    links: Contention | None = fields.pop("links", None)
    parts: Sequence[Part] = fields.pop("parts", ())
    islands: Islands | None = fields.pop("islands", None)
    facts: dict[str, Any] = {
        "name": "test",
        "pools": fields.pop("pools", None) or pools((nodes, width)),
        "workload": PluginTable(use="csv"),
        "scheduler": PluginTable(use=scheduler if isinstance(scheduler, str) else "mine"),
        "placement": PluginTable(use=placement if isinstance(placement, str) else "mine"),
        **fields,
    }
    scenario = Scenario(**facts)
    policies = [
        plugins.find(kind, policy)() if isinstance(policy, str) else policy
        for kind, policy in (("scheduler", scheduler), ("placement", placement))
    ]
    engine = Engine(scenario, jobs, *policies, speeds=speeds)
    if links is not None:
        engine.contend(links, parts, islands)
    return Simulated(scenario, jobs, engine.run())
