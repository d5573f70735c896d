"""Gangs larger than a node where nodes are shared in parts: the shape of whole accelerators, cores on each node."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim import plugins
from dcsim.eventlog.schema import START
from dcsim.metrics.story import Teller
from dcsim.policies.decisions import Allocation
from dcsim.policies.view import Request
from dcsim.scenario.spec import Overheads, Pool
from dcsim.sim.shared import SharedNodes, SharedPools
from tests.replay import final
from tests.simulate import V100, Simulated, simulate, table

SHARING = ("pack", "spread", "random", "fgd")


def pool(name: str, nodes: int, width: int, cpus: float | None = None, memory_b: float | None = None) -> Pool:
    size = {"nodes": nodes, "accelerators_per_node": width, "cpus_per_node": cpus, "memory_per_node": memory_b}
    return Pool(name=name, accelerator=V100, **size)


def places(run: Simulated) -> list[tuple[int, float, list[int], list[int]]]:
    """Job, time, nodes and counts of each start."""
    log = run.log
    pieces = [(row, slice(log.offsets[row], log.offsets[row + 1])) for row in log.of_kind(START).tolist()]
    return [(int(log.job[r]), float(log.time_s[r]), log.nodes[p].tolist(), log.counts[p].tolist()) for r, p in pieces]


@pytest.mark.parametrize("placement", SHARING)
def test_gangs_over_nodes_run_beside_a_job_that_takes_a_half(placement):
    # Four nodes of eight. The half is gone at 10; all 32 run until 15; then 12 and 16 go side by side.
    jobs = table([0, 1, 2, 2], [10, 5, 3, 3], [1, 32, 12, 16], share=np.array([0.5, 1, 1, 1]))
    run = simulate(jobs, 4, 8, placement=placement)
    assert run.start_s == [0, 10, 15, 15]
    (twelve,) = [(nodes, counts) for job, _, nodes, counts in places(run) if job == 2]
    assert twelve[1] == [8, 4]
    assert len(set(twelve[0])) == 2


@pytest.mark.parametrize("placement", ["pack", "spread"])
@pytest.mark.parametrize("scheduler", plugins.names("scheduler"))
def test_whole_jobs_go_where_they_go_without_parts(scheduler, placement):
    """A half long after all others has nodes kept in parts: nothing else may change, preemptions included.

    But under srtf: whom a gang need not stop is there found out by asking the placement, not by counting.
    """
    random = np.random.default_rng(11)
    count = 80
    submit, service = np.cumsum(random.exponential(2.0, count)), random.exponential(6.0, count)
    gang, priority = random.integers(1, 20, count), random.integers(0, 3, count)
    priority[-1], gang[-1], submit[-1] = 0, 1, 1e6
    columns = submit, service, gang, service * random.uniform(0.5, 2.0, count), priority
    share = np.append(np.ones(count - 1), 0.5)
    over = Overheads(start=0.5, restore=0.25)
    whole = simulate(table(*columns), 5, 4, scheduler, placement, overheads=over)
    parts = simulate(table(*columns, share=share), 5, 4, scheduler, placement, overheads=over)
    assert parts.summary["jobs_completed"] == whole.summary["jobs_completed"] > 30
    assert final(parts).free == final(whole).free
    if scheduler != "srtf":
        assert places(parts) == places(whole)
        assert parts.summary["preemptions"] == whole.summary["preemptions"]


@pytest.mark.parametrize("placement", SHARING)
def test_cores_and_memory_are_wanted_on_each_node_of_a_gang(placement):
    # A job of cores alone leaves 4 of 8 on one of three nodes: a gang of two nodes fits beside it, one of three waits.
    jobs = table([0, 1, 3], [10, 1, 1], [0, 4, 5], cpus=np.array([4.0, 5.0, 5.0]))
    run = simulate(jobs, 0, 0, placement=placement, pools=(pool("a", 3, 2, cpus=8.0),))
    assert run.start_s == [0, 1, 10]
    memory = table([0, 1, 3], [10, 1, 1], [0, 4, 5], memory_b=np.array([4e9, 5e9, 5e9]))
    run = simulate(memory, 0, 0, placement=placement, pools=(pool("a", 3, 2, memory_b=8e9),))
    assert run.start_s == [0, 1, 10]


def test_a_gang_takes_the_first_pool_with_room():
    jobs = table([0, 1], [9, 9], [3, 5], share=np.array([1.0, 1.0]), cpus=np.array([1.0, 1.0]))
    run = simulate(jobs, 0, 0, pools=(pool("a", 2, 2, 4.0), pool("b", 3, 2, 4.0)))
    assert [int(pool) for pool in run.log.pool[run.log.of_kind(START)]] == [0, 1]


@pytest.mark.parametrize(
    ("need", "columns", "why"),
    [
        (9, {}, "it needs 9 accelerators, a has 2 x 4"),
        (8, {"cpus": 9.0}, "it needs 8 accelerators with 9 CPU cores on each node, a has 2 x 4 with 8 CPU cores each"),
        (1, {"cpus": 9.0, "memory_b": 2e9}, "it needs 1 accelerator with 9 CPU cores and 2 GB of memory on each node, "
         "a has 2 x 4 with 8 CPU cores each"),
        (1, {"share": 0.5, "cpus": 9.0}, "it needs 0.5 of an accelerator with 9 CPU cores on each node, "
         "a has 2 x 4 with 8 CPU cores each"),
    ],
)  # fmt: skip
def test_a_job_that_can_never_fit_is_told_what_it_lacks(need, columns, why):
    both = {name: np.array([value, 0.5 if name == "share" else 1.0]) for name, value in columns.items()}
    jobs = table([0, 0], [9, 9], [need, 1], **(both or {"share": np.array([1.0, 0.5])}))
    run = simulate(jobs, 0, 0, pools=(pool("a", 2, 4, cpus=8.0),))
    assert run.log.reasons[1:] == (f"can never fit: {why}",)
    assert run.summary["jobs_completed"] == 1


GANG = Request(5, cpus=1.0)


@pytest.mark.parametrize(
    ("nodes", "counts", "devices"),
    [
        ((0, 1, 1), (2, 2, 1), (0, 1, 0, 1, 0)),  # a node twice
        ((0, 1, 2), (2, 2, 1), (0, 1, 0, 0, 0)),  # a device twice
        ((0, 1, 2), (2, 2, 1), (0, 1, 0, 1, 2)),  # no such device
        ((0, 1, 9), (2, 2, 1), (0, 1, 0, 1, 0)),  # no such node
        ((0, 1, 2), (2, 2, 0), (0, 1, 0, 1)),  # too few
        ((0, 1, 2, 3), (2, 2, 1, 0), (0, 1, 0, 1, 0)),  # nothing on a node
        ((0, 1, 3), (2, 2, 1), (0, 1, 0, 1, 0)),  # no core left there
        ((0, 1), (2, 2, 1), (0, 1, 0, 1, 0)),  # more counts than nodes
        ((), (), ()),
    ],
)
def test_an_illegal_gang_is_refused_and_takes_nothing(nodes, counts, devices):
    (pool,) = SharedPools([SharedNodes(4, 2, 2.0, None)])
    pool.take(Allocation(0, (3,), (0,)), Request(0, cpus=1.5))
    before = pool.milli.copy(), pool.milli_cpus.copy()
    with pytest.raises(ValueError, match=r"\w"):
        pool.occupy(Allocation(0, nodes, counts, devices), GANG)
    assert (pool.milli == before[0]).all()
    assert (pool.milli_cpus == before[1]).all()
    legal = Allocation(0, (2, 0, 1), (1, 2, 2), (1, 0, 1, 0, 1))
    pool.occupy(legal, GANG)
    assert pool.idle.tolist() == [0, 0, 1, 2]
    assert pool.cpus.tolist() == [1.0, 1.0, 1.0, 0.5]
    pool.release(legal, GANG)
    assert (pool.milli == before[0]).all()


def test_explain_tells_gangs_in_parts_what_they_found():
    # Halves on two of three nodes: 5 accelerators are free, but only one whole node. A gang of two nodes waits.
    share = np.array([0.5, 0.5, 1.0, 1.0])
    jobs = table([0, 0, 1, 2], [10, 20, 1, 1], [1, 1, 4, 2], share=share)
    run = simulate(jobs, 3, 2, placement="spread")
    assert run.start_s == [0, 0, 10, 11]
    teller = Teller(run.scenario, jobs, run.log, run.outcome.end_s)
    (cause,) = teller.story(2).causes
    assert (cause.kind, cause.free.least, cause.empty.least) == ("fragmented", 5.0, 1)


def test_a_pod_goes_on_one_node_or_nowhere():
    # 4 accelerators: two nodes of 2 are free, but a pod of 4 waits for the node of 4; one of 8 never fits.
    pods = table([0, 1, 2, 3], [9, 1, 1, 1], [4, 4, 2, 8], one_node=np.ones(4, np.int8))
    narrow_and_wide = pool("a", 2, 2), pool("b", 1, 4)
    run = simulate(pods, 0, 0, "fifo_skip", pools=narrow_and_wide)
    assert run.start_s[:3] == [0, 9, 2]
    assert run.summary["jobs_rejected"] == 1
    causes = Teller(run.scenario, pods, run.log, run.outcome.end_s).story(1).causes
    assert [cause.kind for cause in causes] == ["fragmented", "short", "fragmented"]  # 4 free, then 2, then 4
    gangs = table([0, 1, 2], [9, 1, 1], [4, 4, 2])
    assert simulate(gangs, 0, 0, "fifo_skip", pools=narrow_and_wide).start_s[:3] == [0, 1, 2]
