"""Rail-optimised fat tree: the r-th accelerator of every server of a group meets on the r-th rail switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dcsim.topologies.base import Refusals, Sketch
from dcsim.units import BytesPerSecond, Seconds

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class RailOptimized:
    """Groups of servers (NVIDIA's scalable units); accelerators of a server meet on its NVSwitch, a NIC each goes out.

    Accelerators of the same place are three cables apart in a group by their rail, and never cross a spine.
    """

    groups: int
    """Scalable units."""
    servers_per_group: int
    """Servers in each."""
    spines: int
    """Spine switches; every rail switch is on every one."""
    rails: int
    """Accelerators, and NICs, of a server."""
    bandwidth: BytesPerSecond
    """Of a NIC's cable to its rail switch, one direction."""
    uplink_bandwidth: BytesPerSecond
    """Of the cable from a rail switch to one spine, one direction."""
    link_bandwidth: BytesPerSecond
    """Of an accelerator's links inside the server, one direction."""
    latency: Seconds
    """Of each cable."""


def build(params: RailOptimized) -> nx.Graph:
    """Nodes `("accelerator", group, server, rail)`, `("nvswitch", group, server)`, `("rail", group, rail)`, and
    `("spine", s)`; ScenarioError for bad parameters.
    """
    refusals = Refusals("rail_optimized").counts(
        groups=params.groups, servers_per_group=params.servers_per_group, spines=params.spines, rails=params.rails
    )
    refusals.bandwidths(
        bandwidth=params.bandwidth, uplink_bandwidth=params.uplink_bandwidth, link_bandwidth=params.link_bandwidth
    )
    refusals.latencies(latency=params.latency)
    refusals.stop_if_any(params.groups * params.rails * (2 * params.servers_per_group + params.spines))
    sketch = Sketch("rail_optimized")
    groups, servers, rails = range(params.groups), range(params.servers_per_group), range(params.rails)
    accelerators = [(g, s, r) for g in groups for s in servers for r in rails]
    sketch.nodes("accelerator", (("accelerator", *place) for place in accelerators))
    sketch.nodes("switch", (("nvswitch", g, s) for g in groups for s in servers))
    switches = sketch.nodes("switch", (("rail", g, r) for g in groups for r in rails))
    spines = sketch.nodes("switch", (("spine", s) for s in range(params.spines)))
    inside = ((("accelerator", g, s, r), ("nvswitch", g, s)) for g, s, r in accelerators)
    outside = ((("accelerator", g, s, r), ("rail", g, r)) for g, s, r in accelerators)
    sketch.cable(inside, params.link_bandwidth, params.latency)
    sketch.cable(outside, params.bandwidth, params.latency)
    sketch.cable(((switch, spine) for switch in switches for spine in spines), params.uplink_bandwidth, params.latency)
    return sketch.graph
