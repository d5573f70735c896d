"""What a placement is, and the shape of gangs that all placements with node walls share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dcsim.policies.decisions import Allocation
from dcsim.policies.grids import Slices
from dcsim.policies.view import PoolView, Request, SharedPoolsView


class Placement:
    """Base of placements: a dataclass whose fields are its TOML keys, with `place(request, pools)`.

    `best_fit`: says that in a single pool a job of up to one node's accelerators goes on the fullest node that fits,
    so that the engine may find and take it in one stroke. `ignores_nodes`: accelerators come from the pool as a
    whole, without node walls. `random` is set by the engine to the placement's own random stream for classes that
    say `uses_random`. `uses_tasks`: the engine calls `expect` before the run. `blocks` is set for classes that say
    `uses_network`: for each pool, for each level of racks and switches from the lowest up, the number of the block of
    each node, shape (nodes,); nodes of a block are in one scale-up domain or under one switch. So is `grid`, where the
    network is a torus, and `islands`, where links can go down: while some are, for each pool the number of the island
    of each node, shape (nodes,), and no way joins two islands; empty while ways join all nodes, None where nothing goes
    down. `uses_links`: where gangs share links, `place_by_share` is asked. `interleave`: jobs that meet there take
    turns where they can.
    """

    ignores_nodes: ClassVar[bool] = False
    uses_random: ClassVar[bool] = False
    uses_tasks: ClassVar[bool] = False
    uses_network: ClassVar[bool] = False
    uses_links: ClassVar[bool] = False
    best_fit: ClassVar[bool] = False
    interleave: bool = False
    blocks: Sequence[Sequence[NDArray[np.int64]]] = ()
    grid: Slices | None = None
    islands: Sequence[NDArray[np.int64]] | None = None

    def place(self, request: Request, pools: Sequence[PoolView]) -> Allocation | None:
        """Where to put a job with these needs; None if nowhere now. Only pools of `request.pools` are legal."""
        raise NotImplementedError

    def place_shared(self, request: Request, pools: SharedPoolsView) -> Allocation | None:
        """The same when jobs of the workload ask for fractions of accelerators, CPU cores or memory."""
        raise NotImplementedError

    def expect(self, tasks: Sequence[tuple[Request, int]], pools: int) -> None:
        """What jobs ask for, and how many ask for each, over the whole workload; and how many pools there are.

        The only word of the future that a placement gets: not when jobs come or how long they run.
        """
        raise NotImplementedError

    def place_late(self, request: Request, pools: Sequence[PoolView]) -> Allocation | None:
        """The same for a job that has been passed over for `patience_s`, since `place` wants to wait for better."""
        raise NotImplementedError

    def place_by_share(
        self, request: Request, pools: Sequence[PoolView], share: Callable[[Allocation], float]
    ) -> Allocation | None:
        """The same where gangs share links: `share(place)` is what these would leave the job of what it sends
        there, from 0, where no way joins its nodes now, to 1."""
        raise NotImplementedError

    @property
    def patience_s(self) -> float:
        """How long jobs wait for what `place` wants before `place_late` is asked, s; for placements that have both."""
        return 0.0

    @property
    def selective(self) -> bool:
        """Whether a gang may find no place though enough nodes are free."""
        return False

    @classmethod
    def waits(cls) -> bool:
        """Whether the placement may pass a job over to wait for a better place."""
        return cls.place_late is not Placement.place_late

    def asks_by_job(self) -> bool:
        """Whether two jobs with the same needs may find different places at one moment."""
        return self.waits() or self.uses_links

    def shares(self) -> bool:
        """Whether the placement can place jobs that ask for fractions, CPU cores or memory."""
        return type(self).place_shared is not Placement.place_shared


def on_devices(
    number: int, request: Request, pools: SharedPoolsView, choose: Callable[[NDArray[np.int64]], int]
) -> Allocation:
    """An allocation on the node of that number: whole accelerators are the lowest-numbered idle ones; of those with
    room for a fraction, `choose` says which, from their free thousandths."""
    at, node = pools.locate(number)
    pool = pools[at]
    devices = pool.devices(node, request)
    if request.share < 1.0:
        devices = devices[[choose(pool.milli[node, devices])]]
    taken = tuple(devices[: request.accelerators].tolist())
    return Allocation(at, (node,), (request.accelerators,), taken, request.share)


OneOf = Callable[[NDArray[np.intp], Request, SharedPoolsView], Allocation]
"""The node that a placement takes of several, by their numbers, on each of which the request fits, and its devices."""


def in_parts(
    request: Request, pools: SharedPoolsView, one_of: OneOf, order: Sequence[int] | None = None
) -> Allocation | None:
    """Where a job goes on nodes that are shared in parts: on one node where it fits on one, else as a gang in the
    first pool, in `order` or the scenario's, with room for it; None if nowhere."""
    nodes = pools.fitting(request)
    if len(nodes):
        return one_of(nodes, request, pools)
    if request.one_node:
        return None
    for number in request.pools if order is None else order:
        if request.accelerators > pools[number].width:
            found = _gang_in_parts(number, request, pools, one_of)
            if found is not None:
                return found
    return None


