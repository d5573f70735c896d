"""One output of a sweep: its words, its axis, and which swept keys tell what apart in a chart of it."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcsim.report.chart import Axis, value_axis
from dcsim.report.figure import Floats
from dcsim.report.markup import counted
from dcsim.report.swept import Key
from dcsim.sweep.statistics import Mean
from dcsim.units import human_time

MOST_SERIES, MOST_RISING = 8, 12  # series of a chart: without an order, in the order of a key of numbers
MOST_CHARTS = 12  # small ones side by side
_SECONDS = re.compile(r"_s(_|$)")


@dataclass(frozen=True)
class Output:
    """A column that matters."""

    name: str

    @property
    def title(self) -> str:
        """Its words on an axis, without the unit of times."""
        words = _SECONDS.sub(" ", self.name).replace("_", " ").strip()
        return f"{words} (share)" if "utilization" in words else words

    @property
    def seconds(self) -> bool:
        """Whether its unit is the second."""
        return bool(_SECONDS.search(self.name))

    def axis(self, means: Iterable[Mean], *, zero: bool = False) -> Axis:
        """An axis for these means with their intervals, of which a logarithmic one cuts those that reach far down.

        `zero`: begin there, as bars must.
        """
        value, half = arrays(means)
        half = np.nan_to_num(half)
        low = value - half
        if not zero:
            near = low > np.min(value[value > 0.0], initial=math.inf) / 10.0
            axis = value_axis(self.title, [value, value + half, low[near]], self.seconds)
            if axis.log:
                return axis
        return value_axis(self.title, [value, value + half, low], self.seconds, zero=zero)

    def shown(self, value: float) -> str:
        """A value with its unit, for people."""
        if math.isnan(value):
            return ""
        return human_time(value) if self.seconds else f"{value:,.3g}"


@dataclass(frozen=True)
class Split:
    """Which keys tell the series of a chart apart, which tell charts apart, and over which means are taken."""

    series: tuple[Key, ...]
    charts: tuple[Key, ...]
    folded: tuple[Key, ...]


def split(others: Sequence[Key]) -> Split:
    """What becomes of the keys that have no axis: series if they are few, else one as series, the others as small
    charts as far as there is room, and means over the rest. Drawn numbers differ from point to point: means."""
    listed = tuple(key for key in others if not key.drawn)
    if count(listed) <= _most(listed):
        return Split(listed, (), tuple(key for key in others if key.drawn))
    series = max((key for key in listed if len(key.values) <= _most((key,))), key=lambda k: len(k.values), default=None)
    charts: tuple[Key, ...] = ()
    for key in sorted((key for key in listed if key is not series), key=lambda key: len(key.values)):
        charts += (key,) if count((*charts, key)) <= MOST_CHARTS else ()
    shown = (*charts, *((series,) if series else ()))
    return Split(shown[len(charts) :], charts, tuple(key for key in others if key not in shown))


def rises(keys: Sequence[Key]) -> bool:
    """Whether the settings of these keys have an order: those of one key of numbers."""
    return len(keys) == 1 and keys[0].numbers is not None


def count(keys: Sequence[Key]) -> int:
    """Settings of all these keys together."""
    return math.prod(len(key.values) for key in keys)


def settings(keys: Sequence[Key]) -> list[tuple[Any, ...]]:
    """Every combination of their values, the last key fastest."""
    return list(itertools.product(*(key.values for key in keys)))


def arrays(means: Iterable[Mean]) -> tuple[Floats, Floats]:
    """Means and half-widths, each of shape (n,)."""
    known = list(means)
    return np.array([mean.value for mean in known]), np.array([mean.half for mean in known])


def caption(
    means: Sequence[Mean], folded: Sequence[Key] = (), cut: int = 0, *, spread: bool = True, axis: Axis | None = None
) -> str:
    """How to read a chart of these means. `folded`: keys over which they are taken too; `cut`: how many it leaves out;
    `spread`: whether it shows intervals; `axis`: of the values."""
    counts = sorted({mean.count for mean in means if mean.count})
    seeds = counted(counts[-1], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds" if counts else ""
    told = []
    if folded:
        names = ", ".join(key.name for key in folded)
        told.append(f"Means over all settings of {names}, seed by seed.")
    if counts and counts[-1] == 1:
        told.append("One run each." if not spread else "One run each: there is no interval.")
    elif counts and all(mean.half == 0.0 for mean in means if mean.count > 1):
        told.append(f"All runs of a point are alike, over {seeds}: there is no interval.")
    elif counts:
        told.append(f"Mean and 95 % interval (Student's t) over {seeds}." if spread else f"Mean over {seeds}.")
    if axis is not None and any(mean.value - mean.half < axis.low for mean in means):
        told.append("Intervals that reach below the axis are cut at its edge.")
    missing = len(means) - sum(mean.count > 0 for mean in means)
    if missing:
        told.append(f"{missing} of {len(means)} have no value, since runs failed or gave none.")
    if cut:
        told.append(f"{cut} more are in the table.")
    return " ".join(told)


def _most(keys: Sequence[Key]) -> int:
    return MOST_RISING if rises(keys) else MOST_SERIES
