"""What every topology is made of: nodes, cables, and refusals before memory is taken."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable

from dcsim.errors import Problem, ScenarioError

MOST_EDGES = 2_000_000
"""About 1 GB in networkx (0.5 kB an edge): a cluster of half a million accelerators has fewer."""

Node = Hashable


class Sketch:
    """A graph in the making.

    Every node has `kind`: `host`, `accelerator`, `nic`, `port` or `switch`; every edge `bandwidth_b_per_s`, one
    direction, and `latency_s`. Endpoints of traffic are hosts and accelerators.
    """

    def __init__(self, name: str) -> None:
        import networkx as nx  # 0.1 s, for graphs that are built alone: `list` and `schema` read parameters

        self.graph: nx.Graph = nx.Graph(name=name)

    def nodes(self, kind: str, names: Iterable[Node]) -> list[Node]:
        """Add nodes of one kind; their names."""
        added = list(names)
        self.graph.add_nodes_from(added, kind=kind)
        return added

    def cable(self, pairs: Iterable[tuple[Node, Node]], bandwidth_b_per_s: float, latency_s: float) -> None:
        """Connect pairs of nodes."""
        self.graph.add_edges_from(pairs, bandwidth_b_per_s=bandwidth_b_per_s, latency_s=latency_s)


class Refusals:
    """What is wrong with parameters, all of it at once."""

    def __init__(self, topology: str) -> None:
        self.topology = topology
        self.problems: list[Problem] = []

    def wrong(self, key: str, what: str, got: object, fix: str | None = None) -> None:
        """Remember a mistake."""
        self.problems.append(Problem(self.topology, key, what, got=str(got), fix=fix))

    def counts(self, **values: int) -> Refusals:
        """Each must be a whole number >= 1."""
        for key, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                self.wrong(key, "must be a whole number >= 1", value)
        return self

    def bandwidths(self, **values: float) -> Refusals:
        """Each must be finite and > 0, B/s."""
        for key, value in values.items():
            if not (math.isfinite(value) and value > 0.0):
                self.wrong(key, "must be finite and > 0 B/s", value)
        return self

    def latencies(self, **values: float) -> Refusals:
        """Each must be finite and >= 0, s."""
        for key, value in values.items():
            if not (math.isfinite(value) and value >= 0.0):
                self.wrong(key, "must be finite and >= 0 s", value)
        return self

    def stop_if_any(self, edges: int = 0) -> None:
        """Raise ScenarioError if something is wrong, or if the graph would have too many edges."""
        if not self.problems and edges > MOST_EDGES:
            self.wrong("", f"more than {MOST_EDGES:,} edges", f"{edges:,}", "model the upper levels alone")
        if self.problems:
            raise ScenarioError(self.problems)
