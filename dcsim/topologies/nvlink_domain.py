"""One NVLink domain: accelerators that all meet on the same NVSwitches (HGX 8, NVL72)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dcsim.topologies.base import Refusals, Sketch
from dcsim.units import BytesPerSecond, Seconds

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class NvlinkDomain:
    """Accelerators whose links all meet on NVSwitches: 8 on 4 chips (HGX H100), 72 on 18 (GB200 NVL72).

    A transfer is spread over all links of an accelerator at once, so all chips are one switch unless told apart.
    Source of the counts: NVIDIA, HGX H100 and GB200 NVL72 data sheets.
    """

    accelerators: int
    """8 for HGX, 72 for NVL72."""
    link_bandwidth: BytesPerSecond
    """All links of an accelerator together, one direction."""
    latency: Seconds
    """Of each link."""
    switches: int = 1
    """Switches that the links are spread over. More than 1 tells chips apart (4 for HGX H100, 18 for NVL72): then a
    flow takes one of them, with its part of the bandwidth."""


def build(params: NvlinkDomain) -> nx.Graph:
    """Nodes `("accelerator", i)` and `("nvswitch", s)`; ScenarioError for bad parameters."""
    refusals = Refusals("nvlink_domain").counts(accelerators=params.accelerators, switches=params.switches)
    refusals.bandwidths(link_bandwidth=params.link_bandwidth).latencies(latency=params.latency)
    refusals.stop_if_any(params.accelerators * params.switches)
    sketch = Sketch("nvlink_domain")
    accelerators = sketch.nodes("accelerator", (("accelerator", i) for i in range(params.accelerators)))
    switches = sketch.nodes("switch", (("nvswitch", s) for s in range(params.switches)))
    pairs = ((accelerator, switch) for accelerator in accelerators for switch in switches)
    sketch.cable(pairs, params.link_bandwidth / params.switches, params.latency)
    return sketch.graph
