"""Kinds of a gang's traffic, and what the network leaves each."""

from __future__ import annotations

from typing import NamedTuple


class Shares(NamedTuple):
    """What the network leaves each kind of a gang's traffic of the speed that its NICs give it, from 0 to 1.

    Between tensor-, context-, expert- and data-parallel ranks, and between pipeline stages; 1 also for kinds that a
    gang does not send.
    """

    tp: float
    cp: float
    ep: float
    dp: float
    pp: float

    @property
    def least(self) -> float:
        """That of the kind that is worst off."""
        return min(self)

    def times(self, factor: float) -> Shares:
        """The same of so many times as fast NICs."""
        return Shares(*(share * factor for share in self))


TP, CP, EP, DP, PP = range(len(Shares._fields))
KINDS = "tensor-parallel", "context-parallel", "expert", "data-parallel", "pipeline"
"""What the parts of a step call them, before "traffic"."""
WHOLE, CUT_OFF = Shares(*[1.0] * len(Shares._fields)), Shares(*[0.0] * len(Shares._fields))
