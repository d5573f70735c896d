"""Hosts with an inside: what a network is made of then, and which ways its traffic takes."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest

from dcsim.errors import ScenarioError
from dcsim.topologies import fat_tree, leaf_spine, nvlink_domain, pcie_tree, rail_optimized, single_switch, torus
from dcsim.topologies._hosts import with_insides
from dcsim.topologies._routes import Links, compiled
from dcsim.topologies.base import Node
from dcsim.topologies.nvlink_domain import NvlinkDomain
from dcsim.topologies.pcie_tree import PcieTree
from tests.topologies.test_closed_forms import cut_b_per_s, of_kind

GB = 1e9
SPINE = leaf_spine.LeafSpine(2, 2, 2, bandwidth=100 * GB, uplink_bandwidth=200 * GB, latency=1e-6)
PCIE = PcieTree(2, 2, 2, 1, bandwidth=30 * GB, socket_bandwidth=40 * GB, latency=1e-7)  # 8 accelerators, 4 NICs
HGX = PcieTree(2, 2, 2, 2, 60 * GB, 40 * GB, 1e-7, link_bandwidth=450 * GB)  # 8 accelerators, 8 NICs, an NVSwitch
RAILS = rail_optimized.RailOptimized(2, 2, 2, 8, 50 * GB, 100 * GB, 1e-6)  # 4 servers


def inside(outer: nx.Graph, params: PcieTree | NvlinkDomain) -> nx.Graph:
    build = pcie_tree.build if isinstance(params, PcieTree) else nvlink_domain.build
    return with_insides(outer, build(params))  # type: ignore[arg-type]


def way(links: Links, a: Node, b: Node, label: int = 0) -> list[Node]:
    """The nodes on the route of a flow."""
    ends = (np.array([links.number[node]]) for node in (a, b))
    _, link = links.routes(*ends, np.array([label]))
    return [a, *(links.nodes[links.neighbour[one]] for one in link.tolist())]


def host_of(node: Node) -> Node:
    """The number of the host that a node is in, None for switches between hosts."""
    return (
        node[1] if isinstance(node, tuple) and node[0] in ("accelerator", "nic", "pcie", "socket", "nvswitch") else None
    )


def test_each_host_becomes_a_copy_with_its_bandwidth_split_among_its_nics() -> None:
    graph = inside(leaf_spine.build(SPINE), PCIE)
    assert [len(of_kind(graph, kind)) for kind in ("host", "accelerator", "nic")] == [0, 4 * 8, 4 * 4]
    assert of_kind(graph, "accelerator")[8:10] == [("accelerator", 1, 0), ("accelerator", 1, 1)]
    assert {graph.edges[("nic", 2, n), ("leaf", 1)]["bandwidth_b_per_s"] for n in range(4)} == {25 * GB}
    own = [node for node in graph if host_of(node) == 0]
    assert cut_b_per_s(graph, own, [node for node in graph if node not in own]) == pytest.approx(100 * GB)


def test_a_way_between_hosts_goes_by_the_nic_under_the_accelerators_own_pcie_switch() -> None:
    # GPUDirect: accelerator, PCIe switch, NIC, and the same at the other end; for PCIe alone and with an NVSwitch.
    links = compiled(inside(leaf_spine.build(SPINE), PCIE))
    for one in range(8):
        found = way(links, ("accelerator", 0, one), ("accelerator", 3, 7 - one), label=one)
        assert found[1:4] == [("pcie", 0, one // 2), ("nic", 0, one // 2), ("leaf", 0)]
        assert found[-4:-1] == [("leaf", 1), ("nic", 3, (7 - one) // 2), ("pcie", 3, (7 - one) // 2)]
    links = compiled(inside(leaf_spine.build(SPINE), HGX))
    for one in range(8):
        found = way(links, ("accelerator", 0, one), ("accelerator", 1, one), label=one)
        assert [node[0] for node in found] == ["accelerator", "port", "pcie", "nic", "leaf", "nic", "pcie", "port",
                                               "accelerator"]  # fmt: skip
        assert found[2] == ("pcie", 0, one // 2)
        assert found[3][2] // 2 == one // 2


@pytest.mark.parametrize("params", [HGX, NvlinkDomain(8, 450 * GB, 1e-7)])
def test_a_way_within_a_host_takes_the_nvswitch(params: PcieTree | NvlinkDomain) -> None:
    links = compiled(inside(leaf_spine.build(SPINE), params))
    for pair in itertools.permutations(range(8), 2):
        a, b = (("accelerator", 2, one) for one in pair)
        assert way(links, a, b, label=sum(pair)) == [a, ("nvswitch", 2, 0), b]


@pytest.mark.parametrize("params", [PCIE, HGX, NvlinkDomain(8, 450 * GB, 1e-7)])
@pytest.mark.parametrize("outer", [SPINE, RAILS])
def test_no_way_goes_through_a_third_host(outer: object, params: PcieTree | NvlinkDomain) -> None:
    if outer is RAILS:
        links = compiled(inside(rail_optimized.build(RAILS), params))
    else:
        links = compiled(inside(leaf_spine.build(SPINE), params))
    ends = links.endpoints[np.arange(0, 32, 3)]
    source, target = (column.ravel() for column in np.meshgrid(ends, ends))
    first, link = links.routes(source, target, np.arange(len(source)))
    for flow, (a, b) in enumerate(zip(source.tolist(), target.tolist(), strict=True)):
        passed = {links.nodes[links.neighbour[one]] for one in link[first[flow] : first[flow + 1]].tolist()}
        names = {node[1:-1] for node in passed if host_of(node) is not None}
        assert names <= {links.nodes[a][1:-1], links.nodes[b][1:-1]}


def test_nic_r_of_each_server_is_on_rail_r() -> None:
    for params in (HGX, NvlinkDomain(8, 450 * GB, 1e-7)):
        graph = inside(rail_optimized.build(RAILS), params)
        for group, server, rail in itertools.product(range(2), range(2), range(8)):
            assert [node for node in graph[("nic", group, server, rail)] if node[0] == "rail"] == [
                ("rail", group, rail)
            ]
    links = compiled(graph)
    here, there = ("accelerator", 0, 0, 5), ("accelerator", 0, 1, 5)
    assert way(links, here, there)[2:-2] == [("rail", 0, 5)]


def test_four_nics_on_eight_rails_have_two_each_and_eight_share_four() -> None:
    graph = inside(rail_optimized.build(RAILS), PCIE)
    assert [node[2] for node in graph[("nic", 0, 0, 3)] if node[0] == "rail"] == [6, 7]
    assert graph.edges[("nic", 0, 0, 3), ("rail", 0, 7)]["bandwidth_b_per_s"] == 50 * GB
    four = rail_optimized.RailOptimized(2, 2, 2, 4, 50 * GB, 100 * GB, 1e-6)
    graph = inside(rail_optimized.build(four), HGX)
    assert [node for node in graph[("rail", 1, 2)] if node[:3] == ("nic", 1, 0)] == [("nic", 1, 0, 4), ("nic", 1, 0, 5)]
    assert graph.edges[("rail", 1, 2), ("nic", 1, 0, 4)]["bandwidth_b_per_s"] == 25 * GB


def test_accelerators_of_one_pcie_switch_take_its_nics_in_turn_at_both_ends() -> None:
    # Each has a NIC of its own, on its own rail where there are any: no hash puts two on one.
    for outer in (leaf_spine.build(SPINE), rail_optimized.build(RAILS)):
        graph = inside(outer, HGX)
        links = compiled(graph)
        ends = of_kind(graph, "accelerator")
        for label, one in itertools.product(range(5), range(8)):
            nics = [node[-1] for node in way(links, ends[one], ends[8 + one], label) if node[0] == "nic"]
            assert nics == [one, one]


def test_racks_of_nvlink_in_a_leaf_spine_have_nvlink_within_and_a_nic_each_between() -> None:
    racks = leaf_spine.LeafSpine(2, 4, 2, bandwidth=72 * 50 * GB, uplink_bandwidth=72 * 25 * GB, latency=1e-6)
    graph = inside(leaf_spine.build(racks), NvlinkDomain(72, 900 * GB, 1e-7))
    accelerators = of_kind(graph, "accelerator")
    assert len(accelerators) == 4 * 72
    links = compiled(graph)
    assert [node[0] for node in way(links, accelerators[0], accelerators[71])] == [
        "accelerator",
        "nvswitch",
        "accelerator",
    ]
    assert [node[0] for node in way(links, accelerators[0], accelerators[72])] == [
        "accelerator", "nic", "leaf", "nic", "accelerator"]  # fmt: skip
    # Within a rack halves have 36 links of NVLink; between leaves there are 2 x 4 uplinks, as much as the NICs.
    rack = accelerators[:72]
    assert cut_b_per_s(graph, rack[:36], rack[36:]) >= 36 * 900 * GB
    assert cut_b_per_s(graph, accelerators[:144], accelerators[144:]) == pytest.approx(2 * 72 * 50 * GB)


@pytest.mark.parametrize(
    ("outer", "params", "says"),
    [
        (torus.build(torus.Torus((4, 4), GB, 0.0)), PCIE, "no host to put network.host into"),
        (rail_optimized.build(RAILS), PcieTree(1, 3, 1, 1, GB, GB, 0.0), "8 cables cannot share them evenly .* 3 NICs"),
        (nx.Graph([("a", "b", {"bandwidth_b_per_s": GB, "latency_s": 0.0})]), PCIE, "joins two hosts by a cable"),
        (fat_tree.build(fat_tree.FatTree(32, GB, 0.0)), NvlinkDomain(144, GB, 0.0), "more than 2,000,000 edges"),
    ],
)
def test_insides_that_do_not_fit_are_refused(outer: nx.Graph, params: PcieTree | NvlinkDomain, says: str) -> None:
    if outer.number_of_nodes() == 2:
        nx.set_node_attributes(outer, "host", "kind")
    with pytest.raises(ScenarioError, match=says):
        inside(outer, params)


def test_a_host_without_endpoints_is_refused() -> None:
    empty = nx.Graph()
    empty.add_node("s", kind="switch")
    with pytest.raises(ScenarioError, match="neither a NIC nor an endpoint"):
        with_insides(single_switch.build(single_switch.SingleSwitch(2, GB, 0.0)), empty)
