"""Nodes that are shared in parts: fractions of accelerators, CPU cores, host memory.

Used when the jobs ask for any of these; whole accelerators alone go the faster way of `sim/nodes.py`. Accelerators
and cores are counted in whole thousandths, memory in whole bytes, so that giving back restores exactly what was taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcsim.policies.decisions import Allocation
from dcsim.policies.view import Request
from dcsim.units import MILLI

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class SharedNodes:
    """The state of one pool, as arrays; the same object, copied, serves what-if questions.

    `milli_cpus, memory_b`: thousandths of CPU cores and bytes free on each node, shape (nodes,), infinite where the
    scenario does not say. `milli`: thousandths free of each accelerator, shape (nodes, width); of each node `idle`
    counts those that are wholly free, `most` is the largest and `total` the sum, all of shape (nodes,).
    """

    def __init__(self, nodes: int, width: int, cpus: float | None, memory_b: float | None, speed: float = 1.0) -> None:
        self.nodes = nodes
        self.width = width
        self.speed = speed
        self.walls = True
        self.milli_cpus = np.full(nodes, np.inf if cpus is None else float(round(cpus * MILLI)))
        self.memory_b = np.full(nodes, np.inf if memory_b is None else float(round(memory_b)))
        self.milli = np.full((nodes, width), MILLI, np.int64)
        self.idle = np.full(nodes, width, np.int64)
        self.most = np.full(nodes, MILLI, np.int64)
        self.total = np.full(nodes, MILLI * width, np.int64)

    @property
    def free_total(self) -> int:
        """Free accelerators, parts added up and rounded down."""
        return int(self.total.sum()) // MILLI

    @property
    def cpus(self) -> Floats:
        """Free CPU cores of each node, shape (nodes,)."""
        return self.milli_cpus / MILLI

    def free(self) -> Ints:
        """Wholly free accelerators of each node, shape (nodes,): a copy."""
        return self.idle.copy()

    def devices(self, node: int, request: Request) -> NDArray[np.intp]:
        """Numbers of the accelerators of a node that have room for the request's share, ascending."""
        return np.flatnonzero(self.milli[node] >= _milli(request.share))

    def fits(self, request: Request) -> bool:
        """Whether the request fits on some node; more than a node has, on whole nodes and one for the remainder."""
        if request.accelerators <= self.width or request.one_node:
            return bool(_room(self, request).any())
        whole, rest = divmod(request.accelerators, self.width)
        idle = self.idle[_beside(self, request)]
        enough = np.count_nonzero(idle == self.width) >= whole
        return bool(enough and (rest == 0 or np.count_nonzero(idle >= rest) > whole))

    def occupy(self, allocation: Allocation, request: Request) -> None:
        """Take what the request needs. Raises ValueError where a node has too little, changing nothing."""
        nodes, counts, devices = allocation.nodes, allocation.counts, allocation.devices
        if len(nodes) != len(counts) or not sum(counts) == len(devices) == request.accelerators:
            raise ValueError(f"nodes, their counts, and {request.accelerators} devices needed, got {allocation}")
        if not nodes or len(set(nodes)) != len(nodes) or (len(nodes) > 1 and min(counts) < 1):
            raise ValueError(f"no node, one that is named twice, or one without accelerators: {allocation}")
        for node, held in _by_node(allocation):
            self._check(node, held, request)
        self.take(allocation, request)

    def take(self, allocation: Allocation, request: Request) -> None:
        """Take what the request needs, which is known to be free."""
        for node, devices in _by_node(allocation):
            self._take(node, devices, request, 1)

    def release(self, allocation: Allocation, request: Request) -> None:
        """Give back what the request held."""
        for node, devices in _by_node(allocation):
            self._take(node, devices, request, -1)

    def scratch(self) -> SharedNodes:
        """A copy to play "what if" with."""
        copy: Any = SharedNodes.__new__(SharedNodes)
        copy.__dict__.update({k: v.copy() if isinstance(v, np.ndarray) else v for k, v in self.__dict__.items()})
        return copy  # type: ignore[no-any-return]

    def _check(self, node: int, devices: list[int], request: Request) -> None:
        """Raises ValueError where a node does not have these devices, cores and memory free."""
        known = all(0 <= device < self.width for device in devices)
        if not 0 <= node < self.nodes or len(set(devices)) != len(devices) or not known:
            raise ValueError(f"no node {node} with devices {devices}")
        short = (self.milli[node, devices] < _milli(request.share)).any() if devices else False
        if short or self.milli_cpus[node] < _milli(request.cpus) or self.memory_b[node] < round(request.memory_b):
            raise ValueError(f"node {node} has too few accelerators, CPU cores or memory free")

    def _take(self, node: int, devices: list[int], request: Request, sign: int) -> None:
        self.milli_cpus[node] -= sign * _milli(request.cpus)
        self.memory_b[node] -= sign * round(request.memory_b)
        if devices:
            row = self.milli[node]
            row[devices] -= sign * _milli(request.share)
            self.idle[node] = np.count_nonzero(row == MILLI)
            self.most[node] = row.max()
            self.total[node] = row.sum()


