"""Conservative backfill: a reservation for every waiting job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from dcsim.policies.ordered import OrderedScheduler


@dataclass(frozen=True)
class Conservative(OrderedScheduler):
    """Conservative backfill: no job delays the reservation of any earlier one; event driven.

    All waiting jobs get reservations in order of submission, counted in accelerators of their pool; when a job
    ends early, the reservations are made anew in the same order. A job starts when its reservation is due and the
    placement has room; node walls can therefore delay a job past its reservation, never the other way round.
    Source: Mu'alem and Feitelson, IEEE TPDS 12(6), 2001.
    """

    overtake: ClassVar[Literal["reserve_all"]] = "reserve_all"
