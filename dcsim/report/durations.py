"""Ticks of a logarithmic axis of durations, in the units that people use."""

from __future__ import annotations

from dcsim.units import DAY, HOUR, MILLI, MINUTE

TICKS = (
    *((10.0**power, f"{10.0**power:g} s") for power in range(-6, -3)),
    *((n / MILLI, f"{n} ms") for n in (1, 10, 100)),
    (1.0, "1 s"),
    (10.0, "10 s"),
    (MINUTE, "1 min"),
    (10 * MINUTE, "10 min"),
    (HOUR, "1 h"),
    (10 * HOUR, "10 h"),
    *((n * DAY, f"{n:,} d") for n in (4, 40, 400, 4000, 40000)),
)


def log_ticks(low_s: float, high_s: float) -> list[tuple[float, str]]:
    """Ticks between two durations, s; where they are close, also one on either side."""
    inside = [tick for tick in TICKS if low_s <= tick[0] <= high_s]
    if len(inside) > 1:
        return inside
    below = [tick for tick in TICKS if tick[0] < low_s][-1:]
    above = [tick for tick in TICKS if tick[0] > high_s][:1]
    return [*below, *inside, *above]


def log_limits(low_s: float, high_s: float) -> tuple[float, float]:
    """Ends of the axis, s: the values with some air, and at least the ticks around them."""
    ticks = log_ticks(low_s, high_s)
    return min(low_s, *(t for t, _ in ticks[:1])) / 1.3, max(high_s, *(t for t, _ in ticks[-1:])) * 1.3
