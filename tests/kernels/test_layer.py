"""One layer by hand: FLOPs over rate and bytes over bandwidth, with nothing lost to tiles."""

import pytest

from dcsim.kernels.facts import FULL, NONE, SELECTIVE, Device, Model, Plan
from dcsim.kernels.layer import (
    accumulated,
    attention_core,
    elementwise,
    embedding,
    experts,
    head,
    layer_parameters,
    linear,
    mlp,
    projections,
    seen_share,
    sparse_share,
)
from dcsim.kernels.roofline import rates
from dcsim.kernels.stage import launches_s, one_layer, waited_s
from tests.kernels.by_hand import filled, near

MODEL = Model(
    layers=10.0, hidden=4096.0, heads=32.0, kv_heads=8.0, head_dim=128.0, ffn_hidden=16384.0, gated=1.0, vocab=32000.0,
    tied=0.0,
)  # fmt: skip
PLAN = Plan(tp=1.0, pp=1.0, vpp=1.0, dp=1.0, cp=1.0, ep=1.0, micro_batch=2.0, global_batch=2.0, seq_len=2048.0)
DEVICE = Device(
    linear_flop_per_s=100e12, half_flop_per_s=100e12, vector_flop_per_s=5e12, memory_b=80e9, memory_b_per_s=1e15,
    link_b_per_s=100e9, domain=8.0, nic_b_per_s=25e9, product_efficiency=1.0, wave_share=0.0, tile_latency_s=0.0,
    memory_efficiency=1.0, attention_efficiency=0.5, launch_s=0.0, link_efficiency=1.0, link_latency_s=0.0,
)  # fmt: skip
AT = rates(DEVICE, 2.0)
TOKENS = 4096.0


def whole(times):
    return times.forward_s + times.input_s + times.weight_s


def test_a_linear_layer_costs_three_products():
    assert whole(linear(TOKENS, 4096.0, 4096.0, 2.0, AT)) == near(3 * 2 * 4096**3 / 100e12)


def test_grouped_projections_are_narrower_by_their_key_and_value_heads():
    # h (a e + 2 k e) and a e h parameters: 4096 x (4096 + 2048) + 4096 x 4096
    parameters = 4096 * 6144 + 4096 * 4096
    assert projections(MODEL, PLAN, TOKENS, AT).forward_s == near(2 * TOKENS * parameters / 100e12)


def test_a_gated_block_has_three_matrices_and_moves_its_activation():
    flop_s = 3 * 2 * 3 * TOKENS * 4096 * 16384 / 100e12
    moved_s = 2 * TOKENS * 16384 * (3 + 5) / 1e15
    assert whole(mlp(MODEL, PLAN, TOKENS, 16384.0, AT)) == pytest.approx(flop_s + moved_s, rel=1e-9)


def test_fused_attention_skips_half_and_computes_scores_again_backward():
    # 4 b s (s / 2 + 224) a e at half the peak; backward 2.5 times that
    forward_s = 4 * 2 * 2048 * filled(1024) * 4096 / 50e12
    core = attention_core(MODEL, PLAN, AT)
    assert core.forward_s == near(forward_s)
    assert core.input_s == near(2.5 * forward_s)


def test_gradients_that_no_product_adds_up_pass_through_memory():
    # a layer: h (a e + 2 k e) + a e h + 3 h f parameters; the 16-bit gradient read, the fp32 sum read and written
    parameters = 4096 * (4096 + 2048) + 4096 * 4096 + 3 * 4096 * 16384
    inside, beside = (one_layer(MODEL, PLAN._replace(accumulate_b=b), DEVICE, AT) for b in (0.0, 10.0))
    assert beside.weight_s - inside.weight_s == near(10 * parameters / 1e15)
    assert beside.memory_s - inside.memory_s == near(10 * parameters / 1e15)
    assert (beside.forward_s, beside.input_s) == (inside.forward_s, inside.input_s)