def _gang_in_parts(number: int, request: Request, pools: SharedPoolsView, one_of: OneOf) -> Allocation | None:
    """The shape of `gang`; each of the nodes gives the cores and the memory that the request wants on each."""
    width = pools[number].width
    whole, rest = divmod(request.accelerators, width)
    on_each = replace(request, accelerators=width, pools=(number,))
    empty = pools.fitting(on_each)[:whole]
    if len(empty) < whole:
        return None
    parts = [on_devices(node, on_each, pools, lambda _: 0) for node in empty.tolist()]
    if rest:
        last = replace(on_each, accelerators=rest)
        beside = np.setdiff1d(pools.fitting(last), empty)
        if not len(beside):
            return None
        parts.append(one_of(beside, last, pools))
    nodes, counts, devices = (tuple(chain.from_iterable(column)) for column in list(zip(*parts, strict=True))[1:4])
    return Allocation(number, nodes, counts, devices)


@lru_cache(maxsize=1 << 16)
def one_node(pool: int, node: int, accelerators: int) -> Allocation:
    """All accelerators of a job on one node; kept, since most jobs are small and allocations never change."""
    return Allocation(pool, (node,), (accelerators,))


@lru_cache(maxsize=1 << 10)
def no_node(pool: int) -> Allocation:
    """Accelerators of the pool as a whole, without node walls."""
    return Allocation(pool)


def gang(
    pool: PoolView, need: int, remainder_node: Callable[[PoolView, int, int], int]
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Nodes and counts of a gang larger than a node: the lowest empty nodes, then one node for the remainder.

    `remainder_node(pool, r, k)` names a node with at least r free accelerators that is not one of the k lowest
    empty nodes, or -1.
    """
    whole, rest = divmod(need, pool.width)
    if pool.empty_count() < whole:
        return None
    if rest == 0:
        return tuple(pool.empty(whole)), (pool.width,) * whole
    last = remainder_node(pool, rest, whole)
    if last < 0:
        return None
    return (*pool.empty(whole), last), (pool.width,) * whole + (rest,)


def fullest_beside(pool: PoolView, rest: int, whole: int) -> int:
    """The fullest node with room for the remainder, beside the `whole` lowest empty ones; -1 if none."""
    last = pool.fullest(rest, partly=True)
    return last if last >= 0 else _next_empty(pool, whole)


def emptiest_beside(pool: PoolView, rest: int, whole: int) -> int:
    """The least loaded node with room for the remainder, beside the `whole` lowest empty ones; -1 if none."""
    last = _next_empty(pool, whole)
    return last if last >= 0 else pool.emptiest(rest, partly=True)


def _next_empty(pool: PoolView, whole: int) -> int:
    return pool.empty(whole + 1)[-1] if pool.empty_count() > whole else -1
