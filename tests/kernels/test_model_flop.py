"""FLOP of a step by the model: each kind of layer by hand."""

from __future__ import annotations

import pytest

from dcsim.kernels.facts import FULL, Model
from dcsim.kernels.step import model_flop
from tests.kernels.by_hand import ATTENTION, LATENT, MLP, PLAN, ROUTED, SMALL, TABLE, TOKENS, near

SCORES = 2 * 4 * (16 + 16) * 128  # a token and layer: scores and values of 4 heads, all 128 positions
LATENT_ATTENTION = 24 * (64 + 4 * 24) + 64 * (20 + 8) + 20 * 4 * (16 + 12) + 4 * 12 * 64
EXPERTS = 3 * 64 * 2 * 32 + 64 * 8  # two experts a token, and the router


@pytest.mark.parametrize(
    ("model", "weights", "scores"),
    [
        (SMALL, 4 * (ATTENTION + MLP), 4 * SCORES),
        (SMALL._replace(gated=0.0), 4 * (ATTENTION + 2 * 64 * 256), 4 * SCORES),
        (SMALL._replace(window=32.0), 4 * (ATTENTION + MLP), 4 * SCORES / 4),
        (SMALL._replace(window=4096.0), 4 * (ATTENTION + MLP), 4 * SCORES),
        (SMALL._replace(cross_layers=2.0), 6 * ATTENTION + 4 * MLP, 6 * SCORES),
        (SMALL._replace(v_head_dim=8.0), 4 * (64 * 64 + 64 * 2 * 24 + 4 * 8 * 64 + MLP), 4 * 2 * 4 * 24 * 128),
        (LATENT, 4 * (LATENT_ATTENTION + MLP), 4 * 2 * 4 * (16 + 8 + 12) * 128),
        (ROUTED, 4 * (ATTENTION + EXPERTS), 4 * SCORES),
        (ROUTED._replace(shared_hidden=48.0), 4 * (ATTENTION + EXPERTS + 3 * 64 * 48), 4 * SCORES),
        (ROUTED._replace(dense_layers=1.0), 4 * ATTENTION + MLP + 3 * EXPERTS, 4 * SCORES),
        (ROUTED._replace(capacity=2.0), 4 * (ATTENTION + EXPERTS), 4 * SCORES),  # padding is no model's work
    ],
)
def test_flop_of_a_step_are_three_passes_over_weights_and_pairs(model: Model, weights: float, scores: float) -> None:
    """Two a weight and token, the head among them, and a score and a value each pair; backward twice forward."""
    assert model_flop(model, PLAN) == near(3 * TOKENS * (2 * (weights + TABLE) + scores))


def test_only_the_tokens_of_a_step_change_its_flop() -> None:
    once = model_flop(SMALL, PLAN)
    assert model_flop(SMALL, PLAN._replace(global_batch=4.0)) == near(2 * once)
    spread = PLAN._replace(tp=2.0, pp=2.0, cp=2.0, dp=2.0, recompute=FULL, flash=0.0)
    assert model_flop(SMALL, spread) == once


def test_a_published_model_has_its_published_flop() -> None:
    """GPT-3 175B, arXiv 2005.14165, appendix D: 3.14e23 FLOP for 300e9 tokens, scores of attention left out."""
    model = Model(96.0, 12288.0, 96.0, 96.0, 128.0, 49152.0, 0.0, 50257.0, 1.0)
    plan = PLAN._replace(global_batch=1536.0, seq_len=2048.0)
    scores = 3 * 1536 * 2048 * 96 * 2 * 96 * 256 * 2048
    a_token = (model_flop(model, plan) - scores) / (1536 * 2048)
    assert a_token * 300e9 == pytest.approx(3.14e23, rel=5e-3)
