"""Gangs on shared links: shares by hand, who is told, and runs whose rates follow."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dcsim.errors import ScenarioError
from dcsim.eventlog.schema import RATE, START
from dcsim.performance.plan_traffic import Legs, ring
from dcsim.performance.shares import Shares
from dcsim.policies.decisions import Allocation, Preempt, Start
from dcsim.policies.grids import Grid
from dcsim.policies.placement.topology_aware import TopologyAware
from dcsim.scenario.spec import Accelerator, Pool
from dcsim.sim.hosts import blocks, grid, refuse_other_hosts
from dcsim.sim.links import SharedLinks
from dcsim.topologies import fat_tree, rail_optimized, torus
from dcsim.topologies._routes import Links, compiled
from dcsim.topologies.leaf_spine import LeafSpine, build
from tests.replay import final
from tests.sim.test_rates import Told, at
from tests.simulate import simulate, table

TWO = Accelerator(name="two", accelerators_per_server=2, scale_up_domain="2")


def everyone(job: int, pool: int, counts: tuple[int, ...]) -> tuple[Legs, float]:
    """Around rings, as fast as NICs are, a byte a step for each accelerator on the node with fewest."""
    return ring(counts), math.inf


def pool(nodes: int = 4, accelerator: Accelerator = TWO, **facts) -> Pool:
    """Nodes of two accelerators with a NIC of 50 B/s each."""
    facts = {"nic_bandwidth": 100.0, **facts}
    return Pool(name="a", accelerator=accelerator, nodes=nodes, accelerators_per_node=2, **facts)


FOUR = (pool(),)


def graph(uplink: float = 100.0, cable: float = 100.0, leaves: int = 2) -> LeafSpine:
    """Two hosts on each leaf, one spine: hosts 0 and 1 on leaf 0, 2 and 3 on leaf 1, ..."""
    return LeafSpine(leaves, 1, 2, bandwidth=cable, uplink_bandwidth=uplink, latency=1e-6)


def links(uplink: float = 100.0, cable: float = 100.0, pools=FOUR, sends=everyone, leaves: int = 2) -> SharedLinks:
    return SharedLinks(compiled(build(graph(uplink, cable, leaves))), pools, sends)


def shares(of: SharedLinks, *jobs: int) -> list[float]:
    return [of.share(job) for job in jobs]


def test_a_gang_alone_on_fast_enough_links_has_all_of_its_nics():
    here = links()
    assert here.join(0, at(0, 0, 2, each=2)) == []
    assert here.share(0) == 1.0


def test_two_gangs_that_cross_one_uplink_halve_each_other_until_one_goes():
    here = links()
    assert here.join(0, at(0, 0, 2, each=2)) == []
    assert here.join(1, at(0, 1, 3, each=2)) == [0]
    assert shares(here, 0, 1) == [0.5, 0.5]
    assert here.leave(1) == [0]
    assert shares(here, 0, 1) == [1.0, 1.0]


def test_gangs_under_different_leaves_do_not_meet():
    here = links()
    assert here.join(0, at(0, 0, 1, each=2)) == []
    assert here.join(1, at(0, 2, 3, each=2)) == []
    assert shares(here, 0, 1) == [1.0, 1.0]


def test_what_small_gangs_cannot_use_is_left_to_large_ones():
    # Up leaf 0: 50, 50 and 100 asked for. Of 160, two take their 50 and leave 60; of 120, each gets 40.
    for uplink, expected in ((160.0, [1.0, 1.0, 0.6]), (120.0, [0.8, 0.8, 0.4])):
        here = links(uplink)
        here.join(0, at(0, 0, 2))
        here.join(1, at(0, 0, 2))
        here.join(2, at(0, 1, 3, each=2))
        assert shares(here, 0, 1, 2) == pytest.approx(expected, rel=1e-9)


def test_a_cable_slower_than_the_nics_slows_a_gang_alone():
    here = links(cable=25.0)
    here.join(0, at(0, 0, 1, each=2))
    assert here.share(0) == 0.25


def test_the_node_with_fewest_accelerators_sets_the_speed_of_a_ring():
    # 2 + 1 accelerators: rings through one NIC of 50 on each node, so an uplink of 50 holds nobody up.
    here = links(uplink=50.0)
    here.join(0, Allocation(0, (0, 2), (2, 1)))
    assert here.share(0) == 1.0


def test_nodes_of_one_scale_up_domain_send_over_its_links():
    rack = Accelerator(name="rack", scale_up_domain="4", accelerators_per_server=2)
    here = links(pools=(pool(accelerator=rack),))
    here.join(0, at(0, 0, 1, each=2))  # one domain of four: nothing leaves it
    assert here.share(0) == 1.0
    here.join(1, at(0, 0, 1, 2, 3, each=2))  # two: both nodes of each send 100 up an uplink of 100
    assert here.share(1) == 0.5


def test_jobs_of_which_nobody_knows_what_they_send_load_nothing():
    here = links(sends=lambda job, *at: everyone(job, *at) if job == 0 else None)
    here.join(0, at(0, 0, 2, each=2))
    assert here.join(1, at(0, 1, 3, each=2)) == []
    assert here.leave(1) == []
    assert shares(here, 0, 1) == [1.0, 1.0]


def test_pools_follow_each_other_on_the_hosts():
    # Nodes 0 and 1 of the second pool are hosts 2 and 3, under one leaf.
    two = (pool(2), pool(2).model_copy(update={"name": "b"}))
    here = links(uplink=1.0, pools=two)
    here.join(0, at(1, 0, 1, each=2))
    assert here.share(0) == 1.0


def railed(uplink: float) -> tuple[SharedLinks, Links]:
    """Two groups of two servers of two accelerators: hosts 0 to 3 are those of the first two nodes, under one group."""
    compact = compiled(rail_optimized.build(rail_optimized.RailOptimized(2, 2, 1, 2, 50.0, uplink, 1e-6, 1e3)))
    return SharedLinks(compact, FOUR, everyone), compact


def test_gangs_of_one_group_keep_to_their_rails_and_off_the_spine():
    here, _ = railed(uplink=1e-3)
    here.join(0, at(0, 0, 1, each=2))
    assert here.share(0) == 1.0


def test_gangs_across_groups_share_the_uplinks_of_their_rails():
    # Each rail's uplink carries one flow of 50 a gang that has an accelerator on that rail of all its nodes.
    here, _ = railed(uplink=75.0)
    here.join(0, at(0, 0, 2, each=2))
    assert here.share(0) == 1.0
    assert here.join(1, at(0, 1, 3, each=2)) == [0]
    assert shares(here, 0, 1) == [0.75, 0.75]
    here.leave(1)
    assert here.join(2, at(0, 1, 3, each=1)) == [0]  # on the first rail alone, which the slowest flow of 0 is on too
    assert shares(here, 0, 2) == [0.75, 0.75]


def test_placements_see_a_group_of_rails_as_one_switch():
    assert [level.tolist() for level in blocks(railed(75.0)[1], FOUR)[0]] == [[0, 0, 1, 1]]


def test_a_row_of_accelerators_of_a_torus_is_a_node():
    # 4 x 4 accelerators, two a node: 4 x 2 nodes, each two along the last axis.
    params = torus.Torus((4, 4), 100.0, 0.0, "never")
    compact = compiled(torus.build(params))
    assert grid(params, compact, (pool(8),)) == Grid((4, 2), (False, False), (0,))
    assert grid(params, compact, (pool(16),)) == Grid((4, 4), (False, False), (0,))
    assert grid(graph(), compiled(build(graph())), FOUR) is None
    here = SharedLinks(compact, (pool(8),), everyone)
    here.join(0, at(0, 0, 2, each=2))  # one above the other: two columns of links of 100 for two NICs of 50
    assert here.share(0) == 1.0


def test_other_hosts_than_nodes_are_refused_with_both_numbers():
    with pytest.raises(ScenarioError, match=r"^network.topology: .*4 hosts.*6 nodes"):
        refuse_other_hosts(compiled(build(graph())), (pool(6),))


def test_blocks_are_the_nodes_under_one_switch_level_by_level():
    # A fat tree of 4 ports: 2 hosts on an edge switch, 4 in a pod, 16 in all; pools of 6 and 10 cut edges and pods.
    tree = compiled(fat_tree.build(fat_tree.FatTree(k=4, bandwidth=1.0, latency=0.0)))
    found = blocks(tree, (pool(6), pool(10)))
    assert [level.tolist() for level in found[0]] == [[0, 0, 1, 1, 2, 2], [0, 0, 0, 0, 1, 1]]
    assert [level.tolist() for level in found[1]] == [[0, 0, 1, 1, 2, 2, 3, 3, 4, 4], [0, 0, 1, 1, 1, 1, 2, 2, 2, 2]]


def test_topology_aware_takes_the_smallest_switch_with_room():
    tree = compiled(fat_tree.build(fat_tree.FatTree(k=4, bandwidth=1.0, latency=0.0)))
    placement = TopologyAware()
    placement.blocks = blocks(tree, (pool(16),))
    # a: one of edge 0. b: two nodes, an edge of its own though node 1 is free. c: three nodes: the rest of pod 0 has
    # one, so pod 1. d: two more: the next whole edge, since one of edge 3 is taken.
    jobs = table([0, 0, 0, 0], [9, 9, 9, 9], [2, 4, 6, 4])
    run = simulate(jobs, 0, 0, "fifo", placement, pools=(pool(16),))
    starts = run.log.of_kind(START).tolist()
    taken = [run.log.nodes[run.log.offsets[row] : run.log.offsets[row + 1]].tolist() for row in starts]
    assert taken == [[0], [2, 3], [4, 5, 6], [8, 9]]


def test_shares_after_any_history_are_those_of_gangs_that_come_at_once():
    random = np.random.default_rng(2)
    here = links(70.0, pools=(pool(12),), leaves=6)
    running: dict[int, Allocation] = {}
    for job in range(200):
        if len(running) > 5:
            gone = int(random.choice(list(running)))
            before = {j: here.share(j) for j in running if j != gone}
            del running[gone]
            told = here.leave(gone)
            assert told == sorted(j for j in running if here.share(j) != before[j])
        nodes = sorted(random.choice(12, random.integers(1, 5), replace=False).tolist())
        before = {j: here.share(j) for j in running}
        told = here.join(job, at(0, *nodes))
        assert told == sorted(j for j in before if here.share(j) != before[j])
        running[job] = at(0, *nodes)
        fresh = links(70.0, pools=(pool(12),), leaves=6)
        for other, allocation in running.items():
            fresh.join(other, allocation)
        assert shares(here, *running) == pytest.approx(shares(fresh, *running), rel=1e-9)


class ByShare:
    """Jobs that communication alone bounds."""

    shared_nics = ()
    sizes: dict[int, tuple[int, ...]] = {}  # noqa: RUF012

    def rate(self, job: int, allocation: Allocation, clock: float, crowd: int, shares: Shares) -> float:
        return shares.least


def test_rates_follow_starts_preemptions_and_ends():
    # Alone until 4 s, half until the other stops at 8 s (job 0: 4 + 2 done), alone until it is back at 10 s (8 done),
    # half again: job 0's last 2 s of service take 4 s. Job 1 has 2 + 2 of its 5 then, and its last 1 s takes 1 s.
    first, second = at(0, 0, 2, each=2), at(0, 1, 3, each=2)
    script = [(0.0, Start(0, first)), (4.0, Start(1, second)), (8.0, Preempt(1)), (10.0, Start(1, second))]
    brief = [(8.0, Start(2, at(0, 4))), (10.0, Start(3, at(0, 4)))]  # jobs of no length: the scheduler is asked then
    told = Told(sorted([*script, *brief], key=lambda step: step[0]))
    jobs = table([0, 4, 8, 10], [10, 5, 0, 0], [4, 4, 1, 1])
    run = simulate(jobs, 0, 0, told, pools=(pool(6),), speeds=ByShare(), links=links(pools=(pool(6),), leaves=3))
    rows = run.log.of_kind(START, RATE)
    found = zip(*(column[rows].tolist() for column in (run.log.time_s, run.log.job, run.log.value)), strict=True)
    gangs = [row for row in found if row[1] < 2]
    assert gangs[:4] == [(0, 0, 1.0), (4, 1, 0.5), (4, 0, 0.5), (8, 0, 1.0)]
    assert gangs[4:] == [(10, 1, 0.5), (10, 0, 0.5), (14, 1, 1.0)]
    assert run.end_s[:2] == [14, 15]


@pytest.mark.parametrize("scheduler", ["fifo", "easy", "srtf", "least_attained_service"])
def test_rows_alone_rebuild_rates_and_service(scheduler):
    random = np.random.default_rng(4)
    service, pools = random.exponential(6.0, 60), (pool(12),)
    jobs = table(np.cumsum(random.exponential(1.0, 60)), service, random.integers(1, 9, 60))
    for horizon in (9.0, 31.0, None):
        fields = {"pools": pools, "speeds": ByShare(), "links": links(70.0, pools=pools, leaves=6)}
        run = simulate(jobs, 0, 0, scheduler, horizon=horizon, **fields)
        state, world = final(run), run.outcome.world
        assert {job: row.rate for job, row in state.running.items()} == {j: r.rate for j, r in world.running.items()}
    log, done, since, rate = run.log, np.zeros(60), {}, {}
    for time, kind, job, value in zip(*(c.tolist() for c in (log.time_s, log.kind, log.job, log.value)), strict=True):
        if job in since:
            done[job] += (time - since.pop(job)) * rate[job]
        if kind in (START, RATE):
            since[job], rate[job] = time, value
    assert len(log.of_kind(RATE)) > 20
    assert done == pytest.approx(service)
