"""Jobs that take turns on a link: two by closed form, and no link over its capacity whatever is found."""

from __future__ import annotations

from math import gcd, lcm

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim.performance.interleaving import STEPS, Phase, shifts_s

ONE_LINK = [(1.0, {0: 1.0, 1: 1.0})]
PARTS = st.integers(1, STEPS)


@given(PARTS, PARTS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_two_jobs_of_one_period_fit_if_and_only_if_their_phases_fill_no_more_than_it(first, second):
    phases = [Phase(3.0, 3.0 * first / STEPS), Phase(3.0, 3.0 * second / STEPS)]
    assert (shifts_s(phases, ONE_LINK) is not None) == (first + second <= STEPS)


@given(st.integers(1, 5), st.integers(1, 5), PARTS, PARTS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_two_jobs_fit_if_and_only_if_their_phases_fill_no_more_than_the_common_divisor_of_their_periods(a, b, s, t):
    # Where one begins in the other's circle runs through all multiples of the divisor; periods are whole parts here.
    small = min(a, b)
    phases = [Phase(a / small, s / STEPS), Phase(b / small, t / STEPS)]
    if STEPS * a % small == STEPS * b % small == 0:
        assert (shifts_s(phases, ONE_LINK) is not None) == (s + t <= gcd(STEPS * a // small, STEPS * b // small))


def test_forty_and_sixty_milliseconds_have_a_circle_of_a_hundred_and_twenty():
    # In each other's circles they begin every 20 ms, so phases of 10 ms each fit, and 12 beside 10 do not.
    assert shifts_s([Phase(0.040, 0.010), Phase(0.060, 0.010)], ONE_LINK) == pytest.approx([0.0, 0.010])
    assert shifts_s([Phase(0.040, 0.012), Phase(0.060, 0.010)], ONE_LINK) is None


def test_who_fits_together_need_not_take_turns():
    assert shifts_s([Phase(1.0, 0.9), Phase(1.0, 0.9)], [(2.0, {0: 1.0, 1: 1.0})]) == [0.0, 0.0]
    assert shifts_s([Phase(1.0, 0.9), Phase(1.0, 0.9)], [(1.0, {0: 1.0}), (1.0, {1: 1.0})]) == [0.0, 0.0]


def test_equal_thirds_fit_and_one_part_more_does_not():
    thirds, link = [Phase(1.0, 1 / 3)] * 3, [(1.0, dict.fromkeys(range(3), 1.0))]
    assert shifts_s(thirds, link) == pytest.approx([0.0, 1 / 3, 2 / 3])
    assert shifts_s([*thirds[:2], Phase(1.0, 1 / 3 + 1 / STEPS)], link) is None


def test_shifts_of_one_job_hold_on_all_its_links():
    # 0 meets 1 on one link and 2 on another: 1 and 2 may send at once, both beside 0.
    halves, links = [Phase(1.0, 0.5)] * 3, [(1.0, {0: 1.0, 1: 1.0}), (1.0, {0: 1.0, 2: 1.0})]
    assert shifts_s(halves, links) == pytest.approx([0.0, 0.5, 0.5])
    # In a ring of three nobody can be beside both others for half of the time.
    assert shifts_s(halves, [*links, (1.0, {1: 1.0, 2: 1.0})]) is None


def test_periods_without_a_short_common_circle_take_no_turns():
    assert (
        shifts_s([Phase(1.0, 0.01), Phase(137.31, 0.01), Phase(153.77, 0.01)], [(1.0, {0: 1.0, 1: 1.0, 2: 1.0})])
        is None
    )


@given(
    st.lists(st.tuples(st.integers(1, 4), st.floats(0.05, 0.9)), min_size=2, max_size=5),
    st.lists(st.dictionaries(st.integers(0, 4), st.sampled_from([0.3, 0.5, 1.0]), min_size=1), min_size=1, max_size=4),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_whatever_is_found_no_link_is_ever_asked_for_more_than_it_has(jobs, links):
    phases = [Phase(float(period), period * share) for period, share in jobs]
    links = [(1.0, {job: load for job, load in loads.items() if job < len(jobs)}) for loads in links]
    found = shifts_s(phases, links)
    if found is not None:
        times = np.linspace(0.0, lcm(*(period for period, _ in jobs)), 5003)
        for capacity, loads in links:
            asked = sum(
                load * ((times - found[job] + 1e-12) % phases[job].period_s < phases[job].sending_s - 2e-12)
                for job, load in loads.items()
            )
            assert np.max(asked, initial=0.0) <= capacity * (1 + 1e-9)
