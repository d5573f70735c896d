"""Three-level k-ary fat tree (Al-Fares, Loukissas and Vahdat, SIGCOMM 2008, section 2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dcsim.topologies.base import Refusals, Sketch
from dcsim.units import BytesPerSecond, Seconds

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class FatTree:
    """k pods of k/2 edge and k/2 aggregation switches, (k/2)^2 cores; k/2 hosts times oversubscription an edge.

    Without oversubscription it holds k^3/4 hosts and never blocks.
    """

    k: int
    """Ports of a switch: even."""
    bandwidth: BytesPerSecond
    """Of each cable, one direction."""
    latency: Seconds
    """Of each cable."""
    oversubscription: int = 1
    """Hosts' bandwidth of an edge switch over that of its uplinks: so many times more hosts on each."""


def build(params: FatTree) -> nx.Graph:
    """Nodes `("host", i)` from the left, `("edge", pod, e)`, `("aggregation", pod, a)`, `("core", c)`.

    ScenarioError for an odd k and other bad parameters.
    """
    refusals = Refusals("fat_tree").counts(k=params.k, oversubscription=params.oversubscription)
    if not refusals.problems and params.k % 2:
        refusals.wrong("k", "must be even: half of the ports go up", params.k, f"write k = {params.k + 1}")
    refusals.bandwidths(bandwidth=params.bandwidth).latencies(latency=params.latency)
    k, half = params.k, params.k // 2
    each = half * params.oversubscription
    refusals.stop_if_any(k * half * (each + k))
    sketch = Sketch("fat_tree")
    hosts = sketch.nodes("host", (("host", i) for i in range(k * half * each)))
    edges = sketch.nodes("switch", (("edge", pod, e) for pod in range(k) for e in range(half)))
    sketch.nodes("switch", (("aggregation", pod, a) for pod in range(k) for a in range(half)))
    sketch.nodes("switch", (("core", c) for c in range(half * half)))
    pods, halves = range(k), range(half)
    for pairs in (
        ((host, edges[i // each]) for i, host in enumerate(hosts)),
        ((("edge", p, e), ("aggregation", p, a)) for p in pods for e in halves for a in halves),
        ((("aggregation", p, a), ("core", a * half + c)) for p in pods for a in halves for c in halves),
    ):
        sketch.cable(pairs, params.bandwidth, params.latency)
    return sketch.graph
