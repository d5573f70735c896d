"""Routed experts by hand: router, sorting, products, their traffic."""

from __future__ import annotations

import pytest

from dcsim.kernels.facts import DUALPIPE, FULL, Device, Model, Plan
from dcsim.kernels.layer import Times, experts
from dcsim.kernels.roofline import rates
from dcsim.kernels.stage import Layer, one_layer, tensor_sums
from tests.kernels.by_hand import COMPUTES, MOVES, PLAN, ROUTED, SMALL, TOKENS, near

EMPTY = ROUTED._replace(expert_hidden=0.0)  # experts of no width: router and sorting alone
ROUTER_S = 2 * TOKENS * 8 * 64 / 100e12
EXPERT_ROWS = 2 * TOKENS + 8 * 64  # two experts a token, and half a tile of 128 rows for each of eight


def block(model: Model = ROUTED, device: Device = COMPUTES, **changes: float) -> Times:
    plan = PLAN._replace(**changes)
    found: Times = experts(model, plan, TOKENS, rates(device, plan.linear_bytes))
    return found


@pytest.mark.parametrize(
    ("changes", "share"),
    [
        ({}, 1.0),
        ({"tp": 4.0}, 1.0),
        ({"tp": 4.0, "sequence_parallel": 1.0}, 0.25),
        ({"tp": 4.0, "ep": 2.0}, 0.25),
        ({"linear_bytes": 1.0}, 1.0),  # routers stay in 16 bits
    ],
)
def test_the_router_scores_every_expert_for_each_token_of_a_rank(changes: dict[str, float], share: float) -> None:
    device = COMPUTES._replace(linear_flop_per_s=200e12)
    found = block(EMPTY, device, **changes)
    assert (found.forward_s, found.input_s, found.weight_s) == near((share * ROUTER_S,) * 3)


@pytest.mark.parametrize(
    ("changes", "copies"),
    [
        ({}, 2.0),
        ({"tp": 4.0}, 2.0),  # cut experts see all tokens
        ({"tp": 4.0, "ep": 2.0, "cut_experts": 1.0}, 2.0),
        ({"tp": 4.0, "ep": 2.0}, 0.5),  # whole ones those of their rank
    ],
)
def test_sorting_moves_each_copy_of_a_token_four_times_each_way(changes: dict[str, float], copies: float) -> None:
    none, once, thrice = (block(EMPTY, MOVES._replace(elementwise_factor=f), **changes) for f in (0.0, 1.0, 3.0))
    sorted_s = 4 * 2 * copies * TOKENS * 64 / 1e12
    assert once.forward_s - none.forward_s == near(sorted_s)
    assert once.input_s - none.input_s == near(sorted_s)
    assert thrice.forward_s - none.forward_s == near(3 * sorted_s)


def test_sorting_moves_padding_too() -> None:
    none, padded = (block(EMPTY._replace(capacity=1.5), MOVES._replace(elementwise_factor=f)) for f in (0.0, 1.0))
    assert padded.forward_s - none.forward_s == near(1.5 * 4 * 2 * 2 * TOKENS * 64 / 1e12)


@pytest.mark.parametrize(
    ("changes", "rows", "width"),
    [
        ({}, EXPERT_ROWS, 32),
        ({"ep": 4.0}, 2 * TOKENS + 2 * 64, 32),  # two experts of a rank
        ({"tp": 2.0}, EXPERT_ROWS, 16),
        ({"tp": 2.0, "ep": 4.0}, TOKENS + 2 * 64, 32),
        ({"tp": 2.0, "ep": 4.0, "cut_experts": 1.0}, 2 * TOKENS + 2 * 64, 16),
    ],
)
def test_the_expert_factor_multiplies_products_of_routed_experts_alone(
    changes: dict[str, float], rows: float, width: float
) -> None:
    shared = ROUTED._replace(shared_hidden=48.0)
    one, two = (block(shared, COMPUTES._replace(expert_factor=factor), **changes) for factor in (1.0, 2.0))
    products_s = 2 * rows * 3 * 64 * width / 100e12
    for way in ("forward_s", "input_s", "weight_s"):
        assert getattr(two, way) - getattr(one, way) == near(products_s)


def test_shared_experts_see_every_token() -> None:
    for tp in (1.0, 4.0):
        alone, beside = (block(ROUTED._replace(shared_hidden=width), tp=tp) for width in (0.0, 48.0))
        assert beside.forward_s - alone.forward_s == near(2 * TOKENS * 3 * 64 * 48 / tp / 100e12)


