"""A workload's jobs run in each pool at the ratio of a model's step times on its accelerator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from pydantic import Field

from dcsim.scenario import presets
from dcsim.scenario.jobs import JobTable
from dcsim.speeds.base import SpeedContext, TraceSpeeds

Samples = Annotated[int, Field(ge=1, le=1 << 22, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """Run times grow by the ratio of the step times of a model on one accelerator: that of the pool over that on which
    the trace's jobs ran.

    What is compared is one accelerator's work on `batch` samples, without communication, in the first 16-bit precision
    that each of both has. Memory is not looked at: the trace's jobs fitted somewhere. The clock of a pool slows what
    computing bounds.
    """

    accelerator: str
    """Name of the accelerator preset on which the trace's jobs ran."""
    model: str
    """Name of the model preset that stands for jobs whose trace names no model, or none of `models`."""
    models: dict[str, str] = field(default_factory=dict)
    """Model presets by the names that the trace gives its jobs' models."""
    batch: Samples = 8
    """Samples of one accelerator's step; sequences of a transformer."""

    def __post_init__(self) -> None:
        for key, kind, names in (
            ("accelerator", "accelerators", [self.accelerator]),
            ("model", "models", [self.model]),
            ("models", "models", self.models.values()),
        ):
            for name in names:
                if {name, name.lower()}.isdisjoint(presets.names(kind)):
                    raise ValueError(f"{key}: no preset of the name '{name}'; {presets.nearest_names(kind, name)}")

    def speeds(self, jobs: JobTable, context: SpeedContext) -> TraceSpeeds:
        """A class for each preset that stands for some jobs."""
        # The kernels are compiled by Numba, which plain replays and `dcsim list` must not wait for.
        from dcsim.performance.roofline import work_on_one

        models = list(dict.fromkeys([self.model, *self.models.values()]))
        of_name = [models.index(self.models.get(name, self.model)) for name in jobs.model.names]
        default = models.index(self.model)
        codes = np.full(len(jobs), -1, np.int32) if jobs.model.codes is None else jobs.model.codes
        kind = np.array([*of_name, default], np.intp)[codes]
        reference = presets.accelerator(self.accelerator)
        facts = [presets.model(name) for name in models]
        own = [work_on_one(model, reference, self.batch) for model in facts]
        there = [[work_on_one(model, pool.accelerator, self.batch) for pool in context.pools] for model in facts]
        ratio = np.array([[mine.step_s / other.step_s for other in row] for mine, row in zip(own, there, strict=True)])
        return TraceSpeeds(kind, ratio, np.array([[other.core_clock_share for other in row] for row in there]))
