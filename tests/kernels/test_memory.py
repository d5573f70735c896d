"""Bytes of a training step, against published formulae and sums by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim.kernels import facts
from dcsim.kernels.facts import Model, Plan
from dcsim.kernels.memory import Memory, checkpoint_bytes, in_flight, kv_cache_bytes, stage_memory, worst_stage_bytes

B, S, H, HEADS, LAYERS = 4.0, 2048.0, 4096.0, 32.0, 24.0
GPT = Model(LAYERS, H, HEADS, HEADS, H / HEADS, 4.0 * H, gated=0.0, vocab=51200.0, tied=1.0)
ONE = Plan(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, B, B, S, flash=0.0, dropout=1.0)
MOE = Model(4.0, 64.0, 4.0, 4.0, 16.0, 256.0, 1.0, 1000.0, 0.0, experts=8.0, top_k=2.0, expert_hidden=32.0)
SBH, SCORES = S * B * H, 5.0 * HEADS * S / H  # Korthikanti's s b h and 5 a s / h


def parts(model: Model, plan: Plan) -> Memory:
    return Memory(*stage_memory(np.array([model]), np.array([plan]))[0])


def activations(plan: Plan, model: Model = GPT) -> float:
    """Bytes a layer."""
    return parts(model, plan).activations_b / model.layers


def states(model: Model, plan: Plan) -> float:
    found = parts(model, plan)
    return found.weights_b + found.gradients_b + found.optimizer_b


@pytest.mark.parametrize(("stage", "gigabytes"), [(0, 120.0), (1, 31.4), (2, 16.6), (3, 1.9)])
def test_states_are_those_of_the_zero_paper(stage: int, gigabytes: float) -> None:
    """Rajbhandari 2020, arXiv 1910.02054, figure 1: 7.5e9 parameters, 64 ranks, 12 bytes of optimiser states."""
    model = Model(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, parameters=7.5e9)
    plan = ONE._replace(dp=64.0, global_batch=64.0 * B, gradient_bytes=2.0, sharding=float(stage))
    assert states(model, plan) / 1e9 == pytest.approx(gigabytes, abs=0.05)


@pytest.mark.parametrize(("sharding", "each"), [(facts.UNSHARDED, 18.0), (facts.ZERO1, 6.0 + 12.0 / 8.0)])
def test_states_are_those_that_megatron_counts(sharding: float, each: float) -> None:
    """Megatron-LM theoretical_memory_usage.py: 18 bytes a parameter, 6 + 12 / d with the distributed optimiser."""
    plan = ONE._replace(dp=8.0, global_batch=8.0 * B, sharding=sharding)
    layer = 12.0 * H * H + 2.0 * H  # weights of products and norms
    assert states(GPT, plan) == pytest.approx(each * (LAYERS * layer + 51200.0 * H))


@pytest.mark.parametrize(("sharding", "shares"), [(0, 1.0), (facts.ZERO1, 1.0), (facts.ZERO2, 8.0), (facts.ZERO3, 8.0)])
def test_gradients_beside_those_that_are_sent_are_divided_like_them(sharding: float, shares: float) -> None:
    """Plain code keeps 8 + 12 / d bytes a parameter under ZeRO-1: weights, both gradients, a share of the states."""
    plan = ONE._replace(dp=8.0, global_batch=8.0 * B, sharding=sharding)
    both, sent = (parts(GPT._replace(trainable=0.5), plan._replace(beside_bytes=each)) for each in (2.0, 0.0))
    held = LAYERS * (12.0 * H * H + 2.0 * H) + 51200.0 * H
    assert both.gradients_b - sent.gradients_b == pytest.approx(0.5 * 2.0 * held / shares)
    assert both._replace(gradients_b=0.0) == sent._replace(gradients_b=0.0)


def test_hsdp_divides_states_over_its_group_alone() -> None:
    whole = ONE._replace(dp=64.0, global_batch=64.0 * B, sharding=facts.HSDP, shard_ranks=8.0)
    alone = ONE._replace(dp=8.0, global_batch=8.0 * B, sharding=facts.ZERO3)
    assert states(GPT, whole) == states(GPT, alone)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, SBH * (34.0 + SCORES)),
        ({"tp": 8.0}, SBH * (10.0 + 24.0 / 8.0 + SCORES / 8.0)),
        ({"tp": 8.0, "sequence_parallel": 1.0}, SBH * (34.0 + SCORES) / 8.0),
        ({"tp": 8.0, "sequence_parallel": 1.0, "recompute": facts.SELECTIVE}, SBH * 34.0 / 8.0),
        ({"tp": 8.0, "recompute": facts.FULL}, SBH * 2.0),
        ({"tp": 8.0, "sequence_parallel": 1.0, "recompute": facts.FULL}, SBH * 2.0 / 8.0),
    ],
)
def test_activations_are_those_of_korthikanti(changes: dict[str, float], expected: float) -> None:
    """Korthikanti 2022, arXiv 2205.05198, table 2; sequence parallelism also divides what full recompute keeps."""
    assert activations(ONE._replace(**changes)) == pytest.approx(expected)


def test_flash_attention_keeps_statistics_in_place_of_scores() -> None:
    assert activations(ONE._replace(flash=1.0)) == pytest.approx(SBH * 34.0 + 4.0 * HEADS * S * B)


def test_without_dropout_no_masks_are_kept() -> None:
    plan = ONE._replace(dropout=0.0)
    assert activations(plan) == pytest.approx(SBH * 32.0 + 2.0 * HEADS * S * S * B)


def test_grouped_queries_and_gated_mlps_are_counted_tensor_by_tensor() -> None:
    """Llama-3-8B, one token: norms 4 h, q and o 2 h, k and v 2 x 8 x 128, gate, up and product 3 f; 2 bytes each."""
    llama = Model(32.0, 4096.0, 32.0, 8.0, 128.0, 14336.0, 1.0, 128256.0, 0.0)
    plan = ONE._replace(micro_batch=1.0, global_batch=1.0, seq_len=1.0, flash=1.0, dropout=0.0)
    expected = 2.0 * (6.0 * 4096.0 + 2.0 * 8.0 * 128.0 + 3.0 * 14336.0) + 4.0 * 32.0
    assert activations(plan, llama) == pytest.approx(expected)


def test_published_parameters_of_llama_3_8b_come_out_of_its_widths() -> None:
    """8,030,261,248 parameters (meta-llama/Meta-Llama-3-8B); the count leaves out the last norm."""
    llama = Model(32.0, 4096.0, 32.0, 8.0, 128.0, 14336.0, 1.0, 128256.0, 0.0)
    assert parts(llama, ONE).weights_b == 2.0 * (8030261248.0 - 4096.0)


def test_experts_are_divided_by_expert_ranks_and_their_states_by_the_rest() -> None:
    plan = ONE._replace(dp=8.0, ep=4.0, global_batch=8.0 * B, sharding=facts.ZERO1)
    attention, router, norms = 4.0 * 64.0 * 64.0, 64.0 * 8.0, 2.0 * 64.0
    dense = 4.0 * (attention + router + norms) + 2.0 * 1000.0 * 64.0
    experts = 4.0 * 3.0 * 64.0 * 32.0 * 8.0 / 4.0
    found = parts(MOE, plan)
    assert found.weights_b == pytest.approx(2.0 * (dense + experts))
    assert found.optimizer_b == pytest.approx(12.0 * (dense / 8.0 + experts / 2.0))


def test_a_domain_of_hsdp_holds_all_experts_whatever_spreads_them() -> None:
    plan = ONE._replace(dp=16.0, global_batch=16.0 * B, sharding=facts.HSDP, shard_ranks=8.0)
    routed = 4.0 * 3.0 * 64.0 * 32.0 * 8.0
    each = [parts(MOE, plan._replace(ep=ep)).optimizer_b for ep in (1.0, 2.0, 4.0, 8.0)]
    assert each == pytest.approx([each[0]] * 4)  # an eighth on every rank of eight
    assert parts(MOE, plan._replace(ep=16.0)).optimizer_b == pytest.approx(each[0] - 12.0 * routed / 16.0)


def test_whole_experts_are_divided_by_ep_and_cut_ones_by_tp_too() -> None:
    plan = ONE._replace(tp=4.0, dp=8.0, ep=8.0, global_batch=8.0 * B)
    routed = 4.0 * 3.0 * 64.0 * 32.0 * 8.0
    whole, cut = (parts(MOE, plan._replace(cut_experts=cut)).weights_b for cut in (0.0, 1.0))
    assert whole - cut == pytest.approx(2.0 * routed * (1.0 / 8.0 - 1.0 / 32.0))
    # Dispatched copies, in and out of two experts: of all tokens where tp cuts experts, of a fourth where it does not.
    whole, cut = (parts(MOE, plan._replace(cut_experts=cut)).activations_b for cut in (0.0, 1.0))
    assert cut - whole == pytest.approx(4.0 * B * S * 2.0 * 2.0 * 2.0 * 64.0 * (1.0 - 1.0 / 4.0))


def test_weights_of_four_bytes_need_no_master_copy() -> None:
    found = parts(GPT, ONE._replace(linear_bytes=4.0))
    assert found.optimizer_b == 2.0 * found.weights_b  # two moments


def test_unfused_scores_are_kept_whole_whatever_the_window() -> None:
    assert activations(ONE, GPT._replace(window=64.0)) == activations(ONE)


def test_one_stage_keeps_one_micro_batch_whatever_its_schedule() -> None:
    for schedule in (facts.GPIPE, facts.ZB_H1, facts.ZB_H2, facts.DUALPIPE):
        assert in_flight(ONE._replace(schedule=schedule), 0.0, 32.0) == 1.0


def test_behind_dense_first_layers_the_second_stage_can_be_the_worst() -> None:
    """It holds 64 experts of 32, their router, attention and norms, and no table; the first one an MLP of 256."""
    plan = ONE._replace(pp=4.0, micro_batch=1.0, global_batch=8.0, seq_len=8.0)
    layer = 4.0 * 64.0 * 64.0 + 2.0 * 64.0 + 64.0 * 64.0 + 64.0 * 3.0 * 64.0 * 32.0
    assert parts(MOE._replace(experts=64.0, dense_layers=1.0, vocab=1.0), plan).weights_b == 2.0 * layer


def test_latent_attention_holds_the_parameters_of_deepseek_v3() -> None:
    """arXiv 2412.19437: 671e9 parameters; 61 layers, 3 of them dense, 256 experts of 2,048 and a shared one."""
    model = Model(
        61.0, 7168.0, 128.0, 128.0, 128.0, 18432.0, 1.0, 129280.0, 0.0, experts=256.0, top_k=8.0,
        expert_hidden=2048.0, shared_hidden=2048.0, dense_layers=3.0, q_rank=1536.0, kv_rank=512.0, rope_dim=64.0,
        v_head_dim=128.0,
    )  # fmt: skip
    assert parts(model, ONE).weights_b / 2.0 == pytest.approx(671e9, rel=1e-3)


def test_the_first_stage_holds_the_embedding_and_the_last_the_head() -> None:
    tied = parts(GPT, ONE._replace(pp=1.0)).weights_b
    split = parts(GPT._replace(tied=0.0), ONE).weights_b
    assert split - tied == 2.0 * 51200.0 * H
    two = parts(GPT, ONE._replace(pp=2.0, global_batch=8.0 * B))
    assert two.weights_b == pytest.approx(2.0 * (LAYERS / 2.0 * (12.0 * H * H + 2.0 * H) + 51200.0 * H))


def test_a_large_vocabulary_makes_the_last_stage_the_worst() -> None:
    plan = ONE._replace(pp=2.0, global_batch=8.0 * B, recompute=facts.FULL, micro_batch=16.0)
    assert parts(GPT, plan).logits_b == pytest.approx(16.0 * S * (6.0 * 51200.0 + 4.0 * H))


def test_low_rank_adapters_need_neither_gradients_nor_states_of_frozen_weights() -> None:
    whole, adapters = parts(GPT, ONE), parts(GPT._replace(trainable=0.01), ONE)
    assert adapters.weights_b == whole.weights_b
    assert adapters.gradients_b == pytest.approx(0.01 * whole.gradients_b)
    assert adapters.optimizer_b == pytest.approx(0.01 * whole.optimizer_b)


@pytest.mark.parametrize(
    ("schedule", "vpp", "stage", "expected"),
    [
        (facts.GPIPE, 1.0, 0.0, 32.0),
        (facts.ONE_F_ONE_B, 1.0, 0.0, 8.0),
        (facts.ONE_F_ONE_B, 1.0, 7.0, 1.0),
        (facts.ONE_F_ONE_B, 4.0, 0.0, 8.0 * (1.0 + 7.0 / 32.0)),
        (facts.ZB_H1, 1.0, 7.0, 8.0),
        (facts.ZB_H2, 1.0, 0.0, 15.0),
        (facts.DUALPIPE, 1.0, 0.0, 9.0),
    ],
)
def test_micro_batches_in_flight_are_those_of_each_schedule(
    schedule: float, vpp: float, stage: float, expected: float
) -> None:
    plan = ONE._replace(pp=8.0, schedule=schedule, vpp=vpp)
    assert in_flight(plan, stage, 32.0) == pytest.approx(expected)


def test_no_more_micro_batches_are_in_flight_than_there_are() -> None:
    assert in_flight(ONE._replace(pp=8.0), 0.0, 3.0) == 3.0


def test_dualpipe_holds_two_copies_of_the_parameters() -> None:
    plan = ONE._replace(pp=4.0, global_batch=8.0 * B)
    layers = LAYERS / 4.0 * (12.0 * H * H + 2.0 * H)
    dual = parts(GPT, plan._replace(schedule=facts.DUALPIPE))
    assert dual.weights_b == pytest.approx(2.0 * (2.0 * layers + 2.0 * 51200.0 * H))


@pytest.mark.parametrize("name", ["micro_batch", "seq_len"])
def test_twice_the_tokens_take_twice_the_activations(name: str) -> None:
    plan = ONE._replace(flash=1.0, global_batch=64.0)
    assert activations(plan._replace(**{name: 2.0 * getattr(plan, name)})) == pytest.approx(2.0 * activations(plan))


@pytest.mark.parametrize("name", ["tp", "cp"])
def test_context_and_tensor_parallelism_with_sequence_parallelism_divide_activations(name: str) -> None:
    plan = ONE._replace(flash=1.0, sequence_parallel=1.0)
    assert activations(plan._replace(**{name: 4.0})) == pytest.approx(activations(plan) / 4.0)


def test_more_recompute_and_more_sharding_never_need_more_states_and_activations() -> None:
    plan = ONE._replace(dp=8.0, global_batch=8.0 * B)
    for name, values in (("recompute", (0.0, 1.0, 2.0)), ("sharding", (0.0, 1.0, 2.0, 3.0))):
        found = [parts(GPT, plan._replace(**{name: value})) for value in values]
        kept = [m.weights_b + m.gradients_b + m.optimizer_b + m.activations_b for m in found]
        assert kept == sorted(kept, reverse=True)


def test_a_batch_gives_what_each_row_gives_alone_and_one_model_serves_all_plans() -> None:
    plans = [ONE, ONE._replace(tp=4.0), ONE._replace(pp=4.0, global_batch=16.0 * B)]
    whole = stage_memory(np.array([GPT]), np.array(plans))
    assert whole.shape == (3, len(Memory._fields))
    assert whole.sum(axis=1) == pytest.approx([worst_stage_bytes(GPT, plan) for plan in plans])


def test_rows_of_another_width_or_number_are_an_error() -> None:
    with pytest.raises(ValueError, match="columns"):
        stage_memory(np.array([GPT])[:, 1:], np.array([ONE]))
    with pytest.raises(ValueError, match="number of rows"):
        stage_memory(np.array([GPT, GPT]), np.array([ONE, ONE, ONE]))


def test_keys_and_values_of_inference_are_those_that_were_published() -> None:
    """Llama-2-7B: 0.5 MiB a token; DeepSeek-V3: 70.272 kB a token (arXiv 2505.09343, table 1)."""
    llama = Model(32.0, 4096.0, 32.0, 32.0, 128.0, 11008.0, 1.0, 32000.0, 0.0)
    deepseek = Model(
        61.0, 7168.0, 128.0, 128.0, 128.0, 18432.0, 1.0, 129280.0, 0.0, kv_rank=512.0, rope_dim=64.0
    )  # fmt: skip
    assert kv_cache_bytes(llama, 4096.0) == 4096.0 * 2.0**19
    assert kv_cache_bytes(deepseek, 1.0) == 70272.0
    assert kv_cache_bytes(llama, 2.0, 1.0) == kv_cache_bytes(llama, 1.0)  # half the bytes of twice the tokens
    assert kv_cache_bytes(llama._replace(kv_heads=8.0), 4.0) == kv_cache_bytes(llama, 1.0)
    assert kv_cache_bytes(llama, 0.0) == 0.0


def test_a_checkpoint_holds_two_bytes_a_parameter_or_fourteen_with_the_optimiser() -> None:
    assert checkpoint_bytes(70e9, False) == 140e9
    assert checkpoint_bytes(70e9, True) == 980e9
