"""Accelerators that were free and of no use, against hand sums."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim.eventlog.schema import START
from dcsim.metrics.fragmentation import Fragmentation, fragmentation, unusable
from dcsim.metrics.jobs import free_rows
from tests.simulate import Simulated, pools, simulate, table


def found(ran: Simulated) -> dict[int, tuple[float, ...]]:
    """(mean, at the end, of all free in the mean, of all free at the end) by size."""
    rows = unusable(ran.jobs, ran.log, ran.scenario.pools, ran.outcome.end_s)
    return {row.size: (row.mean, row.at_end, row.free_mean, row.free_at_end) for row in rows}


def mixed(ran: Simulated) -> Fragmentation:
    return fragmentation(ran.jobs, ran.log, ran.scenario.pools, ran.outcome.end_s)


def test_two_nodes_with_one_free_each_have_two_that_no_pair_can_use():
    # Singles on both of two nodes of 2 until second 10, then on one of them until 20, the end. Pairs cannot use 2, then
    # 1 of the 2, then 3 that are free: means (20 + 10) / 20 and (20 + 30) / 20. Singles can use all.
    jobs = table([0, 0, 30], [10, 20, 0], [1, 1, 2])
    ran = simulate(jobs, 2, 2, placement="spread", horizon=20.0)
    assert found(ran) == {1: (0, 0, 2.5, 4), 2: (1.5, 0, 2.5, 4)}
    assert mixed(ran) == Fragmentation(0.5, 0.5 / 2.5)  # one job of three is a pair
    assert mixed(ran).named() == {"unusable_accelerators_mean": 0.5, "fragmentation": 0.2}


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
    # The gang wants whole nodes of its pool, and what is free is half of such a node: of use to the single alone.
    assert mixed(ran) == Fragmentation(pytest.approx(2 / 3), pytest.approx(2 / 3))


def test_without_node_walls_nothing_is_fragmented():
    ran = simulate(table([0], [10], [1]), 2, 2, placement="pool", horizon=5.0)
    assert found(ran) == {}
    assert mixed(ran) == Fragmentation(None, None)


def test_jobs_that_can_never_fit_are_not_in_the_mix():
    # Two nodes of 2: a single takes one of node 0 for ever, and a gang of 8 is sent away, since there are 4 in all. The
    # single has use for all that is free; with the gang a half would have none for the one of node 0.
    ran = simulate(table([0, 1], [100, 5], [1, 8]), 2, 2, horizon=10.0)
    assert ran.summary["jobs_rejected"] == 1
    assert mixed(ran) == Fragmentation(0.0, 0.0)
    # Nor are pods that want more than a node has; where all are too large there is no mix.
    pods = table([0, 1], [100, 5], [1, 4], one_node=np.array([1, 1], np.int8))
    assert mixed(simulate(pods, 2, 2, horizon=10.0)) == Fragmentation(0.0, 0.0)
    assert mixed(simulate(table([0], [5], [8]), 2, 2, horizon=10.0)) == Fragmentation(None, None)


def test_jobs_that_are_lost_for_want_of_room_are_in_the_mix():
    # The gang of 4 is lost, since the single holds one of node 0: of 3 free, the one beside it is of no use to half.
    ran = simulate(table([0, 0], [100, 5], [1, 4]), 2, 2, "loss", horizon=10.0)
    assert ran.summary["jobs_rejected"] == 1
    assert mixed(ran) == Fragmentation(0.5, 0.5 / 3)


def test_a_cluster_that_is_full_from_begin_to_end_has_nothing_to_fragment():
    assert mixed(simulate(table([0], [10], [4]), 1, 4, horizon=5.0)) == Fragmentation(0.0, None)


@pytest.mark.parametrize("scheduler", ["fifo", "srtf"])
@pytest.mark.parametrize("placement", ["pack", "spread"])
def test_it_is_what_a_walk_over_the_rows_finds(scheduler: str, placement: str):
    # Free accelerators of each node, kept row by row; a node counts for every job that it has too few for.
    random = np.random.default_rng(2)
    count = 300
    jobs = table(
        np.cumsum(random.exponential(2.0, count)), random.exponential(20.0, count), random.integers(1, 13, count)
    )
    here = pools((5, 4), (3, 8))
    ran = simulate(jobs, 0, 0, scheduler, placement, pools=here, horizon=500.0)
    log, widths = ran.log, [pool.accelerators_per_node for pool in here]
    free = {(p, node): widths[p] for p, pool in enumerate(here) for node in range(pool.nodes)}
    starts, ends, begun = set(log.of_kind(START).tolist()), set(free_rows(log).tolist()), {}
    times, lost, total = [*log.time_s.tolist(), 500.0], 0.0, 0.0
    for row, job in enumerate(log.job.tolist()):
        if row in starts:
            begun[job] = row
        if row in starts | ends:
            pool, nodes, counts = log.place(begun[job])
            for node, held in zip(nodes, counts, strict=True):
                free[pool, node] += held if row in ends else -held
        for (pool, _), left in free.items():
            small = np.mean(np.minimum(jobs.accelerators, widths[pool]) > left)
            lost += small * left * (times[row + 1] - times[row]) / 500.0
            total += left * (times[row + 1] - times[row]) / 500.0
    total += sum(widths[p] for p, _ in free) * times[0] / 500.0  # all are free before the first job, and of use to all
    assert mixed(ran) == Fragmentation(pytest.approx(lost), pytest.approx(lost / total))
    assert lost > 0.0
