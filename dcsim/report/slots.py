"""Slots of time of a length that people use: an hour, a day."""

from __future__ import annotations

from math import ceil

import numpy as np

from dcsim.report.figure import Floats
from dcsim.units import DAY, HOUR, MINUTE, WEEK, human_time

ROUND_S = tuple(
    float(count * unit)
    for unit, counts in (
        (1.0, (1, 2, 5, 10, 20, 30)),
        (MINUTE, (1, 2, 5, 10, 20, 30)),
        (HOUR, (1, 2, 3, 6, 12)),
        (DAY, (1, 2)),
        (WEEK, (1, 2, 4, 8, 16, 32, 64)),
    )
    for count in counts
)


def slot_length(span_s: float, most: int) -> float:
    """The shortest round length, s, that cuts `span_s` into at most `most` slots."""
    least = span_s / most
    return next((length for length in ROUND_S if least <= length and ROUND_S[0] <= least), least)


def slot_text(span_s: float, most: int) -> str:
    """That length for people."""
    return human_time(slot_length(span_s, most))


def edges(span_s: float, most: int) -> Floats:
    """Edges of the slots from 0 to `span_s`, s; the last slot may be shorter."""
    length = slot_length(span_s, most) or 1.0
    count = max(1, ceil(span_s / length - 1e-9))
    return np.append(np.arange(count) * length, span_s if span_s > 0.0 else length)
