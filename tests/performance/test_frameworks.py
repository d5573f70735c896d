"""Training frameworks of a question: their constants, what they make of plans, and that measured rows agree."""

from __future__ import annotations

import numpy as np
import pytest

import dcsim
from dcsim.kernels import facts
from dcsim.kernels.facts import Plan
from dcsim.performance.devices import device_row
from dcsim.performance.frameworks import FRAMEWORKS, PLAN, as_run, usual_framework
from dcsim.performance.memory import eager
from dcsim.performance.predictions import predict
from dcsim.scenario import presets

BASE = Plan(tp=1, pp=1, vpp=1, dp=8, cp=1, ep=1, micro_batch=1, global_batch=64, seq_len=4096)
KINDS = [BASE._replace(sharding=kind, pp=stages) for kind in (facts.ZERO1, facts.ZERO3) for stages in (1.0, 2.0)]
FIXED = {"tp": 1, "pp": 1, "cp": 1, "dp": 8, "micro_batch": 1, "recompute": "none", "sharding": "zero3"}


def column(name: str, framework: str, precision: str = "bf16") -> list[float]:
    """A column of ZeRO-1 and ZeRO-3 plans on one stage and two."""
    return as_run(np.array(KINDS), FRAMEWORKS[framework], precision)[:, PLAN[name]].tolist()


def test_plans_of_megatron_are_those_of_the_kernels():
    assert as_run(np.array(KINDS), FRAMEWORKS["megatron"], "bf16").tolist() == np.array(KINDS).tolist()


def test_pytorch_adds_gradients_up_in_memory_and_shares_its_master_weights():
    # 2 bytes read, and a sum of 4 read and written, for each micro-batch but where gradients are scattered at once.
    assert column("accumulate_b", "pytorch") == [10, 10, 0, 0]
    assert column("optimizer_bytes", "pytorch") == [12, 12, 10, 10]
    assert column("kept_factor", "pytorch") == [1, 1, 1, 1]


def test_a_single_micro_batch_has_nothing_to_add_up():
    plans = as_run(np.array([KINDS[0]._replace(global_batch=8)]), FRAMEWORKS["pytorch"], "bf16")
    assert plans[0, PLAN["accumulate_b"]] == 0


def test_deepspeed_keeps_more_sums_whole_gradients_in_pipelines_of_bf16_and_shards_no_weights_there():
    for name in ("kept_factor", "loss_bytes"):
        assert column(name, "deepspeed") == [getattr(eager(), name)] * 3
    assert column("beside_bytes", "deepspeed") == [2, 2, 0]
    assert column("sum_whole", "deepspeed") == [0, 1, 0]
    assert column("sum_whole", "deepspeed", "fp16") == [0, 0, 0]
    assert column("sum_whole", "pytorch") == [0, 0, 0, 0]


def test_gradients_that_fsdp_sends_in_16_bits_add_up_in_32():
    plans = np.array([plan._replace(gradient_bytes=2.0) for plan in KINDS])
    found = as_run(plans, FRAMEWORKS["pytorch"], "bf16")
    assert found[:, PLAN["beside_bytes"]].tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize(
    ("fixed", "said"),
    [
        ({"pp": 4, "sharding": "zero3"}, "sharding: DeepSpeed's pipelines shard no gradients and no weights"),
        ({"sharding": "hsdp"}, "sharding: DeepSpeed has no such sharding"),
        ({"pp": 4, "vpp": 2}, "vpp: DeepSpeed's stages have one chunk each"),
        ({"pp": 4, "schedule": "zb-h1"}, "schedule: DeepSpeed's pipelines run 1f1b"),
    ],
)
def test_what_deepspeed_cannot_run_is_refused_and_not_proposed(fixed, said):
    options = {"count": 64, "global_batch": 512, "framework": "deepspeed"}
    with pytest.raises(dcsim.ScenarioError, match=said):
        dcsim.plan("llama-3-70b", "H100-SXM", **options, **fixed)
    for plan in dcsim.plan("llama-3-70b", "H100-SXM", **options, top=20).plans:
        assert plan.sharding != "hsdp"
        assert plan.pp == 1 or (plan.vpp == 1 and plan.sharding in ("none", "zero1"))


