"""FIFO that looks past jobs that do not fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from dcsim.policies.ordered import OrderedScheduler


@dataclass(frozen=True)
class FifoSkip(OrderedScheduler):
    """First that fits: jobs are looked at in order of submission, each that fits starts; event driven.

    Nothing is reserved, so a large job can wait for as long as small ones keep coming. Many published simulators
    call this FIFO.
    """

    overtake: ClassVar[Literal["skip"]] = "skip"
