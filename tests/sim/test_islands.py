"""Placements while nodes are cut off: gangs go where ways join their nodes, or wait for repairs; by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim import plugins
from dcsim.eventlog.schema import RATE, START
from dcsim.metrics.jobs import COMPLETED
from dcsim.policies.near import NetworkPlacement
from dcsim.policies.placement.least_contention import LeastContention
from dcsim.policies.placement.locality import Locality
from dcsim.policies.placement.topology_aware import TopologyAware
from dcsim.scenario.spec import Overheads
from dcsim.sim.hosts import blocks, grid
from dcsim.sim.islands import Islands
from dcsim.sim.links import SharedLinks
from dcsim.sim.parts import Part
from dcsim.topologies import rail_optimized, torus
from dcsim.topologies._routes import Links, compiled
from tests.sim.test_failing_links import PLACING, clos, failing
from tests.sim.test_links import ByShare, everyone, pool
from tests.sim.test_places import places
from tests.simulate import Simulated, simulate, table

PLACEMENTS = [TopologyAware, LeastContention, Locality]


def run_on(links: Links, jobs, placement: NetworkPlacement, *failures: list[Part], **fields) -> Simulated:
    """Pools of two accelerators a node, or as `pools=` of the fields says."""
    here = fields.pop("pools", (pool(len(links.endpoints)),))
    placement.blocks = blocks(links, here)
    islands = Islands(links, here, placement)
    out = [part for some in failures for part in some]
    more = {"links": SharedLinks(links, here, everyone), "parts": out, "islands": islands, "speeds": ByShare()}
    return simulate(jobs, 0, 0, fields.pop("scheduler", "fifo_skip"), placement, pools=here, **more, **fields)


@pytest.mark.parametrize("kind", PLACEMENTS)
def test_no_gang_goes_under_a_dead_leaf_and_those_that_find_no_other_wait_for_its_repair(kind):
    # Four nodes under two leaves, the first of which is dead from 1 to 5 s. A gang of two nodes has the other at 2 s;
    # the next gets the first leaf when it is repaired.
    dead = failing(clos(), "leaf-0", at=1.0, duration=4.0)
    run = run_on(clos(), table([2, 3], [10, 10], [4, 4]), kind(), dead)
    assert places(run) == [(0, [2, 3]), (1, [0, 1])]
    assert run.start_s == [2, 5]
    assert run.end_s == [12, 15]


@pytest.mark.parametrize("kind", PLACEMENTS)
def test_a_gang_of_nodes_of_both_leaves_waits_for_the_repair_and_others_pass_it(kind):
    # A job on one node needs no links, and has the fullest node, the lowest, whether it is cut off or not.
    dead = failing(clos(), "leaf-1 -- spine-0", at=1.0, duration=4.0)
    run = run_on(clos(), table([2, 3, 3], [10, 10, 1], [6, 4, 2]), kind(), dead)
    starts = dict(places(run))
    assert (run.start_s[1], starts[1], run.start_s[2]) == (3, [0, 1], 3)
    assert run.start_s[0] == 13  # when the gang of two nodes has gone: the only way to three
    assert len(starts[0]) == 3


def test_a_job_that_waits_for_a_repair_alone_is_started_by_it():
    # Nobody runs, comes or is woken between 2 and 5 s; and the other leaf still fails at its time, while it runs.
    dead = failing(clos(), "leaf-0", at=1.0, duration=4.0)
    later = failing(clos(), "leaf-1", at=7.0, duration=2.0, on_failure="stop")
    run = run_on(clos(), table([2], [10], [6]), TopologyAware(), dead, later)
    assert [float(run.log.time_s[row]) for row in run.log.of_kind(START).tolist()] == [5.0, 9.0]
    assert run.end_s == [19.0]  # a failure takes what was not saved


def test_patience_begins_when_ways_join_nodes_again():
    # Two leaves; one node of each is taken. A gang of two nodes could go across from 5 s on, and waits 3 s longer.
    jobs = table([0, 0, 0, 0, 2], [99, 0.5, 99, 0.5, 10], [2, 2, 2, 2, 4])
    dead = failing(clos(), "spine-0", at=1.0, duration=4.0)
    run = run_on(clos(), jobs, Locality(3.0), dead)
    assert run.start_s[4] == 8


def test_slower_links_and_dead_spines_beside_others_cut_nobody_off():
    slow = failing(clos(spines=2), "switches", at=1.0, duration=4.0, on_failure="slow", bandwidth=0.5)
    dead = failing(clos(spines=2), "spine-1", at=1.0, duration=4.0)
    run = run_on(clos(spines=2), table([2], [10], [6]), TopologyAware(), slow, dead)
    assert run.start_s == [2]


def test_nodes_on_rails_are_cut_off_when_no_rail_is_left_to_go_around_by():
    # Two groups of two servers of two accelerators, which meet inside: a dead rail leaves the other rail.
    facts = {"groups": 2, "servers_per_group": 2, "spines": 1, "rails": 2, "latency": 1e-6}
    rates = dict.fromkeys(("bandwidth", "uplink_bandwidth", "link_bandwidth"), 100.0)
    links = compiled(rail_optimized.build(rail_optimized.RailOptimized(**facts, **rates)))
    placement = TopologyAware()
    islands = Islands(links, (pool(4),), placement)
    one, other = failing(links, "rail-0-0", "rail-0-1", at=1.0, duration=1.0)
    assert placement.islands == ()
    assert not islands([one])
    assert islands([one, other])
    assert [found.tolist() for found in placement.islands] == [[0, 1, 2, 2]]
    assert not islands([])
    assert placement.islands == ()


def test_on_a_torus_a_box_goes_around_a_node_that_is_cut_off():
    # A grid of 4 x 4 whose ends do not meet; the node at (1, 1), number 5, is cut off.
    shape = torus.Torus(sides=(4, 4), bandwidth=100.0, latency=1e-6, wrap="never")
    links = compiled(torus.build(shape))
    dead = failing(links, "accelerator-1-1", at=1.0, duration=9.0)
    for kind in (TopologyAware, Locality):  # least_contention takes other free boxes, by what their rings get
        placement = kind()
        placement.grid = grid(shape, links, (pool(16),))
        run = run_on(links, table([2, 2], [5, 5], [8, 8]), placement, dead)
        assert places(run) == [(0, [2, 3, 6, 7]), (1, [8, 9, 12, 13])]


@pytest.mark.parametrize("scheduler", PLACING)
@pytest.mark.parametrize("kind", PLACEMENTS)
def test_no_job_ever_stands_still_and_all_get_done(kind, scheduler: str):
    random = np.random.default_rng(3)
    links, count = clos(spines=2, leaves=6), 60
    jobs = table(
        np.cumsum(random.exponential(1.0, count)), random.exponential(6.0, count), random.integers(1, 13, count)
    )
    out = failing(links, "switches", "links", mtbf=200.0, mttr=8.0)
    run = run_on(links, jobs, kind(), out, scheduler=scheduler, overheads=Overheads(checkpoint_interval=1.0))
    assert run.summary["network_failures"] > 10
    assert (run.results.state == COMPLETED).all() or scheduler == "loss"
    assert (run.log.value[run.log.of_kind(START, RATE)] > 0.0).all()


def test_every_placement_that_knows_the_network_is_looked_at_here():
    kinds = [plugins.find("placement", name) for name in plugins.names("placement")]
    assert {kind for kind in kinds if kind.uses_network} == set(PLACEMENTS)
