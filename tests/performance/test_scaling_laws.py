"""Scaling laws against their papers' figures, and against each other's inverses."""

from __future__ import annotations

import math

import pytest

from dcsim.errors import ScenarioError
from dcsim.performance.scaling_laws import (
    batch_efficiency,
    compute_optimal,
    loss,
    optimal_for,
    parameters_for,
    samples_for,
    steps_for,
    tokens_for,
)
from dcsim.scenario import presets
from dcsim.scenario.scaling_law import ScalingLaw

LAWS = [presets.scaling_law(name) for name in presets.names("scaling_laws")]
each_law = pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)


def test_chinchilla_by_hand() -> None:
    # arXiv 2203.15556: 1.69 + 406.4 / 70e9^0.34 + 410.7 / 1.4e12^0.28.
    by_hand = 1.69 + 406.4 * math.exp(-0.34 * math.log(70e9)) + 410.7 * math.exp(-0.28 * math.log(1.4e12))
    assert loss(presets.scaling_law("chinchilla"), 70e9, 1.4e12) == pytest.approx(by_hand, rel=1e-12)
    assert by_hand == pytest.approx(1.9366, abs=1e-3)


def test_the_corrected_fit_by_hand() -> None:
    by_hand = 1.8172 + 482.01 * 70e9**-0.3478 + 2085.43 * 1.4e12**-0.3658
    assert loss(presets.scaling_law("chinchilla-corrected"), 70e9, 1.4e12) == pytest.approx(by_hand, rel=1e-12)


def test_the_corrected_fit_recommends_about_20_tokens_a_parameter() -> None:
    # arXiv 2404.10102: the replicated fit agrees with approaches 1 and 2 at the compute of Chinchilla, 5.76e23 FLOP.
    split = compute_optimal(presets.scaling_law("chinchilla-corrected"), 5.76e23)
    assert 15 < split.tokens / split.parameters < 30
    published = compute_optimal(presets.scaling_law("chinchilla"), 5.76e23)
    assert published.tokens / published.parameters > 60


def test_kaplan_without_a_shortage_of_data_or_parameters() -> None:
    # arXiv 2001.08361, equations 1.1 and 1.2.
    law = presets.scaling_law("kaplan")
    assert loss(law, 1e9, math.inf) == pytest.approx((8.8e13 / 1e9) ** 0.076, rel=1e-9)
    assert loss(law, math.inf, 1e10) == pytest.approx((5.4e13 / 1e10) ** 0.095, rel=1e-9)


@each_law
def test_more_parameters_and_more_tokens_never_hurt(law: ScalingLaw) -> None:
    losses = [loss(law, n, 1e11) for n in (1e8, 1e9, 1e10, 1e11)]
    assert losses == sorted(losses, reverse=True)
    losses = [loss(law, 1e9, d) for d in (1e9, 1e10, 1e11, math.inf)]
    assert losses == sorted(losses, reverse=True)


@each_law
def test_tokens_and_parameters_lead_back_to_the_loss(law: ScalingLaw) -> None:
    target = loss(law, 7e9, 2e12)
    assert tokens_for(law, 7e9, target) == pytest.approx(2e12, rel=1e-6)
    assert parameters_for(law, 2e12, target) == pytest.approx(7e9, rel=1e-6)


@each_law
def test_no_other_split_of_the_same_compute_is_better(law: ScalingLaw) -> None:
    best = compute_optimal(law, 1e23)
    assert 6 * best.parameters * best.tokens == pytest.approx(1e23)
    least = loss(law, *best)
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert loss(law, best.parameters * factor, best.tokens / factor) > least


@each_law
def test_the_least_compute_for_a_loss_is_the_optimal_split_of_it(law: ScalingLaw) -> None:
    best = compute_optimal(law, 1e22)
    assert optimal_for(law, loss(law, *best)) == pytest.approx(best, rel=1e-6)


def test_a_loss_out_of_reach_says_what_is_in_reach() -> None:
    law = presets.scaling_law("chinchilla")
    for call in (
        lambda: tokens_for(law, 1e9, 1.6),
        lambda: parameters_for(law, 1e9, 1.6),
        lambda: optimal_for(law, 1.69),
    ):
        with pytest.raises(ScenarioError) as caught:
            call()
        assert "is out of reach" in str(caught.value)
        assert "expected above 1.69, the irreducible loss of 'chinchilla'" in str(caught.value)
    with pytest.raises(ScenarioError) as caught:
        tokens_for(law, 1e9, 2.0)
    floor = loss(law, 1e9, math.inf)
    assert f"expected above {floor:.4g}, the limit of 1e+09 parameters" in str(caught.value)


def test_coefficients_of_a_user_count() -> None:
    law = ScalingLaw(name="mine", irreducible=2.0, a=100.0, alpha=0.5, b=400.0, beta=0.5)
    assert loss(law, 1e4, 1e4) == pytest.approx(2 + 1 + 4)
    # 50 / N^1.5 = 200 / (1e8 N)^0.5, so N = 50 / 200 x 1e4.
    assert compute_optimal(law, 6e8).parameters == pytest.approx(2500)


def test_the_noise_scale_trades_steps_for_samples() -> None:
    # arXiv 1812.06162, equation 2.7: at the critical batch twice the least steps and twice the least samples.
    assert steps_for(1000, 256, 256) == 2000
    assert samples_for(1e6, 256, 256) == 2e6
    assert steps_for(1000, 256, 1e12) == pytest.approx(1000)
    # (S / S_min - 1)(E / E_min - 1) = 1 at any batch.
    for batch in (8, 64, 4096):
        assert (steps_for(1, 256, batch) - 1) * (samples_for(1, 256, batch) - 1) == pytest.approx(1)


def test_pollux_efficiency_is_one_at_the_first_batch_and_falls() -> None:
    assert batch_efficiency(1000, 128, 128) == 1
    assert batch_efficiency(1000, 128, 1256) == pytest.approx(0.5)
    assert batch_efficiency(1e9, 128, 1256) == pytest.approx(1, abs=1e-5)
