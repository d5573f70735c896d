"""Slices of a torus: boxes of neighbouring nodes that are all free."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """Nodes of all pools as the places of a torus, the last axis running fastest.

    `sides, wraps`: length of each axis and whether its ends meet. `first`: place of each pool's first node.
    """

    sides: tuple[int, ...]
    wraps: tuple[bool, ...]
    first: tuple[int, ...]

    def boxes(self, pool: int, empty: Bools, count: int) -> Iterator[Ints]:
        """Free boxes for so many nodes of a pool, as its node numbers, ascending: most like a cube first, then lowest.

        `empty`: the wholly free nodes, shape (nodes,). Boxes have the fewest nodes, from `count` on, that a box of the
        empty pool can have.
        """
        for shape in self.shapes(pool, len(empty), count):
            corners = np.argwhere(_corners(self._free(pool, empty), shape, self.wraps))
            yield from (self._nodes(corner, shape) - self.first[pool] for corner in corners)

    @lru_cache(maxsize=1 << 12)  # noqa: B019 - a run has one grid
    def shapes(self, pool: int, nodes: int, count: int) -> tuple[tuple[int, ...], ...]:
        """Shapes of those boxes, of least surface first; none where no box of the pool has as many nodes."""
        free = self._free(pool, np.ones(nodes, np.bool_))
        known = [s for s in itertools.product(*(range(1, side + 1) for side in self.sides)) if math.prod(s) >= count]
        known.sort(key=lambda shape: (math.prod(shape), sum(math.prod(shape) / side for side in shape), shape))
        for _, group in itertools.groupby(known, key=math.prod):
            if fitting := tuple(shape for shape in group if _corners(free, shape, self.wraps).any()):
                return fitting
        return ()

    def _free(self, pool: int, empty: Bools) -> Bools:
        """The wholly free nodes of a pool, shape `sides`."""
        free = np.zeros(math.prod(self.sides), np.bool_)
        free[self.first[pool] : self.first[pool] + len(empty)] = empty
        return free.reshape(self.sides)

    def _nodes(self, corner: NDArray[np.intp], shape: tuple[int, ...]) -> Ints:
        """Places of a box, ascending."""
        axes = [(at + np.arange(n)) % side for at, n, side in zip(corner, shape, self.sides, strict=True)]
        return np.sort(np.ravel_multi_index(np.ix_(*axes), self.sides).ravel())


def _corners(free: Bools, shape: tuple[int, ...], wraps: tuple[bool, ...]) -> Bools:
    """Lowest corners of the boxes of a shape that are free; a box that goes all around an axis has only one."""
    for axis, (length, wrap) in enumerate(zip(shape, wraps, strict=True)):
        side = free.shape[axis]
        runs = free.copy()
        for step in range(1, length):
            runs &= np.roll(free, -step, axis)
        last = side - 1 if wrap and length < side else side - length
        np.moveaxis(runs, axis, 0)[last + 1 :] = False
        free = runs
    return free
