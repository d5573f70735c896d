"""A gang that waits for one switch: what the wait costs, and what it gains, by hand."""

from __future__ import annotations

import pytest

from tests.scenarios.conftest import Ran
from tests.scenarios.test_two_jobs import slow_down

SHORT, LARGE = 0, 3
SUBMIT_S = 60.0


def times(ran: Ran, *changes: str) -> tuple[float, float]:
    """Start and end of the large job, s."""
    results = ran("wait-or-spread", *changes).results
    return float(results.start_s[LARGE]), float(results.end_s[LARGE])


def test_a_job_that_waits_for_one_leaf_ends_before_one_that_spreads_at_once(ran: Ran):
    waits = ran("wait-or-spread")
    short_s, service_s = float(waits.results.end_s[SHORT]), 10_000 * waits.trained[LARGE].step_time_s
    assert times(ran) == pytest.approx((short_s, short_s + service_s), rel=1e-9)
    # Across three leaves it has half of its NICs, all the time.
    spread_s = service_s * slow_down(service_s / 10_000)
    assert times(ran, "placement.use=topology_aware") == pytest.approx((SUBMIT_S, SUBMIT_S + spread_s), rel=1e-9)
    assert short_s + service_s < SUBMIT_S + spread_s


@pytest.mark.parametrize("minutes", [0, 2])
def test_a_patience_that_runs_out_first_costs_all_of_itself(ran: Ran, minutes: int):
    started_s, end_s = times(ran, f"placement.patience={minutes} min")
    assert started_s == SUBMIT_S + 60 * minutes
    at_once = times(ran, "placement.use=topology_aware")
    assert end_s - at_once[1] == pytest.approx(60 * minutes, abs=1e-6)


def test_endless_patience_is_as_good_as_a_long_one(ran: Ran):
    assert times(ran, "placement.patience=forever") == times(ran)
