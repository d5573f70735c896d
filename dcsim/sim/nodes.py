"""Who holds what, by counts: the state of one pool of identical nodes, with the queries placements need.

A pool keeps, for each possible number of free accelerators f > 0, a sorted list of the nodes with that many, and a
bit mask of the f that occur. So best fit, worst fit and "the k lowest empty nodes" are look-ups, whatever the
number of nodes. The lists hold negated numbers: the lowest node stands last, where lists are quick to change.
"""

from __future__ import annotations

from bisect import bisect_left, insort
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

    `occupy` and `release` run for every job, so they are written out instead of shared with `Counts`.
    """

    __slots__ = ("_free", "_index", "_mask", "_partly", "free_total", "nodes", "speed", "walls", "width")

    def __init__(self, nodes: int, width: int, walls: bool, speed: float = 1.0) -> None:
        self.nodes = nodes
        self.width = width
        self.walls = walls
        self.speed = speed
        self.free_total = nodes * width
        self._free = [width] * nodes if walls else []
        self._index: list[list[int]] = [[] for _ in range(width + 1)] if walls else []
        self._mask = 0  # bit f is set when some node has f > 0 free
        self._partly = (1 << width) - 1  # the bits of nodes that are not wholly free
        if walls:
            self._index[width] = [-node for node in reversed(range(nodes))]
            self._mask = 1 << width

    def fullest(self, accelerators: int, partly: bool = False) -> int:
        """The node with fewest free accelerators that still has as many, lowest number on a tie; -1 if none.

        `partly`: only among nodes that are not wholly free.
        """
        mask = (self._mask & self._partly if partly else self._mask) >> accelerators
        if not mask:
            return -1
        return -self._index[accelerators + (mask & -mask).bit_length() - 1][-1]

    def emptiest(self, accelerators: int, partly: bool = False) -> int:
        """The node with most free accelerators, lowest number on a tie; -1 if it has fewer than asked for.

        `partly`: only among nodes that are not wholly free.
        """
        most = (self._mask & self._partly if partly else self._mask).bit_length() - 1
        return -self._index[most][-1] if most >= accelerators else -1

    def empty(self, count: int) -> list[int]:
        """The `count` lowest-numbered wholly free nodes; fewer if there are not so many."""
        return [-node for node in self._index[self.width][: -count - 1 : -1]]

    def empty_count(self) -> int:
        """How many nodes are wholly free."""
        return len(self._index[self.width])

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
            copy.adopt(self._free.copy(), [len(line) for line in self._index])
        return copy

    def occupy(self, allocation: Allocation, accelerators: int) -> None:
        """Take the accelerators of this allocation. Raises ValueError where a node has too few, changing nothing."""
        nodes = allocation[1]
        if len(nodes) != 1:
            self._occupy_many(allocation, accelerators)
            return
        node = nodes[0]
        before = self._free[node] if 0 <= node < len(self._free) else -1
        if allocation[2][0] != accelerators or not 0 < accelerators <= before:
            self._check(nodes, allocation[2], accelerators)
        self.free_total -= accelerators
        # What _change does, without calls.
        after = self._free[node] = before - accelerators
        line = self._index[before]
        if line[-1] == -node:
            del line[-1]
            if not line:
                self._mask ^= 1 << before
        else:
            del line[bisect_left(line, -node)]
        if after:
            line = self._index[after]
            if line:
                insort(line, -node)
            else:
                line.append(-node)
                self._mask |= 1 << after

    def release(self, allocation: Allocation, accelerators: int) -> None:
        """Give back what a job of `accelerators` held on this allocation."""
        self.free_total += accelerators
        nodes = allocation[1]
        if len(nodes) != 1:
            for node, count in zip(nodes, allocation[2]):  # noqa: B905 - checked when they were taken
                self._change(node, count)
            return
        # What _change does, without calls.
        node = nodes[0]
        before = self._free[node]
        after = self._free[node] = before + accelerators
        if before:
            line = self._index[before]
            if line[-1] == -node:
                del line[-1]
                if not line:
                    self._mask ^= 1 << before
            else:
                del line[bisect_left(line, -node)]
        line = self._index[after]
        if line:
            insort(line, -node)
        else:
            line.append(-node)
            self._mask |= 1 << after

    def _occupy_many(self, allocation: Allocation, accelerators: int) -> None:
        """Several nodes, or none where there are no walls."""
        nodes = allocation[1]
        if self.walls:
            self._check(nodes, allocation[2], accelerators)
            for node, count in zip(nodes, allocation[2], strict=True):
                self._change(node, -count)
        elif nodes:
            self._check(nodes, allocation[2], accelerators)
        elif accelerators > self.free_total:
            raise ValueError(f"{accelerators} accelerators asked for, {self.free_total} free in the pool")
        self.free_total -= accelerators

    def _change(self, node: int, delta: int) -> None:
        index = self._index
        before = self._free[node]
        after = self._free[node] = before + delta
        if before:  # wholly taken nodes are not listed: nobody asks for them
            line = index[before]
            if line[-1] == -node:
                del line[-1]
                if not line:
                    self._mask ^= 1 << before
            else:
                del line[bisect_left(line, -node)]
        if after:
            line = index[after]
            if line:
                insort(line, -node)
            else:
                line.append(-node)
                self._mask |= 1 << after

    def _check(self, nodes: Sequence[int], counts: Sequence[int], accelerators: int) -> None:
        if not self.walls:
            raise ValueError("nodes are named, but this placement does not look at nodes")
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
