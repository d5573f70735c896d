"""One accelerator's work on a model, without anybody else: what makes accelerators comparable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from dcsim.errors import ScenarioError
from dcsim.kernels import facts
from dcsim.performance import models, network
from dcsim.performance.devices import DeviceRow, device_row
from dcsim.performance.placed import steady
from dcsim.performance.reader import Reader
from dcsim.performance.request import asked, precision_of
from dcsim.performance.step_time import step_time
from dcsim.scenario.model import Network, Transformer
from dcsim.scenario.spec import Accelerator

SLOWER = 0.8
"""Core clock, over the nominal one, at which a step is computed anew: between those that power policies set."""


class Work(NamedTuple):
    """A step of one accelerator, s, and the share of it that grows as 1 / core clock."""

    step_s: float
    core_clock_share: float


def work_on_one(model: Transformer | Network, accelerator: Accelerator, batch: int) -> Work:
    """A training step of `batch` samples at once on one accelerator, as if all of the model fitted.

    Raises ScenarioError for an accelerator without a known peak rate.
    """
    reader = Reader("speeds", {})
    if isinstance(model, Network):
        precision = precision_of(reader, accelerator)
        if precision is None:
            raise ScenarioError(reader.problems)
        device = device_row(accelerator, precision)
        training = network.Training(batch)
        return _work(lambda device: network.network_step(model, device, training).step_s, device)
    request = asked(reader, model, accelerator)
    plan = facts.Plan(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, float(batch), float(batch), float(request.seq_len))
    row = models.model_row(model)
    return _work(lambda device: step_time(row, plan, device).step_s, request.device)


def _work(step_s: Callable[[DeviceRow], float], device: DeviceRow) -> Work:
    """The step, and what of it a lower clock makes longer: waiting for the host gets shorter then."""
    nominal_s, slower_s = (
        step_s(replace(device, device=device.device._replace(clock=clock))) for clock in (1.0, SLOWER)
    )
    return Work(steady(nominal_s), steady(max(slower_s / nominal_s - 1.0, 0.0) / (1.0 / SLOWER - 1.0)))
