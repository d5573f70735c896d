"""Who holds what, by counts: the state of one pool of identical nodes, with the queries placements need.

A pool of N nodes keeps, for each possible number of free accelerators f, a heap of the nodes with that many, and
a bit mask of the f that occur. So best fit, worst fit and "the k lowest empty nodes" cost O(log N), whatever N.
Heap entries go stale when a node's count changes and are dropped when they come to the top.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dcsim.policies.decisions import Allocation


class Counts:
    """Free accelerators of each node and how many nodes have how many free: enough to say what fits."""

    def __init__(self, nodes: int, width: int, walls: bool) -> None:
        self.nodes = nodes
        self.width = width
        self.walls = walls
        self.free_total = nodes * width
        self._free = [width] * nodes if walls else []
        self._having = [0] * width + [nodes]  # how many nodes have f free accelerators
        self._mask = 1 << width  # bit f is set when some node has f free

    def scratch(self) -> Counts:
        """A copy to play "what if" with."""
        copy = Counts.__new__(Counts)
        copy.nodes, copy.width, copy.walls = self.nodes, self.width, self.walls
        copy.free_total = self.free_total
        copy._free, copy._having, copy._mask = self._free.copy(), self._having.copy(), self._mask
        return copy

    def fits(self, accelerators: int) -> bool:
        """Whether a job of this size has room now: whole empty nodes plus one node for the remainder."""
        if not self.walls:
            return accelerators <= self.free_total
        if accelerators <= self.width:
            return self._mask >> accelerators != 0
        whole, rest = divmod(accelerators, self.width)
        empty = self._having[self.width]
        if empty <= whole:  # the remainder, if any, must find room on a node that is not empty
            partly = self._mask & ~(1 << self.width)
            return empty == whole and (rest == 0 or partly >> rest != 0)
        return True

    def release(self, allocation: Allocation, accelerators: int) -> None:
        """Give back what a job of `accelerators` held on this allocation."""
        self.free_total += accelerators
        for node, count in zip(allocation.nodes, allocation.counts, strict=True):
            self._change(node, count)

    def occupy(self, allocation: Allocation, accelerators: int) -> None:
        """Take the accelerators of this allocation. Raises ValueError where a node has too few, changing nothing."""
        nodes, counts = allocation.nodes, allocation.counts
        if self.walls:
            self._check(nodes, counts, accelerators)
        elif accelerators > self.free_total:
            raise ValueError(f"{accelerators} accelerators asked for, {self.free_total} free in the pool")
        self.free_total -= accelerators
        for node, count in zip(nodes, counts, strict=True):
            self._change(node, -count)

    def free(self) -> NDArray[np.int64]:
        """Free accelerators of each node, shape (nodes,): a copy."""
        return np.array(self._free, dtype=np.int64)

    def empty_count(self) -> int:
        """How many nodes are wholly free."""
        return self._having[self.width]

    def _check(self, nodes: tuple[int, ...], counts: tuple[int, ...], accelerators: int) -> None:
        if sum(counts) != accelerators:
            raise ValueError(f"{sum(counts)} accelerators allocated, the job needs {accelerators}")
        for node, count in zip(nodes, counts, strict=True):
            if not 0 <= node < self.nodes:
                raise ValueError(f"no node {node} in a pool of {self.nodes}")
            if not 0 < count <= self._free[node]:
                raise ValueError(f"{count} accelerators asked for on node {node}, {self._free[node]} free")
        if len(nodes) > 1 and len(set(nodes)) != len(nodes):
            raise ValueError("a node is named twice")

    def _change(self, node: int, delta: int) -> int:
        before = self._free[node]
        after = self._free[node] = before + delta
        having = self._having
        having[before] -= 1
        if not having[before]:
            self._mask ^= 1 << before
        if not having[after]:
            self._mask |= 1 << after
        having[after] += 1
        return after


class Nodes(Counts):
    """The live state of a pool: counts plus an index of nodes by free accelerators. A `PoolView` for policies."""

    def __init__(self, nodes: int, width: int, walls: bool, speed: float = 1.0) -> None:
        super().__init__(nodes, width, walls)
        self.speed = speed
        self._heaps: list[list[int]] = [[] for _ in range(width + 1)] if walls else []
        if walls:
            self._heaps[width] = list(range(nodes))

    def fullest(self, accelerators: int) -> int:
        """The node with fewest free accelerators that still has as many, lowest number on a tie; -1 if none."""
        mask = self._mask >> accelerators
        if not mask:
            return -1
        return self._lowest(accelerators + (mask & -mask).bit_length() - 1)

    def emptiest(self, accelerators: int) -> int:
        """The node with most free accelerators, lowest number on a tie; -1 if it has fewer than asked for."""
        most = self._mask.bit_length() - 1
        return self._lowest(most) if most >= accelerators else -1

    def empty(self, count: int) -> list[int]:
        """The `count` lowest-numbered wholly free nodes; fewer if there are not so many."""
        heap, free, width = self._heaps[self.width], self._free, self.width
        found: list[int] = []
        last = -1
        while heap and len(found) < count:
            node = heappop(heap)
            if free[node] == width and node != last:
                found.append(node)
                last = node
        for node in found:
            heappush(heap, node)
        return found

    def _lowest(self, having: int) -> int:
        heap, free = self._heaps[having], self._free
        while free[heap[0]] != having:
            heappop(heap)
        return heap[0]

    def _change(self, node: int, delta: int) -> int:
        after = super()._change(node, delta)
        heap = self._heaps[after]
        heappush(heap, node)
        if len(heap) > 2 * self.nodes + 64:
            self._heaps[after] = [n for n, f in enumerate(self._free) if f == after]
            heapify(self._heaps[after])
        return after
