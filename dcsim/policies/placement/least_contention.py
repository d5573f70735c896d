"""Least contention: gangs where links are least used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from dcsim.policies.decisions import Allocation
from dcsim.policies.near import NetworkPlacement
from dcsim.policies.view import PoolView, Request

MOST = 128
"""Places that are looked at at most: each costs a max-min filling of what its flows touch."""


@dataclass
class LeastContention(NetworkPlacement):
    """Gangs go where links would leave them the largest share of their NICs' bandwidth, given who sends now.

    The places compared, 128 at most: under each switch with room, from the smallest up, and across the switches below
    one, from each of them on; a gang across two of up to 16 finds the best two. On a torus, all free boxes. Of equals
    the first wins, which is where `topology_aware` puts it. What other jobs lose by it is not weighed. Places
    where jobs take turns (`interleave`) count as free ones.
    """

    uses_links: ClassVar[bool] = True

    def place(self, request: Request, pools: Sequence[PoolView]) -> Allocation | None:
        """Where links are not contended: the first place."""
        return self.place_by_share(request, pools, lambda _: 1.0)

    def place_by_share(
        self, request: Request, pools: Sequence[PoolView], share: Callable[[Allocation], float]
    ) -> Allocation | None:
        """The place with the largest share."""
        found: dict[Allocation, float] = {}
        for place in islice(self.candidates(request, pools, nearest=self.grid is not None, turns=True), MOST):
            if place not in found:
                found[place] = share(place)
            if found[place] >= 1.0:
                break
        return max(found, key=found.__getitem__, default=None)
