"""Routes: shortest, joined up, the same each time, spread over equal ways; and graphs that are refused."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest

from dcsim.errors import ScenarioError
from dcsim.kernels import routes as kernel
from dcsim.kernels.fairshare import finish_times_s, flows
from dcsim.topologies import fat_tree, leaf_spine, torus
from dcsim.topologies._routes import Links, compiled
from dcsim.topologies.fat_tree import FatTree
from dcsim.topologies.leaf_spine import LeafSpine
from dcsim.topologies.torus import Torus


def walked(made: Links, first: np.ndarray, link: np.ndarray, flow: int) -> list[object]:
    """Nodes on the path of a flow."""
    hops = [made.name(number) for number in link[first[flow] : first[flow + 1]]]
    assert all(a[1] == b[0] for a, b in itertools.pairwise(hops))
    return [hops[0][0], *(hop[1] for hop in hops)]


@pytest.mark.parametrize("graph", [fat_tree.build(FatTree(4, 1.0, 0.0)), torus.build(Torus((4, 3), 1.0, 0.0))])
def test_routes_join_their_ends_by_as_few_links_as_networkx_finds(graph: nx.Graph) -> None:
    made = compiled(graph)
    pairs = np.array([(a, b) for a in made.endpoints for b in made.endpoints if a != b])
    first, link = made.routes(pairs[:, 0], pairs[:, 1])
    lengths = dict(nx.all_pairs_shortest_path_length(graph))
    for flow, (source, target) in enumerate(pairs):
        path = walked(made, first, link, flow)
        assert (path[0], path[-1]) == (made.nodes[source], made.nodes[target])
        assert len(path) - 1 == lengths[path[0]][path[-1]]


def test_a_flow_goes_the_same_way_each_time_and_labels_spread_over_equal_ways() -> None:
    made = compiled(fat_tree.build(FatTree(8, 1.0, 0.0)))
    source, target = np.full(4000, made.endpoints[0]), np.full(4000, made.endpoints[-1])
    labels = np.arange(4000)
    first, link = made.routes(source, target, labels)
    again, same = made.routes(source, target, labels)
    assert (first == again).all()
    assert (link == same).all()
    cores = [walked(made, first, link, flow)[3] for flow in range(4000)]
    counts = np.unique([core[1] for core in cores], return_counts=True)[1]  # type: ignore[index]
    assert len(counts) == 16  # (k/2)^2 ways
    assert abs(counts - 250).max() < 5 * 250**0.5


def test_two_flows_over_one_oversubscribed_spine_take_twice_as_long_and_placement_mends_it() -> None:
    # Two leaves, one spine, an uplink as wide as one host: two flows across share it, two inside leaves do not.
    made = compiled(leaf_spine.build(LeafSpine(2, 1, 4, 10.0, 10.0, 0.0)))
    h = made.endpoints
    apart = made.routes(h[[0, 1]], h[[4, 5]])
    together = made.routes(h[[0, 4]], h[[1, 5]])
    times = [
        finish_times_s(flows(made.capacity_b_per_s, first, link), np.full(2, 100.0), np.zeros(2)).tolist()
        for first, link in (apart, together)
    ]
    assert times == [[20.0, 20.0], [10.0, 10.0]]


def test_a_node_reaches_itself_by_no_link() -> None:
    made = compiled(torus.build(Torus((2, 2), 1.0, 0.0)))
    first, link = made.routes(np.array([0]), np.array([0]))
    assert (first.tolist(), len(link)) == ([0, 0], 0)


def test_a_graph_in_parts_is_refused_with_a_node_of_each() -> None:
    graph = nx.Graph([("a", "b"), ("c", "d")], name="parts")
    nx.set_edge_attributes(graph, 1.0, "bandwidth_b_per_s")
    nx.set_edge_attributes(graph, 0.0, "latency_s")
    with pytest.raises(ScenarioError, match="no path from a to c"):
        compiled(graph)


def test_edges_without_usable_values_are_refused_by_name() -> None:
    graph = nx.Graph(name="bad")
    graph.add_edge("a", "a", bandwidth_b_per_s=1.0, latency_s=0.0)
    graph.add_edge("a", "b", bandwidth_b_per_s=0.0, latency_s=0.0)
    graph.add_edge("b", "c", bandwidth_b_per_s=1.0, latency_s=-1.0)
    graph.add_edge("c", "d")
    with pytest.raises(ScenarioError) as caught:
        compiled(graph)
    keys = [problem.key for problem in caught.value.problems]
    assert keys == ["edge a - a", "edge a - b", "edge c - d", "edge b - c", "edge c - d"]


def test_routes_are_the_same_however_few_targets_are_kept_in_memory() -> None:
    made = compiled(fat_tree.build(FatTree(4, 1.0, 0.0)))
    pairs = np.array([(a, b) for b in made.endpoints for a in made.endpoints])  # grouped by target, and then not
    pairs = np.concatenate((pairs, pairs[np.random.default_rng(1).permutation(len(pairs))]))
    ends = pairs[:, 0], pairs[:, 1], np.arange(len(pairs))
    expected = made.routes(*ends)
    for targets in (1, 3):
        few = kernel.nothing_known(len(made.nodes), kept_b=targets * 4 * len(made.nodes))
        assert len(few.hops) == targets
        found = kernel.routes(*ends, made._ways, few)
        assert all((one == other).all() for one, other in zip(found, expected, strict=True))
