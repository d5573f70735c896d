"""Several sites, each behind a gateway, joined by a wide-area network."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dcsim.topologies.base import Refusals, Sketch
from dcsim.units import BytesPerSecond, Seconds

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class Wan:
    """Sites of hosts on one switch; gateways in a full mesh or in a ring."""

    sites: int
    """How many, at least two."""
    hosts_per_site: int
    """Hosts of each."""
    bandwidth: BytesPerSecond
    """Of a host's cable, one direction."""
    wan_bandwidth: BytesPerSecond
    """Of a line between two sites, one direction."""
    latency: Seconds
    """Of a host's cable."""
    wan_latency: Seconds
    """Of a line between two sites: light in fibre takes 5 us a km."""
    mesh: Literal["full", "ring"] = "full"
    """Which sites have a line."""


def build(params: Wan) -> nx.Graph:
    """Nodes `("host", site, i)` and `("gateway", site)`; ScenarioError for bad parameters."""
    refusals = Refusals("wan").counts(sites=params.sites, hosts_per_site=params.hosts_per_site)
    if params.sites == 1:
        refusals.wrong("sites", "must be two or more", 1, "write use = 'single_switch'")
    refusals.bandwidths(bandwidth=params.bandwidth, wan_bandwidth=params.wan_bandwidth)
    refusals.latencies(latency=params.latency, wan_latency=params.wan_latency)
    refusals.stop_if_any(params.sites * params.hosts_per_site + params.sites * (params.sites - 1) // 2)
    sketch = Sketch("wan")
    sites = range(params.sites)
    hosts = sketch.nodes("host", (("host", site, i) for site in sites for i in range(params.hosts_per_site)))
    gateways = sketch.nodes("switch", (("gateway", site) for site in sites))
    below = ((host, gateways[i // params.hosts_per_site]) for i, host in enumerate(hosts))
    sketch.cable(below, params.bandwidth, params.latency)
    ring = zip(gateways, gateways[1:] + gateways[:1], strict=True)
    lines = itertools.combinations(gateways, 2) if params.mesh == "full" else ring
    sketch.cable(lines, params.wan_bandwidth, params.wan_latency)
    return sketch.graph
