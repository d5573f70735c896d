"""Every pool runs a workload's jobs at the speed that its trace tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dcsim.scenario.jobs import JobTable
from dcsim.speeds.base import SpeedContext, TraceSpeeds


@dataclass(frozen=True)
class Same:
    """Run times are those of the trace in every pool, whatever its accelerators.

    At another `clock` of the pool all of a job's time is taken to grow as 1 / clock, which overstates it for jobs
    that memory or links bound.
    """

    def speeds(self, jobs: JobTable, context: SpeedContext) -> TraceSpeeds:
        """One class of jobs, at rate 1."""
        ones = np.ones((1, len(context.pools)))
        return TraceSpeeds(np.zeros(len(jobs), np.intp), ones, ones)
