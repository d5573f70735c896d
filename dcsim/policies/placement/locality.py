"""Locality: delay scheduling, waiting a while for a place whose nodes are near each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

from dcsim.policies.decisions import Allocation
from dcsim.policies.near import NetworkPlacement
from dcsim.policies.view import PoolView, Request
from dcsim.units import Seconds


@dataclass
class Locality(NetworkPlacement):
    """Delay scheduling: a gang waits for the smallest switch that could ever hold it, for as long as `patience`.

    Patience begins when the job is passed over for the first time: there is a place for it, but only across more
    switches than it would need in an empty pool; on a torus, in no box. Once it has run out the job goes where
    `topology_aware` puts it, on a torus anywhere. A job that was preempted is patient anew. While a job waits so, it
    is to the scheduler one that does not fit.

    Source: Zaharia et al., EuroSys 2010; Slurm's `--switches=count@time` is the same for switches.
    """

    patience: Seconds | Literal["forever"] = 300.0
    """How long a job waits for a near place; 0 s: not at all."""

    @property
    def patience_s(self) -> float:
        """Patience, s."""
        return inf if self.patience == "forever" else float(self.patience)

    @property
    def selective(self) -> bool:
        """Free nodes are not enough while a job is patient."""
        return True

    def place(self, request: Request, pools: Sequence[PoolView]) -> Allocation | None:
        """The first pool with a near place decides."""
        return next(self.candidates(request, pools, nearest=True), None)

    def place_late(self, request: Request, pools: Sequence[PoolView]) -> Allocation | None:
        """The first pool with any place decides."""
        return next(self.candidates(request, pools), None)
