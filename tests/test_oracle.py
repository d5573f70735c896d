"""Start and end times of the engine, job by job, against the independent reference of `tests/oracle.py`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim import plugins
from tests import oracle
from tests.simulate import simulate, table

PLACEMENTS = ("pack", "pool", "spread")
NOT_PREEMPTIVE = ("fifo", "fifo_skip", "sjf", "ljf", "priority", "easy", "conservative")
CLUSTERS = ((3, 4), (5, 8), (4, 3), (7, 2), (1, 6), (1, 1))  # nodes, accelerators in each

# A remaining time is a difference of sums; with other times than whole ones both sides would round differently.
WHOLE = st.integers(0, 12)
TENTHS = st.integers(0, 60).map(lambda k: k / 10)
ANY = st.floats(0.0, 10.0, allow_subnormal=False)
LONG = st.integers(0, 4000)  # long enough to pass the thresholds of LAS


@st.composite
def gang_lists(draw, times):
    """A small cluster and jobs that crowd it: (nodes, width, jobs), with many ties, early ends and overruns."""
    nodes, width = draw(st.sampled_from(CLUSTERS))
    sizes = st.one_of(st.integers(1, width), st.sampled_from((1, width)), st.integers(1, nodes * width))
    jobs = []
    for _ in range(draw(st.integers(1, 25))):
        service = draw(times)
        requested = draw(st.one_of(st.just(service), times))
        jobs.append((draw(times), draw(sizes), service, requested, draw(st.integers(0, 3))))
    return nodes, width, sorted(jobs, key=lambda job: job[0])


def times_differ(case, scheduler, placement, preempts=False, depth=None):
    """Jobs whose first start or end the two do not agree on, as (job, start, start, end, end)."""
    nodes, width, jobs = case
    submit, need, service, requested, priority = (list(column) for column in zip(*jobs, strict=True))
    policy = plugins.find("scheduler", scheduler)(preempts=True) if scheduler == "priority" and preempts else scheduler
    if depth is not None:
        policy = plugins.find("scheduler", scheduler)(depth=depth)
    run = simulate(table(submit, service, need, requested, priority), nodes, width, policy, placement)
    reference = oracle.simulate(jobs, nodes, width, scheduler, placement, preempts, depth)
    return [
        (job.number, job.first_start, start, job.last_end, end)
        for job, start, end in zip(reference, run.start_s, run.end_s, strict=True)
        if (job.first_start, job.last_end) != (start, end)
    ]


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("scheduler", NOT_PREEMPTIVE)
@given(case=st.one_of(gang_lists(WHOLE), gang_lists(TENTHS), gang_lists(ANY)))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_times_equal_the_reference_exactly(scheduler, placement, case):
    assert times_differ(case, scheduler, placement) == []


@pytest.mark.parametrize("placement", PLACEMENTS)
@given(case=st.one_of(gang_lists(WHOLE), gang_lists(ANY)), depth=st.sampled_from([1, 2, 5, 100]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_times_of_backfill_with_a_depth_equal_the_reference_exactly(placement, case, depth):
    assert times_differ(case, "easy", placement, depth=depth) == []


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("scheduler", ["srtf", "priority"])
@given(case=gang_lists(WHOLE))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_times_under_preemption_equal_the_reference_exactly(scheduler, placement, case):
    assert times_differ(case, scheduler, placement, preempts=True) == []


@pytest.mark.parametrize("placement", PLACEMENTS)
@given(case=gang_lists(LONG))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_times_under_least_attained_service_equal_the_reference(placement, case):
    # The engine forgives a microsecond at a threshold, where 3,250 / 3 s has no exact double.
    for _, start, theirs, end, also in times_differ(case, "least_attained_service", placement, preempts=True):
        assert (theirs, also) == pytest.approx((start, end), abs=1e-6)


# Cases that were wrong once, small enough to follow by hand.


def test_a_gang_leaves_whole_nodes_and_puts_its_remainder_on_the_least_loaded_of_the_others():
    jobs = table([0, 1], [10, 5], [4, 12])  # 4 of node 0 taken; 12 fits: node 1 whole, 4 on node 0
    for placement in ("spread", "weighted", "random", "pack"):
        run = simulate(jobs, 2, 8, "fifo", placement)
        assert run.start_s == [0, 1]


def test_a_backfilled_job_can_move_the_place_of_a_longer_one_out_of_the_head_s_way():
    # 3 nodes of 4: job 0 holds 3 of node 0, job 1 holds 2 of node 1 for long, job 2 holds node 2; job 3 waits for
    # nodes 0 and 2 at 10. Pack would put the long job 4 on node 0, in its way; the short job 5 goes there, and now
    # the long job 6 goes on node 1, beside job 1. When job 7 comes at 3, job 4 would go there too.
    submit, need = [0, 0, 0, 1, 2, 2, 2, 3], [3, 2, 4, 8, 1, 1, 1, 12]
    jobs = table(submit, [10, 100, 10, 5, 50, 5, 50, 1], need)
    for late, start in ((7, [0, 0, 0, 10, 10, 2, 2]), (8, [0, 0, 0, 10, 3, 2, 2, 100])):
        run = simulate(jobs.take(np.arange(late)), 3, 4, "easy", "pack")
        assert run.start_s == start


def test_whether_a_job_ends_by_the_reservation_is_decided_by_the_end_it_will_have():
    # In doubles 0.6 + 1.1 > 1.7 although 1.1 <= 1.7 - 0.6, and 0.2 + 0.5 <= 0.7 although 0.5 > 0.7 - 0.2.
    for free_at, submit, service, start in ((1.7, 0.6, 1.1, 2.7), (0.7, 0.2, 0.5, 0.2)):
        run = simulate(table([0, 0, submit], [free_at, 1, service], [1, 2, 1]), 1, 2, "easy", "pool")
        assert run.start_s == [0, free_at, start]


def test_room_left_over_by_a_preemption_goes_to_jobs_that_wait_already():
    # At 2 job 2 (2 accelerators, 1 s) stops job 0 (4 accelerators); of the other two, one goes to job 1.
    run = simulate(table([0, 1, 2], [20, 30, 1], [4, 1, 2]), 1, 4, "srtf", "pool")
    assert run.start_s == [0, 2, 2]


def test_preemptive_priority_is_strict_head_of_line():
    # Job 1 cannot stop job 0; job 2 would fit but is less important than job 1.
    preemptive = plugins.find("scheduler", "priority")(preempts=True)
    run = simulate(table([0, 1, 2], [10, 5, 5], [3, 4, 1], priority=[9, 5, 1]), 1, 4, preemptive, "pool")
    assert run.start_s == [0, 10, 15]


def test_equal_remaining_times_never_preempt_whatever_the_clock_says():
    # (0.1 + t) - t is often more than 0.1.
    for submit in (0.3, 1000.3, 1000.7, 12345.6, 77777.1):
        run = simulate(table([submit] * 3, [0.1] * 3), 1, 1, "srtf", "pool")
        assert run.summary["preemptions"] == 0


def test_only_jobs_in_the_way_are_stopped():
    # Job 2 needs 2 of node 0. Jobs 1 (one accelerator) and 0 (two) rank behind it; without job 0 it fits.
    run = simulate(table([0, 0, 1], [50, 60, 5], [2, 1, 2]), 1, 3, "srtf", "pack")
    assert run.results.preemptions.tolist() == [1, 0, 0]


def test_a_threshold_missed_by_rounding_does_not_stop_the_clock():
    submit = 1e7 + 10.283414599  # 3,250 / 6,000 s later the double nearest to the threshold lies before it
    jobs = table([submit, submit + 0.01, submit + 0.02], [1000.0] * 3, [6000] * 3)
    run = simulate(jobs, 1, 6000, "least_attained_service", "pool")
    assert run.summary["jobs_completed"] == 3


# The reference itself, on lists that are worked out on paper.


def starts(jobs, nodes, width, scheduler, placement="pool"):
    return [job.first_start for job in oracle.simulate(jobs, nodes, width, scheduler, placement)]


def test_the_reference_knows_the_textbook_cases():
    batch = [(0, 1, s, s) for s in (5, 3, 8, 1, 9, 2)]
    assert starts(batch, 1, 1, "fifo") == [0, 5, 8, 16, 17, 26]
    assert starts(batch, 1, 1, "sjf") == [6, 3, 11, 0, 19, 1]
    easy = [(0, 6, 10, 10), (1, 8, 5, 5), (2, 4, 8, 8), (3, 2, 20, 20)]
    assert starts(easy, 1, 10, "easy") == [0, 10, 2, 10]
    assert starts(easy, 1, 10, "fifo") == [0, 10, 15, 15]
    # Conservative: job 3 (2 accelerators, 20 s) may not pass where it would delay job 1 at 10.
    assert starts(easy, 1, 10, "conservative") == [0, 10, 2, 10]


def test_the_reference_places_as_the_rules_say():
    cluster = oracle.Cluster(3, 4, "pack")
    cluster.free = [4, 2, 3]
    assert cluster.find(2) == [(1, 2)]
    assert cluster.find(3) == [(2, 3)]
    assert cluster.find(6) == [(0, 4), (1, 2)]
    assert cluster.find(8) is None
    cluster.placement = "spread"
    assert cluster.find(2) == [(0, 2)]
    assert cluster.find(6) == [(0, 4), (2, 2)]
