"""Hosts with an inside: each host of a network replaced by a graph of what is in it, its NICs by its cables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dcsim.topologies._routes import Ints, Links, compiled
from dcsim.topologies.base import Node, Refusals, Sketch

if TYPE_CHECKING:
    import networkx as nx

ENDPOINTS = ("host", "accelerator")

Edge = tuple[Node, Node, dict[str, Any]]


def with_insides(outer: nx.Graph, inner: nx.Graph) -> nx.Graph:
    """A network whose hosts are each a copy of another graph.

    Traffic goes out over the NICs of the inner graph; where it has none, each of its endpoints gets one, as fast as
    its cables. NICs and cables of a host go together in order: with c cables each NIC has c / NICs of them, or shares
    one evenly with its neighbours, so that a host has the bandwidth that it had. Names of copies have the host's
    numbers behind their kind: `("nic", 3, 0)` is the first NIC of `("host", 3)`, which is their `inside`.

    ScenarioError for a network whose endpoints are no hosts, numbers of NICs and cables of which neither divides the
    other, and too many edges.
    """
    hosts = [node for node, kind in outer.nodes(data="kind") if kind == "host"]
    inside = _Inside.of(inner)
    _refuse(outer, inside, hosts)
    sketch = Sketch(outer.name)
    for node, kind in outer.nodes(data="kind"):
        if kind == "host":
            inside.copy(sketch.graph, node)
        else:
            sketch.nodes(kind, [node])
    own = set(hosts)
    sketch.graph.add_edges_from(edge for edge in outer.edges(data=True) if own.isdisjoint(edge[:2]))
    for host in hosts:
        sketch.graph.add_edges_from(inside.cables(host, outer.adj[host]))
    return sketch.graph


def outside(links: Links) -> tuple[Links, Ints]:
    """The links with each host as one node again, and the place there of every node, shape (nodes,).

    Cables of one host to one switch are one, with the sum of their bandwidths.
    """
    if not links.hosts:
        return links, np.arange(len(links.nodes))
    own = links.inside >= 0
    place = np.where(own, links.inside, len(links.hosts) - 1 + np.cumsum(~own))
    ends = np.stack((place[links.origin], place[links.neighbour]), axis=1)
    pairs, number = np.unique(ends[ends[:, 0] < ends[:, 1]], axis=0, return_inverse=True)
    bandwidth_b_per_s = np.bincount(number.ravel(), links.capacity_b_per_s[ends[:, 0] < ends[:, 1]])
    sketch = Sketch("outside")
    nodes = sketch.nodes("host", links.hosts)
    switches = set(links.switches.tolist())
    for node in np.flatnonzero(~own).tolist():
        nodes += sketch.nodes("switch" if node in switches else "port", [links.nodes[node]])
    for (a, b), one_b_per_s in zip(pairs.tolist(), bandwidth_b_per_s.tolist(), strict=True):
        sketch.cable([(nodes[a], nodes[b])], one_b_per_s, 0.0)
    return compiled(sketch.graph), place


@dataclass(frozen=True)
class _Inside:
    """A graph to be copied. `nics`: nodes that its cables go to; `own`: the endpoint of each where they are added."""

    graph: nx.Graph
    nics: list[Node]
    own: list[Node]

    @classmethod
    def of(cls, graph: nx.Graph) -> _Inside:
        """Its NICs, and those it lacks."""
        kinds = list(graph.nodes(data="kind"))
        if nics := [node for node, kind in kinds if kind == "nic"]:
            return cls(graph, nics, [])
        own = [node for node, kind in kinds if kind in ENDPOINTS]
        return cls(graph, [("nic", number) for number in range(len(own))], own)

    def copy(self, into: nx.Graph, host: Node) -> None:
        """Add the nodes and edges of one host."""
        into.add_nodes_from(
            (_named(node, host), {**facts, "inside": host}) for node, facts in self.graph.nodes(data=True)
        )
        into.add_edges_from((_named(a, host), _named(b, host), facts) for a, b, facts in self.graph.edges(data=True))
        if self.own:
            into.add_nodes_from((_named(nic, host) for nic in self.nics), kind="nic", inside=host)

    def cables(self, host: Node, cables: Mapping[Node, Mapping[str, Any]]) -> Iterator[Edge]:
        """Edges from the NICs of a host to where its cables led, and from its endpoints to NICs that are added."""
        ends, nics = list(cables), [_named(nic, host) for nic in self.nics]
        ways, shared = max(len(ends), len(nics)), max(len(nics) // len(ends), 1)
        nic_b_per_s = [0.0] * len(nics)
        for way in range(ways):
            number, end = way * len(nics) // ways, ends[way * len(ends) // ways]
            part_b_per_s = cables[end]["bandwidth_b_per_s"] / shared
            nic_b_per_s[number] += part_b_per_s
            yield nics[number], end, {**cables[end], "bandwidth_b_per_s": part_b_per_s}
        for node, nic, whole_b_per_s in zip(self.own, nics, nic_b_per_s, strict=False):
            yield _named(node, host), nic, {"bandwidth_b_per_s": whole_b_per_s, "latency_s": 0.0}


def _named(node: Node, host: Node) -> Node:
    """The name of a node in a host."""
    kind, numbers = (node[0], node[1:]) if isinstance(node, tuple) else (node, ())
    return (kind, *(host[1:] if isinstance(host, tuple) else (host,)), *numbers)


def _refuse(outer: nx.Graph, inside: _Inside, hosts: list[Node]) -> None:
    """ScenarioError for graphs that do not go together."""
    refusals = Refusals(outer.name)
    if any(kind == "accelerator" for _, kind in outer.nodes(data="kind")):
        refusals.wrong("", "has accelerators as its endpoints, so no host to put network.host into", outer.name)
    elif not inside.nics:
        refusals.wrong("", "network.host has neither a NIC nor an endpoint", inside.graph.name)
    else:
        own, nics = set(hosts), len(inside.nics)
        for cables in sorted({outer.degree(host) for host in hosts}):
            if cables == 0 or max(cables, nics) % min(cables, nics):
                what = f"a host with {cables} cables cannot share them evenly among the {nics} NICs of network.host"
                refusals.wrong("", what, f"{cables} and {nics}", "one should divide the other")
        if any(a in own and b in own for a, b in outer.edges()):
            refusals.wrong("", "joins two hosts by a cable: the NICs of network.host need a switch", outer.name)
    most = max((outer.degree(host) for host in hosts), default=0)
    edges = inside.graph.number_of_edges() + len(inside.own) + max(most, len(inside.nics))
    refusals.stop_if_any(outer.number_of_edges() + len(hosts) * edges)