class SharedPools(list[SharedNodes]):
    """All pools, and their nodes numbered through: what placements look at. See `policies.view.SharedPoolsView`.

    The arrays of the pools are made parts of arrays over all nodes, so that one comparison looks at every node.
    """

    milli_cpus: Floats
    memory_b: Floats
    idle: Ints
    most: Ints
    total: Ints
    milli: Ints
    pool: Ints

    def __init__(self, pools: Sequence[SharedNodes]) -> None:
        super().__init__(pools)
        sizes = [pool.nodes for pool in pools]
        self.width = np.repeat([pool.width for pool in pools], sizes)
        self._first = np.cumsum([0, *sizes])
        self.pool = np.repeat(np.arange(len(pools)), sizes)
        self._allowed: dict[tuple[int, ...], NDArray[np.bool_]] = {}
        for name in ("milli_cpus", "memory_b", "idle", "most", "total"):
            whole = np.concatenate([getattr(pool, name) for pool in pools])
            setattr(self, name, whole)
            for number, pool in enumerate(pools):
                setattr(pool, name, whole[self._first[number] : self._first[number + 1]])
        self.milli = np.zeros((len(self.width), int(self.width.max())), np.int64)
        for number, pool in enumerate(pools):
            mine = self.milli[self._first[number] : self._first[number + 1], : pool.width]
            mine[:] = pool.milli
            pool.milli = mine
        self.cpus_each = self.cpus

    @property
    def cpus(self) -> Floats:
        """Free CPU cores of each node, shape (nodes,)."""
        return self.milli_cpus / MILLI

    def fitting(self, request: Request) -> NDArray[np.intp]:
        """Numbers of the nodes, in the pools that the request may use, on which the whole of it fits, ascending."""
        allowed = self._allowed.get(request.pools)
        if allowed is None:
            allowed = self._allowed[request.pools] = np.isin(self.pool, request.pools)
        return np.flatnonzero(_room(self, request) & allowed)

    def free_share(self) -> Floats:
        """Free accelerators of each node, parts added up, shape (nodes,)."""
        return self.total / MILLI

    def locate(self, number: int) -> tuple[int, int]:
        """Pool and node in that pool of a node's number."""
        pool = int(self.pool[number])
        return pool, number - int(self._first[pool])


def _by_node(allocation: Allocation) -> Iterator[tuple[int, list[int]]]:
    """Each node of an allocation with its devices there."""
    first = 0
    for node, count in zip(allocation.nodes, allocation.counts, strict=True):
        yield node, list(allocation.devices[first : first + count])
        first += count


def _beside(nodes: SharedNodes | SharedPools, request: Request) -> NDArray[np.bool_]:
    """Whether each node has the cores and the memory, shape (nodes,)."""
    return (nodes.milli_cpus >= _milli(request.cpus)) & (nodes.memory_b >= round(request.memory_b))


def _room(nodes: SharedNodes | SharedPools, request: Request) -> NDArray[np.bool_]:
    """Whether the whole request fits on each node, shape (nodes,)."""
    room = _beside(nodes, request)
    if request.share < 1.0:
        return room & (nodes.most >= _milli(request.share))
    return room & (nodes.idle >= request.accelerators)


def _milli(value: float) -> int:
    return round(value * MILLI)
