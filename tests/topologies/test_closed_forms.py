"""Topologies: counts, diameters and bisections that theory gives."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest

from dcsim.errors import ScenarioError
from dcsim.topologies import (
    dragonfly,
    fat_tree,
    leaf_spine,
    nvlink_domain,
    pcie_tree,
    rail_optimized,
    single_switch,
    torus,
    wan,
)
from dcsim.topologies._routes import compiled
from dcsim.topologies.dragonfly import Dragonfly
from dcsim.topologies.fat_tree import FatTree
from dcsim.topologies.leaf_spine import LeafSpine
from dcsim.topologies.nvlink_domain import NvlinkDomain
from dcsim.topologies.pcie_tree import PcieTree
from dcsim.topologies.rail_optimized import RailOptimized
from dcsim.topologies.single_switch import SingleSwitch
from dcsim.topologies.torus import Torus, wrapped_axes
from dcsim.topologies.wan import Wan

GB = 1e9


def of_kind(graph: nx.Graph, kind: str) -> list[object]:
    return [node for node, found in graph.nodes(data="kind") if found == kind]


def cut_b_per_s(graph: nx.Graph, left: list[object], right: list[object]) -> float:
    """Bandwidth between two sets of nodes: the smallest cut, by maximum flow."""
    both = graph.copy()
    both.add_edges_from((("left", node) for node in left), bandwidth_b_per_s=math.inf)
    both.add_edges_from((("right", node) for node in right), bandwidth_b_per_s=math.inf)
    value: float = nx.maximum_flow_value(both, "left", "right", capacity="bandwidth_b_per_s")
    return value


def halves(graph: nx.Graph, kind: str = "host") -> float:
    ends = of_kind(graph, kind)
    return cut_b_per_s(graph, ends[: len(ends) // 2], ends[len(ends) // 2 :])


def test_a_single_switch_joins_all_hosts_two_cables_apart() -> None:
    graph = single_switch.build(SingleSwitch(8, 50 * GB, 1e-6))
    assert (len(graph), graph.number_of_edges(), nx.diameter(graph)) == (9, 8, 2)
    assert halves(graph) == 4 * 50 * GB


def test_leaf_spine_oversubscription_is_hosts_over_uplinks() -> None:
    graph = leaf_spine.build(LeafSpine(4, 2, 8, 10 * GB, 20 * GB, 1e-6))
    assert graph.number_of_edges() == 4 * (8 + 2)
    assert nx.diameter(graph) == 4
    assert halves(graph) == 2 * 2 * 20 * GB  # two leaves, two uplinks each; hosts could send 160 GB/s


@pytest.mark.parametrize("k", [2, 4, 6])
def test_a_fat_tree_has_the_counts_of_its_paper_and_full_bisection(k: int) -> None:
    graph = fat_tree.build(FatTree(k, 10 * GB, 1e-6))
    assert len(of_kind(graph, "host")) == k**3 // 4
    assert len(of_kind(graph, "switch")) == 5 * k * k // 4
    assert graph.number_of_edges() == 3 * k**3 // 4
    assert nx.diameter(graph) == 6
    assert halves(graph) == pytest.approx(k**3 / 8 * 10 * GB)


def test_oversubscription_divides_the_bisection_of_each_host() -> None:
    graph = fat_tree.build(FatTree(4, 10 * GB, 1e-6, oversubscription=3))
    assert len(of_kind(graph, "host")) == 48
    assert halves(graph) == pytest.approx(48 / 2 * 10 * GB / 3)


def test_rails_meet_on_one_switch_and_others_cross_a_spine_or_the_server() -> None:
    graph = rail_optimized.build(RailOptimized(2, 4, 8, 8, 50 * GB, 50 * GB, 1e-6, 450 * GB))
    assert len(of_kind(graph, "accelerator")) == 64
    first = ("accelerator", 0, 0, 0)
    assert nx.shortest_path_length(graph, first, ("accelerator", 0, 3, 0)) == 2
    assert nx.shortest_path_length(graph, first, ("accelerator", 0, 3, 1)) == 4
    assert nx.shortest_path_length(graph, first, ("accelerator", 1, 0, 0)) == 4
    assert halves(graph, "accelerator") == 4 * 8 * 50 * GB  # NICs of a group: spines have room for twice as much


def test_a_dragonfly_is_three_routers_wide_with_one_link_between_groups() -> None:
    a, h, p = 4, 2, 2
    graph = dragonfly.build(Dragonfly(a, h, p, GB, GB, 1e-6, 1e-6))
    groups = a * h + 1
    assert len(of_kind(graph, "host")) == groups * a * p
    routers = graph.subgraph(of_kind(graph, "switch"))
    assert nx.diameter(routers) == 3
    assert {degree for _, degree in routers.degree()} == {a - 1 + h}
    between = [(u[1], v[1]) for u, v in routers.edges() if u[1] != v[1]]
    assert len(between) == len(set(map(frozenset, between))) == groups * (groups - 1) // 2


@pytest.mark.parametrize(
    ("sides", "wrap"), [((4, 4, 4), "tpu"), ((8, 4, 4), "tpu"), ((16, 16), "tpu"), ((5, 3), "always")]
)
def test_a_wrapped_torus_has_the_diameter_and_bisection_of_rings(sides: tuple[int, ...], wrap: str) -> None:
    graph = torus.build(Torus(sides, 45 * GB, 1e-6, wrap=wrap))  # type: ignore[arg-type]
    count, longest = math.prod(sides), max(sides)
    assert graph.number_of_edges() == count * len(sides)
    assert nx.diameter(graph) == sum(side // 2 for side in sides)
    if longest % 2 == 0:
        assert halves(graph, "accelerator") == pytest.approx(2 * count / longest * 45 * GB)


def test_slices_of_tpus_wrap_by_cubes_in_three_dimensions_and_by_pods_in_two() -> None:
    # jax-ml/scaling-book, tpus.md: no wrap-around below a full cube; v5e and v6e on sides of 16 alone.
    assert wrapped_axes((4, 4, 4)) == (True, True, True)
    assert wrapped_axes((16, 20, 28)) == (True, True, True)
    assert wrapped_axes((2, 2, 4)) == (False, False, False)
    assert wrapped_axes((4, 4, 2)) == (False, False, False)
    assert wrapped_axes((16, 16)) == (True, True)
    assert wrapped_axes((16, 8)) == (True, False)
    assert wrapped_axes((4, 4)) == (False, False)


def test_a_mesh_has_half_the_bisection_of_its_torus() -> None:
    mesh, ring = (torus.build(Torus((4, 4, 4), GB, 0.0, wrap=wrap)) for wrap in ("never", "always"))
    assert 2 * halves(mesh, "accelerator") == halves(ring, "accelerator")
    assert mesh.number_of_edges() == 3 * 3 * 4 * 4


@pytest.mark.parametrize(("accelerators", "switches"), [(8, 1), (8, 4), (72, 1), (72, 18)])
def test_nvlink_domains_let_every_accelerator_send_at_full_rate(accelerators: int, switches: int) -> None:
    graph = nvlink_domain.build(NvlinkDomain(accelerators, 900 * GB, 1e-6, switches))
    assert nx.diameter(graph) == 2
    assert halves(graph, "accelerator") == pytest.approx(accelerators / 2 * 900 * GB)


def test_accelerators_of_one_pcie_switch_meet_below_the_socket() -> None:
    graph = pcie_tree.build(PcieTree(2, 2, 2, 1, 60 * GB, 40 * GB, 1e-6))
    distance = [nx.shortest_path_length(graph, ("accelerator", 0), ("accelerator", i)) for i in (1, 2, 4)]
    assert distance == [2, 4, 5]
    assert len(of_kind(graph, "nic")) == 4
    assert halves(graph, "accelerator") == 40 * GB


def test_sites_share_the_lines_between_them() -> None:
    graph = wan.build(Wan(3, 4, 50 * GB, 10 * GB, 1e-6, 1e-2))
    here = [node for node in graph if node[:2] == ("host", 0)]
    elsewhere = [node for node in graph if node[0] == "host" and node[1] > 0]
    assert cut_b_per_s(graph, here, elsewhere) == 2 * 10 * GB
    assert wan.build(Wan(5, 1, GB, GB, 0.0, 0.0, "ring")).number_of_edges() == 5 + 5


def test_bad_parameters_are_told_all_at_once() -> None:
    with pytest.raises(ScenarioError) as caught:
        leaf_spine.build(LeafSpine(0, 2, -1, 0.0, np.inf, -1.0))
    assert [problem.key for problem in caught.value.problems] == [
        "leaves",
        "hosts_per_leaf",
        "bandwidth",
        "uplink_bandwidth",
        "latency",
    ]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: torus.build(Torus((4, 4, 4), GB, 0.0, accelerators=60)), "4x4x4 = 64, not 60"),
        (lambda: torus.build(Torus((4,), GB, 0.0)), "must be two or three"),
        (lambda: fat_tree.build(FatTree(5, GB, 0.0)), "must be even"),
        (lambda: fat_tree.build(FatTree(2000, GB, 0.0)), "more than 2,000,000 edges"),
        (lambda: single_switch.build(SingleSwitch(10**9, GB, 0.0)), "more than 2,000,000 edges"),
        (lambda: pcie_tree.build(PcieTree(2, 2, 1, 2, GB, GB, 0.0)), "must be at most accelerators_per_switch"),
        (lambda: wan.build(Wan(1, 4, GB, GB, 0.0, 0.0)), "must be two or more"),
    ],
)
def test_graphs_that_cannot_be_are_refused_before_they_are_made(make: object, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        make()  # type: ignore[operator]


def test_every_topology_compiles_to_links_both_ways() -> None:
    graph = dragonfly.build(Dragonfly(2, 1, 1, GB, 2 * GB, 1e-6, 3e-6))
    made = compiled(graph)
    assert len(made.neighbour) == 2 * graph.number_of_edges()
    for link in range(len(made.neighbour)):
        facts = graph.edges[made.name(link)]
        assert (made.capacity_b_per_s[link], made.latency_s[link]) == (facts["bandwidth_b_per_s"], facts["latency_s"])