def test_checkpoints_of_fp32_weights_hold_no_others():
    options = {"tokens": 1e12, "count": 64, "global_batch": 512}
    sizes = [
        dcsim.estimate("llama-3-8b", "H100-SXM", framework=name, **options).checkpoint.size_b / 8.03e9
        for name in ("megatron", "deepspeed", "pytorch", "jax")
    ]
    assert sizes == pytest.approx([14, 14, 12, 12], rel=1e-3)


@pytest.mark.parametrize(("accelerator", "name"), [("H100-SXM", "megatron"), ("TPU-v5p", "jax")])
def test_what_is_assumed_goes_by_the_device_and_is_said(accelerator, name):
    assert usual_framework(presets.accelerator(accelerator)) == FRAMEWORKS[name]
    options = {"count": 64, "global_batch": 512, "seq_len": 4096}
    found, named = (dcsim.plan("llama-3-8b", accelerator, **options, **f) for f in ({}, {"framework": name}))
    assert found == named
    assert (found.plans[0].framework, found.plans[0].gradient_bytes) == (name, 4.0)
    assert found.notes[0] == f"as {FRAMEWORKS[name].words}, fp32 gradients"
    told = dcsim.estimate("llama-3-8b", accelerator, tokens=1e12, **options).assumptions
    assert f"{found.notes[0]} (framework)" in [each.what for each in told]


def test_gradients_of_two_bytes_take_half_the_memory_and_traffic():
    plan = {"tp": 8, "pp": 1, "cp": 1, "dp": 2, "micro_batch": 1, "recompute": "none", "sharding": "none"}
    options = {"count": 16, "global_batch": 2, "seq_len": 512, "top": 1, **plan}
    wide, narrow = (dcsim.plan("llama-3-8b", "B200-SXM", gradient_bytes=size, **options).plans[0] for size in ("4", 2))
    parameters = 8.03e9 / 8  # of a tensor rank
    assert wide.memory_b - narrow.memory_b == pytest.approx(2 * parameters, rel=0.01)
    sent_s = [each.shares["dp"] * each.step_time_s for each in (wide, narrow)]
    device = device_row(presets.accelerator("B200-SXM")).device
    # As much of both hides behind backward: they differ by 2 bytes a parameter, an all-reduce between two servers.
    assert sent_s[0] - sent_s[1] == pytest.approx(
        2 * parameters / (device.nic_b_per_s * device.nic_efficiency), rel=0.01
    )


@pytest.mark.parametrize("size", [3, "fp32", 0])
def test_gradients_have_two_or_four_bytes(size):
    with pytest.raises(dcsim.ScenarioError, match=r"gradient_bytes: .*expected 2 or 4"):
        dcsim.plan("llama-3-8b", "H100-SXM", count=8, global_batch=8, gradient_bytes=size)


@pytest.mark.parametrize(("framework", "text"), [("megatron", "NeMo"), ("pytorch", "torchtitan"), ("jax", "MaxText")])
def test_a_fixed_plan_is_as_fast_as_the_same_measured_row(tmp_path, framework, text):
    names = "model,accelerator,n_accelerators,framework,precision,seq_len,tp,pp,cp,dp,micro_batch,global_batch"
    row = f"llama-3-8b,H100-SXM,8,{text},bf16,4096,1,1,1,8,1,64"
    (tmp_path / "rows.csv").write_text(f"{names},sharding,recompute\n{row},zero3,none\n", encoding="utf-8")
    options = {"count": 8, "global_batch": 64, "seq_len": 4096, "framework": framework}
    (best,) = dcsim.plan("llama-3-8b", "H100-SXM", **options, **FIXED, top=1).plans
    (same,) = predict(tmp_path / "rows.csv").rows
    assert best.tokens_per_s_per_accelerator == pytest.approx(same.tokens_per_s_per_accelerator, rel=2e-3)
