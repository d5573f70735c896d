"""Rail-optimised fat tree: the r-th accelerator of every server of a group meets on the r-th rail switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dcsim.topologies.base import Node, Refusals, Sketch
from dcsim.units import BytesPerSecond, Seconds

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class RailOptimized:
    """Groups of servers (NVIDIA's scalable units); accelerators of a server meet on its NVSwitch, a NIC each goes out.

    Accelerators of the same place meet in a group on the switch of their rail, and never cross a spine. Without
    `link_bandwidth` a server is a host with a cable to each rail, and a table `network.host` says what is inside.
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
    latency: Seconds
    """Of each cable."""
    link_bandwidth: BytesPerSecond | None = None
    """Of an accelerator's links inside the server, one direction."""

    @property
    def needs_insides(self) -> bool:
        """Whether servers are hosts whose accelerators are still to be told: a flow would take one rail alone."""
        return self.link_bandwidth is None


def build(params: RailOptimized) -> nx.Graph:
    """Nodes `("accelerator", group, server, rail)`, `("nvswitch", group, server)`, `("rail", group, rail)`, and
    `("spine", s)`; `("host", group, server)` without links inside; ScenarioError for bad parameters.
    """
    refusals = Refusals("rail_optimized").counts(
        groups=params.groups, servers_per_group=params.servers_per_group, spines=params.spines, rails=params.rails
    )
    refusals.bandwidths(bandwidth=params.bandwidth, uplink_bandwidth=params.uplink_bandwidth)
    if params.link_bandwidth is not None:
        refusals.bandwidths(link_bandwidth=params.link_bandwidth)
    refusals.latencies(latency=params.latency)
    refusals.stop_if_any(params.groups * params.rails * (2 * params.servers_per_group + params.spines))
    sketch = Sketch("rail_optimized")
    groups, servers, rails = range(params.groups), range(params.servers_per_group), range(params.rails)
    places = [(g, s, r) for g in groups for s in servers for r in rails]
    if params.link_bandwidth is None:
        sketch.nodes("host", (("host", g, s) for g in groups for s in servers))
        ends: list[Node] = [("host", g, s) for g, s, _ in places]
    else:
        ends = sketch.nodes("accelerator", (("accelerator", *place) for place in places))
        sketch.nodes("switch", (("nvswitch", g, s) for g in groups for s in servers))
        inside = ((end, ("nvswitch", g, s)) for end, (g, s, _) in zip(ends, places, strict=True))
        sketch.cable(inside, params.link_bandwidth, params.latency)
    switches = sketch.nodes("switch", (("rail", g, r) for g in groups for r in rails))
    spines = sketch.nodes("switch", (("spine", s) for s in range(params.spines)))
    outside = ((end, ("rail", g, r)) for end, (g, _, r) in zip(ends, places, strict=True))
    sketch.cable(outside, params.bandwidth, params.latency)
    sketch.cable(((switch, spine) for switch in switches for spine in spines), params.uplink_bandwidth, params.latency)
    return sketch.graph
