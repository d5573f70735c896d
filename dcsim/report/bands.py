"""Pools one above the other on a vertical axis: none so thin that its name would run into the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dcsim.report.figure import Floats, Steps
from dcsim.report.markup import shortened
from dcsim.scenario.spec import Pool
from dcsim.units import human_count

MOST_LABELS = 20  # that fit beside a figure of the usual height
LABEL_PX = 18  # height of a label with the space around it

Ticks = tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Bands:
    """A band of rows for each pool, the first pool lowest.

    `first`: first row of each pool, then the number of rows; `edges`: heights at which the bands begin, then the top.
    Both of shape (pools + 1,). The top is the number of rows.
    """

    pools: Sequence[Pool]
    first: Floats
    edges: Floats

    @staticmethod
    def of(pools: Sequence[Pool], rows: Sequence[int]) -> Bands:
        """Heights in proportion to the `rows` of each pool; where that is too thin for a name, all get some more."""
        total, least = float(sum(rows)), 1.0 / _labels(pools)
        share = np.asarray(rows) / total
        if len(pools) > 1 and share.min() < least:
            share = least + (1.0 - least * len(pools)) * share
        first = np.concatenate([[0.0], np.cumsum(rows, dtype=float)])
        edges = np.concatenate([[0.0], np.cumsum(share * total)])
        return Bands(pools, first, edges)

    @property
    def top(self) -> float:
        """Upper end of the axis."""
        return float(self.edges[-1])

    @property
    def least_px(self) -> int:
        """Height, px, in which all names have room."""
        return _labels(self.pools) * LABEL_PX

    def y(self, row: Floats) -> Floats:
        """Heights of places that are counted in rows."""
        heights: Floats = np.interp(row, self.first, self.edges)
        return heights

    def named(self) -> tuple[str, Ticks]:
        """The title of the axis and its ticks: nodes by number where all of them have room, or some of the only pool;
        else pools by name, each with how many nodes it has."""
        shares = np.diff(self.edges) / self.top * _labels(self.pools)  # in labels that have room
        nodes, names = [pool.nodes for pool in self.pools], shortened([pool.name for pool in self.pools])
        if len(nodes) == 1:
            return "Node", self._nodes(0, step=-(-nodes[0] // MOST_LABELS))
        if all(count <= share + 1e-9 for count, share in zip(nodes, shares.tolist(), strict=True)):
            every = (self._nodes(n, f"{name} ") for n, name in enumerate(names))
            return "Node", tuple(tick for ticks in every for tick in ticks)
        middles = ((self.edges[:-1] + self.edges[1:]) / 2).tolist()
        labels = (f"{name} ({human_count(count)})" for name, count in zip(names, nodes, strict=True))
        return "Pool (nodes)", tuple(zip(middles, labels, strict=True))

    def walls(self, end_s: float) -> tuple[Steps, ...]:
        """Lines between the bands, from 0 to `end_s`."""
        x = np.array([0.0, end_s])
        return tuple(Steps("", x, np.array([y, y]), "capacity", 0.8, listed=False) for y in self.edges[1:-1].tolist())

    def _nodes(self, number: int, prefix: str = "", step: int = 1) -> Ticks:
        """Every `step`-th node of a pool at the middle of its rows."""
        low, high = self.first[number : number + 2].tolist()
        count = self.pools[number].nodes
        middle = self.y(low + (np.arange(0, count, step) + 0.5) / count * (high - low)).tolist()
        return tuple((y, f"{prefix}{node}") for y, node in zip(middle, range(0, count, step), strict=True))


def _labels(pools: Sequence[Pool]) -> int:
    """For how many labels a figure has room: at least twice as many as there are pools."""
    return max(MOST_LABELS, 2 * len(pools))
