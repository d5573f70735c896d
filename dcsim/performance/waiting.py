"""What a training step waits for beside its own work: the slowest of its workers, and their data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dcsim.kernels.waiting import loading_s, slowest_lognormal

STRAGGLERS, LOADING = "stragglers", "data loading"


class Waited(NamedTuple):
    """A step with what it waits for, s: `step_s` is work, then the slowest worker's excess, then late data."""

    step_s: float
    stragglers_s: float
    loading_s: float

    def bound(self, parts: Mapping[str, float]) -> str:
        """What bounds a step whose own work has these parts, s: late data; else the slowest worker, where it costs
        more than the largest part; else that part, the first of equals."""
        if self.loading_s > 0.0:
            return LOADING
        largest = max(parts, key=lambda name: parts[name])
        return STRAGGLERS if self.stragglers_s > parts[largest] else largest


@dataclass(frozen=True)
class Input:
    """How even workers are, and how data come to them. A worker is an accelerator with its share of its host.

    `jitter`: deviation over mean of a worker's step times (log-normal, new each step). `sample_b`: bytes of a sample
    as loaded; `loader_b_per_s`: of one worker; `storage_b_per_s`: of the storage that all share. The data of a step
    are fetched while the step before computes.
    """

    jitter: float = 0.0
    sample_b: float = 0.0
    loader_b_per_s: float = math.inf
    storage_b_per_s: float = math.inf

    def stretch(self, workers: int) -> float:
        """Expected step time of the slowest worker over that of a mean one."""
        return float(slowest_lognormal(1.0, self.jitter, float(workers))) if self.jitter and workers > 1 else 1.0

    def load_s(self, samples: float, workers: int) -> float:
        """Time to bring the samples of a step to its workers, s."""
        rates = self.loader_b_per_s, self.storage_b_per_s / workers
        return 0.0 if min(rates) == math.inf else float(loading_s(samples / workers, self.sample_b, *rates))

    def waited(self, work_s: float, samples: float, workers: int) -> Waited:
        """A step whose own work takes `work_s`, with all that it waits for."""
        ready_s = work_s * self.stretch(workers)
        step_s = max(ready_s, self.load_s(samples, workers))
        return Waited(step_s, ready_s - work_s, step_s - ready_s)