def test_a_rank_adds_up_the_gradients_that_it_holds():
    sparse = MODEL._replace(experts=8.0, top_k=2.0, expert_hidden=1024.0)
    whole_rank = layer_parameters(sparse, PLAN)
    shared = layer_parameters(sparse, PLAN._replace(tp=2.0, ep=4.0))
    assert whole_rank.routed == 8 * 3 * 4096 * 1024  # nothing but experts in the feed-forward part
    assert (shared.dense, shared.routed) == (whole_rank.dense / 2, whole_rank.routed / 4)  # experts are whole
    cut = layer_parameters(sparse, PLAN._replace(tp=2.0, ep=4.0, cut_experts=1.0))
    assert cut.routed == whole_rank.routed / 8
    assert layer_parameters(sparse, PLAN._replace(tp=2.0)).routed == whole_rank.routed / 2


def test_the_head_adds_up_its_gradients_too():
    inside, beside = (head(MODEL, PLAN._replace(accumulate_b=b), AT) for b in (0.0, 10.0))
    assert beside.weight_s - inside.weight_s == near(10 * 4096 * 32000 / 1e15)


def test_twice_the_memory_bandwidth_halves_adding_up():
    fast = rates(DEVICE._replace(memory_b_per_s=2e15), 2.0)
    plan = PLAN._replace(accumulate_b=6.0)
    assert whole(accumulated(1e9, plan, fast)) == near(whole(accumulated(1e9, plan, AT)) / 2)


def test_unfused_attention_computes_the_square_and_moves_it():
    core = attention_core(MODEL, PLAN._replace(flash=0.0), AT)
    square = 2 * 32 * 2048**2
    assert core.forward_s == near(2 * square * 256 / 100e12 + 10 * square / 1e15)
    assert (core.forward_memory_s, core.input_memory_s) == near((10 * square / 1e15,) * 2)
    wide = attention_core(MODEL, PLAN._replace(flash=0.0, linear_bytes=4.0), AT)
    assert wide.forward_memory_s == near(2 * core.forward_memory_s)  # scores of 4 bytes


def test_a_window_caps_what_a_token_sees():
    # Tokens of 2,048 that each sees: 512, but the first 512 their place; both by whole pairs, 1/4 - 1/32 against 1/2:
    # 448 and 1,024 keys.
    inside = attention_core(MODEL._replace(window=512.0), PLAN, AT).forward_s
    assert inside == near(attention_core(MODEL, PLAN, AT).forward_s * filled(448) / filled(1024))
    for window in (2048.0, 4096.0):
        assert seen_share(MODEL._replace(window=window), 2048.0) == 0.5
    assert seen_share(MODEL._replace(window=512.0, causal=0.0), 2048.0) == 0.25
    assert seen_share(MODEL._replace(causal=1 / 3), 2048.0) == near(5 / 6)  # a third of all attentions sees half


def test_tensor_parallelism_divides_all_products_of_a_layer():
    one, four = (one_layer(MODEL, PLAN._replace(tp=tp, sequence_parallel=1.0), DEVICE, AT) for tp in (1.0, 4.0))
    assert four.forward_s == near(one.forward_s / 4)
    assert (one.tp_s > 0.0, four.tp_s > 0.0) == (False, True)


def test_tensor_traffic_is_four_all_reduces_of_the_residual_stream():
    layer = one_layer(MODEL, PLAN._replace(tp=4.0), DEVICE, AT)
    assert layer.tp_s == near(4 * 2 * 3 / 4 * 2 * TOKENS * 4096 / 100e9)


def test_full_recompute_adds_one_forward_pass_and_its_traffic():
    plan = PLAN._replace(tp=4.0)
    none, full = one_layer(MODEL, plan, DEVICE, AT), one_layer(MODEL, plan._replace(recompute=FULL), DEVICE, AT)
    assert full.input_s - none.input_s == near(none.forward_s)
    assert full.tp_s == near(1.5 * none.tp_s)


def test_adapters_compute_no_gradient_of_frozen_weights():
    plan = PLAN._replace(accumulate_b=10.0)
    assert one_layer(MODEL._replace(trainable=0.0), plan, DEVICE, AT).weight_s == 0.0


