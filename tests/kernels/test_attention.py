"""Attention by hand: projections, scores and what passes between norms."""

from __future__ import annotations

import pytest

from dcsim.kernels.facts import FIRST_FUSED, FULL, Device, Model, Plan
from dcsim.kernels.layer import Times, attention_core, elementwise, projections
from dcsim.kernels.memory import attention_parameters
from dcsim.kernels.roofline import rates
from dcsim.kernels.stage import Layer, one_layer
from tests.kernels.by_hand import ATTENTION, COMPUTES, LATENT, MOVES, PLAN, SMALL, TOKENS, filled, near

CROSSED = SMALL._replace(cross_layers=4.0)


def layer(model: Model = SMALL, plan: Plan = PLAN, device: Device = MOVES) -> Layer:
    found: Layer = one_layer(model, plan, device, rates(device, plan.linear_bytes))
    return found


def core(model: Model = SMALL, device: Device = COMPUTES, **changes: float) -> Times:
    found: Times = attention_core(model, PLAN._replace(**changes), rates(device, 2.0))
    return found


def projected_s(model: Model, plan: Plan) -> float:
    return float(projections(model, plan, TOKENS, rates(COMPUTES, 2.0)).forward_s)


@pytest.mark.parametrize(
    ("tp", "heads", "kv_heads"),
    [(1.0, 4, 2), (2.0, 2, 1), (4.0, 1, 1)],  # four ranks hold copies of two key and value heads
)
def test_a_rank_projects_one_key_and_value_head_at_least(tp: float, heads: int, kv_heads: int) -> None:
    parameters = 64 * (heads + 2 * kv_heads) * 16 + heads * 16 * 64
    assert projected_s(SMALL, PLAN._replace(tp=tp)) == near(2 * TOKENS * parameters / 100e12)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (SMALL, ATTENTION),
        (SMALL._replace(v_head_dim=8.0), 64 * 4 * 16 + 64 * 2 * (16 + 8) + 4 * 8 * 64),
        (LATENT, 24 * (64 + 4 * 24) + 64 * (20 + 8) + 20 * 4 * (16 + 12) + 4 * 12 * 64),
        (LATENT._replace(q_rank=0.0), 64 * 4 * 24 + 64 * (20 + 8) + 20 * 4 * (16 + 12) + 4 * 12 * 64),
    ],
)
def test_parameters_of_attention_by_hand(model: Model, parameters: int) -> None:
    """Latent: DeepSeek-V2, arXiv 2405.04434, section 2.1; without a latent of queries as in DeepSeek-V2-Lite."""
    assert attention_parameters(model) == parameters


@pytest.mark.parametrize("q_rank", [0.0, 24.0])
def test_latent_projections_compute_what_they_hold(q_rank: float) -> None:
    queries = 24 * (64 + 4 * 24) if q_rank else 64 * 4 * 24
    parameters = queries + 64 * (20 + 8) + 20 * 4 * (16 + 12) + 4 * 12 * 64
    assert projected_s(LATENT._replace(q_rank=q_rank), PLAN) == near(2 * TOKENS * parameters / 100e12)


def test_heads_are_cut_by_tensor_ranks_and_latents_are_not() -> None:
    heads = 24 * 2 * 24 + 20 * 2 * (16 + 12) + 2 * 12 * 64
    whole = 64 * (24 + 20 + 8)
    assert projected_s(LATENT, PLAN._replace(tp=2.0)) == near(2 * TOKENS * (heads + whole) / 100e12)


def test_latent_scores_are_wider_by_their_positions() -> None:
    # 2 samples, 4 heads, 128 queries that see half of 128 keys: 16 + 8 for a score, 12 for a value.
    assert core(LATENT).forward_s == near(2 * 2 * 4 * 128 * filled(64) * (24 + 12) / 100e12)
    assert core(LATENT).input_s == near(2 * 2 * 4 * 128 * filled(64) * (3 * 24 + 2 * 12) / 100e12)  # scores again
    ring = core(LATENT, tp=2.0, cp=4.0)  # an eighth of the rows
    assert (ring.forward_s, ring.input_s) == near((core(LATENT).forward_s / 8, core(LATENT).input_s / 8))


