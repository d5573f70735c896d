"""FIFO: strict first come, first served."""

from __future__ import annotations

from dataclasses import dataclass

from dcsim.policies.ordered import OrderedScheduler


@dataclass(frozen=True)
class Fifo(OrderedScheduler):
    """Strict first come, first served: head of line, event driven.

    Jobs start in order of submission. When the first waiting job does not fit, every later one waits, even if it
    would fit.
    """
