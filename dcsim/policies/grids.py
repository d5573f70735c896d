"""Slices of a torus: boxes of neighbouring nodes that are all free, or whole cubes that optical switches join."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Shape = tuple[int, ...]


class Slices(Protocol):
    """The nodes of all pools as the places of a torus of which gangs take slices."""

    def boxes(self, pool: int, empty: Bools, count: int) -> Iterator[Ints]:
        """Free slices for so many nodes of a pool, as its node numbers, ascending, the best first.

        `empty`: the wholly free nodes, shape (nodes,). Slices have the fewest nodes, from `count` on, that a slice of
        the empty pool can have.
        """
        ...

    def holds(self, pool: int, nodes: int, count: int) -> bool:
        """Whether a slice for so many nodes can be free in a pool of that many."""
        ...


@dataclass(frozen=True)
class Grid:
    """A torus whose slices are boxes of neighbours, most like a cube first, then lowest; the last axis runs fastest.

    `sides, wraps`: length of each axis and whether its ends meet. `first`: place of each pool's first node.
    """

    sides: Shape
    wraps: tuple[bool, ...]
    first: tuple[int, ...]

    def boxes(self, pool: int, empty: Bools, count: int) -> Iterator[Ints]:
        """As `Slices` has it."""
        for shape in self.shapes(pool, len(empty), count):
            corners = np.argwhere(_corners(self._free(pool, empty), shape, self.wraps))
            yield from (_nodes(corner, shape, self.sides) - self.first[pool] for corner in corners)

    def holds(self, pool: int, nodes: int, count: int) -> bool:
        """As `Slices` has it."""
        return bool(self.shapes(pool, nodes, count))

    @lru_cache(maxsize=1 << 12)  # noqa: B019 - a run has one grid
    def shapes(self, pool: int, nodes: int, count: int) -> tuple[Shape, ...]:
        """Shapes of those boxes, of least surface first; none where no box of the pool has as many nodes."""
        free = self._free(pool, np.ones(nodes, np.bool_))
        for group in _shapes(self.sides, count):
            if fitting := tuple(shape for shape in group if _corners(free, shape, self.wraps).any()):
                return fitting
        return ()

    def _free(self, pool: int, empty: Bools) -> Bools:
        """The wholly free nodes of a pool, shape `sides`."""
        return _laid(empty, self.first[pool], self.sides)


@dataclass(frozen=True)
class Cubes:
    """Cubes that optical switches join: a slice is a box in one cube, or whole cubes wherever they are.

    Nodes are numbered cube by cube, the last axis of a cube running fastest. Boxes have sides of powers of two, as TPU
    slices have: those most like a cube first, then in the cube with least room, so that whole cubes stay free, then
    lowest. Of whole cubes the lowest free ones.
    `cubes`: how many; `sides`: nodes of a cube along each axis. `first`: place of each pool's first node.
    """

    cubes: int
    sides: Shape
    first: tuple[int, ...]

    def boxes(self, pool: int, empty: Bools, count: int) -> Iterator[Ints]:
        """As `Slices` has it."""
        free, whole = _laid(empty, self.first[pool], (self.cubes, *self.sides)), math.prod(self.sides)
        room = free.reshape(self.cubes, whole).sum(axis=1)
        if count > whole:
            wanted = -(-count // whole)
            cubes = np.flatnonzero(room == whole)[:wanted]
            if len(cubes) == wanted:
                yield (cubes[:, None] * whole + np.arange(whole)).ravel() - self.first[pool]
            return
        for shape in next(_shapes(self.sides, count, only_powers=True)):
            within = (1, *shape)
            corners = np.argwhere(_corners(free, within, (False,) * len(within)))
            for corner in corners[np.argsort(room[corners[:, 0]], kind="stable")]:
                yield _nodes(corner, within, (self.cubes, *self.sides)) - self.first[pool]

    def holds(self, pool: int, nodes: int, count: int) -> bool:
        """As `Slices` has it."""
        return next(self.boxes(pool, np.ones(nodes, np.bool_), count), None) is not None


def _shapes(sides: Shape, count: int, only_powers: bool = False) -> Iterator[tuple[Shape, ...]]:
    """Shapes of boxes with at least so many places, those with as many together: the fewest places first, of least
    surface first. `only_powers`: those alone whose sides are powers of two."""
    lengths = ([n for n in range(1, side + 1) if not only_powers or n.bit_count() == 1] for side in sides)
    known = [s for s in itertools.product(*lengths) if math.prod(s) >= count]
    known.sort(key=lambda shape: (math.prod(shape), sum(math.prod(shape) / side for side in shape), shape))
    for _, group in itertools.groupby(known, key=math.prod):
        yield tuple(group)


def _laid(empty: Bools, first: int, sides: Shape) -> Bools:
    """The free nodes of a pool at their places, shape `sides`."""
    free = np.zeros(math.prod(sides), np.bool_)
    free[first : first + len(empty)] = empty
    return free.reshape(sides)


def _nodes(corner: NDArray[np.intp], shape: Shape, sides: Shape) -> Ints:
    """Places of a box, ascending."""
    axes = [(at + np.arange(n)) % side for at, n, side in zip(corner, shape, sides, strict=True)]
    return np.sort(np.ravel_multi_index(np.ix_(*axes), sides).ravel())


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
