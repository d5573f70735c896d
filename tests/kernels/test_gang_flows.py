"""Flows of gangs: the slowest of each group, shares of gangs alone, paths that are laid, by hand."""

from __future__ import annotations

import numpy as np

from dcsim.kernels.fairshare import change, idle_flows
from dcsim.kernels.gang_flows import lay, shares_alone, slowest
from tests.kernels.test_fairshare import numbers, over


def test_the_slowest_flow_of_each_group_is_found_from_any_of_its_flows():
    # Rates 4, 2, 2, 9 of 16, 8, 4, 18 that their own links, the last four, would carry.
    here = over([6.0, 4.0, 9.0, 16.0, 8.0, 4.0, 18.0], [[0], [0, 1], [1], [2]])
    change(here, numbers(), numbers(0, 1, 2, 3))
    group, following, told = numbers(5, 3, 5, 1), numbers(2, 1, 0, 3), np.zeros(4)

    def found(*flows: int) -> list[tuple[int, float]]:
        groups = slowest(here.rate_b_per_s, here.capacity_b_per_s, numbers(*flows), group, following, told)
        return list(zip(*(column.tolist() for column in groups), strict=True))

    assert found() == []
    assert found(2) == [(5, 0.25)]
    assert found(3, 2, 0, 1) == [(1, 0.5), (3, 0.25)]  # what was told is not told again
    assert found(3, 2, 0, 1) == []


def test_kinds_of_traffic_alone_are_slowed_down_by_the_link_that_lacks_most():
    # Kind 0: 6 + 4 over link 0 of 5, 4 over link 1 of 3. Kind 1: 2 over link 1, which is enough. Kind 2: twice over 2.
    first, link, kind = numbers(0, 1, 3, 4, 6), numbers(0, 0, 1, 1, 2, 2), numbers(0, 0, 1, 2)
    asked, load = np.array([6.0, 4.0, 2.0, 4.0]), np.zeros(3)
    found = shares_alone(np.array([5.0, 3.0, 6.0]), load, first, link, kind, asked)
    assert found.tolist() == [0.5, 1.0, 0.75]
    assert not load.any()


def test_a_laid_flow_is_held_at_its_own_rate_wherever_it_lay_before():
    here = idle_flows(np.array([10.0, 8.0, 1.0, 1.0]), 2, 3)  # links 2 and 3 are the flows' own
    for way in ((0, 1), (0,)):
        first, link = numbers(0, len(way), len(way) + 1), numbers(*way, 0)
        lay(here.path, here.capacity_b_per_s, numbers(1, 0), first, link, np.array([3.0, 2.0]))
        assert here.path[1].tolist() == [*way, 3, -1][:3]
        change(here, numbers(), numbers(0, 1))
        assert here.rate_b_per_s.tolist() == [2.0, 3.0]
        change(here, numbers(0, 1), numbers())
