"""What a plug-in of `[speeds]` is: a frozen dataclass whose fields are its TOML keys, with `speeds(jobs, context)`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dcsim.scenario.jobs import JobTable
from dcsim.scenario.spec import Pool


@dataclass(frozen=True)
class SpeedContext:
    """What a plug-in may know of the scenario: its pools, its file for error texts, and where its paths lead."""

    pools: Sequence[Pool]
    file: str
    resolve: Callable[[str], Path]


@dataclass(frozen=True)
class TraceSpeeds:
    """How fast jobs of a workload run in each pool.

    `kind`: shape (jobs,): number of each job's class. `ratio`: shape (classes, pools): service per second at the
    nominal clock; 0 where such jobs cannot run. `core_share`: shape (classes, pools): share of a job's time that
    grows as 1 / core clock.
    """

    kind: NDArray[np.intp]
    ratio: NDArray[np.float64]
    core_share: NDArray[np.float64]


class SpeedModel(Protocol):
    """Says how fast jobs of a workload run in each pool. One that has a method `check(context)` raises ScenarioError
    there with every mistake that shows before the jobs are read, so that it is told beside those of other tables."""

    def speeds(self, jobs: JobTable, context: SpeedContext) -> TraceSpeeds:
        """For all jobs of the workload, in their order. Raises ScenarioError or TraceError."""
        ...
