"""Parameters that the worst rank holds, by hand: tables, experts, copies, and what a published number has more."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim.kernels.facts import DUALPIPE, UNSHARDED, ZERO1, ZERO2, ZERO3, Model, Plan
from dcsim.kernels.memory import Memory, stage_memory
from tests.kernels.by_hand import ATTENTION, MLP, PLAN, ROUTED, SMALL, TABLE, near

NORMS, ROUTER, EXPERTS = 2 * 64, 64 * 8, 8 * 3 * 64 * 32
LAYER, SPARSE = ATTENTION + MLP + NORMS, ATTENTION + NORMS + ROUTER
TIED = SMALL._replace(tied=1.0)


def parts(model: Model, plan: Plan = PLAN) -> Memory:
    return Memory(*stage_memory(np.array([model]), np.array([plan]))[0])


def held(model: Model, **changes: float) -> float:
    return parts(model, PLAN._replace(**changes)).weights_b / 2  # 2 bytes each


@pytest.mark.parametrize(
    ("model", "changes", "parameters"),
    [
        (SMALL, {}, 4 * LAYER + 2 * TABLE),
        (TIED, {}, 4 * LAYER + TABLE),
        (TIED, {"pp": 2.0, "global_batch": 8.0}, 2 * LAYER + TABLE),  # embedding first, its copy last
        (SMALL, {"tp": 4.0}, (4 * (ATTENTION + MLP) + 2 * TABLE) / 4 + 4 * NORMS),
        (SMALL._replace(cross_layers=2.0), {}, 4 * LAYER + 2 * ATTENTION + 2 * TABLE),
        (ROUTED, {}, 4 * (SPARSE + EXPERTS) + 2 * TABLE),
        (ROUTED._replace(shared_hidden=48.0), {}, 4 * (SPARSE + EXPERTS + 3 * 64 * 48) + 2 * TABLE),
        (ROUTED._replace(dense_layers=1.0), {}, LAYER + 3 * (SPARSE + EXPERTS) + 2 * TABLE),
        (ROUTED, {"ep": 4.0}, 4 * (SPARSE + EXPERTS / 4) + 2 * TABLE),
        (SMALL._replace(layers=10.0, vocab=1.0), {"pp": 4.0, "global_batch": 8.0}, 3 * LAYER + 64),  # of 2, 3, 3, 2
        (SMALL._replace(layers=10.0, vocab=1e5), {"pp": 4.0, "global_batch": 8.0}, 2 * LAYER + 1e5 * 64),  # the last
        (ROUTED, {"tp": 2.0}, 4 * ((ATTENTION + EXPERTS) / 2 + NORMS + ROUTER) + TABLE),
    ],
)
def test_a_rank_holds_what_is_counted_by_hand(model: Model, changes: dict[str, float], parameters: float) -> None:
    assert held(model, **changes) == parameters


@pytest.mark.parametrize("tp", [1.0, 4.0])
def test_a_learned_position_table_lies_whole_on_each_tensor_rank(tp: float) -> None:
    assert held(SMALL._replace(positions=128.0), tp=tp) - held(SMALL, tp=tp) == 128 * 64
    last = SMALL._replace(vocab=1e5, positions=128.0)  # its logits make the last stage the worst, without positions
    assert held(last, tp=tp, pp=2.0) == held(last._replace(positions=0.0), tp=tp, pp=2.0)


@pytest.mark.parametrize(
    ("model", "counted"),
    [
        (SMALL, 4 * LAYER + 2 * TABLE),
        (TIED, 4 * LAYER + TABLE),
        (ROUTED, 4 * (SPARSE + EXPERTS) + 2 * TABLE),
        (ROUTED._replace(dense_layers=1.0), LAYER + 3 * (SPARSE + EXPERTS) + 2 * TABLE),
    ],
)
@pytest.mark.parametrize("changes", [{}, {"ep": 4.0}, {"pp": 2.0}, {"pp": 2.0, "ep": 2.0}])
def test_what_a_published_number_has_beyond_the_widths_is_spread_over_stages(
    model: Model, counted: float, changes: dict[str, float]
) -> None:
    published = model._replace(parameters=counted + 1e6)
    assert held(published, **changes) - held(model, **changes) == near(1e6 / changes.get("pp", 1.0))
    assert held(model._replace(parameters=counted - 1000.0), **changes) == held(model, **changes)


def test_a_tensor_rank_holds_its_share_of_a_published_number() -> None:
    published = 4 * LAYER + 2 * TABLE + 1e6
    assert held(SMALL._replace(parameters=published), tp=4.0) == near(published / 4)


@pytest.mark.parametrize(("ep", "experts"), [(1.0, 1 / 2), (2.0, 1 / 2), (4.0, 1 / 4)])
def test_whole_experts_that_are_spread_keep_their_own_share_of_it(ep: float, experts: float) -> None:
    # Two tensor ranks halve everything but experts, which ep divides where they are whole.
    published = 4 * (SPARSE + EXPERTS) + 2 * TABLE + 1e6
    found = held(ROUTED._replace(parameters=published), tp=2.0, ep=ep)
    assert found == near((published - 4 * EXPERTS) / 2 + 4 * EXPERTS * experts)


@pytest.mark.parametrize(
    ("model", "layer"), [(SMALL, LAYER), (ROUTED, SPARSE + EXPERTS), (ROUTED._replace(shared_hidden=48.0), None)]
)
def test_dualpipe_holds_a_stage_and_its_mirror(model: Model, layer: float | None) -> None:
    """arXiv 2412.19437, table 2: parameters twice; the first device has the embedding and the head."""
    each = SPARSE + EXPERTS + 3 * 64 * 48 if layer is None else layer
    changes = {"pp": 2.0, "schedule": DUALPIPE, "global_batch": 16.0}
    assert held(model, **changes) == 2 * 2 * each + 2 * TABLE
    assert held(model, schedule=DUALPIPE) == 4 * each + 2 * TABLE  # a single stage has no mirror


def test_a_device_of_dualpipe_keeps_one_micro_batch_more_than_stages() -> None:
    plan = PLAN._replace(pp=2.0, global_batch=32.0)
    dual, single = parts(SMALL, plan._replace(schedule=DUALPIPE)), parts(SMALL, PLAN)
    assert dual.activations_b == near((2 + 1) * single.activations_b / 2)
    assert dual.logits_b == single.logits_b


@pytest.mark.parametrize(
    ("sharding", "weight", "gradient", "states"),
    [(UNSHARDED, 1, 1, 1), (ZERO1, 1, 1, 8), (ZERO2, 1, 8, 8), (ZERO3, 8, 8, 8)],
)
@pytest.mark.parametrize("linear_bytes", [1.0, 2.0, 4.0])
def test_bytes_of_states_and_who_divides_them(
    sharding: float, weight: int, gradient: int, states: int, linear_bytes: float
) -> None:
    """ZeRO, arXiv 1910.02054, figure 1. In fp32 weights have 4 bytes and are their own master copy."""
    plan = PLAN._replace(dp=8.0, global_batch=16.0, sharding=sharding, linear_bytes=linear_bytes)
    found, parameters = parts(SMALL, plan), 4 * LAYER + 2 * TABLE
    weight_b, states_b = (4, 8) if linear_bytes == 4.0 else (2, 12)
    assert found.weights_b == near(weight_b * parameters / weight)
    assert found.gradients_b == near(4 * parameters / gradient)
    assert found.optimizer_b == near(states_b * parameters / states)


def test_experts_of_a_stage_behind_dense_layers_are_those_left() -> None:
    # Two stages of two layers, the first of them dense: one of each, and two with experts and the head.
    model = ROUTED._replace(dense_layers=1.0, experts=64.0, vocab=10.0)
    found = held(model, pp=2.0, global_batch=2.0)  # one micro-batch: parameters decide
    assert found == 2 * (ATTENTION + NORMS + 64 * 64 + 64 * 3 * 64 * 32) + 10 * 64
