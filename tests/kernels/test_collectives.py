"""Collectives: closed forms to 1e-12, steps counted one by one, and the worked examples of the TPU notes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim.kernels.collectives import (
    bus_factor,
    direct_s,
    double_tree_s,
    halving_doubling_s,
    hierarchical_s,
    in_network_s,
    pipeline_s,
    ring_s,
    torus_all_to_all_s,
    torus_s,
)

SIZES = st.floats(1.0, 1e12)
ALPHAS = st.floats(0.0, 1e-3)
RATES = st.floats(1e6, 1e13)
EXACT = 1e-12

ICI = 45e9  # B/s of a TPU v4 link, one direction
HOP = 1e-6


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


@settings(deadline=None)
@given(SIZES, st.integers(1, 2048), ALPHAS, RATES)
def test_a_ring_all_reduce_is_its_alpha_beta_formula(size: float, n: int, alpha: float, rate: float) -> None:
    expected = 2 * (n - 1) * (alpha + size / (n * rate))
    assert ring_s(2.0, size, n, alpha, rate) == pytest.approx(expected, rel=EXACT)
    assert ring_s(1.0, size, n, alpha, rate) == pytest.approx(expected / 2, rel=EXACT)


def test_a_ring_takes_as_long_as_its_steps_one_by_one() -> None:
    n, size, alpha, rate = 1024, 2.0**30, 3e-6, 5e10
    steps = math.fsum(alpha + size / n / rate for _ in range(2 * (n - 1)))
    assert ring_s(2.0, size, n, alpha, rate) == pytest.approx(steps, rel=EXACT)


@settings(deadline=None)
@given(SIZES, st.integers(2, 2048), ALPHAS, RATES)
def test_direct_is_one_message_each_pass(size: float, n: int, alpha: float, rate: float) -> None:
    assert direct_s(2.0, size, n, alpha, rate) == pytest.approx(2 * (alpha + size / (n * rate)), rel=EXACT)


@settings(deadline=None)
@given(SIZES, st.integers(0, 12), ALPHAS, RATES)
def test_halving_and_doubling_is_the_sum_over_its_steps(size: float, d: int, alpha: float, rate: float) -> None:
    expected = 2 * math.fsum(alpha + size / (2**i * rate) for i in range(1, d + 1))
    assert halving_doubling_s(2.0, size, 2**d, alpha, rate) == pytest.approx(expected, rel=EXACT, abs=1e-300)


def test_halving_and_doubling_needs_a_power_of_two() -> None:
    assert halving_doubling_s(2.0, 1.0, 6, 0.0, 1.0) == math.inf


def test_one_rank_takes_no_time() -> None:
    times = [
        ring_s(2.0, 1e9, 1, 1.0, 1.0),
        direct_s(2.0, 1e9, 1, 1.0, 1.0),
        halving_doubling_s(2.0, 1e9, 1, 1.0, 1.0),
        double_tree_s(1e9, 1, 1.0, 1.0),
        pipeline_s(1e9, 1, 1.0, 1.0),
        in_network_s(1e9, 1, 1.0, 1.0),
        torus_s(2.0, 1e9, floats(1, 1), floats(0, 0), 1.0, 1.0),
    ]
    assert times == [0.0] * 7


def test_trees_win_on_latency_and_rings_on_bytes() -> None:
    small = [double_tree_s(1e3, 64, 1e-5, 1e10), ring_s(2.0, 1e3, 64, 1e-5, 1e10)]
    large = [double_tree_s(1e10, 64, 1e-5, 1e10), ring_s(2.0, 1e10, 64, 1e-5, 1e10)]
    assert small[0] < small[1]
    assert large[1] < large[0]


def test_sums_in_the_switch_approach_half_the_bytes_of_a_ring() -> None:
    ratios = [ring_s(2.0, 1.0, n, 0.0, 1.0) / in_network_s(1.0, n, 0.0, 1.0) for n in (3, 8, 72, 4096)]
    assert ratios == sorted(ratios)
    assert ratios[0] == pytest.approx(1.0)
    assert ratios[1] == pytest.approx(14 / 9)  # 2 x 7/8 over 1 + 1/8
    assert ratios[-1] == pytest.approx(2.0, rel=1e-3)


@settings(deadline=None)
@given(SIZES, RATES)
def test_levels_of_a_torus_add_up_and_overlapped_ones_take_the_slowest(size: float, rate: float) -> None:
    sides, alphas, rates = floats(4, 4, 4), np.full(3, 1e-6), np.full(3, rate)
    each = [2 * 3 * (1e-6 + size / 4**d / (4 * rate)) for d in range(3)]
    assert hierarchical_s(2.0, size, sides, alphas, rates, False) == pytest.approx(sum(each), rel=EXACT)
    assert hierarchical_s(2.0, size, sides, alphas, rates, True) == pytest.approx(max(each), rel=EXACT)


def test_a_4x4x4_torus_lies_between_its_bounds_as_astra_sim_has_it() -> None:
    # Notes, section 2: 256 MiB, 10.96 ms with one chunk, 8.36 ms with four; both by rings of one direction at 50 GB/s.
    sides, size = floats(4, 4, 4), 256 * 2.0**20
    whole, slowest = (hierarchical_s(2.0, size, sides, np.zeros(3), np.full(3, 5e10), o) for o in (False, True))
    assert slowest < 8.36e-3 < 10.96e-3
    assert whole == pytest.approx(10.96e-3, rel=0.05)


def test_gathering_1024x4096_bf16_on_a_v4_cube_takes_what_the_book_says() -> None:
    # jax-ml/scaling-book, sharding.md, question 2: 23 us over one axis, 46 us of everything over two, 5.8 us.
    whole = 2.0 * 1024 * 4096
    one, two = floats(4), floats(4, 4)
    assert torus_s(1.0, whole / 4, one, floats(1), HOP, ICI) == pytest.approx(23.3e-6, rel=0.02)
    assert torus_s(1.0, whole, two, floats(1, 1), HOP, ICI) == pytest.approx(46.6e-6, rel=0.02)
    assert torus_s(1.0, whole / 16, one, floats(1), HOP, ICI) == pytest.approx(5.8e-6, rel=0.02)


def test_a_small_gather_on_a_wrapped_axis_of_four_takes_two_hops() -> None:
    # sharding.md, question 3: 32 bytes each way, two hops.
    assert torus_s(1.0, 256.0, floats(4), floats(1), HOP, ICI) == 2 * HOP


def test_without_wrap_around_most_collectives_take_twice_as_long() -> None:
    # jax-ml/scaling-book, tpus.md, of slices below a full cube.
    sides, size = floats(4, 4), 1e9
    wrapped, open_ended = (torus_s(1.0, size, sides, floats(w, w), HOP, ICI) for w in (1, 0))
    assert open_ended == pytest.approx(2 * wrapped)


def test_all_to_all_on_a_ring_costs_a_quarter_of_an_all_gather_of_the_same_array() -> None:
    n, each = 16, 1e9
    gathered = torus_s(1.0, n * each, floats(n), floats(1), 0.0, ICI)
    assert torus_all_to_all_s(each, floats(n), floats(1), 0.0, ICI) == pytest.approx(gathered / 4)


def test_bus_bandwidth_factors_are_those_of_nccl_tests() -> None:
    assert bus_factor("all_reduce", 8) == 1.75
    assert [bus_factor(name, 8) for name in ("all_gather", "reduce_scatter", "all_to_all")] == [0.875] * 3
    assert [bus_factor(name, 8) for name in ("broadcast", "reduce", "send_recv")] == [1.0] * 3
