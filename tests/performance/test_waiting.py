"""What a step waits for: sums by hand."""

from __future__ import annotations

import math

import pytest

from dcsim.performance.waiting import Input


def test_a_step_without_jitter_and_with_endless_data_waits_for_nothing():
    assert Input(sample_b=1e9).waited(2.0, 256, 8) == (2.0, 0.0, 0.0)


def test_late_data_make_the_step_and_double_the_storage_halves_it():
    # 1,024 samples of 1 MB from 100 MB/s: 10.24 s; each of 8 loaders brings its 128 in 1.28 s at 100 MB/s.
    slow = Input(sample_b=1e6, storage_b_per_s=100e6)
    assert slow.waited(2.0, 1024, 8) == (pytest.approx(10.24), 0.0, pytest.approx(8.24))
    assert Input(sample_b=1e6, storage_b_per_s=200e6).waited(2.0, 1024, 8).step_s == pytest.approx(5.12)
    assert Input(sample_b=1e6, loader_b_per_s=100e6).load_s(1024, 8) == pytest.approx(1.28)


def test_two_lognormal_workers_are_late_by_a_known_share():
    # E max of two log-normals is 2 Phi(sigma / sqrt 2) times their mean (Clark 1961, exp of bivariate normals).
    sigma = math.sqrt(math.log1p(0.3**2))
    late = 2.0 * 0.5 * math.erfc(-sigma / 2.0)
    assert Input(jitter=0.3).stretch(2) == pytest.approx(late, rel=1e-9)
    assert Input(jitter=0.3).stretch(1) == 1.0


def test_more_jitter_and_more_workers_wait_longer():
    stretch = [Input(jitter=jitter).stretch(n) for jitter, n in ((0.0, 8), (0.1, 8), (0.1, 64), (0.2, 64))]
    assert stretch == sorted(set(stretch))
    assert stretch[0] == 1.0


def test_what_wins_is_named():
    late = Input(sample_b=1e6, storage_b_per_s=100e6).waited(2.0, 1024, 8)
    uneven = Input(jitter=1.0).waited(2.0, 1024, 1024)
    parts = {"compute": 1.5, "optimizer": 0.5}
    assert late.bound(parts) == "data loading"
    assert uneven.bound(parts) == "stragglers"
    assert Input(jitter=0.01).waited(2.0, 1024, 8).bound(parts) == "compute"
