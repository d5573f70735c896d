"""Labels of a calendar axis, each of which can be read alone or with the last fuller one before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from dcsim.report.figure import EPOCH
from dcsim.units import DAY, MINUTE

LEVELS = (  # least time between ticks, s; what every tick says; what the first says too, and those where it changes
    (360 * DAY, "%Y", ""),
    (27 * DAY, "%b", "%Y"),
    (DAY, "%d %b", "%Y"),
    (MINUTE, "%H:%M", "%d %b %Y"),
    (1.0, "%H:%M:%S", "%d %b %Y"),
    (0.0, "%H:%M:%S.%f", "%d %b %Y"),
)


def date_labels(days: Sequence[float]) -> list[str]:
    """Labels of rising ticks, in days since 1970 on the clock of their own time zone; a second line where needed.

    `25 Aug` over `2020`, `29 Aug`, `01 Sep`, and `30 Dec` over `2020`, `01 Jan` over `2021`.
    """
    gap_s = min((b - a for a, b in pairwise(days)), default=1.0) * DAY * 1.000001  # days as floats are not exact
    _, small, large = next(level for level in LEVELS if gap_s >= level[0])
    labels, last = [], ""
    for day in days:
        when = EPOCH + timedelta(days=day)
        around = when.strftime(large)
        labels.append(when.strftime(small) + (f"\n{around}" if around != last else ""))
        last = around
    return labels
