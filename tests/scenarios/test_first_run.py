"""The teaching scenario, followed by hand: two nodes of four accelerators, eight jobs.

job  comes  needs  runs
a        0      4   100
b       10      2    50
c       20      8    60
d       30      1    20
e       40      2    30
f      150      4    40
g      170      2    10
h      175     12    30   never fits
"""

from __future__ import annotations

import pytest

from dcsim.eventlog.schema import REJECT, START
from dcsim.run import Run
from tests.scenarios.conftest import Ran


def places(run: Run) -> dict[str, tuple[float, list[int]]]:
    """When and on which nodes each job starts."""
    log = run.log
    return {
        run.jobs.job_id(int(log.job[row])): (
            float(log.time_s[row]),
            log.nodes[log.offsets[row] : log.offsets[row + 1]].tolist(),
        )
        for row in log.of_kind(START)
    }


def test_fifo_makes_small_jobs_wait_behind_the_one_that_needs_both_nodes(ran: Ran):
    # c waits for a (100), d and e behind it; at 160 d and e go on node 0, f on node 1; g waits for d (180).
    assert places(ran("first-run")) == {
        "a": (0, [0]),
        "b": (10, [1]),
        "c": (100, [0, 1]),
        "d": (160, [0]),
        "e": (160, [0]),
        "f": (160, [1]),
        "g": (180, [0]),
    }


def test_backfill_lets_them_pass_without_delaying_it(ran: Ran):
    # c has a reservation at 100. d fits beside b and ends at 50, then e fits and ends at 80; g finds node 0 free.
    assert places(ran("first-run", "scheduler.use=easy")) == {
        "a": (0, [0]),
        "b": (10, [1]),
        "c": (100, [0, 1]),
        "d": (30, [1]),
        "e": (50, [1]),
        "f": (160, [0]),
        "g": (170, [1]),
    }


def test_the_summary_is_the_sum_by_hand(ran: Ran):
    s = ran("first-run").summary
    assert s["wait_s_mean"] == (0 + 0 + 80 + 130 + 120 + 10 + 10) / 7
    assert s["jct_s_mean"] == pytest.approx((100 + 50 + 140 + 150 + 150 + 50 + 20) / 7, rel=1e-15)
    assert s["jobs_waited"] == 5
    assert s["queue_jobs_max"] == 3  # c, d, e
    held = 4 * 100 + 2 * 50 + 8 * 60 + 1 * 20 + 2 * 30 + 4 * 40 + 2 * 10
    assert s["accelerator_hours"] * 3600 == pytest.approx(held, rel=1e-15)
    assert s["utilization_allocated"] == held / (8 * 200)  # f is the last to end, at 200
    assert s["queue_jobs_mean"] == (80 + 130 + 120 + 10 + 10) / 200
    assert s["events"] == 8 + 7 + 7 + 1  # submissions, starts, ends, a rejection


def test_the_job_that_can_never_fit_is_rejected_with_the_reason(ran: Ran):
    log = ran("first-run").log
    (row,) = log.of_kind(REJECT)
    assert log.time_s[row] == 175
    assert log.reasons[log.reason[row]] == "can never fit: it needs 12 accelerators, gpu has 2 x 4"