def test_soft_max_takes_exponentials_and_more_backward() -> None:
    # 1e12 exponentials a second: one for each of 2 x 4 x 128 x (64 + 224) scores, 3.3 backward; the clock slows them.
    device = COMPUTES._replace(exponential_per_s=1e12)
    pairs = 2 * 4 * 128 * filled(64)
    for clock in (1.0, 0.5):
        slow, fast = (core(device=chip._replace(clock=clock)) for chip in (device, COMPUTES))
        assert slow.forward_s - fast.forward_s == near(pairs / 1e12 / clock)
        assert slow.input_s - fast.input_s == near(3.3 * pairs / 1e12 / clock)
    late = COMPUTES._replace(exponential_per_s=1e11)
    one, two = (core(SMALL._replace(head_dim=width), late) for width in (16.0, 32.0))
    assert two.forward_s < 1.1 * one.forward_s  # narrow heads wait for exponentials


def test_kernels_of_the_first_generation_are_slower() -> None:
    first, second = core(flash=FIRST_FUSED), core()
    assert (first.forward_s, first.input_s) == near((1.4 * second.forward_s, 2.0 * second.input_s))


def test_a_fused_core_pays_for_rows_of_queries_that_fill_no_wave() -> None:
    # Half a wave of 10 multiprocessors x 128 rows idles: 640 rows more than 2 x 4 x 128.
    lossy = COMPUTES._replace(multiprocessors=10.0, wave_share=0.5)
    assert core(device=lossy).forward_s == near(2 * (1024 + 640) * filled(64) * 32 / 100e12)


def test_unfused_products_fill_their_tiles() -> None:
    # Waves of 10 x 128 x 256 outputs take 1 us each to fill and drain. 8 heads of 128 x 128 scores and 128 x 16 outputs
    # forward; backward their gradients: of scores once, of queries, keys and values once each.
    late = COMPUTES._replace(multiprocessors=10.0, tile_latency_s=1e-6)
    scores, rows = (2 * 4 * 128 * width / (10 * 128 * 256) for width in (128, 16))
    slow, fast = core(device=late, flash=0.0), core(flash=0.0)
    assert slow.forward_s - fast.forward_s == near((scores + rows) * 1e-6)
    assert slow.input_s - fast.input_s == near((scores + 3 * rows) * 1e-6)


def test_queries_cut_by_context_ranks_leave_keys_and_values_whole_in_unfused_products() -> None:
    late = COMPUTES._replace(multiprocessors=10.0, tile_latency_s=1e-6)
    scores, rows = (2 * 4 * 32 * width / (10 * 128 * 256) for width in (128, 16))
    keys = 2 * 4 * 128 * 16 / (10 * 128 * 256)
    more_s = core(device=late, flash=0.0, cp=4.0).input_s - core(flash=0.0, cp=4.0).input_s
    assert more_s == near((scores + rows + 2 * keys) * 1e-6)


@pytest.mark.parametrize(("head_dim", "rate"), [(16.0, 100e12), (24.0, 100e12), (20.0, 10e12), (18.0, 10e12)])
def test_unfused_heads_of_whole_sixteen_bytes_use_the_matrix_engines(head_dim: float, rate: float) -> None:
    wanted = 2 * (2 * 4 * 128**2) * 2 * head_dim / rate
    found = core(SMALL._replace(head_dim=head_dim), flash=0.0)
    assert (found.forward_s, found.input_s) == near((wanted, 2 * wanted))


def test_casts_to_eight_bits_read_two_bytes_and_write_one() -> None:
    # Each way, of the stream of 64; fused kernels' other bytes scale with `elementwise_factor`, casts do not.
    for factor in (1.0, 3.0):
        at = rates(MOVES._replace(elementwise_factor=factor), 2.0)
        half, eight, four = (
            elementwise(SMALL, PLAN._replace(linear_bytes=size), TOKENS, at) for size in (2.0, 1.0, 0.5)
        )
        cast_s = 3 * 64 * TOKENS / 1e12
        assert eight.forward_s - half.forward_s == near(cast_s)
        assert eight.input_s - half.input_s == near(cast_s)
        assert eight == four


