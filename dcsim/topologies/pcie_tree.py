"""The PCIe tree of one server: sockets, switches below them, accelerators and NICs below those."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dcsim.topologies.base import Refusals, Sketch
from dcsim.units import BytesPerSecond, Seconds

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class PcieTree:
    """A server by its PCIe: accelerators under one switch meet there, others cross sockets.

    With `link_bandwidth` accelerators meet on an NVSwitch, as on HGX boards, and PCIe leads to NICs alone.
    """

    sockets: int
    """CPU sockets, each connected to each other."""
    switches_per_socket: int
    """PCIe switches on a socket."""
    accelerators_per_switch: int
    """Accelerators on a switch."""
    nics_per_switch: int
    """NICs on a switch: no more than accelerators, which take them in turn. NICs that one uses at once are one."""
    bandwidth: BytesPerSecond
    """Of each PCIe link, one direction."""
    socket_bandwidth: BytesPerSecond
    """Between two sockets, one direction."""
    latency: Seconds
    """Of each hop."""
    link_bandwidth: BytesPerSecond | None = None
    """Of an accelerator's links to an NVSwitch, one direction. Default: there is none."""


def build(params: PcieTree) -> nx.Graph:
    """Nodes `("accelerator", i)`, `("nic", i)`, `("pcie", s)`, `("socket", s)`; ScenarioError for bad parameters.

    With an NVSwitch also `("nvswitch", 0)`, and between accelerators and PCIe `("port", i)`: an accelerator's PCIe
    port is a node of its own so that the way to a neighbour on the same PCIe switch is longer than that by NVLink.
    """
    refusals = Refusals("pcie_tree").counts(
        sockets=params.sockets,
        switches_per_socket=params.switches_per_socket,
        accelerators_per_switch=params.accelerators_per_switch,
        nics_per_switch=params.nics_per_switch,
    )
    if not refusals.problems and params.nics_per_switch > params.accelerators_per_switch:
        what, fix = "must be at most accelerators_per_switch", "write NICs that one accelerator uses at once as one"
        refusals.wrong("nics_per_switch", what, params.nics_per_switch, fix)
    refusals.bandwidths(bandwidth=params.bandwidth, socket_bandwidth=params.socket_bandwidth)
    if params.link_bandwidth is not None:
        refusals.bandwidths(link_bandwidth=params.link_bandwidth)
    refusals.latencies(latency=params.latency)
    count = params.sockets * params.switches_per_socket
    each = 1 + 3 * params.accelerators_per_switch + params.nics_per_switch
    refusals.stop_if_any(count * each + params.sockets * (params.sockets - 1) // 2)
    sketch = Sketch("pcie_tree")
    sockets = sketch.nodes("switch", (("socket", s) for s in range(params.sockets)))
    switches = sketch.nodes("switch", (("pcie", s) for s in range(count)))
    sketch.cable(itertools.combinations(sockets, 2), params.socket_bandwidth, params.latency)
    above = ((switch, sockets[i // params.switches_per_socket]) for i, switch in enumerate(switches))
    sketch.cable(above, params.bandwidth, params.latency)
    accelerators, nics = (
        sketch.nodes(kind, ((kind, i) for i in range(count * below)))
        for kind, below in (("accelerator", params.accelerators_per_switch), ("nic", params.nics_per_switch))
    )
    ports = accelerators
    if params.link_bandwidth is not None:
        ports = sketch.nodes("port", (("port", i) for i in range(len(accelerators))))
        (nvswitch,) = sketch.nodes("switch", [("nvswitch", 0)])
        sketch.cable(((one, nvswitch) for one in accelerators), params.link_bandwidth, params.latency)
        sketch.cable(zip(accelerators, ports, strict=True), params.bandwidth, 0.0)
    for devices in (ports, nics):
        pairs = ((device, switches[i * count // len(devices)]) for i, device in enumerate(devices))
        sketch.cable(pairs, params.bandwidth, params.latency)
    return sketch.graph