def test_experts_compute_top_k_products_a_token():
    sparse = MODEL._replace(experts=8.0, top_k=2.0, expert_hidden=1024.0)
    flat = rates(DEVICE._replace(expert_factor=1.0), 2.0)
    got = experts(sparse, PLAN, TOKENS, flat)
    rows = 2 * TOKENS + 8 * 64  # each expert half fills its last tile of 128 rows
    least = 3 * 2 * rows * 3 * 4096 * 1024 / 100e12
    assert least < whole(got) < 1.05 * least + 3 * 2 * TOKENS * 4096 * 8 / 100e12
    assert sparse_share(sparse) == 1.0
    assert sparse_share(sparse._replace(dense_layers=5.0)) == 0.5


def test_experts_with_a_capacity_factor_compute_their_padding_too():
    sparse = MODEL._replace(experts=8.0, top_k=2.0, expert_hidden=1024.0)
    flat = rates(DEVICE._replace(expert_factor=1.0), 2.0)
    even, padded = (experts(sparse._replace(capacity=factor), PLAN, TOKENS, flat) for factor in (1.0, 1.5))
    products = 3 * 2 * (2 * TOKENS) * 3 * 4096 * 1024 / 100e12  # of places that even routing fills
    assert whole(padded) - whole(even) == pytest.approx(0.5 * products, rel=0.1)  # and a little sorting


def test_the_head_is_one_linear_layer_of_the_vocabulary():
    assert head(MODEL, PLAN, AT).weight_s == near(2 * TOKENS * 4096 * 32000 / 100e12)


def test_a_device_waits_for_a_slow_host_and_for_a_fast_one_hardly():
    assert waited_s(10.0, 1.0) == pytest.approx(9.0, rel=0.02)
    assert waited_s(1.0, 10.0) < 0.05
    assert waited_s(0.0, 5.0) == 0.0


def test_heads_that_are_no_multiple_of_sixteen_bytes_leave_the_matrix_engines():
    odd = MODEL._replace(head_dim=150.0)
    plan, square = PLAN._replace(flash=0.0), 2 * 32 * 2048**2
    assert attention_core(odd, plan, AT).forward_s == near(2 * square * 300 / 5e12 + 10 * square / 1e15)
    assert attention_core(odd, PLAN, AT).forward_s == near(
        attention_core(MODEL, PLAN, AT).forward_s * 150 / 128  # fused kernels pad
    )


def test_a_slow_host_hides_computing_and_traffic_alike():
    # 14 + 8 kernels forward, 26 + 16 backward, and two all-reduces each way, all at 1 ms: 68 ms in all
    slow = DEVICE._replace(launch_s=1e-3, link_b_per_s=1e12)
    plan = PLAN._replace(tp=4.0, micro_batch=1.0)
    layer = one_layer(MODEL, plan, slow, rates(slow, 2.0))
    busy_s = layer.forward_s + layer.input_s + layer.weight_s + layer.tp_s
    assert busy_s + launches_s(layer) == pytest.approx(68e-3, rel=0.02)


def test_layers_that_attend_to_an_encoder_pay_for_a_second_attention():
    plan = PLAN._replace(tp=4.0)
    plain, crossed = (one_layer(MODEL._replace(cross_layers=cross), plan, DEVICE, AT) for cross in (0.0, 10.0))
    one = projections(MODEL, plan, TOKENS, AT).forward_s + attention_core(MODEL, plan, AT).forward_s
    assert crossed.forward_s - plain.forward_s == pytest.approx(one, rel=1e-3)
    assert crossed.tp_s == near(1.5 * plain.tp_s)


def test_tensor_parallel_ranks_share_the_work_of_experts_whole_or_cut():
    sparse = MODEL._replace(experts=8.0, top_k=2.0, expert_hidden=4096.0)
    plan = PLAN._replace(tp=4.0)
    alone_s = experts(sparse, PLAN, TOKENS, AT).forward_s
    products_s = 3 * 2 * (2 * TOKENS) * 4096 * 4096 / 100e12
    for ep, cut in ((1.0, 0.0), (8.0, 1.0)):  # a fourth of each of 8 or 1 experts, for all tokens
        found = experts(sparse, plan._replace(ep=ep, cut_experts=cut), TOKENS, AT)
        assert products_s / 4 < found.forward_s < 0.3 * alone_s
    whole = experts(sparse, plan._replace(ep=8.0), TOKENS, AT)  # a whole expert, for a fourth of the tokens
    assert products_s / 4 < whole.forward_s < 0.3 * alone_s


