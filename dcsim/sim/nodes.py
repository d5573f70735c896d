"""Who holds what, by counts: the state of one pool of identical nodes, with the queries placements need.

A pool keeps, for each possible number of free accelerators f > 0, the set of the nodes with that many, and the set of
the f that occur. Sets of small numbers are Python integers, bit n for number n: the lowest member is one operation
and a change is one more, 0.1 us even with 10,000 nodes, where sorted lists took three times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dcsim.policies.decisions import Allocation


class Counts:
    """A scratch pool: free accelerators of each node and how many nodes have how many; enough to say what fits."""

    def __init__(self, nodes: int, width: int, walls: bool) -> None:
        self.nodes = nodes
        self.width = width
        self.walls = walls
        self.free_total = nodes * width
        self._free = [width] * nodes if walls else []
        self._having = [0] * width + [nodes]  # how many nodes have f free accelerators
        self._mask = 1 << width  # bit f is set when some node has f free

    def adopt(self, free: list[int], having: list[int]) -> None:
        """Take over the free accelerators of each node, and how many nodes have how many (looked at from 1 on)."""
        self._free = free
        self._having = having
        self._mask = sum(1 << f for f, count in enumerate(having) if count and f)

    def fits(self, accelerators: int) -> bool:
        """Whether a job of this size has room now: whole empty nodes plus one node for the remainder."""
        if not self.walls:
            return accelerators <= self.free_total
        if accelerators <= self.width:
            return self._mask >> accelerators != 0 or accelerators == 0
        whole, rest = divmod(accelerators, self.width)
        empty = self._having[self.width]
        if empty <= whole:  # the remainder, if any, must find room on a node that is not empty
            partly = self._mask & ~(1 << self.width)
            return empty == whole and (rest == 0 or partly >> rest != 0)
        return True

    def release(self, allocation: Allocation, accelerators: int) -> None:
        """Give back what a job of `accelerators` held on this allocation."""
        self.free_total += accelerators
        for node, count in zip(allocation[1], allocation[2], strict=True):
            self._change(node, count)

    def occupy(self, allocation: Allocation, accelerators: int) -> None:
        """Take the accelerators of this allocation, which must be free."""
        self.free_total -= accelerators
        for node, count in zip(allocation[1], allocation[2], strict=True):
            self._change(node, -count)

    def _change(self, node: int, delta: int) -> None:
        before = self._free[node]
        after = self._free[node] = before + delta
        having = self._having
        having[before] -= 1
        if not having[before]:
            self._mask ^= 1 << before
        if not having[after]:
            self._mask |= 1 << after
        having[after] += 1


class Nodes:
    """The live state of a pool: an index of nodes by free accelerators. A `PoolView` for policies.

    `take` and `release` run for every job, so they are written out instead of shared with `Counts`.
    """

    __slots__ = ("_free", "_index", "_mask", "_partly", "free_total", "nodes", "speed", "walls", "width")

    def __init__(self, nodes: int, width: int, walls: bool, speed: float = 1.0) -> None:
        self.nodes = nodes
        self.width = width
        self.walls = walls
        self.speed = speed
        self.free_total = nodes * width
        self._free = [width] * nodes if walls else []
        self._index = [0] * width + [(1 << nodes) - 1] if walls else []  # nodes with f > 0 free accelerators, by f
        self._mask = 1 << width if walls else 0  # the f > 0 that occur
        self._partly = (1 << width) - 1  # all f of nodes that are not wholly free

    def fullest(self, accelerators: int, partly: bool = False) -> int:
        """The node with fewest free accelerators that still has as many, lowest number on a tie; -1 if none.

        `partly`: only among nodes that are not wholly free.
        """
        mask = (self._mask & self._partly if partly else self._mask) >> accelerators
        if not mask:
            return -1
        nodes = self._index[accelerators + (mask & -mask).bit_length() - 1]
        return (nodes & -nodes).bit_length() - 1

    def emptiest(self, accelerators: int, partly: bool = False) -> int:
        """The node with most free accelerators, lowest number on a tie; -1 if it has fewer than asked for.

        `partly`: only among nodes that are not wholly free.
        """
        most = (self._mask & self._partly if partly else self._mask).bit_length() - 1
        if most < accelerators:
            return -1
        nodes = self._index[most]
        return (nodes & -nodes).bit_length() - 1

    def empty(self, count: int) -> list[int]:
        """The `count` lowest-numbered wholly free nodes; fewer if there are not so many."""
        nodes = self._index[self.width]
        found: list[int] = []
        while nodes and len(found) < count:
            lowest = nodes & -nodes
            nodes ^= lowest
            found.append(lowest.bit_length() - 1)
        return found

    def empty_count(self) -> int:
        """How many nodes are wholly free."""
        return self._index[self.width].bit_count()

    def largest(self) -> int:
        """Accelerators of all wholly free nodes, or free on the emptiest one where there are none."""
        empty = self._index[self.width]
        return empty.bit_count() * self.width if empty else (self._mask | 1).bit_length() - 1

    def free(self) -> NDArray[np.int64]:
        """Free accelerators of each node, shape (nodes,): a copy."""
        return np.array(self._free, dtype=np.int64)

    def free_on(self, node: int) -> int:
        """Free accelerators of one node."""
        return self._free[node]

    def scratch(self) -> Counts:
        """A copy to play "what if" with."""
        copy = Counts(0, self.width, self.walls)
        copy.nodes, copy.free_total = self.nodes, self.free_total
        if self.walls:
            copy.adopt(self._free.copy(), [nodes.bit_count() for nodes in self._index])
        return copy

    def occupy(self, allocation: Allocation, accelerators: int) -> None:
        """Take the accelerators of this allocation. Raises ValueError where a node has too few, changing nothing."""
        nodes = allocation[1]
        if len(nodes) == 1 == len(allocation[2]) and self.walls and 0 <= nodes[0] < self.nodes:
            if allocation[2][0] != accelerators or not 0 < accelerators <= self._free[nodes[0]]:
                self._check(nodes, allocation[2], accelerators)
        elif self.walls or nodes:
            self._check(nodes, allocation[2], accelerators)
        elif accelerators > self.free_total:
            raise ValueError(f"{accelerators} accelerators asked for, {self.free_total} free in the pool")
        self.take(allocation, accelerators)

    def take(self, allocation: Allocation, accelerators: int) -> None:
        """Take the accelerators of this allocation, which is known to be free."""
        self.free_total -= accelerators
        nodes = allocation[1]
        if len(nodes) != 1:
            self._take_many(nodes, allocation[2])
            return
        node = nodes[0]
        before = self._free[node]
        after = self._free[node] = before - accelerators
        index, bit = self._index, 1 << node
        left = index[before] = index[before] ^ bit
        if not left:
            self._mask ^= 1 << before
        if after:  # wholly taken nodes are not listed: nobody asks for them
            there = index[after]
            if not there:
                self._mask |= 1 << after
            index[after] = there | bit

    def take_fullest(self, accelerators: int) -> int:
        """`fullest`, and its accelerators are taken at once; -1, and nothing is taken, if there is no such node."""
        mask = self._mask >> accelerators
        if not mask:
            return -1
        before = accelerators + (mask & -mask).bit_length() - 1
        index = self._index
        nodes = index[before]
        bit = nodes & -nodes
        left = index[before] = nodes ^ bit
        if not left:
            self._mask ^= 1 << before
        node = bit.bit_length() - 1
        after = self._free[node] = before - accelerators
        if after:
            there = index[after]
            if not there:
                self._mask |= 1 << after
            index[after] = there | bit
        self.free_total -= accelerators
        return node

    def release(self, allocation: Allocation, accelerators: int) -> None:
        """Give back what a job of `accelerators` held on this allocation."""
        self.free_total += accelerators
        nodes = allocation[1]
        if len(nodes) != 1:
            self._release_many(nodes, allocation[2])
            return
        node = nodes[0]
        before = self._free[node]
        after = self._free[node] = before + accelerators
        index, bit = self._index, 1 << node
        if before:
            left = index[before] = index[before] ^ bit
            if not left:
                self._mask ^= 1 << before
        there = index[after]
        if not there:
            self._mask |= 1 << after
        index[after] = there | bit

    def _take_many(self, nodes: Sequence[int], counts: Sequence[int]) -> None:
        free, width, whole = self._free, self.width, 0
        for node, count in zip(nodes, counts):  # noqa: B905 - of one length, as checked or made
            if count == width:
                free[node] = 0
                whole |= 1 << node
            else:
                self._change(node, -count)
        if whole:
            left = self._index[width] = self._index[width] ^ whole
            if not left:
                self._mask ^= 1 << width

    def _release_many(self, nodes: Sequence[int], counts: Sequence[int]) -> None:
        free, width, whole = self._free, self.width, 0
        for node, count in zip(nodes, counts):  # noqa: B905 - checked when they were taken
            if count == width:
                free[node] = width
                whole |= 1 << node
            else:
                self._change(node, count)
        if whole:
            self._index[width] |= whole
            self._mask |= 1 << width

    def _change(self, node: int, delta: int) -> None:
        """One node of several gives or takes a part of its accelerators."""
        index, bit = self._index, 1 << node
        before = self._free[node]
        after = self._free[node] = before + delta
        if before:
            index[before] ^= bit
            if not index[before]:
                self._mask ^= 1 << before
        if after:
            index[after] |= bit
            self._mask |= 1 << after

    def _check(self, nodes: Sequence[int], counts: Sequence[int], accelerators: int) -> None:
        if not self.walls:
            raise ValueError("nodes are named, but this placement does not look at nodes")
        if len(counts) != len(nodes):
            raise ValueError(f"{len(nodes)} nodes and {len(counts)} counts")
        if sum(counts) != accelerators:
            raise ValueError(f"{sum(counts)} accelerators allocated, the job needs {accelerators}")
        if len(set(nodes)) != len(nodes):
            raise ValueError("a node is named twice")
        free = self._free
        for node, count in zip(nodes, counts, strict=True):
            if not 0 <= node < self.nodes:
                raise ValueError(f"no node {node} in a pool of {self.nodes}")
            if not 0 < count <= free[node]:
                raise ValueError(f"{count} accelerators asked for on node {node}, {free[node]} free")
