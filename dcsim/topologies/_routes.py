"""A graph compiled once to arrays: directed links with capacity and latency, and paths between endpoints."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from dcsim.errors import Problem, ScenarioError
from dcsim.kernels import routes as kernel
from dcsim.topologies.base import Node

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Links:
    """A graph as arrays. Every cable is two directed links; a link's number is its place in `neighbour`."""

    nodes: tuple[Node, ...]
    """In the order of the graph."""
    number: Mapping[Node, int]
    """Place of each node."""
    endpoints: Ints
    """Places of hosts and accelerators."""
    switches: Ints
    """Places of switches."""
    rank: Ints
    """Shape (nodes,): number of each endpoint among all, `kernel.NIC` for NICs, 0 for others."""
    hosts: tuple[Node, ...]
    """Hosts that have an inside; none where hosts are points."""
    inside: Ints
    """Shape (nodes,): number of the host that a node is inside, -1 if none."""
    begin: Ints
    """Shape (nodes + 1,): links of node v are begin[v] to begin[v + 1]."""
    neighbour: Ints
    """Shape (links,): where each link leads."""
    capacity_b_per_s: Floats
    """Shape (links,)."""
    latency_s: Floats
    """Shape (links,)."""
    _known: kernel.Known

    def routes(self, source: Ints, target: Ints, label: Ints | None = None) -> tuple[Ints, Ints]:
        """Paths of flows between nodes by their places: (first, link) as `kernels.fairshare.flows` takes them.

        Equal-cost paths are chosen by a hash of source, target and `label`, shape (n,), NICs in turn.
        """
        labels = np.zeros(len(source), dtype=np.int64) if label is None else label
        first, link = kernel.routes(source, target, labels, self._ways, self._known)
        return first, link

    def name(self, link: int) -> tuple[Node, Node]:
        """The nodes that a link goes from and to."""
        return self.nodes[self.origin[link]], self.nodes[self.neighbour[link]]

    @property
    def _ways(self) -> kernel.Ways:
        return kernel.Ways(self.begin, self.neighbour, self.rank)

    @cached_property
    def origin(self) -> Ints:
        """Shape (links,): where each link begins."""
        return np.repeat(np.arange(len(self.nodes)), np.diff(self.begin))

    def without(self, links: Ints) -> Links:
        """The same links, of which these lead nowhere but back to where they begin: no route takes them."""
        neighbour = self.neighbour.copy()
        neighbour[links] = self.origin[links]
        return replace(self, neighbour=neighbour, _known=kernel.nothing_known(len(self.nodes)))


def graph_of(params: object) -> nx.Graph:
    """The graph that the file of these parameters builds."""
    graph: nx.Graph = sys.modules[type(params).__module__].build(params)
    return graph


def compiled(graph: nx.Graph) -> Links:
    """The arrays of a graph.

    ScenarioError, with every mistake, for an edge without a usable bandwidth or latency, a node connected to itself,
    and for a graph in parts, of which it names a node each.
    """
    where = graph.name or "graph"
    nodes = tuple(graph)
    number = {node: place for place, node in enumerate(nodes)}
    ends = np.array([(number[a], number[b]) for a, b in graph.edges()], dtype=np.int64).reshape(-1, 2)
    values = [_column(graph, key) for key in ("bandwidth_b_per_s", "latency_s")]
    problems = list(_mistakes(where, list(graph.edges()), *values))
    if problems or not nodes:
        raise ScenarioError(problems or Problem(where, "", "has no nodes"))
    origin, aim = np.concatenate((ends[:, 0], ends[:, 1])), np.concatenate((ends[:, 1], ends[:, 0]))
    order = np.lexsort((aim, origin))
    begin = np.concatenate(([0], np.cumsum(np.bincount(origin, minlength=len(nodes)))))
    capacity, latency = (np.concatenate((column, column))[order] for column in values)
    kinds = nx.get_node_attributes(graph, "kind", default="host")
    endpoints, switches = (
        np.array([number[node] for node in nodes if kinds[node] in some], dtype=np.int64)
        for some in (("host", "accelerator"), ("switch",))
    )
    rank = np.array([kernel.NIC if kinds[node] == "nic" else 0 for node in nodes], dtype=np.int64)
    rank[endpoints] = np.arange(len(endpoints))
    own = nx.get_node_attributes(graph, "inside")
    hosts = {host: place for place, host in enumerate(dict.fromkeys(own.values()))}
    inside = np.array([hosts[own[node]] if node in own else -1 for node in nodes], dtype=np.int64)
    known = kernel.nothing_known(len(nodes))
    made = Links(
        nodes, number, endpoints, switches, rank, tuple(hosts), inside, begin, aim[order], capacity, latency, known
    )
    apart = np.flatnonzero(kernel.hops_to(0, made.begin, made.neighbour) < 0)
    if len(apart):
        what = f"has no path from {nodes[0]} to {nodes[apart[0]]}"
        raise ScenarioError(Problem(where, "", what, fix=f"connect the {len(apart)} nodes that are apart"))
    return made


def _column(graph: nx.Graph, key: str) -> Floats:
    return np.array([value for _, _, value in graph.edges(data=key, default=math.nan)], dtype=np.float64)


def _mistakes(where: str, edges: Sequence[tuple[Node, Node]], bandwidth: Floats, latency: Floats) -> list[Problem]:
    problems = [Problem(where, f"edge {a} - {b}", "joins a node to itself") for a, b in edges if a == b]
    wrong = {
        "bandwidth_b_per_s must be finite and > 0": (bandwidth, ~(np.isfinite(bandwidth) & (bandwidth > 0.0))),
        "latency_s must be finite and >= 0": (latency, ~(np.isfinite(latency) & (latency >= 0.0))),
    }
    return problems + [
        Problem(where, "edge {} - {}".format(*edges[place]), what, str(column[place]))
        for what, (column, bad) in wrong.items()
        for place in np.flatnonzero(bad).tolist()
    ]
