"""How many accelerators to own when the rest is rented by the hour: the newsvendor, on demand over time.

Demand is what jobs hold when nobody waits. An owned accelerator costs `fixed` an hour, used or not, and `variable` an
hour of use; what exceeds them is rented at `cloud` an hour. The k-th is worth owning if demand reaches it in at least
fixed / (cloud - variable) of the time, so the best number is the (1 - fixed / (cloud - variable)) fractile of demand.
Source: Arrow, Harris and Marschak, Econometrica 19 (1951).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import dcsim

Floats = NDArray[np.float64]

FIXED, VARIABLE = 0.99, 0.114
"""USD an hour of one H100: server, facility and upkeep, all its life; energy while it works."""
CLOUD = (1.70, 2.99, 6.88)
"""USD an hour of one H100: lowest price of October 2025, a specialised cloud, a hyperscaler's list price."""


@dataclass(frozen=True)
class Demand:
    """`level`: accelerators in use, rising; `share`: of the time at each; both shape (levels,)."""

    level: Floats
    share: Floats

    @staticmethod
    def of(run: dcsim.Run) -> Demand:
        """What the jobs of a run held, from its first second to its last; ValueError if any of them waited."""
        if run.summary["jobs_waited"] or run.summary["jobs_rejected"]:
            raise ValueError(
                "jobs waited or were rejected: their demand is not what was in use; give more accelerators"
            )
        line = run.timeline
        level, place = np.unique(line.allocated, return_inverse=True)
        seconds = np.bincount(place, np.diff(line.time_s, append=line.end_s))
        return Demand(level, seconds / seconds.sum())

    def fractile(self, share: float) -> int:
        """The fewest accelerators that are enough for this share of the time."""
        if share <= 0.0:
            return 0
        reached = np.searchsorted(np.cumsum(self.share), share)
        return int(self.level[min(int(reached), len(self.level) - 1)])

    def cost_usd_per_h(self, owned: int, cloud: float) -> float:
        """Mean cost of owning so many and renting the rest."""
        used = np.minimum(self.level, owned)
        return float(FIXED * owned + (self.share * (VARIABLE * used + cloud * (self.level - used))).sum())


def best_size(demand: Demand, cloud: float) -> int:
    """The number to own by the critical fractile."""
    return demand.fractile(1.0 - FIXED / (cloud - VARIABLE))


def cheapest_size(demand: Demand, cloud: float) -> int:
    """The number to own by looking at the cost of every one."""
    sizes = range(int(demand.level[-1]) + 1)
    return min(sizes, key=lambda owned: demand.cost_usd_per_h(owned, cloud))
