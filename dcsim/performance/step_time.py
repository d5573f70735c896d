"""One training step of one plan of a transformer, and what it is made of."""

from __future__ import annotations

import numpy as np

from dcsim.kernels.facts import BOUNDS, Model, Plan, Step
from dcsim.kernels.step import steps
from dcsim.performance.devices import DeviceRow


def step_time(model: Model, plan: Plan, device: DeviceRow) -> Step:
    """The step of a plan, which is taken to be legal; linear layers run in the device row's precision."""
    told = plan._replace(linear_bytes=device.linear_bytes)
    return Step(*steps(np.array([model]), np.array([told]), device.row)[0].tolist())


def parts(step: Step) -> dict[str, float]:
    """What a step is made of, s, by the names of `kernels.facts.BOUNDS` in their order; kernels know no data."""
    computing_s = step.compute_s - step.launch_s - step.memory_bound_s
    traffic_s = (step.tp_s, step.pp_s, step.dp_s, step.cp_s, step.ep_s)
    times_s = (computing_s, step.memory_bound_s, *traffic_s, step.bubble_s, step.optimizer_s, step.launch_s)
    return {name: float(time_s) for name, time_s in zip(BOUNDS, times_s, strict=False)}
