"""Where the nodes of an interconnect stand in its picture: levels, a grid, or a circle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcsim.report.figure import Floats
from dcsim.report.markup import shortened

if TYPE_CHECKING:
    from dcsim.topologies._routes import Links
    from dcsim.topologies.base import Node

Ints = NDArray[np.int64]

MOST_HOSTS = 200  # hosts that are drawn one by one; of more, those with the same switches are one
DEPTH = 0.7  # of the third dimension of a grid, in cells of the other two
STUB = 0.4  # length of the two ends of a cable that closes a ring of a grid, in cells
OUTSIDE = 1.16  # radius of the hosts around a circle of switches
SPREAD, WIDEST = 0.7, 0.08  # of its switch's sector that the hosts of a switch share; at most, in turns


@dataclass(frozen=True)
class Layout:
    """What is drawn of a graph. A shown node stands for one node, or for hosts with the same switches.

    `shown`: number of the shown node of each node, shape (nodes,). `at`: positions, shape (shown, 2). `level`: hops to
    the nearest endpoint, shape (shown,). `size`: nodes that it stands for. `first`: the first of these. `even`: whether
    both axes have one scale. `ticks`: heights of the levels and what stands there. `grid`: whole-numbered coordinates
    of a grid, shape (shown, axes), and the step along each axis.
    """

    shown: Ints
    at: Floats
    level: Ints
    size: Ints
    first: Ints
    even: bool
    ticks: tuple[tuple[float, str], ...] = ()
    grid: tuple[Ints, Floats] | None = field(default=None)

    def ends(self, a: Ints, b: Ints) -> tuple[Floats, Ints]:
        """Straight lines that draw cables between shown nodes, shape (lines, 2, 2), and the cable of each; those that
        close a ring of a grid are two stubs."""
        lines = np.stack([self.at[a], self.at[b]], axis=1)
        number = np.arange(len(a))
        if self.grid is None:
            return lines, number
        place, step = self.grid
        apart = place[b] - place[a]
        closing = np.abs(apart).max(axis=1) > 1
        along = step[np.abs(apart[closing]).argmax(axis=1)] * np.sign(apart[closing].sum(axis=1))[:, None]
        away = STUB * along
        stubs = [np.stack([self.at[a[closing]], self.at[a[closing]] - away], axis=1)]
        stubs.append(np.stack([self.at[b[closing]], self.at[b[closing]] + away], axis=1))
        return np.concatenate([lines[~closing], *stubs]), np.concatenate([number[~closing], *[number[closing]] * 2])


def text_of(node: Node) -> str:
    """A node's name for people: `leaf 3`, `edge 0.1`."""
    return f"{node[0]} {number_of(node)}" if isinstance(node, tuple) else number_of(node)


def number_of(node: Node) -> str:
    """A node's name without its kind: `3`, `0.1`."""
    return shortened([".".join(map(str, node[1:])) if isinstance(node, tuple) else str(node)])[0]


def layout(graph: Links) -> Layout:
    """Levels, hosts at the bottom, where no cable joins two nodes of a level; a grid where nodes are named by whole
    coordinates and there are no switches; else a circle."""
    level = _levels(graph)
    shown, first, size = _folded(graph)
    origin = np.repeat(np.arange(len(graph.nodes)), np.diff(graph.begin))
    if level.any() and (level[origin] != level[graph.neighbour]).all():
        return _levelled(graph, level, shown, first, size)
    coordinates = None if level.any() else _coordinates(graph.nodes)
    if coordinates is not None:
        step = _steps(coordinates)
        return Layout(shown, coordinates @ step, level, size, first, True, grid=(coordinates, step))
    return Layout(shown, _circle(graph, level[first], shown, first), level[first], size, first, True)


def _levels(graph: Links) -> Ints:
    """Hops from each node to the nearest endpoint."""
    level = np.full(len(graph.nodes), -1)
    level[graph.endpoints] = 0
    origin = np.repeat(np.arange(len(graph.nodes)), np.diff(graph.begin))
    while (level < 0).any():
        reached = graph.neighbour[level[origin] >= 0]
        level[reached[level[reached] < 0]] = level.max() + 1
    return level