def test_elementwise_work_of_a_tensor_rank() -> None:
    # 8 x 64 of the stream whole, and 3 of each of its 3 heads of 16 (2 of queries, 1 of keys); 2 bytes each.
    found = elementwise(SMALL, PLAN._replace(tp=2.0), TOKENS, rates(MOVES, 2.0))
    assert found.forward_s == near(2 * TOKENS * (8 * 64 + 3 * 3 * 16) / 1e12)
    assert found.input_s == near(1.5 * found.forward_s)
    more = elementwise(SMALL, PLAN._replace(tp=2.0), TOKENS, rates(MOVES._replace(elementwise_factor=3.0), 2.0))
    assert (more.forward_s, more.input_s) == near((3 * found.forward_s, 3 * found.input_s))
    wide = elementwise(SMALL, PLAN._replace(tp=2.0, linear_bytes=4.0), TOKENS, rates(MOVES, 4.0))
    assert wide.forward_s == near(2 * found.forward_s)


def test_a_second_attention_brings_half_as_many_norms_again() -> None:
    # Elementwise bytes forward: 2 x (8 x 64 + 3 x 6 x 16) a token, and 3 x 2 x 256 of the gated activation.
    norms, activation = 2 * (8 * 64 + 3 * 6 * 16), 3 * 2 * 256
    for model, share in ((SMALL, 1.0), (CROSSED, 1.5), (CROSSED._replace(cross_layers=1.0), 1.125)):
        once, twice = (layer(model, device=MOVES._replace(elementwise_factor=f)).forward_s for f in (1.0, 2.0))
        assert twice - once == near(TOKENS * (share * norms + activation) / 1e12)


def test_a_second_attention_has_its_own_projections_and_scores() -> None:
    one_s = 2 * TOKENS * ATTENTION / 100e12 + 2 * 2 * 4 * 128 * filled(64) * 32 / 100e12
    plain, crossed = (layer(model, device=COMPUTES).forward_s for model in (SMALL, CROSSED))
    assert crossed - plain == near(one_s)


@pytest.mark.parametrize(
    ("model", "tp", "elements"),
    [
        (SMALL, 1.0, 2 * 2 * 16),  # keys and values of two heads
        (SMALL, 4.0, 1 * 2 * 16),  # one at least
        (LATENT, 1.0, 4 * (16 + 8 + 12)),  # expanded to all heads
        (LATENT, 2.0, 2 * (16 + 8 + 12)),
    ],
)
def test_keys_and_values_of_a_rank_pass_round_the_ring(model: Model, tp: float, elements: int) -> None:
    once_s = 1 / 2 * TOKENS * 2 * elements / 100e9  # a half of them leaves a rank of two; 2 bytes each
    assert layer(model, PLAN._replace(tp=tp, cp=2.0)).cp_s == near(3 * once_s)


@pytest.mark.parametrize(("domain", "hop_s"), [(8.0, 2e-6), (2.0, 5e-6)])
def test_each_step_round_a_ring_has_the_latency_of_the_slowest_hop(domain: float, hop_s: float) -> None:
    late = MOVES._replace(domain=domain, link_latency_s=2e-6, nic_latency_s=5e-6)
    soon = late._replace(link_latency_s=0.0, nic_latency_s=0.0)
    slow_s, fast_s = (layer(plan=PLAN._replace(cp=4.0), device=device).cp_s for device in (late, soon))
    assert slow_s - fast_s == near(3 * 3 * hop_s)  # three steps, once forward and twice as long backward


def test_full_recompute_passes_the_ring_once_more() -> None:
    once_s = 1 / 2 * TOKENS * 2 * 64 / 100e9
    assert layer(plan=PLAN._replace(cp=2.0, recompute=FULL)).cp_s == near(4 * once_s)


def test_a_ring_that_passes_again_keeps_the_links_busy_while_it_hides() -> None:
    # Of a slow ring as much hides as attention computes: 2.5 cores backward, and one more where forward runs again.
    device = COMPUTES._replace(overlap=1.0, link_b_per_s=1e6)
    core_s = 2 * 2 * 4 * 64 * filled(64) * 32 / 100e12
    for recompute, cores in ((0.0, 2.5), (FULL, 3.5)):
        found = layer(plan=PLAN._replace(cp=2.0, dp=2.0, recompute=recompute), device=device)
        assert found.cover_backward_s == near(found.input_s + found.weight_s - cores * core_s)
