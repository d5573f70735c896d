"""How many accelerators to own: the fractile rule against the cost of every size, hand sums and published figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dcsim
from experiments.size_and_wait.newsvendor import FIXED, VARIABLE, Demand, best_size, cheapest_size
from tests.conftest import ROOT

SCENARIO = ROOT / "experiments" / "size_and_wait" / "scenario.toml"


@pytest.fixture(scope="module")
def demand() -> Demand:
    return Demand.of(dcsim.run(SCENARIO))


@pytest.mark.parametrize(
    ("cloud", "size", "cost", "all_cloud", "own_the_peak"),
    [(1.70, 13, 23.09, 1.218, 2.183), (2.99, 19, 27.10, 1.825, 1.860), (6.88, 24, 33.08, 3.439, 1.523)],
)
def test_pai_sample_is_served_cheapest_as_was_found_independently(
    demand: Demand, cloud: float, size: int, cost: float, all_cloud: float, own_the_peak: float
):
    # ../shared/notes/power_cost.md, section C7, from the same 1,000 jobs without a simulator.
    assert best_size(demand, cloud) == size
    assert cheapest_size(demand, cloud) == size
    least = demand.cost_usd_per_h(size, cloud)
    assert round(least, 2) == cost
    assert round(demand.cost_usd_per_h(0, cloud) / least, 3) == all_cloud
    assert round(demand.cost_usd_per_h(49, cloud) / least, 3) == own_the_peak


def test_pai_sample_has_the_demand_that_was_found_independently(demand: Demand):
    # The same section: mean 16.5, 95th percentile 34, at most 49, over 8 days.
    assert round(float((demand.level * demand.share).sum()), 1) == 16.5
    assert demand.fractile(0.95) == 34
    assert demand.level[-1] == 49


def test_two_levels_by_hand():
    # 2 accelerators for 3/4 of the time, 10 for 1/4. The third is used 1/4 of the time and saves p - 0.114 then: it is
    # worth 0.99 from p = 4.074 on.
    demand = Demand(np.array([2.0, 10.0]), np.array([0.75, 0.25]))
    assert best_size(demand, 4.07) == cheapest_size(demand, 4.07) == 2
    assert best_size(demand, 4.08) == cheapest_size(demand, 4.08) == 10
    assert demand.cost_usd_per_h(2, 4.0) == pytest.approx(2 * 0.99 + 2 * 0.114 + 0.25 * 8 * 4.0)


def test_nothing_is_worth_owning_where_the_cloud_is_cheaper_than_an_accelerator_always_in_use():
    demand = Demand(np.array([5.0]), np.array([1.0]))
    assert best_size(demand, FIXED + VARIABLE - 0.01) == cheapest_size(demand, FIXED + VARIABLE - 0.01) == 0
    assert best_size(demand, FIXED + VARIABLE + 0.01) == cheapest_size(demand, FIXED + VARIABLE + 0.01) == 5


@given(
    st.dictionaries(st.integers(0, 60), st.floats(0.01, 1.0), min_size=1, max_size=12),
    st.floats(1.2, 30.0),
)
def test_no_size_is_cheaper_than_the_fractile(seconds: dict[int, float], cloud: float):
    level = np.array(sorted(seconds), dtype=float)
    share = np.array([seconds[int(k)] for k in level])
    demand = Demand(level, share / share.sum())
    best = demand.cost_usd_per_h(best_size(demand, cloud), cloud)
    assert best == pytest.approx(demand.cost_usd_per_h(cheapest_size(demand, cloud), cloud), rel=1e-12)


def test_demand_of_a_run_in_which_jobs_waited_is_refused():
    run = dcsim.run(SCENARIO, overrides=["pools.0.nodes=40"])
    with pytest.raises(ValueError, match="waited"):
        Demand.of(run)
