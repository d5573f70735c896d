"""Networks as training jobs: memory, micro-batches and steps are those that `plan` and `estimate` tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from dcsim.errors import ScenarioError
from dcsim.performance.estimate import estimate
from dcsim.performance.planner import plan
from dcsim.scenario import presets
from tests.training.given import job, pool, ran, trained

RESNET, V100, A100 = '"resnet-50"', "V100-SXM2-16GB", "A100-SXM4-80GB"
HERE = pool(accelerator=f'"{A100}"')


@pytest.mark.parametrize("model", [n for n in presets.names("models") if presets.model(n).kind == "network"])
def test_a_job_takes_what_the_planner_says(tmp_path: Path, model: str):
    (told,) = ran(tmp_path, HERE, job("j", f'"{model}"', accelerators=8, global_batch=512, jitter=0.05)).trained
    options = {"count": 8, "global_batch": 512, "jitter": 0.05}
    best = estimate(model, A100, samples=51200, **options).plan
    assert told.step_time_s == pytest.approx(best.step_time_s, rel=1e-9)
    assert told.device_memory_b == pytest.approx(best.memory_b, rel=1e-9)
    assert (told.mfu, told.bound) == (pytest.approx(best.mfu), best.bound)
    assert told.plan == f"dp 8, micro-batch {best.micro_batch}"
    assert best in plan(model, A100, top=100, **options).plans


def test_a_batch_that_does_not_fit_is_computed_in_micro_batches(tmp_path: Path):
    # A sample keeps some 28 million results of two bytes for backward: 256 of them fit into 16 GB, 512 do not.
    small = pool(accelerator=f'"{V100}"')
    (cut,) = trained(tmp_path, small, job("j", RESNET, global_batch=8192))
    (fits,) = trained(tmp_path, small, job("j", RESNET, global_batch=8192, plan="{ micro_batch = 16 }"))
    step = cut.reference_step
    assert step.memory_b < 16e9
    assert step.plan == "micro-batch 256"
    assert fits.reference_step.plan == "micro-batch 16"
    assert fits.reference_step.memory_b < step.memory_b
    assert fits.service_s > cut.service_s  # more, smaller kernels


def test_a_network_that_does_not_fit_is_refused_with_the_bytes(tmp_path: Path):
    keys = {"global_batch": 8192, "plan": "{ micro_batch = 8192 }"}
    with pytest.raises(ScenarioError) as caught:
        trained(tmp_path, pool(accelerator=f'"{V100}"'), job("j", RESNET, **keys))
    (problem,) = caught.value.problems
    assert problem.key == "jobs.0.plan.micro_batch"
    assert problem.line is not None
    said = str(problem)
    assert "resnet-50 does not fit into V100-SXM2-16GB on 1: 8192 samples at once" in said
    needed, available = (float(text.split(" B ")[0].split()[-1]) for text in said.split("got ")[1].split("expected "))
    assert needed > 8192 * 50e6
    assert available < 16 * 2**30


def test_elastic_networks_have_the_sizes_that_divide_the_batch_and_fit(tmp_path: Path):
    keys = {"accelerators": None, "min_accelerators": 1, "max_accelerators": 12, "global_batch": 96}
    (training,) = trained(tmp_path, pool(nodes=2), job("e", RESNET, **keys))
    assert training.sizes == (1, 2, 3, 4, 6, 8, 12)
    (narrow,) = trained(tmp_path, pool(nodes=2), job("e", RESNET, **keys, plan="{ micro_batch = 24 }"))
    assert narrow.sizes == (1, 2, 4)  # shares of 96, 48 and 24 samples
    with pytest.raises(ScenarioError, match=r"global_batch: no number of accelerators divides it \(got 97"):
        trained(tmp_path, pool(nodes=2), job("e", RESNET, **keys | {"global_batch": 97, "min_accelerators": 2}))
