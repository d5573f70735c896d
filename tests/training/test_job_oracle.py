"""A job of N steps through the simulator, against N steps in which every operation and transfer is an event."""

from __future__ import annotations

from pathlib import Path

import pytest

from dcsim.performance.devices import device_row
from dcsim.performance.models import model_row
from dcsim.policies.decisions import Allocation, Start
from dcsim.scenario.presets import accelerator, model
from tests.performance.step_oracle import interleaved, job_s, one_f_one_b
from tests.sim.test_rates import Told as Script
from tests.training.given import by_hand, job, loaded, pool, ran, trained

STEPS = 40
KEYS = {"steps": STEPS, "global_batch": 32, "sequence_length": 4096, "accelerators": 8}
PLANS = [
    ("tp = 8, pp = 1", one_f_one_b),
    ("tp = 2, pp = 4, vpp = 1", one_f_one_b),
    ("tp = 2, pp = 4, vpp = 2", interleaved(2)),
]
ALIKE = "micro_batch = 1, recompute = 'none', sharding = 'none'"


@pytest.mark.parametrize(("plan", "order"), PLANS)
def test_a_job_ends_when_the_oracle_says(tmp_path: Path, plan: str, order):
    run = ran(tmp_path, pool(), job("j", '"llama-3-8b"', plan=f"{{ {plan}, {ALIKE} }}", **KEYS))
    (training,) = trained(tmp_path, pool(), job("j", '"llama-3-8b"', plan=f"{{ {plan}, {ALIKE} }}", **KEYS))
    row, device = training.works[0].plans[8], device_row(accelerator("H100-SXM")).device
    expected = job_s(model_row(model("llama-3-8b")), row, device, [1.0] * STEPS, order)
    assert run.summary["makespan_s"] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("plan", "order"), PLANS)
def test_a_job_whose_clock_is_lowered_ends_when_the_oracle_says(tmp_path: Path, plan: str, order):
    source = loaded(tmp_path, pool(), job("j", '"llama-3-8b"', plan=f"{{ {plan}, {ALIKE} }}", **KEYS))
    start = [(0.0, Start(0, Allocation(0, (0,), (8,))))]
    (training,) = by_hand(source, Script(list(start))).trainings
    slow_from = STEPS // 4
    told = by_hand(source, Script(list(start)), [(slow_from * training.reference_step.step_s(), 0, 0.6)])
    clocks = [1.0] * slow_from + [0.6] * (STEPS - slow_from)
    row, device = training.works[0].plans[8], device_row(accelerator("H100-SXM")).device
    expected = job_s(model_row(model("llama-3-8b")), row, device, clocks, order)
    assert told.outcome.end_s == pytest.approx(expected, rel=0.01)
