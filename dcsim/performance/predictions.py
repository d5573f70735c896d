"""Many training configurations at once: a CSV file in, a prediction for each row out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dcsim.errors import Problem, ScenarioError
from dcsim.kernels import facts
from dcsim.kernels.step import steps
from dcsim.performance import rows
from dcsim.performance.devices import DeviceRow, device_row
from dcsim.performance.memory import available_b, needed_b
from dcsim.performance.models import flop_per_token
from dcsim.performance.plan_rules import RECOMPUTE, SHARDING
from dcsim.performance.plans import word_of
from dcsim.performance.row_plans import unusual
from dcsim.performance.row_problems import gathered, problems
from dcsim.performance.search import STEP


@dataclass(frozen=True)
class Prediction:
    """What one row comes to. `plan` is what was computed, in words; `assumed` names the facts in it and elsewhere that
    the row does not give, `notes` those of its device.

    `memory_b` and `fits` are those of the least recompute that fits where the row does not say.
    """

    id: str
    accelerator: str
    accelerators: int
    step_time_s: float
    tokens_per_s_per_accelerator: float
    mfu: float
    memory_b: float
    fits: bool
    bound: str
    plan: str
    assumed: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Predictions:
    """The rows that can be told, in their order, and every mistake of those that cannot, with its line."""

    rows: tuple[Prediction, ...]
    left_out: tuple[Problem, ...] = ()


def predict(path: Path) -> Predictions:
    """Step time, throughput, memory and bound of every row of a CSV file with the columns of `training_measured.csv`.

    Measured columns are not looked at. A row with a cell that cannot be read, whose plan breaks a rule of plans
    (performance/plans.py), or that asks for what its device or model cannot, is left out, every mistake named with its
    line. Raises ScenarioError for a file that is missing, lacks columns or rows, or has none that can be told.
    """
    told: list[rows.Configuration] = []
    odd: list[tuple[str, ...]] = []
    left_out: list[Problem] = []
    for line, row in rows.numbered(path):
        if found := problems(row, path, line):
            left_out += found
            continue
        one = rows.configuration(row)
        told.append(one)
        odd.append(unusual(row, one.model, one.domain))
    if not told:
        raise ScenarioError(gathered(left_out))
    each = zip(_predictions(told), odd, strict=True)
    return Predictions(tuple(replace(p, notes=p.notes + more) for p, more in each), tuple(left_out))


def _predictions(told: list[rows.Configuration]) -> tuple[Prediction, ...]:
    found = rows.Configurations(told)
    devices = [_device(row) for row in told]
    results = steps(found.models, found.plans, np.array([device.device for device in devices]))
    results[:, STEP["memory_b"]] = needed_b(found.models, np.array([row.kept for row in told]))
    return tuple(
        _prediction(row, device, facts.Step(*result))
        for row, device, result in zip(told, devices, results, strict=True)
    )


def _device(row: rows.Configuration) -> DeviceRow:
    return device_row(row.accelerator, row.precision, row.framework, row.domain, row.nic_b_per_s)


def _prediction(row: rows.Configuration, device: DeviceRow, step: facts.Step) -> Prediction:
    tokens_per_s = row.tokens / float(step.step_s)
    flop_per_s = tokens_per_s * flop_per_token(row.model, row.plan.seq_len)
    return Prediction(
        id=row.id,
        accelerator=row.accelerator.name,
        accelerators=int(row.accelerators),
        step_time_s=float(step.step_s),
        tokens_per_s_per_accelerator=tokens_per_s,
        mfu=flop_per_s / device.device.linear_flop_per_s,
        memory_b=float(step.memory_b),
        fits=bool(step.memory_b <= available_b(device.device.memory_b)),
        bound=facts.BOUNDS[int(step.bound)],
        plan=_words(row),
        assumed=row.assumed,
        notes=(*device.notes, *_spared(row)),
    )


def _words(row: rows.Configuration) -> str:
    """The plan, batch and family of frameworks of a row, given or assumed: `tp 8 dp 4, zero1, ...`."""
    plan = row.plan
    named = ((name, getattr(plan, name)) for name in ("tp", "pp", "vpp", "cp", "dp", "ep"))
    degrees = " ".join(f"{name} {value:g}" for name, value in named if value > 1.0) or "one rank"
    kinds = f"{word_of(SHARDING, plan.sharding)}, recompute {word_of(RECOMPUTE, plan.recompute)}"
    return f"{degrees}, {kinds}, micro-batch {plan.micro_batch:g} of {plan.global_batch:g}, {row.framework}"


def _spared(row: rows.Configuration) -> list[str]:
    """What memory takes for granted, and time does not."""
    if row.kept.recompute == row.plan.recompute:
        return []
    least, timed = (word_of(RECOMPUTE, plan.recompute) for plan in (row.kept, row.plan))
    return [f"memory is that with {least} recompute at least, times are those with {timed}"]
