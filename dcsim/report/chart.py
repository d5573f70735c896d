"""A chart as data: numbers against numbers or names, which the page (Plotly) and the paper (matplotlib) both draw.

Values are in the units of their columns (times in s); an `Axis` says how it shows them. Texts are plain, as the user
wrote them.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dcsim.report.durations import log_ticks
from dcsim.report.figure import SCALES, Floats
from dcsim.report.style import SERIES, SIZES

Kind = Literal["line", "bars", "points", "steps"]

WIDE = 100.0  # ratio of largest to smallest from which on an axis is logarithmic
DECADE = 10.0  # below this ratio one never is
MOST_ACROSS = 5  # ticks of durations on an axis that lies down
MOST_TICKS = 16  # numbers of a key that have a tick each
AIR = 0.06  # of an axis beyond its values
CLOSE = 0.085  # of an axis' length: ticks nearer to one another than this would overlap
BAR_PX = 15  # of each bar
LINE_PX = 17  # of each line of a name
LETTERS, LINES = 21, 4  # of a name on an axis
CHROME_PX = 76  # of an axis and its title, above and below
LEAST_PX = 110  # of a plotting area


@dataclass(frozen=True)
class Axis:
    """`low`, `high`: its ends; `unit`: what its numbers are divided by when shown; `ticks`: where and what, if not
    left to the drawing; `names`: whether the ticks are names, one below the other."""

    title: str
    low: float
    high: float
    log: bool = False
    unit: float = 1.0
    ticks: tuple[tuple[float, str], ...] = ()
    names: bool = False


@dataclass(frozen=True)
class Look:
    """Colour and symbol of a series: either alone tells it from the others. `symbol`: number in `style.SYMBOLS`."""

    color: str
    symbol: int = 0


@dataclass(frozen=True)
class Series:
    """Values with half the widths of their intervals, NaN where there is none; shapes (n,).

    `kind`: a line with a band, horizontal bars, points, or a line in steps. `along`: the axis of the values, on which
    the intervals lie. `rows`: numbers of the variants, for labels on hover; `tags`: short texts at the points.
    `mark`: whether a line has symbols at its values.
    """

    name: str
    x: Floats
    y: Floats
    half: Floats
    look: Look
    kind: Kind = "points"
    along: Literal["x", "y"] = "y"
    mark: bool = True
    rows: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    thickness: float = 0.0
    """Of bars, in rows."""

    def reach(self, axis: Axis) -> tuple[Floats, Floats]:
        """Ends of the intervals on the axis of the values; those of a logarithmic one end where it ends."""
        value = self.x if self.along == "x" else self.y
        low: Floats = value - self.half
        return np.maximum(low, axis.low) if axis.log else low, value + self.half


@dataclass(frozen=True)
class Grid:
    """A heat map: `z[row, column]` in cells centred on whole numbers; NaN stays white. `scale`: how colours show z."""

    z: Floats
    scale: Axis
    texts: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """One plotting area. `level`: a value on the axis of values at which a thin line is drawn, if any."""

    key: str
    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...] = ()
    grid: Grid | None = None
    level: tuple[Literal["x", "y"], float] | None = None
    height: int = 340


@dataclass(frozen=True)
class Exhibit:
    """Charts that are read together, with one legend: `legend_title` says what its names are."""

    key: str
    title: str
    caption: str
    charts: tuple[Chart, ...]
    legend: tuple[tuple[str, Look], ...] = ()
    legend_title: str = ""


def looks(count: int, ordered: bool) -> list[Look]:
    """Looks of so many series: from light to dark where they are ordered, else as different as can be."""
    if ordered:
        shades = SIZES[1:]  # the palest is hard to see as a line
        last = max(count - 1, 1)
        return [Look(shades[round(n * (len(shades) - 1) / last)], n % len(SERIES)) for n in range(count)]
    return [Look(SERIES[n % len(SERIES)], n % len(SERIES)) for n in range(count)]


def value_axis(title: str, values: Iterable[Floats], seconds: bool, *, zero: bool = False) -> Axis:
    """An axis that holds all values: logarithmic where they are positive and span more than two decades, times in a
    unit that suits them. `zero`: begin there, as bars must."""
    known = np.concatenate([np.asarray(v, dtype=np.float64).ravel() for v in values] or [np.empty(0)])
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if not zero and low > 0.0 and high / low > WIDE:
        air = (high / low) ** AIR
        ticks = tuple(log_ticks(low, high)) if seconds else ()
        return Axis(f"{title} (log scale)", low / air, high * air, True, 1.0, ticks)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    span = (high - low) or abs(high) or 1.0
    ends = (low - AIR * span if low < 0.0 or not zero else 0.0, high + AIR * span)
    if low >= 0.0 > ends[0]:
        ends = (0.0, ends[1])  # nothing that is never negative looks so
    if not seconds:
        return Axis(title, *ends)
    name, unit = next(((n, u) for n, least, u in SCALES if max(abs(low), high) >= least), ("s", 1.0))
    return Axis(f"{title} ({name})", *ends, unit=unit)


def number_axis(title: str, values: Sequence[float], unit: float = 1.0) -> Axis:
    """An axis of swept numbers: a tick at each of few, where they do not overlap."""
    low, high = min(values), max(values)
    if _by_ratio(values):
        air = (high / low) ** AIR
        axis = Axis(title, low / air, high * air, True, unit)
    else:
        air = AIR * ((high - low) or 1.0)
        axis = Axis(title, low - air, high + air, False, unit)
    return axis if len(values) > MOST_TICKS else replace(axis, ticks=_apart(axis, values))


def _by_ratio(values: Sequence[float]) -> bool:
    """Whether swept numbers are spread over a decade or more in equal ratios rather than in equal distances."""
    low, high, middle = min(values), max(values), float(np.median(values))
    if low <= 0.0 or high / low < DECADE:
        return False
    return high / low > WIDE or abs(math.log(middle / math.sqrt(low * high))) < abs(math.log(2 * middle / (low + high)))


def name_axis(title: str, names: Sequence[str]) -> Axis:
    """An axis of names at 0, 1, 2, ..."""
    return Axis(
        title, -0.5, len(names) - 0.5, ticks=tuple((float(n), name) for n, name in enumerate(names)), names=True
    )


def across(axis: Axis) -> Axis:
    """The same axis when it lies down: with room for fewer ticks."""
    return axis if axis.names or len(axis.ticks) <= MOST_ACROSS else replace(axis, ticks=axis.ticks[::2])


def cell_axis(title: str, names: Sequence[str]) -> Axis:
    """An axis of cells of a heat map, centred on 0, 1, 2, ..., and their names."""
    return replace(name_axis(title, names), names=False)


def rows_px(names: Sequence[str], bars: int = 1) -> int:
    """Height of a chart with these names one below the other and so many bars for each, px."""
    rows = [max(BAR_PX * bars + 10, LINE_PX * len(wrapped(name)) + 10) for name in names]
    return CHROME_PX + max(max(rows, default=0) * len(rows), LEAST_PX)


def wrapped(name: str, letters: int = LETTERS) -> list[str]:
    """A name in short lines; of a long one the middle is left out, since names often differ at their ends."""
    lines = textwrap.wrap(name, letters) or [""]
    longest = min(letters * LINES, len(name))
    while len(lines) > LINES:
        longest -= 1
        lines = textwrap.wrap(f"{name[: longest // 2]} \u2026 {name[len(name) - longest // 2 :]}", letters)
    return lines


def _apart(axis: Axis, values: Sequence[float]) -> tuple[tuple[float, str], ...]:
    """Ticks at the values that are far enough from the tick before."""
    ticks: list[tuple[float, str]] = []
    before = -math.inf
    for value in sorted(values):
        place = share(axis, value)
        if place - before >= CLOSE:
            ticks.append((value, f"{value / axis.unit:,.6g}"))
            before = place
    return tuple(ticks)


def share(axis: Axis, value: float) -> float:
    """Where on an axis a value lies, from 0 to 1."""
    if axis.log:
        return math.log(value / axis.low) / math.log(axis.high / axis.low)
    return (value - axis.low) / ((axis.high - axis.low) or 1.0)


def powers(scale: Axis) -> list[tuple[float, str]]:
    """Powers of ten within a logarithmic scale."""
    powers = range(math.ceil(math.log10(scale.low)), math.floor(math.log10(scale.high)) + 1)
    return [(10.0**power, f"{10.0**power:,.6g}") for power in powers]
