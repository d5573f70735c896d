"""Bytes that layers keep and that come and go, tensor by tensor for one token."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim.kernels.facts import FULL, GPIPE, NONE, ONE_F_ONE_B, SELECTIVE, ZERO3, Model, Plan
from dcsim.kernels.memory import Memory, stage_memory
from tests.kernels.by_hand import ATTENTION, LATENT, MLP, PLAN, ROUTED, SMALL, TABLE, TOKENS, near

NORMS, QKVO, MLP_KEPT = 4 * 64, (2 * 4 + 2 * 2) * 16, 3 * 256  # elements: of two norms in and out; gate, up, product
STATISTICS = 4 * 4  # bytes of flash attention: 4 a head
UNFUSED = PLAN._replace(flash=0.0)
SCORES = 4 * 128  # a token's, of all heads


def parts(model: Model = SMALL, plan: Plan = PLAN) -> Memory:
    return Memory(*stage_memory(np.array([model]), np.array([plan]))[0])


def kept_b(model: Model = SMALL, plan: Plan = PLAN) -> float:
    """Bytes a token and layer."""
    return parts(model, plan).activations_b / (TOKENS / plan.cp * model.layers)


@pytest.mark.parametrize(
    ("tp", "heads", "kv_heads"),
    [(1.0, 4, 2), (2.0, 2, 1), (4.0, 1, 1)],  # four ranks keep copies of two key and value heads
)
def test_a_rank_keeps_one_key_and_value_head_at_least(tp: float, heads: int, kv_heads: int) -> None:
    elements = NORMS + (2 * heads + 2 * kv_heads) * 16 + MLP_KEPT / tp
    assert kept_b(plan=PLAN._replace(tp=tp)) == near(2 * elements + 4 * heads)


def test_latent_attention_keeps_both_latents_and_all_heads_expanded() -> None:
    # Query and key 16 + 8, value and output 12, of 4 heads; latents of 24 and 20, which tensor ranks do not cut.
    for tp in (1, 2):
        elements = NORMS + 4 * 2 * (24 + 12) / tp + 24 + 20 + MLP_KEPT / tp
        assert kept_b(LATENT, PLAN._replace(tp=tp)) == near(2 * elements + STATISTICS / tp)


@pytest.mark.parametrize(
    ("linear_bytes", "dropout", "each"),
    [(2.0, 0.0, 2), (2.0, 1.0, 5), (4.0, 0.0, 4), (4.0, 1.0, 9), (1.0, 1.0, 5)],
)
def test_scores_keep_soft_max_and_with_dropout_mask_and_result(linear_bytes: float, dropout: float, each: int) -> None:
    plan = UNFUSED._replace(linear_bytes=linear_bytes, dropout=dropout)
    kept, without = (kept_b(plan=plan._replace(recompute=kind)) for kind in (NONE, SELECTIVE))
    assert kept - without == near(each * SCORES)


def test_masks_are_a_byte_an_element_of_each_block() -> None:
    crossed = SMALL._replace(cross_layers=4.0)
    for model, blocks in ((SMALL, 2), (crossed, 3), (crossed._replace(cross_layers=2.0), 2.5)):
        for changes, whole in (({"tp": 2.0}, 64), ({"tp": 2.0, "sequence_parallel": 1.0}, 32)):
            with_masks, without = (kept_b(model, PLAN._replace(dropout=on, **changes)) for on in (1.0, 0.0))
            assert with_masks - without == near(blocks * whole)


def test_a_second_attention_keeps_its_norm_its_tensors_and_its_scores() -> None:
    crossed = SMALL._replace(cross_layers=4.0)
    assert kept_b(crossed, UNFUSED) - kept_b(SMALL, UNFUSED) == near(2 * (2 * 64 + QKVO) + 2 * SCORES)


def test_unfused_kernels_keep_more_of_everything_but_scores() -> None:
    once, thrice = (kept_b(plan=UNFUSED._replace(kept_factor=factor)) for factor in (1.0, 3.0))
    assert thrice - once == near(2 * 2 * (NORMS + QKVO + MLP_KEPT))


@pytest.mark.parametrize(
    ("changes", "plan", "elements", "router_b"),
    [
        # norms, attention, two copies in and out, gate, up and product of two experts; 8 bytes for each of 8 experts
        ({}, {}, NORMS + QKVO + 2 * 2 * 64 + 3 * 2 * 32, 64),
        ({"shared_hidden": 48.0}, {}, NORMS + QKVO + 2 * 2 * 64 + 3 * (2 * 32 + 48), 64),
        ({"capacity": 1.5}, {}, NORMS + QKVO + 2 * 3 * 64 + 3 * 3 * 32, 64),
        ({}, {"tp": 2.0}, NORMS + QKVO / 2 + 2 * 2 * 64 + 3 * 32, 64),  # cut: all tokens are copied
        ({}, {"tp": 2.0, "sequence_parallel": 1.0}, NORMS / 2 + QKVO / 2 + 2 * 2 * 64 + 3 * 32, 32),
        ({}, {"tp": 2.0, "ep": 4.0}, NORMS + QKVO / 2 + 2 * 64 + 3 * 32, 32),  # whole: each rank its half
    ],
)
def test_experts_keep_copies_their_products_and_the_router(
    changes: dict[str, float], plan: dict[str, float], elements: float, router_b: float
) -> None:
    found = kept_b(ROUTED._replace(**changes), PLAN._replace(**plan))
    assert found == near(2 * elements + router_b + STATISTICS / plan.get("tp", 1.0))


WORK_B = 2 * (2 * 64 + 2 * 256)  # gradients of a layer's input and output, of gate and up


@pytest.mark.parametrize(
    ("model", "changes", "token_b"),
    [
        (SMALL, {}, WORK_B),
        (SMALL._replace(gated=0.0), {}, 2 * (2 * 64 + 256)),
        (SMALL, {"linear_bytes": 4.0}, 2 * WORK_B),
        (SMALL, {"pp": 2.0}, WORK_B + 2 * 2 * 64),  # an input that comes, a gradient that goes
        (SMALL, {"pp": 2.0, "linear_bytes": 4.0}, 2 * WORK_B + 2 * 4 * 64),
        (SMALL, {"cp": 2.0}, WORK_B + 2 * 2 * 2 * 2 * 16),  # keys and values at work, and the next ones
        (SMALL, {"cp": 2.0, "tp": 4.0}, 2 * (2 * 64 + 2 * 64) + 2 * 2 * 2 * 16),  # of one head at least
        (LATENT, {"cp": 2.0}, WORK_B + 2 * 2 * 4 * (24 + 12)),
        (SMALL, {"tp": 2.0}, 2 * (2 * 64 + 256)),
        (SMALL, {"tp": 2.0, "sequence_parallel": 1.0}, 2 * (2 * 32 + 256) + 2 * 64),  # the gathered stream
        (SMALL, {"sequence_parallel": 1.0}, WORK_B),
        (SMALL, {"tp": 2.0, "sequence_parallel": 1.0, "pp": 2.0}, 2 * (2 * 32 + 256) + 2 * 64 + 2 * 2 * 32),
        (SMALL, {"recompute": SELECTIVE}, WORK_B + STATISTICS),  # one layer's core comes and goes
        (ROUTED, {}, 2 * (2 * 64 + 2 * 2 * 32)),
        (ROUTED._replace(capacity=1.5), {}, 2 * (2 * 64 + 2 * 3 * 32)),
    ],
)
def test_the_layer_at_work_and_its_messages_come_and_go(
    model: Model, changes: dict[str, float], token_b: float
) -> None:
    plan = PLAN._replace(**changes)
    assert parts(model, plan).buffers_b == near(TOKENS / plan.cp * token_b)


@pytest.mark.parametrize("flash", [0.0, 1.0])
@pytest.mark.parametrize("recompute", [SELECTIVE, FULL])
def test_what_one_layer_does_not_keep_it_needs_at_work(flash: float, recompute: float) -> None:
    plan = PLAN._replace(flash=flash, dropout=1.0)
    one = SMALL._replace(layers=1.0)
    all_kept, again = parts(one, plan), parts(one, plan._replace(recompute=recompute))
    assert again.activations_b < all_kept.activations_b
    assert again.activations_b + again.buffers_b == near(all_kept.activations_b + all_kept.buffers_b)


@pytest.mark.parametrize(
    ("model", "widest"),
    [
        (SMALL, TABLE),
        (SMALL._replace(vocab=100.0), ATTENTION + MLP + 2 * 64),
        (ROUTED._replace(vocab=100.0), ATTENTION + 8 * 3 * 64 * 32 + 64 * 8 + 2 * 64),
    ],
)
def test_sharded_weights_are_gathered_for_two_layers_and_summed_for_one(model: Model, widest: float) -> None:
    """FSDP prefetches one layer: two of 2 bytes a parameter, and gradients of 4 of those that are trained."""
    for trainable, each in ((1.0, 2 * 2 + 4), (0.0, 2 * 2)):
        tuned = model._replace(trainable=trainable)
        more_b = parts(tuned, PLAN._replace(sharding=ZERO3)).buffers_b - parts(tuned).buffers_b
        assert more_b == near(each * widest)
    wide = PLAN._replace(linear_bytes=4.0)
    assert parts(model, wide._replace(sharding=ZERO3)).buffers_b - parts(model, wide).buffers_b == 12 * widest


@pytest.mark.parametrize(
    ("changes", "token_b"),
    [
        ({}, (2 + 4) * 1000 + 2 * 2 * 64),  # logits, soft-max in fp32, input of the norm and of the head
        ({"linear_bytes": 4.0}, (4 + 4) * 1000 + 2 * 4 * 64),
        ({"tp": 2.0}, (2 + 4) * 500 + 2 * 2 * 64),
        ({"tp": 2.0, "sequence_parallel": 1.0}, (2 + 4) * 500 + 2 * 2 * 32),
        ({"cp": 4.0}, (2 + 4) * 1000 + 2 * 2 * 64),
        ({"loss_bytes": 12.0}, (2 + 12) * 1000 + 2 * 2 * 64),  # fp32 copy, log-soft-max and gradient of plain code
        ({"loss_bytes": 12.0, "tp": 2.0}, (2 + 12) * 500 + 2 * 2 * 64),
        ({"loss_bytes": 0.0}, 2 * 1000 + 2 * 2 * 64),
    ],
)
def test_the_head_keeps_logits_and_their_soft_max(changes: dict[str, float], token_b: float) -> None:
    plan = PLAN._replace(**changes)
    assert parts(plan=plan).logits_b == near(TOKENS / plan.cp * token_b)


@pytest.mark.parametrize(
    ("changes", "batches"),
    [
        ({"global_batch": 32.0}, 4),  # sixteen micro-batches: as many as stages
        ({"global_batch": 4.0}, 2),
        ({"global_batch": 8.0, "dp": 2.0}, 2),
        ({"global_batch": 8.0, "dp": 2.0, "micro_batch": 4.0}, 1),
        ({"global_batch": 32.0, "schedule": GPIPE}, 16),
    ],
)
def test_the_first_stage_keeps_the_micro_batches_that_a_rank_has(changes: dict[str, float], batches: int) -> None:
    model, plan = SMALL._replace(vocab=1.0), PLAN._replace(pp=4.0, **changes)  # no head that makes the last the worst
    tokens = plan.micro_batch * 128
    assert parts(model, plan).activations_b == near(batches * tokens * kept_b())


def test_gpipe_keeps_logits_of_all_micro_batches_at_once() -> None:
    model, plan = SMALL._replace(vocab=1e5), PLAN._replace(pp=2.0, global_batch=16.0)  # eight of them
    one, all_ = (parts(model, plan._replace(schedule=kind)).logits_b for kind in (ONE_F_ONE_B, GPIPE))
    assert (one, all_) == near((TOKENS * (6e5 + 256), 8 * TOKENS * (6e5 + 256)))