def _folded(graph: Links) -> tuple[Ints, Ints, Ints]:
    """Number of the shown node of each node; the first node and the number of nodes of each shown one."""
    nodes, hosts = len(graph.nodes), set(graph.endpoints.tolist())
    above = {h: tuple(graph.neighbour[graph.begin[h] : graph.begin[h + 1]].tolist()) for h in hosts}
    if len(hosts) <= MOST_HOSTS or any(hosts & set(switches) for switches in above.values()):
        every = np.arange(nodes)
        return every, every, np.ones(nodes, np.int64)
    number: dict[object, int] = {}
    shown = np.array([number.setdefault(above.get(node, node), len(number)) for node in range(nodes)])
    _, first, size = np.unique(shown, return_index=True, return_counts=True)
    return shown, first, size


def _levelled(graph: Links, level: Ints, shown: Ints, first: Ints, size: Ints) -> Layout:
    """Levels one above the other, each node near the middle of those below it."""
    x, ticks = np.zeros(len(first)), []
    keys = _families(graph, level)
    for height in range(int(level.max()) + 1):
        here = np.flatnonzero(level[first] == height)
        order = [(_below(graph, level, shown, x, first[n]) if height else 0.0, keys[first[n]]) for n in here.tolist()]
        rank = sorted(range(len(here)), key=order.__getitem__)
        x[here[rank]] = (np.arange(len(here)) + 0.5) / len(here)
        ticks.append((float(height), _level_text(graph.nodes, level, height)))
    at = np.column_stack([x, level[first].astype(float)])
    return Layout(shown, at, level[first], size, first, False, tuple(ticks))


def _families(graph: Links, level: Ints) -> dict[int, tuple[int, ...]]:
    """Each node behind its first switch, and this behind its own: an order in which families stay together."""
    found: dict[int, tuple[int, ...]] = {}
    for node in sorted(range(len(level)), key=lambda n: -level[n]):
        near = graph.neighbour[graph.begin[node] : graph.begin[node + 1]]
        above = near[level[near] > level[node]]
        found[node] = (*(found[int(above[0])] if len(above) else ()), node)
    return found


def _below(graph: Links, level: Ints, shown: Ints, x: Floats, node: int) -> float:
    near = graph.neighbour[graph.begin[node] : graph.begin[node + 1]]
    under = near[level[near] < level[node]]
    return round(float(x[shown[under]].mean()), 9)  # what differs by rounding is equal


def _level_text(nodes: Sequence[Node], level: Ints, height: int) -> str:
    """What stands on a level, and how many."""
    here = np.flatnonzero(level == height)
    kinds = {
        node[0] if isinstance(node, tuple) else ("switch" if height else "host")
        for node in (nodes[n] for n in here.tolist())
    }
    return f"{' or '.join(sorted(map(str, kinds)))}\n({len(here):,})"


def _coordinates(nodes: Sequence[Node]) -> Ints | None:
    """Whole-numbered coordinates in the names of the nodes, in two or three dimensions."""
    places = [node[1:] if isinstance(node, tuple) else () for node in nodes]
    if {len(place) for place in places} not in ({2}, {3}) or not all(isinstance(n, int) for p in places for n in p):
        return None
    return np.array(places)


def _steps(coordinates: Ints) -> Floats:
    """Where one step along each axis leads: the third runs aslant within a cell of the other two."""
    deep = DEPTH / (int(coordinates[:, -1].max()) + 1)
    return np.array([[1.0, 0.0], [0.0, 1.0], [deep, deep]])[: coordinates.shape[1]]


def _circle(graph: Links, level: Ints, shown: Ints, first: Ints) -> Floats:
    """Switches on a circle in the order of the graph, clockwise from the top, the hosts of each outside."""
    inner = np.flatnonzero(level > 0) if level.any() else np.arange(len(level))
    turn = np.zeros(len(level))
    turn[inner] = np.arange(len(inner)) / len(inner)
    radius = np.ones(len(level))
    outer = np.setdiff1d(np.arange(len(level)), inner)
    switch = shown[graph.neighbour[graph.begin[first[outer]]]]
    for at in np.unique(switch).tolist():
        own = outer[switch == at]
        turn[own] = turn[at] + min(SPREAD / len(inner), WIDEST) * ((np.arange(len(own)) + 0.5) / len(own) - 0.5)
        radius[own] = OUTSIDE
    angle = 2.0 * np.pi * turn
    return np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
