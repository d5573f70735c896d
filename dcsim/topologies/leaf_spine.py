"""Two levels: hosts on leaves, every leaf on every spine (Clos)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dcsim.topologies.base import Refusals, Sketch
from dcsim.units import BytesPerSecond, Seconds

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class LeafSpine:
    """A folded Clos network of two levels; oversubscription is hosts' bandwidth of a leaf over that of its uplinks."""

    leaves: int
    """Leaf switches."""
    spines: int
    """Spine switches."""
    hosts_per_leaf: int
    """Hosts on each leaf."""
    bandwidth: BytesPerSecond
    """Of a host's cable, one direction."""
    uplink_bandwidth: BytesPerSecond
    """Of the cable from a leaf to one spine, one direction."""
    latency: Seconds
    """Of each cable."""


def build(params: LeafSpine) -> nx.Graph:
    """Nodes `("host", i)`, leaf by leaf, `("leaf", l)`, `("spine", s)`; ScenarioError for bad parameters."""
    refusals = Refusals("leaf_spine").counts(
        leaves=params.leaves, spines=params.spines, hosts_per_leaf=params.hosts_per_leaf
    )
    refusals.bandwidths(bandwidth=params.bandwidth, uplink_bandwidth=params.uplink_bandwidth)
    refusals.latencies(latency=params.latency)
    refusals.stop_if_any(params.leaves * (params.hosts_per_leaf + params.spines))
    sketch = Sketch("leaf_spine")
    hosts = sketch.nodes("host", (("host", i) for i in range(params.leaves * params.hosts_per_leaf)))
    leaves = sketch.nodes("switch", (("leaf", i) for i in range(params.leaves)))
    spines = sketch.nodes("switch", (("spine", i) for i in range(params.spines)))
    below = ((host, leaves[i // params.hosts_per_leaf]) for i, host in enumerate(hosts))
    sketch.cable(below, params.bandwidth, params.latency)
    sketch.cable(((leaf, spine) for leaf in leaves for spine in spines), params.uplink_bandwidth, params.latency)
    return sketch.graph
