"""A workload's jobs run in each pool at the ratio of a model's step times on its accelerator."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario import presets
from dcsim.scenario.jobs import JobTable
from dcsim.speeds.base import SpeedContext, TraceSpeeds

if TYPE_CHECKING:
    from dcsim.performance.roofline import Work

Samples = Annotated[int, Field(ge=1, le=1 << 22, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """Run times grow by the ratio of the step times of a model on one accelerator: that of the pool over that on which
    the trace's jobs ran.

    What is compared is one accelerator's work on `batch` samples at once, without communication, in the first 16-bit
    precision that each of both has. Memory is not looked at: the trace's jobs fitted somewhere. The clock of a pool
    slows what computing bounds.
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
        models = self._presets()
        of_name = [models.index(self.models.get(name, self.model)) for name in jobs.model.names]
        default = models.index(self.model)
        codes = np.full(len(jobs), -1, np.int32) if jobs.model.codes is None else jobs.model.codes
        kind = np.array([*of_name, default], np.intp)[codes]
        own, *in_pools = self._works(context)
        there = list(zip(*in_pools, strict=True))
        ratio = np.array([[mine.step_s / other.step_s for other in row] for mine, row in zip(own, there, strict=True)])
        return TraceSpeeds(kind, ratio, np.array([[other.core_clock_share for other in row] for row in there]))

    def check(self, context: SpeedContext) -> None:
        """Every accelerator can do the work of every model."""
        self._works(context)

    def _presets(self) -> list[str]:
        """Names of the model presets that stand for jobs, each once."""
        return list(dict.fromkeys([self.model, *self.models.values()]))

    def _works(self, context: SpeedContext) -> list[list[Work]]:
        """The work of each model on the reference, then in each pool; ScenarioError with all that cannot do any."""
        # The kernels are compiled by Numba, which plain replays and `dcsim list` must not wait for.
        from dcsim.performance.roofline import work_on_one

        models = [presets.model(name) for name in self._presets()]
        works: list[list[Work]] = []
        problems: list[Problem] = []
        chips = {"speeds.accelerator": presets.accelerator(self.accelerator)}
        chips |= {f"pools.{number}.accelerator": pool.accelerator for number, pool in enumerate(context.pools)}
        for key, chip in chips.items():
            try:
                works.append([work_on_one(model, chip, self.batch) for model in models])
            except ScenarioError as error:
                problems += [replace(problem, file=context.file, key=key) for problem in error.problems]
        if problems:
            raise ScenarioError(problems)
        return works
