"""How much room there is at most: a bound that spares queues from asking the placement in vain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from dcsim.policies.view import PoolView, View


class Room(Protocol):
    """A pool, or several."""

    @property
    def free_total(self) -> int:
        """Free accelerators of the pool that has most."""
        ...


class _Roomiest:
    """Several pools, of which each job goes to one."""

    def __init__(self, pools: Sequence[PoolView]) -> None:
        self._pools = pools

    @property
    def free_total(self) -> int:
        """Free accelerators of the pool that has most."""
        return max([pool.free_total for pool in self._pools])


def room(pools: Sequence[PoolView]) -> Room:
    """The pools as one number: no job goes where fewer accelerators are free than it needs."""
    return pools[0] if len(pools) == 1 else _Roomiest(pools)


def least_needed(view: View) -> list[int]:
    """By kind of needs: accelerators without which no such job can go; none where it asks for a part of one."""
    return [r.accelerators if r.share == 1.0 else 0 for r in view.facts.requests]


def largest_room(view: View) -> tuple[Callable[[], int], list[int]]:
    """A closer bound for whole jobs: a function, and by kind of needs the number it must at least return for such a
    job to go.

    Where gangs are whole empty nodes and a remainder, in one pool, the accelerators of empty nodes or of the emptiest
    one count, against the whole nodes of a gang; elsewhere free accelerators.
    """
    pools, least = view.pools, least_needed(view)
    if not view.by_node or len(pools) > 1:
        place = room(pools)
        return lambda: place.free_total, least
    width = pools[0].width
    return pools[0].largest, [need if need < width else need - need % width for need in least]
