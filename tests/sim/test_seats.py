"""Gangs inside hosts: which accelerators they have, and who meets whom on PCIe and NICs, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim.policies.decisions import Allocation
from dcsim.scenario.network_failure import NetworkFailure
from dcsim.scenario.spec import Accelerator, Pool
from dcsim.sim.hosts import blocks
from dcsim.sim.links import SharedLinks
from dcsim.sim.parts import Part
from dcsim.sim.seats import Seats
from dcsim.topologies import leaf_spine, nvlink_domain, pcie_tree, wan
from dcsim.topologies._hosts import with_insides
from dcsim.topologies._parts import parts
from dcsim.topologies._routes import compiled
from dcsim.topologies.nvlink_domain import NvlinkDomain
from dcsim.topologies.pcie_tree import PcieTree
from tests.sim.test_links import everyone, shares
from tests.sim.test_rates import at

EIGHT = Accelerator(name="eight", accelerators_per_server=8, scale_up_domain="8")
SPINE = leaf_spine.LeafSpine(2, 1, 2, bandwidth=400.0, uplink_bandwidth=1000.0, latency=0.0)
DOWN = NetworkFailure(parts=("nic",), at=0.0, duration=1.0)
RACK = Accelerator(name="rack", accelerators_per_server=4, scale_up_domain="72")


def nodes(nics: int = 4, **facts) -> tuple[Pool, ...]:
    """Four nodes of eight accelerators with NICs of 400 B/s together."""
    facts = {"nic_bandwidth": 400.0, "nics_per_node": nics, **facts}
    return (Pool(name="a", accelerator=EIGHT, nodes=4, accelerators_per_node=8, **facts),)


def hosts(bandwidth: float = 1000.0, nics: int = 1, **facts: float) -> SharedLinks:
    """Four PCIe switches a host, each with two accelerators and `nics` NICs."""
    tree = PcieTree(2, 2, 2, nics, bandwidth, 1000.0, 0.0, **facts)
    graph = with_insides(leaf_spine.build(SPINE), pcie_tree.build(tree))
    return SharedLinks(compiled(graph), nodes(4 * nics), everyone)


def test_gangs_have_the_lowest_accelerators_that_nobody_has():
    seats = Seats(nodes())
    seats.take(0, Allocation(0, (1,), (3,)))
    assert seats.there(1, Allocation(0, (0, 1), (2, 4))) == [(0, 1), (3, 4, 5, 6)]
    seats.take(1, Allocation(0, (0, 1), (2, 4)))
    seats.give(0)
    assert seats.there(2, Allocation(0, (1,), (4,))) == [(0, 1, 2, 7)]
    assert seats.there(1, Allocation(0, (0, 1), (2, 4))) == [(0, 1), (3, 4, 5, 6)]
    assert seats.there(3, Allocation(0, (1,), (6,))) == [(0, 1, 2, 3, 4, 7)]  # more than are free: others' too
    assert seats.there(4, Allocation(0, (2,), (2,), (5, 7), 1.0)) == [(5, 7)]


def test_seats_stay_those_of_one_job_each_whatever_comes_and_goes():
    random, of = np.random.default_rng(4), nodes()
    seats, held = Seats(of), {}
    for job in range(500):
        for gone in [other for other in held if random.random() < 0.4]:
            seats.give(gone)
            del held[gone]
        used = np.zeros((4, 8), int)
        for place, numbers in held.values():
            for node, own in zip(place.nodes, numbers, strict=True):
                used[node, list(own)] += 1
        assert used.max(initial=0) <= 1
        room = 8 - used.sum(axis=1)
        there = np.flatnonzero(room)
        if len(there):
            place = Allocation(0, tuple(there.tolist()), tuple(random.integers(1, room[there] + 1).tolist()))
            seats.take(job, place)
            held[job] = (place, seats.there(job, place))
            assert [len(own) for own in held[job][1]] == list(place.counts)


def test_two_jobs_whose_accelerators_share_a_nic_halve_each_other_and_a_third_under_another_switch_does_not():
    # One accelerator of each on nodes 0 and 2. A single one could have a NIC of 100 of its own; accelerators 0 and 1
    # share the NIC of their PCIe switch, accelerator 2 has another one.
    here = hosts()
    assert here.join(0, at(0, 0, 2)) == []
    assert here.share(0) == 1.0
    assert here.join(1, at(0, 0, 2)) == [0]
    assert here.join(2, at(0, 0, 2)) == []
    assert shares(here, 0, 1, 2) == [0.5, 0.5, 1.0]
    assert here.leave(0) == [1]
    assert shares(here, 1, 2) == [1.0, 1.0]


def test_two_accelerators_of_one_job_under_one_switch_share_its_nic_too():
    # Two flows of up to 100 over one NIC of 100, though two of four NICs are free.
    here = hosts()
    here.join(0, at(0, 0, 2, each=2))
    assert here.share(0) == 0.5


def test_a_job_on_whole_nodes_has_all_nics_and_fills_them_exactly():
    # Eight flows of 50 each over four NICs of 100, over PCIe links of 1000: nobody waits.
    here = hosts()
    here.join(0, at(0, 0, 2, each=8))
    assert here.share(0) == 1.0


def test_pcie_between_an_accelerator_and_its_switch_bounds_what_it_sends():
    here = hosts(bandwidth=25.0)
    here.join(0, at(0, 0, 2))  # NICs of 100, links of 25
    assert here.share(0) == 0.25
    here = hosts(bandwidth=25.0, nics=2, link_bandwidth=500.0)  # nor does NVLink help: it does not leave the host
    here.join(0, at(0, 0, 2))
    assert here.share(0) == 0.5  # eight NICs of 50


def test_nics_of_a_node_are_shared_by_jobs_on_whole_nodes_only_at_the_leaf():
    # By NVLink inside, each accelerator has a NIC of 50. Two jobs of four accelerators a node do not meet.
    graph = with_insides(leaf_spine.build(SPINE), nvlink_domain.build(NvlinkDomain(8, 900.0, 0.0)))
    here = SharedLinks(compiled(graph), nodes(8), everyone)
    here.join(0, at(0, 0, 1, each=4))
    assert here.join(1, at(0, 0, 1, each=4)) == []
    assert shares(here, 0, 1) == [1.0, 1.0]


def test_gangs_of_nvl72_racks_meet_on_the_uplinks_of_their_leaves():
    # Two leaves of two racks of 72 with NICs of 50, an uplink of 72 x 50 a leaf: a gang on two racks, one under each
    # leaf, fills it; a second one halves both. Within a rack nothing leaves NVLink.
    racks = leaf_spine.LeafSpine(2, 1, 2, bandwidth=72 * 50.0, uplink_bandwidth=72 * 50.0, latency=0.0)
    graph = with_insides(leaf_spine.build(racks), nvlink_domain.build(NvlinkDomain(72, 900.0, 0.0)))
    of = (Pool(name="a", accelerator=RACK, nodes=4 * 18, accelerators_per_node=4, nic_bandwidth=200.0),)
    here = SharedLinks(compiled(graph), of, everyone)
    rack = [tuple(range(18 * k, 18 * k + 18)) for k in range(4)]
    here.join(0, at(0, *rack[0], *rack[2], each=4))
    assert here.share(0) == 1.0
    assert here.join(1, at(0, *rack[1], *rack[3], each=4)) == [0]
    assert shares(here, 0, 1) == [0.5, 0.5]
    assert here.leave(0) == [1]
    assert here.join(2, at(0, *rack[0], each=4)) == []
    assert [len(set(level.tolist())) for level in blocks(here.graph, of)[0]] == [4, 2]  # racks, then leaves


def test_a_gang_across_two_sites_has_what_the_line_between_them_carries():
    # Two pools on two sites of two nodes; then one pool on both, whose gang spans them: 2 x 400 and one line of 100.
    graph = compiled(wan.build(wan.Wan(2, 2, bandwidth=400.0, wan_bandwidth=100.0, latency=0.0, wan_latency=0.01)))
    two = tuple(nodes()[0].model_copy(update={"name": name, "nodes": 2}) for name in "ab")
    apart = SharedLinks(graph, two, everyone)
    apart.join(0, at(0, 0, 1, each=8))
    assert apart.join(1, at(1, 0, 1, each=8)) == []
    assert shares(apart, 0, 1) == [1.0, 1.0]
    both = SharedLinks(graph, nodes(), everyone)
    both.join(0, at(0, 0, 1, 2, 3, each=8))  # one flow of 400 each way over the line
    assert both.share(0) == 0.25
    both.join(1, at(0, 1, 2, each=8))
    assert shares(both, 0, 1) == pytest.approx([0.125, 0.125])


def test_a_nic_that_fails_leaves_its_accelerators_the_others_of_their_pcie_switch():
    # HGX: eight flows of 50 over eight NICs of 50. Without nic-0-0, accelerators 0 and 1 share nic-0-1; then there is
    # none on their switch, and they go over that of another one, whose two NICs carry four flows.
    here = hosts(nics=2, link_bandwidth=500.0)
    here.join(0, at(0, 0, 2, each=8))
    assert here.share(0) == 1.0
    failed = [Part(name, parts(here.graph, name)[name], 0, DOWN) for name in ("nic-0-0", "nic-0-1")]
    for part, share in zip(failed, (0.5, 0.5), strict=True):
        assert here.fail(part) == ([], [0] if part is failed[0] else [])
        assert here.share(0) == share
    assert here.repair(failed[1]) == []
    assert here.repair(failed[0]) == [0]
    assert here.share(0) == 1.0
