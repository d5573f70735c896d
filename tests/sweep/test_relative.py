"""Intervals of percent differences: Fieller's, by hand, by their definition, and as often right as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsim.sweep.statistics import Relative, independent, interval, paired, relative


def of_pairs(ours: list[float], theirs: list[float]) -> Relative:
    return relative(paired(ours, theirs), interval(ours), interval(theirs))


def test_an_exact_baseline_makes_the_interval_that_of_the_difference_over_it():
    found = of_pairs([11.0, 12.0, 13.0], [10.0, 10.0, 10.0])
    half = interval([1.0, 2.0, 3.0]).half / 10.0
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.2 - half, 0.2 + half))


def test_a_factor_that_all_pairs_share_is_known_exactly():
    found = of_pairs([3.0, 3.3, 3.6], [10.0, 11.0, 12.0])
    assert (found.low, found.high) == pytest.approx((-0.7, -0.7))


def test_a_baseline_that_may_be_zero_has_no_ratio():
    found = of_pairs([1.0, 2.0, 3.0], [0.1, -0.1, 0.2])
    assert (found.low, found.high, found.bounded) == (-math.inf, math.inf, False)
    assert not of_pairs([1.0, 2.0], [0.0, 0.0]).bounded


NUMBERS = st.lists(st.tuples(st.floats(1.0, 9.0), st.floats(50.0, 80.0)), min_size=3, max_size=12)


@given(NUMBERS, st.floats(-0.5, 0.5))
def test_the_ends_are_the_ratios_at_which_the_difference_is_just_not_told_from_zero(pairs, move):
    theirs = [b for _, b in pairs]
    ours = [b * (1.0 + move) + a for a, b in pairs]
    found, difference = of_pairs(ours, theirs), paired(ours, theirs)
    if not found.bounded or found.high - found.low < 1e-6:
        return
    for end in (found.low, found.high):
        left = interval([a - (1.0 + end) * b for a, b in zip(ours, theirs, strict=True)])
        assert abs(left.value) == pytest.approx(left.half, rel=1e-4, abs=1e-6)
    if abs(abs(difference.value) - difference.half) > 1e-6:
        assert difference.excludes_zero == (found.low > 0.0 or found.high < 0.0)


def test_intervals_of_ratios_hold_the_truth_as_often_as_they_say():
    rng, held, runs = np.random.default_rng(5), {"paired": 0, "independent": 0}, 3000
    for _ in range(runs):
        common = rng.normal(0.0, 3.0, 8)
        theirs, ours = 10.0 + common + rng.normal(0, 1, 8), 3.0 + 0.3 * common + rng.normal(0, 0.5, 8)
        found = {"paired": of_pairs(ours.tolist(), theirs.tolist())}
        mine, other = interval(3.0 + rng.normal(0, 1, 200)), interval(10.0 + rng.normal(0, 3, 200))
        found["independent"] = relative(independent(mine, other), mine, other)
        for name, one in found.items():
            held[name] += one.low <= -0.7 <= one.high
    for count in held.values():
        assert abs(count / runs - 0.95) < 4 * math.sqrt(0.95 * 0.05 / runs)
