"""One accelerator's work on a model, without anybody else: what makes accelerators comparable."""

from __future__ import annotations

from typing import NamedTuple

from dcsim.errors import ScenarioError
from dcsim.kernels import facts
from dcsim.performance import models, network
from dcsim.performance.devices import device_row
from dcsim.performance.placed import steady
from dcsim.performance.reader import Reader
from dcsim.performance.request import asked, precision_of
from dcsim.performance.step_time import step_time
from dcsim.scenario.model import Network, Transformer
from dcsim.scenario.spec import Accelerator


class Work(NamedTuple):
    """A step of one accelerator, s, and the share of it that grows as 1 / core clock."""

    step_s: float
    core_clock_share: float


def work_on_one(model: Transformer | Network, accelerator: Accelerator, batch: int) -> Work:
    """A training step of `batch` samples on one accelerator, as if all of the model fitted.

    Raises ScenarioError for an accelerator without a known peak rate.
    """
    reader = Reader("speeds", {})
    if isinstance(model, Network):
        precision = precision_of(reader, accelerator)
        if precision is None:
            raise ScenarioError(reader.problems)
        device = device_row(accelerator, precision)
        step = network.network_step(model, device, network.Training(batch))
        return Work(steady(step.step_s), steady(step.compute_s / step.step_s))
    request = asked(reader, model, accelerator)
    plan = facts.Plan(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, float(batch), float(request.seq_len))
    whole = step_time(models.model_row(model), plan, request.device)
    return Work(steady(whole.step_s), steady(whole.core_clock_share))
