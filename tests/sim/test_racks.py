"""Scale-up domains of several nodes (racks): placements that know the network keep gangs inside one, by hand."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from dcsim.policies.placement.least_contention import LeastContention
from dcsim.policies.placement.locality import Locality
from dcsim.policies.placement.topology_aware import TopologyAware
from dcsim.scenario.spec import Accelerator, Pool
from dcsim.sim.hosts import blocks, ring_order
from dcsim.topologies._routes import Links, compiled
from dcsim.topologies.leaf_spine import LeafSpine, build
from tests.sim.test_places import FOREVER, places
from tests.simulate import simulate, table

NVL72 = Accelerator(name="rack", device_class="gpu", accelerators_per_server=4, scale_up_domain="72")
PAIRS = Accelerator(name="pairs", device_class="gpu", accelerators_per_server=2, scale_up_domain="4")


def racks(nodes: int, accelerator: Accelerator = NVL72) -> tuple[Pool, ...]:
    width = accelerator.accelerators_per_server or 1
    return (Pool(name="a", accelerator=accelerator, nodes=nodes, accelerators_per_node=width),)


def leaves(count: int, hosts: int) -> Links:
    return compiled(build(LeafSpine(count, 1, hosts, bandwidth=1.0, uplink_bandwidth=1.0, latency=0.0)))


def levels(of: Links, pools: tuple[Pool, ...]) -> list[list[int]]:
    return [level.tolist() for level in blocks(of, pools)[0]]


def test_racks_are_the_lowest_level_whatever_the_leaves():
    # Three racks of 18. Leaves of 9 are halves of racks, leaves of 18 are racks.
    three = np.repeat([0, 1, 2], 18).tolist()
    assert levels(leaves(6, 9), racks(54)) == levels(leaves(3, 18), racks(54)) == [three]
    # Leaves of 12 under four racks: the second has nodes of racks 0 and 1, the fifth of racks 2 and 3.
    assert levels(leaves(6, 12), racks(72)) == [np.repeat([0, 1, 2, 3], 18).tolist(), np.repeat([0, 1], 36).tolist()]
    # The last rack of a pool may be cut short; a pool within one rack has no levels.
    assert levels(leaves(2, 10), racks(20)) == [np.repeat([0, 1], (18, 2)).tolist()]
    assert levels(leaves(2, 9), racks(18)) == [np.zeros(18, int).tolist()]


def test_nodes_of_other_accelerators_and_of_tpus_have_the_leaves_alone():
    own = [np.repeat(np.arange(6), 9).tolist()]
    assert levels(leaves(6, 9), racks(54, NVL72.model_copy(update={"scale_up_domain": "4"}))) == own
    pod = Accelerator(name="pod", device_class="tpu", accelerators_per_server=4, scale_up_domain="16x16 pod")
    assert levels(leaves(6, 9), racks(54, pod)) == own


@pytest.mark.parametrize("placement", [TopologyAware, Locality, LeastContention])
def test_a_gang_goes_into_one_rack_where_one_has_room(placement):
    # Gangs of 2, 10 and 12 nodes: the first two in rack 0, whose last six nodes are too few for the third.
    of, near = racks(54), placement()
    near.blocks = blocks(leaves(6, 9), of)
    run = simulate(table([0, 1, 2], [9, 9, 9], [8, 40, 48]), 0, 0, "fifo", near, pools=of)
    assert places(run) == [(0, [0, 1]), (1, list(range(2, 12))), (2, list(range(18, 30)))]


def test_locality_waits_for_a_rack_and_topology_aware_does_not():
    # Ten nodes of each of two racks are taken, those of rack 1 until 50 s, those of rack 0 until 5 s: twelve are
    # empty, eight in each, when a gang of twelve comes at 1 s.
    of = racks(36)
    jobs = table([0, 0, 1], [5, 50, 9], [40, 40, 48])
    for placement, start_s, nodes in (
        (TopologyAware(), 1, [*range(10, 18), *range(28, 32)]),
        (Locality(3.0), 4, [*range(10, 18), *range(28, 32)]),
        (Locality(FOREVER), 5, [*range(12)]),
    ):
        placement.blocks = blocks(leaves(4, 9), of)
        run = simulate(jobs, 0, 0, "fifo", placement, pools=of)
        assert places(run)[1] == (1, list(range(18, 28)))
        assert (run.start_s[2], places(run)[2]) == (start_s, (2, nodes))


def test_ranks_stay_in_their_rack_where_each_leaf_has_a_node_of_several():
    # Racks of two nodes, node n on leaf n % 4: leaves 0 and 1 have nodes of racks 0 and 2, the others of 1 and 3.
    tree = build(LeafSpine(4, 1, 2, bandwidth=1.0, uplink_bandwidth=1.0, latency=0.0))
    wired = nx.Graph(name="wired")
    hosts = [("host", n) for n in (0, 2, 4, 6, 1, 3, 5, 7)]
    wired.add_nodes_from((node, tree.nodes[node]) for node in (*hosts, *(n for n in tree if n[0] != "host")))
    wired.add_edges_from(tree.edges(data=True))
    (place,) = ring_order(compiled(wired), racks(8, PAIRS))
    assert np.argsort(place).tolist() == [0, 1, 4, 5, 2, 3, 6, 7]
