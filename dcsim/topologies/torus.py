"""Two- and three-dimensional tori of accelerators, with the wrap-around of TPU slices."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dcsim.topologies.base import Refusals, Sketch
from dcsim.units import BytesPerSecond, Seconds

if TYPE_CHECKING:
    import networkx as nx

CUBE = 4
"""Side of the block that TPU v4 and v5p join by optical switches (Jouppi et al., ISCA 2023, section 2)."""
POD = 16
"""Side of a pod of TPU v5e and v6e, the only one whose ends are cabled (jax-ml/scaling-book, tpus.md)."""


@dataclass(frozen=True)
class Torus:
    """A torus, or mesh, of accelerators with a link to each neighbour.

    `wrap = "tpu"`: in three dimensions ends meet, through optical switches, where all sides are multiples of 4, and
    nowhere in a slice that is no whole number of cubes; in two dimensions on sides of 16.
    """

    sides: tuple[int, ...]
    """Two or three."""
    bandwidth: BytesPerSecond
    """Of each link, one direction."""
    latency: Seconds
    """Of each link."""
    wrap: Literal["tpu", "always", "never"] = "tpu"
    """Which axes are rings."""
    accelerators: int | None = None
    """How many there must be, to be checked against the sides."""


def wrapped_axes(sides: tuple[int, ...], wrap: str = "tpu") -> tuple[bool, ...]:
    """Whether the ends of each axis meet; an axis of one or two has no ends apart."""
    if wrap == "tpu" and len(sides) == 3:
        cubes = all(side % CUBE == 0 for side in sides)
        return tuple(cubes for _ in sides)
    if wrap == "tpu":
        return tuple(side == POD for side in sides)
    return tuple(wrap == "always" and side > 2 for side in sides)


def moved(place: tuple[int, ...], axis: int, side: int) -> tuple[int, ...]:
    """The place one step further along an axis of that length, around its end."""
    return (*place[:axis], (place[axis] + 1) % side, *place[axis + 1 :])


def build(params: Torus) -> nx.Graph:
    """Nodes `("accelerator", x, y[, z])`; ScenarioError for sides that do not give the number of accelerators."""
    refusals = Refusals("torus")
    if len(params.sides) not in (2, 3):
        refusals.wrong("sides", "must be two or three", params.sides)
    refusals.counts(**{f"sides[{axis}]": side for axis, side in enumerate(params.sides)})
    refusals.bandwidths(bandwidth=params.bandwidth).latencies(latency=params.latency)
    if not refusals.problems:
        count = math.prod(params.sides)
        if params.accelerators not in (None, count):
            shape = "x".join(map(str, params.sides))
            refusals.wrong("accelerators", f"{shape} = {count}, not {params.accelerators}", params.accelerators)
        refusals.stop_if_any(count * len(params.sides))
    refusals.stop_if_any()
    sketch = Sketch("torus")
    places = itertools.product(*map(range, params.sides))
    sketch.nodes("accelerator", (("accelerator", *place) for place in places))
    for axis, wraps in enumerate(wrapped_axes(params.sides, params.wrap)):
        side = params.sides[axis]
        pairs = (
            (node, (node[0], *moved(node[1:], axis, side)))
            for node in list(sketch.graph)
            if node[axis + 1] + 1 < side or wraps
        )
        sketch.cable(pairs, params.bandwidth, params.latency)
    return sketch.graph
