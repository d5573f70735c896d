"""Hosts on one switch that never blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dcsim.topologies.base import Refusals, Sketch
from dcsim.units import BytesPerSecond, Seconds

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class SingleSwitch:
    """A star of hosts."""

    hosts: int
    """How many."""
    bandwidth: BytesPerSecond
    """Of each cable, one direction."""
    latency: Seconds
    """Of each cable."""


def build(params: SingleSwitch) -> nx.Graph:
    """Nodes `("host", i)` and `("switch", 0)`; ScenarioError for parameters that make no graph."""
    refusals = Refusals("single_switch").counts(hosts=params.hosts).bandwidths(bandwidth=params.bandwidth)
    refusals.latencies(latency=params.latency).stop_if_any(params.hosts)
    sketch = Sketch("single_switch")
    hosts = sketch.nodes("host", (("host", i) for i in range(params.hosts)))
    (switch,) = sketch.nodes("switch", [("switch", 0)])
    sketch.cable(((host, switch) for host in hosts), params.bandwidth, params.latency)
    return sketch.graph
