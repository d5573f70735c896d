"""One training step of one plan: facts in, a small result out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dcsim.kernels.facts import BOUNDS, Model, Plan, Step
from dcsim.kernels.step import steps
from dcsim.performance.devices import DeviceRow


@dataclass(frozen=True)
class StepTime:
    """What a step takes, and why.

    `parts`: the columns of `Step` by name; `bound`: the largest part in words; `tokens_per_s` of all accelerators;
    `model_flop_utilization`: model FLOP/s over the dense peak of linear layers' precision; `notes`: what was assumed.
    """

    step_s: float
    tokens_per_s: float
    model_flop_utilization: float
    memory_b: float
    bound: str
    core_clock_share: float
    parts: dict[str, float]
    notes: tuple[str, ...]

    def step_s_at(self, clock: float) -> float:
        """Step time at a core clock of that share of the nominal one, s: the compute-bound part grows as 1 / clock."""
        return self.step_s * (1.0 - self.core_clock_share + self.core_clock_share / clock)


def step_time(model: Model, plan: Plan, device: DeviceRow) -> StepTime:
    """The step time of a plan, which is taken to be legal; linear layers run in the device row's precision."""
    told = plan._replace(linear_bytes=device.linear_bytes)
    row = Step(*steps(np.array([model]), np.array([told]), device.row)[0].tolist())
    accelerators = plan.tp * plan.pp * plan.dp * plan.cp
    peak = accelerators * device.device.linear_flop_per_s
    return StepTime(
        step_s=row.step_s,
        tokens_per_s=plan.global_batch * plan.seq_len / row.step_s,
        model_flop_utilization=row.model_flop / row.step_s / peak,
        memory_b=row.memory_b,
        bound=BOUNDS[int(row.bound)],
        core_clock_share=row.core_clock_share,
        parts=row._asdict(),
        notes=device.notes,
    )
