"""A workload's jobs run in each pool at measured ratios of throughput."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dcsim.errors import Problem, ScenarioError, nearest
from dcsim.scenario.datapath import DataPath
from dcsim.scenario.jobs import JobTable
from dcsim.speeds.base import SpeedContext, TraceSpeeds
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.throughputs import Throughputs


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Run times grow by the ratio of measured throughputs: of the job's model on a gang of its size, on the GPU type
    on which the trace's jobs ran over that of the pool.

    For traces that name their jobs' models, such as Gavel's. A gang size that was not measured is given the throughput
    of the largest measured gang of its model, in proportion to the GPUs. A throughput of 0 says that a model does not
    fit: such jobs keep away from pools of that GPU type. All of a job's time is taken to grow as
    1 / core clock.
    """

    throughputs: DataPath
    """Gavel's JSON of throughputs, such as `simulation_throughputs.json`."""
    accelerator: str
    """GPU type of that file on which the trace's jobs ran, such as v100."""
    pools: dict[str, str]
    """GPU type of that file for each pool, by the pool's name: `{ fast = "v100", old = "k80" }`."""

    def speeds(self, jobs: JobTable, context: SpeedContext) -> TraceSpeeds:
        """A class for each model and gang size."""
        self.check(context)
        if jobs.model.codes is None or (jobs.model.codes < 0).any():
            where = "speeds.use"
            raise ScenarioError(Problem(context.file, where, "the workload does not name the models of its jobs"))
        file = context.resolve(self.throughputs)
        types = [self.accelerator, *(self.pools[pool.name] for pool in context.pools)]
        tables = {name: Throughputs(Source(file, self.throughputs), name) for name in dict.fromkeys(types)}
        pairs, kind = np.unique(np.stack([jobs.model.codes, jobs.accelerators], axis=1), axis=0, return_inverse=True)
        gangs = [(jobs.model.names[code], gpus) for code, gpus in pairs.tolist()]
        rates = np.array(
            [
                [tables[name].rate(*gang)[0] if tables[name].runs(*gang) or name == types[0] else 0.0 for name in types]
                for gang in gangs
            ]
        )
        return TraceSpeeds(kind.reshape(-1), rates[:, 1:] / rates[:, :1], np.ones((len(pairs), len(context.pools))))

    def check(self, context: SpeedContext) -> None:
        """Every pool has a GPU type."""
        problems = []
        names = [pool.name for pool in context.pools]
        missing = [name for name in names if name not in self.pools]
        for name in missing:
            fix = f'write e.g. {name} = "{self.accelerator}"'
            problems.append(Problem(context.file, f"speeds.pools.{name}", "is missing: no GPU type", fix=fix))
        for name in self.pools:
            if name not in names:
                hint = nearest(name, names)
                problems.append(Problem(context.file, f"speeds.pools.{name}", "no pool of that name", fix=hint))
        if problems:
            raise ScenarioError(problems)
