"""Fewer points: what a reader looks for is still there."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim.report.decimate import keep_extremes, mean_steps
from dcsim.report.slots import edges, slot_length


@pytest.fixture
def walk() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    return np.sort(random.exponential(50.0, 100_000).cumsum()), random.integers(-1, 2, 100_000).cumsum()


def test_a_line_with_few_points_keeps_all():
    assert keep_extremes(np.arange(5000.0), np.zeros(5000)).tolist() == list(range(5000))


def test_at_most_as_many_points_as_asked_for_are_kept(walk):
    for most in (8, 1000, 5000):
        kept = keep_extremes(*walk, most)
        assert len(kept) <= most
        assert (np.diff(kept) > 0).all()


def test_extremes_and_ends_are_kept(walk):
    time_s, values = walk
    for line in (values, -values, values.astype(float)):
        kept = keep_extremes(time_s, line)
        assert (kept[0], kept[-1]) == (0, len(time_s) - 1)
        assert (line[kept].min(), line[kept].max()) == (line.min(), line.max())


def test_each_slot_of_time_keeps_its_own_extremes(walk):
    time_s, values = walk
    most = 400
    kept = keep_extremes(time_s, values, most)
    slot = np.minimum(((time_s - time_s[0]) * (most // 4 / (time_s[-1] - time_s[0]))).astype(int), most // 4 - 1)
    for number in np.unique(slot):
        whole, part = values[slot == number], values[kept[slot[kept] == number]]
        assert (part.min(), part.max(), part[0], part[-1]) == (whole.min(), whole.max(), whole[0], whole[-1])


def test_a_single_peak_among_a_hundred_thousand_points_survives():
    values = np.zeros(100_000)
    values[54_321] = 1.0
    assert 54_321 in keep_extremes(np.arange(100_000.0), values, 100)


def test_points_at_one_instant_are_one_slot():
    assert len(keep_extremes(np.zeros(100), np.arange(100.0), 8)) == 2


def test_means_of_a_step_function_are_exact():
    # 2 from 0 to 10, 6 from 10 to 15, 0 from 15 to 40: means over 0-20 and 20-40 are (20 + 30) / 20 and 0.
    means = mean_steps(np.array([0.0, 10.0, 15.0]), np.array([2, 6, 0]), 40.0, np.array([0.0, 20.0, 40.0]))
    assert means.tolist() == [2.5, 0.0]


def test_slots_have_lengths_that_people_use():
    assert slot_length(200 * 24 * 60 * 60.0, 200) == 24 * 60 * 60.0
    assert slot_length(100.0, 60) == 2.0
    assert edges(100.0, 60)[[0, 1, -2, -1]].tolist() == [0.0, 2.0, 98.0, 100.0]
    assert edges(99.0, 60)[-2:].tolist() == [98.0, 99.0]
    assert edges(0.0, 60).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("span_s", [1e-6, 0.3, 7.0, 1e3, 1e5, 1e7, 1e9, 1e12])
def test_there_are_never_more_slots_than_asked_for(span_s):
    found = edges(span_s, 200)
    assert 1 <= len(found) - 1 <= 200
    assert (found[0], found[-1]) == (0.0, span_s)
    assert (np.diff(found) > 0.0).all()
