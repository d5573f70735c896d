"""Kernels that the host launches, counted by hand, and how a slow host shows."""

from __future__ import annotations

import pytest

from dcsim.kernels.facts import FULL, Model, Plan
from dcsim.kernels.roofline import rates
from dcsim.kernels.stage import launches_of, one_layer
from tests.kernels.by_hand import COMPUTES, PLAN, ROUTED, SMALL, near

PLAIN = SMALL._replace(gated=0.0)
CROSSED = PLAIN._replace(cross_layers=4.0)  # half a layer's kernels more: attention, its norm and residual


@pytest.mark.parametrize(
    ("model", "changes", "sparse", "forward", "backward"),
    [
        (PLAIN, {}, 0.0, 14, 26),
        (SMALL, {}, 0.0, 14 + 8, 26 + 16),
        (CROSSED, {}, 0.0, 21, 39),
        (CROSSED._replace(cross_layers=2.0, gated=1.0), {}, 0.0, 1.25 * 22, 1.25 * 42),
        (ROUTED, {}, 1.0, 22 + 20 + 2 * 8, 42 + 20 + 4 * 8),
        (ROUTED, {}, 0.25, 22 + 5 + 4, 42 + 5 + 8),
        (PLAIN, {"tp": 2.0}, 0.0, 14 + 2, 26 + 2),  # an all-reduce a block
        (
            PLAIN,
            {"tp": 2.0, "sequence_parallel": 1.0},
            0.0,
            14 + 4,
            26 + 6,
        ),  # gather, scatter; gather again
        (PLAIN, {"sequence_parallel": 1.0}, 0.0, 14, 26),
        (PLAIN, {"cp": 4.0}, 0.0, 14 + 9, 26 + 9),  # three steps: keys and values come, attention, merge
        (CROSSED, {"tp": 2.0}, 0.0, 21 + 3, 39 + 3),
        (CROSSED, {"tp": 2.0, "sequence_parallel": 1.0}, 0.0, 21 + 6, 39 + 9),
        (ROUTED, {"ep": 4.0}, 1.0, 42 + 2 * 2 + 2, 62 + 4 * 2 + 2),  # dispatch and combine
        (ROUTED, {"ep": 4.0}, 0.5, 22 + 10 + 2 + 1, 42 + 10 + 4 + 1),
        (ROUTED, {"tp": 2.0, "ep": 4.0}, 1.0, 42 + 4 + 2 + 2, 62 + 8 + 2 + 2),
    ],
)
def test_kernels_of_a_layer_are_those_counted_by_hand(
    model: Model, changes: dict[str, float], sparse: float, forward: float, backward: float
) -> None:
    """14 forward and 26 backward, 8 and 16 more with gate and rotary positions, 20 for experts, and a launch a product
    and local expert (docs/models.md)."""
    assert launches_of(model, PLAN._replace(**changes), sparse) == near((forward, backward))


def waits(plan: Plan, launch_s: float = 1e-3, model: Model = SMALL, **network: float) -> tuple[float, float]:
    device = COMPUTES._replace(launch_s=launch_s, **network)
    layer = one_layer(model, plan, device, rates(device, 2.0))
    return layer.wait_forward_s, layer.wait_backward_s


def test_a_device_that_does_nothing_else_waits_for_every_launch() -> None:
    assert waits(PLAN) == pytest.approx((22e-3, 42e-3), rel=2e-3)
    assert waits(PLAN._replace(recompute=FULL)) == pytest.approx((22e-3, 64e-3), rel=2e-3)
    assert waits(PLAN, 2e-3) == pytest.approx((44e-3, 84e-3), rel=2e-3)
    assert waits(PLAN, 0.0) == (0.0, 0.0)


def test_the_host_launches_while_the_ring_of_context_ranks_sends() -> None:
    # 1/2 of 256 tokens x 2 x 2 heads x 16 x 2 bytes a pass, at a rate that makes it 3 ms; once, twice, or thrice.
    ring_b = 1 / 2 * 256 * 2 * 2 * 16 * 2
    for recompute, launches, rings in ((0.0, 42 + 3, 2), (FULL, 64 + 6, 3)):
        plan = PLAN._replace(cp=2.0, recompute=recompute)
        forward_s, backward_s = waits(plan, link_b_per_s=ring_b / 3e-3)
        assert forward_s == pytest.approx((22 + 3) * 1e-3 - 3e-3, rel=0.02)  # both near each other are rounded
        assert backward_s == pytest.approx((launches - 3 * rings) * 1e-3, rel=0.02)


@pytest.mark.parametrize(("recompute", "backward"), [(0.0, (42 + 2) - 2 * 2), (FULL, (42 + 2 + 22 + 2) - 2 * 2 * 2)])
def test_the_host_launches_while_tensor_ranks_sum(recompute: float, backward: float) -> None:
    # Two all-reduces a pass, whose 2 x 1/2 of 256 tokens x 64 x 2 bytes take 2 ms each; as many with recomputing.
    plan = PLAN._replace(tp=2.0, recompute=recompute)
    found = waits(plan, link_b_per_s=256 * 64 * 2 / 2e-3)
    assert found == pytest.approx((20e-3, backward * 1e-3), rel=0.03)


@pytest.mark.parametrize(("recompute", "backward"), [(0.0, 64 + 16 - 4), (FULL, 64 + 16 + 44 + 8 - 8)])
def test_the_host_launches_while_tokens_are_dispatched(recompute: float, backward: float) -> None:
    # There and back, two copies, half of which leave a rank of two: 2 x 256 x 64 x 2 bytes a pass take 4 ms.
    plan = PLAN._replace(ep=2.0, recompute=recompute)
    found = waits(plan, model=ROUTED, link_b_per_s=2 * 256 * 64 * 2 / 4e-3)
    assert found == pytest.approx((48e-3, backward * 1e-3), rel=0.01)
