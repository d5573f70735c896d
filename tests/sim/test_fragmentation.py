"""Accelerators that were free and of no use, against hand sums."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim.metrics.fragmentation import unusable
from tests.simulate import Simulated, pools, simulate, table


def found(ran: Simulated) -> dict[int, tuple[float, ...]]:
    """(mean, at the end, of all free in the mean, of all free at the end) by size."""
    rows = unusable(ran.jobs, ran.log, ran.scenario.pools, ran.outcome.end_s)
    return {row.size: (row.mean, row.at_end, row.free_mean, row.free_at_end) for row in rows}


def test_two_nodes_with_one_free_each_have_two_that_no_pair_can_use():
    # Singles on both of two nodes of 2 until second 10, then on one of them until 20, the end. Pairs cannot use 2, then
    # 1 of the 2, then 3 that are free: means (20 + 10) / 20 and (20 + 30) / 20. Singles can use all.
    jobs = table([0, 0, 30], [10, 20, 0], [1, 1, 2])
    ran = simulate(jobs, 2, 2, placement="spread", horizon=20.0)
    assert found(ran) == {1: (0, 0, 2.5, 4), 2: (1.5, 0, 2.5, 4)}


def test_what_jobs_hold_when_the_run_stops_is_not_free():
    ran = simulate(table([0, 2], [100, 100], [1, 4]), 1, 4, horizon=10.0)
    assert found(ran) == {1: (0, 0, 3, 3), 4: (3, 3, 3, 3)}


def test_parts_of_accelerators_are_counted_as_such():
    ran = simulate(table([0, 5], [100, 100], [1, 1], share=np.array([0.25, 0.5])), 1, 1, horizon=10.0)
    assert found(ran)[1] == pytest.approx((0.5 * 0.75 + 0.5 * 0.25, 0.25, 0.5, 0.25))


def test_nodes_of_several_pools_and_gangs_over_several_nodes_add_up():
    # A gang of 3 on the pool of 2 x 2, one single on the pool of 1 x 1, for ever: of 5, one is free, and no pair fits.
    jobs = table([0, 0, 1], [100, 100, 100], [3, 1, 2], pool=["a", "b", "a"])
    ran = simulate(jobs, 0, 0, pools=pools((2, 2), (1, 1)), horizon=10.0)
    assert found(ran) == {1: (0, 0, 1, 1), 2: (1, 1, 1, 1)}


def test_without_node_walls_nothing_is_fragmented():
    assert found(simulate(table([0], [10], [1]), 2, 2, placement="pool", horizon=5.0)) == {}
