"""Which accelerators of its nodes each gang has, where an interconnect tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from dcsim.policies.decisions import Allocation
from dcsim.scenario.spec import Pool

Held = list[tuple[int, ...]]
"""Numbers of accelerators on their node, node after node."""


class Seats:
    """A gang gets the lowest accelerators of each node that nobody has, and keeps them.

    Where nodes are shared in parts an allocation says itself which they are.
    """

    def __init__(self, pools: Sequence[Pool]) -> None:
        self._widths = [pool.accelerators_per_node for pool in pools]
        self._taken = [[0] * pool.nodes for pool in pools]  # a bit an accelerator
        self._held: dict[int, tuple[Allocation, Held]] = {}

    def there(self, job: int, allocation: Allocation) -> Held:
        """What a job has of each node of its allocation, or would get now if it does not run: what others have only
        where too little is free."""
        if job in self._held:
            return self._held[job][1]
        pool, nodes, counts, devices = allocation[:4]
        if devices:
            rest = iter(devices)
            return [tuple(islice(rest, count)) for count in counts]
        return [self._lowest(pool, node, count) for node, count in zip(nodes, counts, strict=True)]

    def take(self, job: int, allocation: Allocation) -> None:
        """A job gets its accelerators."""
        if not allocation.devices:
            self._held[job] = (allocation, self.there(job, allocation))
            self._flip(job)

    def give(self, job: int) -> None:
        """A job has no accelerators any more, if it had any."""
        if job in self._held:
            self._flip(job)
            del self._held[job]

    def _lowest(self, pool: int, node: int, count: int) -> tuple[int, ...]:
        taken = self._taken[pool][node]
        if not taken:
            return tuple(range(count))
        return tuple(sorted(sorted(range(self._widths[pool]), key=lambda one: taken >> one & 1)[:count]))

    def _flip(self, job: int) -> None:
        (pool, nodes, *_), held = self._held[job]
        for node, numbers in zip(nodes, held, strict=True):
            for number in numbers:
                self._taken[pool][node] ^= 1 << number
