"""Cubes of accelerators joined by optical switches, of which any free ones make a slice (TPU v4, v5p)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dcsim.topologies.base import Node, Refusals, Sketch
from dcsim.topologies.torus import CUBE, moved
from dcsim.units import BytesPerSecond, Seconds

if TYPE_CHECKING:
    import networkx as nx

EDGES = 3 * CUBE**3 + 2 * 6 * CUBE**2
"""Links of a cube, and fibres from its six faces, each in two parts."""


@dataclass(frozen=True)
class OpticalTorus:
    """Cubes of 4 x 4 x 4 accelerators whose faces are wired to optical switches, one for each place on a face.

    The switches join the cubes of a slice, wherever these are, to a torus of their own, all of whose axes are rings; a
    slice below a cube is a box in one and has no wrap-around. Source: Jouppi et al., TPU v4, ISCA 2023, section 2:
    64 cubes on 48 switches.
    """

    cubes: int
    """How many; 64 in a pod of TPU v4."""
    bandwidth: BytesPerSecond
    """Of each link and fibre, one direction."""
    latency: Seconds
    """Of each link, and of a fibre from accelerator to optical switch."""


def build(params: OpticalTorus) -> nx.Graph:
    """Nodes `("accelerator", cube, x, y, z)`, `("port", cube, axis, end, i, j)` on faces, `("ocs", axis, i, j)`;
    ScenarioError for bad parameters.

    A cube alone is a torus of its own: what an optical switch loops back is a link. Fibres to other cubes stand beside
    these, since no axis of a slice uses both. With its ports a way through a switch is four edges, more than the two
    that it could save inside a cube: ways between cubes cross one switch, and no cube but the two.
    """
    refusals = Refusals("optical_torus").counts(cubes=params.cubes).bandwidths(bandwidth=params.bandwidth)
    refusals.latencies(latency=params.latency).stop_if_any(params.cubes * EDGES)
    sketch = Sketch("optical_torus")
    places = list(itertools.product(range(CUBE), repeat=3))
    cubes = range(params.cubes)
    for cube in cubes:
        sketch.nodes("accelerator", (("accelerator", cube, *place) for place in places))
    faces = [face for cube in cubes for face in _faces(cube)]
    sketch.nodes("port", (port for _, port, _ in faces))
    sketch.nodes("switch", dict.fromkeys(switch for _, _, switch in faces))
    for node in list(sketch.graph):
        if node[0] != "ocs":
            sketch.graph.nodes[node]["inside"] = ("cube", node[1])
    inside = (
        (("accelerator", cube, *place), ("accelerator", cube, *moved(place, axis, CUBE)))
        for cube in cubes
        for axis, place in itertools.product(range(3), places)
    )
    sketch.cable(inside, params.bandwidth, params.latency)
    sketch.cable(((node, port) for node, port, _ in faces), params.bandwidth, 0.0)
    sketch.cable(((port, switch) for _, port, switch in faces), params.bandwidth, params.latency)
    return sketch.graph


def _faces(cube: int) -> Iterator[tuple[Node, Node, Node]]:
    """Accelerator, port, and optical switch of each fibre of a cube."""
    for axis, end, i, j in itertools.product(range(3), range(2), range(CUBE), range(CUBE)):
        place = (i, j)
        at = (*place[:axis], end * (CUBE - 1), *place[axis:])
        yield ("accelerator", cube, *at), ("port", cube, axis, end, i, j), ("ocs", axis, i, j)