@pytest.mark.parametrize(
    ("changes", "plan", "sparse", "sums"),
    [
        ({"experts": 0.0}, {}, 0.0, 2.0),  # attention and MLP
        ({"experts": 0.0, "cross_layers": 4.0}, {}, 0.0, 3.0),
        ({"experts": 0.0, "cross_layers": 1.0}, {"ep": 4.0}, 0.0, 2.25),
        ({}, {}, 1.0, 2.0),  # not spread: cut as an MLP
        ({}, {"ep": 4.0}, 1.0, 1.0),  # dispatch brings the tokens
        ({"shared_hidden": 48.0}, {"ep": 4.0}, 1.0, 2.0),
        ({}, {"ep": 4.0, "cut_experts": 1.0}, 1.0, 1.0 + 2.0),  # both copies of each token
        ({"top_k": 6.0}, {"ep": 4.0, "cut_experts": 1.0}, 1.0, 1.0 + 6.0),
        ({"capacity": 1.5}, {"ep": 4.0, "cut_experts": 1.0}, 1.0, 1.0 + 3.0),
        ({"shared_hidden": 48.0}, {"ep": 4.0, "cut_experts": 1.0}, 1.0, 2.0 + 2.0),
        ({}, {"ep": 4.0}, 0.25, 1.75),
        ({}, {"ep": 4.0, "cut_experts": 1.0}, 0.5, 0.5 * 2.0 + 0.5 * 3.0),
    ],
)
def test_tensor_ranks_sum_the_stream_once_a_block_that_gathers_it(
    changes: dict[str, float], plan: dict[str, float], sparse: float, sums: float
) -> None:
    assert tensor_sums(ROUTED._replace(**changes), PLAN._replace(tp=2.0, **plan), sparse) == near(sums)


def test_tensor_traffic_of_cut_experts_counts_their_copies() -> None:
    one_s = 2 * 1 / 2 * 2 * TOKENS * 64 / 100e9  # an all-reduce between two ranks
    for cut, sums in ((0.0, 1), (1.0, 3)):
        plan = PLAN._replace(tp=2.0, ep=2.0, cut_experts=cut)
        assert layer(ROUTED, plan).tp_s == near(2 * sums * one_s)
        assert layer(ROUTED, plan._replace(recompute=FULL)).tp_s == near(3 * sums * one_s)


def layer(model: Model = ROUTED, plan: Plan = PLAN, device: Device = COMPUTES) -> Layer:
    found: Layer = one_layer(model, plan, device, rates(device, plan.linear_bytes))
    return found


PASS_S = 2 * 2 * 3 / 4 * 2 * TOKENS * 64 / 100e9  # there and back, two copies of which 3/4 leave a rank of four


def test_full_recompute_dispatches_once_more() -> None:
    plan = PLAN._replace(ep=4.0)
    assert layer(plan=plan).ep_s == near(2 * PASS_S)
    assert layer(plan=plan._replace(recompute=FULL)).ep_s == near(3 * PASS_S)


def test_a_rank_dispatches_its_part_of_the_tokens() -> None:
    # Two tensor ranks and whole experts: half of the tokens each. Cut ones: ranks of a group are two apart, so that of
    # eight in a domain four are neighbours; eight ranks reach both domains with 2 (1 - 1/2^2) of their tokens.
    plan = PLAN._replace(tp=2.0, ep=4.0)
    assert layer(plan=plan).ep_s == near(PASS_S)
    cut = plan._replace(ep=8.0, cut_experts=1.0)
    mine_b = 2 * TOKENS / 2 * 64
    links_s, nics_s = 2 * 3 / 4 * mine_b / 100e9, 2 * (1 - 1 / 4) * 1 / 2 * mine_b / 25e9
    assert layer(plan=cut).ep_s == near(4 * (links_s + nics_s))


@pytest.mark.parametrize(("overlap", "recompute"), [(1.0, 0.0), (0.5, 0.0), (0.5, FULL)])
def test_dualpipe_hides_dispatch_behind_the_other_micro_batch(overlap: float, recompute: float) -> None:
    """arXiv 2412.19437, section 3.2.1: forward behind forward, backward behind backward."""
    device = COMPUTES._replace(overlap=overlap, link_b_per_s=100e9)
    plan = PLAN._replace(pp=2.0, ep=4.0, recompute=recompute)
    open_ = layer(plan=plan, device=device)
    hidden = layer(plan=plan._replace(schedule=DUALPIPE), device=device)
    again = 2 if recompute == FULL else 1
    assert open_.ep_s == near((1 + again) * PASS_S)
    computing_s = open_.forward_s + open_.input_s + open_.weight_s
    assert hidden.ep_s == near((1 + again) * PASS_S - overlap * computing_s)
    fast = device._replace(link_b_per_s=1e15)
    assert layer(plan=plan._replace(schedule=DUALPIPE), device=fast).ep_s == 0.0
    alone = plan._replace(pp=1.0)  # without stages there is no other direction
    assert layer(plan=alone._replace(schedule=DUALPIPE), device=device).ep_s == layer(plan=alone, device=device).ep_s


def test_dense_layers_send_no_tokens_and_have_no_router() -> None:
    assert layer(SMALL, PLAN._replace(ep=4.0)).ep_s == 0.0
    dense, mixed, sparse = (layer(model).forward_s for model in (SMALL, ROUTED._replace(dense_layers=3.0), ROUTED))
    assert mixed == near(0.75 * dense + 0.25 * sparse)