def test_all_experts_of_a_rank_pass_through_memory():
    # 64 wide experts, and half a tile of rows for each: weights are read forward and backward, gradients written.
    sparse = MODEL._replace(experts=64.0, top_k=2.0, expert_hidden=65536.0)
    slow = rates(DEVICE._replace(memory_b_per_s=1e12, expert_factor=1.0, elementwise_factor=0.0), 2.0)
    found = experts(sparse, PLAN, 1.0, slow)
    rows_b = 2 * 64 * 64 * (4096 + 2 * 65536 + 65536 + 4096)  # into and out of both products
    weights_b = 2 * 64 * 3 * 4096 * 65536 + rows_b
    assert found.forward_memory_s == pytest.approx(weights_b / 1e12, rel=0.02)
    assert found.input_memory_s == pytest.approx(weights_b / 1e12, rel=0.02)
    assert found.weight_memory_s == pytest.approx(weights_b / 1e12, rel=0.02)
    slower = rates(DEVICE._replace(memory_b_per_s=5e11, expert_factor=1.0, elementwise_factor=0.0), 2.0)
    assert whole(experts(sparse, PLAN, 1.0, slower)) == near(2 * whole(found))


def test_one_matrix_for_all_rows_is_a_plain_linear_layer():
    grouped, plain = linear(512.0, 1024.0, 256.0, 2.0, AT, 4.0), linear(512.0, 1024.0, 256.0, 2.0, AT)
    assert grouped.forward_s == plain.forward_s  # bound by computing here: only bytes grow
    slow = rates(DEVICE._replace(memory_b_per_s=1e11), 2.0)
    more_s = linear(512.0, 1024.0, 256.0, 2.0, slow, 4.0).forward_s - linear(512.0, 1024.0, 256.0, 2.0, slow).forward_s
    assert more_s == near(3 * 256 * 1024 * 2 / 1e11)


def test_the_embedding_moves_rows_and_their_gradients():
    found = embedding(MODEL, PLAN, AT)
    assert (found.forward_s, found.input_s, found.weight_s) == near(
        (4 * TOKENS * 4096 / 1e15, (2 + 2 * 4) * TOKENS * 4096 / 1e15, 0.0)
    )
    fast = rates(DEVICE._replace(memory_b_per_s=2e15), 2.0)
    assert embedding(MODEL, PLAN, fast).forward_s == near(found.forward_s / 2)
    assert embedding(MODEL, PLAN._replace(cp=4.0), AT).input_s == near(found.input_s / 4)


def test_recomputing_counts_what_memory_bounds_again():
    plan = PLAN._replace(flash=0.0)
    none, selective, full = (
        one_layer(MODEL, plan._replace(recompute=kind), DEVICE, AT).memory_s for kind in (NONE, SELECTIVE, FULL)
    )
    core = attention_core(MODEL, plan, AT)
    assert selective - none == near(core.forward_memory_s)
    moved_s = core.forward_memory_s + elementwise(MODEL, plan, TOKENS, AT).forward_s
    assert full - none == near(moved_s + mlp(MODEL, plan, TOKENS, 16384.0, AT).forward_memory_s)


def test_frozen_weights_bound_nothing():
    thin = PLAN._replace(micro_batch=1.0, seq_len=8.0)  # products of few rows wait for memory
    tuned, frozen = (one_layer(MODEL._replace(trainable=share), thin, DEVICE, AT) for share in (1.0, 0.0))
    products = [linear(8.0, n, k, 2.0, AT) for n, k in ((4096, 4096), (6144, 4096), (32768, 4096), (4096, 16384))]
    assert tuned.memory_s - frozen.memory_s == near(sum(one.weight_memory_s for one in products))
