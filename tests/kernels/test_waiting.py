"""Expected slowest of n workers, against exact integrals and draws; the bound of data loading."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from dcsim.kernels.waiting import (
    harmonic,
    loading_s,
    normal_quantile,
    slowest_exponential,
    slowest_lognormal,
    slowest_normal,
)

COUNTS = [1, 2, 5, 16, 64, 1000, 10_000]


def exact(law: stats.rv_continuous, n: int) -> float:
    """Integral of x dF(x)^n, by the quantile of w^(1/n) with w uniform."""
    value, _ = integrate.quad(lambda z: law.isf(-np.expm1(stats.norm.logcdf(z) / n)) * stats.norm.pdf(z), -8, 8)
    return float(value)


@pytest.mark.parametrize("p", [1e-300, 1e-12, 1e-5, 0.02425, 0.3, 0.5, 0.9, 0.999999])
def test_the_normal_quantile_equals_scipys(p: float) -> None:
    assert normal_quantile(p) == pytest.approx(stats.norm.ppf(p), rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("n", COUNTS)
def test_bloms_formula_is_within_three_percent_of_a_deviation(n: int) -> None:
    most = 0.02 if n >= 5 else 0.03
    assert slowest_normal(10.0, 2.0, n) == pytest.approx(10 + 2 * exact(stats.norm(), n), abs=2 * most)


@pytest.mark.parametrize("n", COUNTS)
def test_exponential_times_wait_for_a_harmonic_number(n: int) -> None:
    assert slowest_exponential(3.0, n) == pytest.approx(3 * sum(1 / k for k in range(1, n + 1)), rel=1e-12)


@pytest.mark.parametrize("n", COUNTS)
@pytest.mark.parametrize("variation", [0.02, 0.3, 1.0])
def test_lognormal_times_equal_the_exact_integral(n: int, variation: float) -> None:
    sigma = math.sqrt(math.log1p(variation**2))
    law = stats.lognorm(sigma, scale=math.exp(-0.5 * sigma**2))
    assert slowest_lognormal(5.0, variation, n) == pytest.approx(5 * exact(law, n), rel=1e-6)


@pytest.mark.parametrize("n", [4, 64])
def test_draws_agree_with_all_three_laws(n: int) -> None:
    rng = np.random.default_rng(7)
    sigma = math.sqrt(math.log1p(0.3**2))
    draws = rng.standard_normal((40_000, n))
    lognormal = np.exp(sigma * draws - 0.5 * sigma**2).max(axis=1).mean()
    assert slowest_normal(1.0, 0.1, n) == pytest.approx(1 + 0.1 * draws.max(axis=1).mean(), abs=0.003)
    assert slowest_lognormal(1.0, 0.3, n) == pytest.approx(lognormal, rel=0.005)
    assert slowest_exponential(1.0, n) == pytest.approx(rng.exponential(size=(40_000, n)).max(axis=1).mean(), rel=0.02)


def test_one_worker_waits_for_nobody() -> None:
    assert slowest_normal(3.0, 1.0, 1.0) == 3.0
    assert slowest_exponential(3.0, 1.0) == 3.0
    assert slowest_lognormal(3.0, 0.5, 1.0) == pytest.approx(3.0, rel=1e-12)


def test_without_variation_the_slowest_is_the_mean() -> None:
    assert slowest_normal(3.0, 0.0, 1e6) == 3.0
    assert slowest_lognormal(3.0, 0.0, 1e6) == pytest.approx(3.0, rel=1e-12)


def test_the_slowest_grows_with_workers_and_is_finite_for_millions() -> None:
    times = [slowest_lognormal(1.0, 0.2, float(n)) for n in (1, 2, 10, 1000, 1e6, 1e9)]
    assert times == sorted(times)
    assert math.isfinite(times[-1])
    # For large n, about sigma sqrt(2 ln n).
    assert slowest_normal(0.0, 1.0, 1e6) == pytest.approx(math.sqrt(2 * math.log(1e6)), rel=0.1)


def test_harmonic_numbers_join_their_series_smoothly() -> None:
    for n in (15, 16, 17, 18):
        assert harmonic(n + 1.0) - harmonic(float(n)) == pytest.approx(1 / (n + 1), abs=1e-9)


def test_loading_takes_the_slower_of_loader_and_storage() -> None:
    assert loading_s(256.0, 110e3, 100e6, math.inf) == pytest.approx(0.2816)
    assert loading_s(256.0, 110e3, 100e6, 50e6) == pytest.approx(0.5632)
    assert loading_s(256.0, 110e3, math.inf, math.inf) == 0.0


def test_twice_the_loader_or_storage_halves_loading() -> None:
    assert loading_s(256.0, 110e3, 200e6, math.inf) == pytest.approx(loading_s(256.0, 110e3, 100e6, math.inf) / 2)
    assert loading_s(256.0, 110e3, math.inf, 200e6) == pytest.approx(loading_s(256.0, 110e3, math.inf, 100e6) / 2)
