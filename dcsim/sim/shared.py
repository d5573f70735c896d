"""Nodes that are shared in parts: fractions of accelerators, CPU cores, host memory.

Used when the jobs ask for any of these; whole accelerators alone go the faster way of `sim/nodes.py`. Shares are
kept as whole thousandths of an accelerator, so that giving back restores exactly what was taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcsim.policies.decisions import Allocation
from dcsim.policies.view import Request
from dcsim.units import MILLI


class SharedNodes:
    """The state of one pool, as arrays; the same object, copied, serves what-if questions.

    `cpus`, `memory_b`: free, shape (nodes,), infinite where the scenario does not say. `milli`: thousandths free of
    each accelerator, shape (nodes, width).
    """

    def __init__(self, nodes: int, width: int, cpus: float | None, memory_b: float | None, speed: float = 1.0) -> None:
        self.nodes = nodes
        self.width = width
        self.speed = speed
        self.walls = True
        self.cpus_each = np.inf if cpus is None else cpus
        self.cpus = np.full(nodes, self.cpus_each)
        self.memory_b = np.full(nodes, np.inf if memory_b is None else memory_b)
        self.milli = np.full((nodes, width), MILLI, np.int64)
        self._idle = np.full(nodes, width, np.int64)  # wholly free accelerators of each node
        self._most = np.full(nodes, MILLI, np.int64)  # largest free part of one accelerator of each node
        self._sum = np.full(nodes, MILLI * width, np.int64)

    @property
    def free_total(self) -> int:
        """Free accelerators, parts added up and rounded down."""
        return int(self._sum.sum()) // MILLI

    def free(self) -> NDArray[np.int64]:
        """Wholly free accelerators of each node, shape (nodes,): a copy."""
        return self._idle.copy()

    def free_share(self) -> NDArray[np.float64]:
        """Free accelerators of each node, parts added up, shape (nodes,)."""
        return self._sum / MILLI

    def fitting(self, request: Request) -> NDArray[np.intp]:
        """Numbers of the nodes on which the whole request fits, ascending."""
        room = (self.cpus >= request.cpus) & (self.memory_b >= request.memory_b)
        if request.share < 1.0:
            room &= self._most >= _milli(request)
        elif request.accelerators:
            room &= self._idle >= request.accelerators
        return np.flatnonzero(room)

    def devices(self, node: int, request: Request) -> NDArray[np.intp]:
        """Numbers of the accelerators of a node that have room for the request's share, ascending."""
        return np.flatnonzero(self.milli[node] >= _milli(request))

    def fits(self, request: Request) -> bool:
        """Whether the request fits on some node."""
        return request.accelerators <= self.width and len(self.fitting(request)) > 0

    def occupy(self, allocation: Allocation, request: Request) -> None:
        """Take what the request needs. Raises ValueError where the node has too little, changing nothing."""
        if len(allocation.nodes) != 1 or len(allocation.devices) != request.accelerators:
            raise ValueError(f"one node and {request.accelerators} devices needed, got {allocation}")
        node, devices = allocation.nodes[0], list(allocation.devices)
        if not 0 <= node < self.nodes or len(set(devices)) != len(devices) or not all(0 <= d < self.width for d in devices):
            raise ValueError(f"no such node or devices: {allocation}")
        short = (self.milli[node, devices] < _milli(request)).any() if devices else False
        if short or self.cpus[node] < request.cpus or self.memory_b[node] < request.memory_b:
            raise ValueError(f"node {node} has too few accelerators, CPU cores or memory free")
        self._take(node, devices, request, 1)

    def release(self, allocation: Allocation, request: Request) -> None:
        """Give back what the request held."""
        self._take(allocation.nodes[0], list(allocation.devices), request, -1)

    def scratch(self) -> SharedNodes:
        """A copy to play "what if" with."""
        copy: Any = SharedNodes.__new__(SharedNodes)
        copy.__dict__.update({k: v.copy() if isinstance(v, np.ndarray) else v for k, v in self.__dict__.items()})
        return copy  # type: ignore[no-any-return]

    def _take(self, node: int, devices: list[int], request: Request, sign: int) -> None:
        self.cpus[node] -= sign * request.cpus
        self.memory_b[node] -= sign * request.memory_b
        if devices:
            row = self.milli[node]
            row[devices] -= sign * _milli(request)
            self._idle[node] = np.count_nonzero(row == MILLI)
            self._most[node] = row.max()
            self._sum[node] = row.sum()


def _milli(request: Request) -> int:
    return round(request.share * MILLI)
