"""Dragonfly: groups of fully connected routers, groups connected to each other (Kim et al., ISCA 2008)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dcsim.topologies.base import Refusals, Sketch
from dcsim.units import BytesPerSecond, Seconds

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class Dragonfly:
    """The largest dragonfly: routers x global_links + 1 groups, exactly one global link between each two groups.

    Balanced where routers = 2 x hosts = 2 x global_links (Kim et al., section 3.1).
    """

    routers: int
    """Routers of a group (a)."""
    global_links: int
    """Global links of a router (h)."""
    hosts: int
    """Hosts on a router (p)."""
    bandwidth: BytesPerSecond
    """Of hosts' and local cables, one direction."""
    global_bandwidth: BytesPerSecond
    """Of global cables, one direction."""
    latency: Seconds
    """Of hosts' and local cables."""
    global_latency: Seconds
    """Of global cables."""


def build(params: Dragonfly) -> nx.Graph:
    """Nodes `("host", i)`, router by router, and `("router", group, r)`; ScenarioError for bad parameters."""
    a, h, p = params.routers, params.global_links, params.hosts
    refusals = Refusals("dragonfly").counts(routers=a, global_links=h, hosts=p)
    refusals.bandwidths(bandwidth=params.bandwidth, global_bandwidth=params.global_bandwidth)
    refusals.latencies(latency=params.latency, global_latency=params.global_latency)
    groups = a * h + 1
    refusals.stop_if_any(groups * (a * p + a * (a - 1) // 2) + groups * (groups - 1) // 2)
    sketch = Sketch("dragonfly")
    hosts = sketch.nodes("host", (("host", i) for i in range(groups * a * p)))
    routers = sketch.nodes("switch", (("router", g, r) for g in range(groups) for r in range(a)))
    sketch.cable(((host, routers[i // p]) for i, host in enumerate(hosts)), params.bandwidth, params.latency)
    local = ((("router", g, r), ("router", g, s)) for g in range(groups) for r in range(a) for s in range(r))
    sketch.cable(local, params.bandwidth, params.latency)
    sketch.cable(_global(groups, h), params.global_bandwidth, params.global_latency)
    return sketch.graph


def _global(groups: int, h: int) -> Iterator[tuple[tuple[str, int, int], tuple[str, int, int]]]:
    """One link between each two groups: the n-th one of a group goes to the n-th other group after it."""
    for here in range(groups):
        for there in range(here):
            forth, back = (there - here - 1) % groups, (here - there - 1) % groups
            yield ("router", here, forth // h), ("router", there, back // h)
