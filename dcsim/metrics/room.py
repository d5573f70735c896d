"""Free accelerators at one moment, kept up to date row by row: what a waiting job found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dcsim.scenario.spec import Pool

DIGITS = 6  # parts of accelerators are thousandths: sums of them are exact to this


@dataclass(frozen=True)
class Found:
    """What was free: accelerators in one pool and on one node, and wholly free nodes of one pool.

    Where there are several pools, each number is that of the pool that has most. Without node walls `on_node` and
    `empty` are 0.
    """

    free: float
    on_node: float
    empty: int


class Room:
    """Free accelerators of one pool, by node if there are walls.

    `parts`: jobs take fractions of accelerators. The log does not tell which devices, so that only the sum on a node
    is known.
    """

    def __init__(self, pool: Pool, walls: bool, parts: bool) -> None:
        self.width = pool.accelerators_per_node
        self.walls = walls
        self.parts = parts
        self.free: float = pool.nodes * self.width
        self._on: list[float] = [self.width] * pool.nodes if walls else []
        self._having = [0] * self.width + [pool.nodes]  # how many nodes have so many free; unused with parts

    def change(self, amount: float, pieces: Sequence[tuple[int, int]], sign: int) -> None:
        """Take (sign -1) or give back (1) `amount` accelerators, by `pieces` of (node, count)."""
        self.free = round(self.free + sign * amount, DIGITS)
        share = amount / (sum(count for _, count in pieces) or 1) if self.parts else 1
        for node, count in pieces:
            before = self._on[node]
            after = self._on[node] = round(before + sign * count * share, DIGITS)
            if not self.parts:
                self._having[int(before)] -= 1
                self._having[int(after)] += 1

    def on_node(self) -> float:
        """Most free accelerators on one node; 0 without node walls."""
        if not self.walls:
            return 0
        if self.parts:
            return max(self._on)
        return next((free for free in range(self.width, 0, -1) if self._having[free]), 0)

    def empty(self) -> int:
        """Wholly free nodes; 0 without node walls."""
        if not self.walls:
            return 0
        return self._on.count(self.width) if self.parts else self._having[self.width]

    def fits(self, need: float, one_node: bool = False) -> bool:
        """Whether a job has room: whole empty nodes plus one node for the remainder, as all placements do it.

        `one_node`: it may not span nodes.
        """
        if need > self.free or not self.walls:
            return need <= self.free
        if need <= self.width or one_node:
            return need <= self.on_node()
        whole, rest = divmod(int(need), self.width)
        empty = self.empty()
        return empty > whole or (empty == whole and (not rest or self._partly_free() >= rest))

    def _partly_free(self) -> float:
        """Most free accelerators on one node that is not wholly free; 0 if there is none."""
        if self.parts:
            return max((free for free in self._on if free < self.width), default=0)
        return next((free for free in range(self.width - 1, 0, -1) if self._having[free]), 0)


def found(rooms: Sequence[Room]) -> Found:
    """What some pools have free."""
    return Found(
        free=max(room.free for room in rooms),
        on_node=max(room.on_node() for room in rooms),
        empty=max(room.empty() for room in rooms),
    )
