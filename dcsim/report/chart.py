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
from dcsim.report.markup import broken
from dcsim.report.style import INK, SERIES, SIZES

Kind = Literal["line", "bars", "points", "steps"]

HIGHEST = 1e6  # ratio of the ends of a logarithmic axis
WIDE = 100.0  # ratio of largest to smallest from which on an axis is logarithmic
SHORT = 2.5  # decades
DECADE = 10.0  # below this ratio one never is
MOST_ACROSS = 5  # ticks of durations on an axis that lies down
MOST_TICKS = 16  # numbers of a key that have a tick each
AIR = 0.06  # of an axis beyond its values
CLOSE = 0.085  # of an axis' length: ticks nearer to one another than this would overlap
BAR_PX = 15  # of each bar
LINE_PX = 17  # of each line of a name
LETTERS, LINES = 21, 4  # of a name on an axis
CHROME_PX = 76  # of an axis and its title, above and below
LETTER_PX = 7  # of a title
LEAST_PX = 110  # of a plotting area


@dataclass(frozen=True)
class Axis:
    """`low`, `high`: its ends; `unit`: what its numbers are divided by when shown; `ticks`: where and what, if not
    left to the drawing; `names`: whether the ticks are names, one below the other. `edge`: of a logarithmic axis, where
    zero stands, which it does not have: values below are drawn there; 0 if there are none."""

    title: str
    low: float
    high: float
    log: bool = False
    unit: float = 1.0
    ticks: tuple[tuple[float, str], ...] = ()
    names: bool = False
    edge: float = 0.0

    def place(self, values: Floats) -> Floats:
        """Where values are drawn, in the unit that is shown."""
        return (np.maximum(values, self.edge) if self.edge else values) / self.unit


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

    @property
    def whisker(self) -> str:
        """The colour of its intervals: on bars one that is seen on them."""
        return INK if self.kind == "bars" else self.look.color

    def reach(self, axis: Axis) -> tuple[Floats, Floats]:
        """Where intervals begin and end on the axis of the values, in its unit; on a logarithmic one at its edge."""
        value = self.x if self.along == "x" else self.y
        low: Floats = value - self.half
        return (np.maximum(low, axis.low) if axis.log else low) / axis.unit, axis.place(value + self.half)


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
    least = max(float(known[known > 0.0].min(initial=math.inf)), high / HIGHEST)
    if not zero and low >= 0.0 and high / least > WIDE:
        return _log_axis(title, known, least, high, seconds)
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


def _log_axis(title: str, known: Floats, least: float, high: float, seconds: bool) -> Axis:
    """With a place for zero at its edge, if there are zeros, or values too small to be told from it."""
    air = (high / least) ** AIR
    axis = Axis(f"{title} (log scale)", least / air, high * air, True)
    ticks = tuple(log_ticks(axis.low, axis.high)) if seconds else powers(axis)
    if not (known < least).any():
        return replace(axis, ticks=ticks)
    zero = "0" if (known[known < least] == 0.0).all() else "\u2248 0"
    edge = least / air**3
    return replace(axis, low=edge / air, edge=edge, ticks=((edge, zero), *ticks))


def number_axis(title: str, values: Sequence[float], unit: float = 1.0) -> Axis:
    """An axis of swept numbers: a tick at each of few, where they do not overlap."""
    low, high = min(values), max(values)
    if _by_ratio(values):
        air = (high / low) ** AIR
        axis = Axis(title, low / air, high * air, True, unit)
    else:
        air = AIR * ((high - low) or 1.0)
        axis = Axis(title, low - air, high + air, False, unit)
    if len(values) <= MOST_TICKS:
        return replace(axis, ticks=_apart(axis, values))
    return replace(axis, ticks=powers(axis)) if axis.log else axis


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
    every = -(-len(axis.ticks) // MOST_ACROSS)
    return axis if axis.names or every < 2 else replace(axis, ticks=axis.ticks[::every])


def cell_axis(title: str, names: Sequence[str]) -> Axis:
    """An axis of cells of a heat map, centred on 0, 1, 2, ..., and their names."""
    return replace(name_axis(title, names), names=False)


def rows_px(names: Sequence[str], bars: int = 1) -> int:
    """Height of a chart with these names one below the other and so many bars for each, px."""
    rows = [max(BAR_PX * bars + 10, LINE_PX * len(wrapped(name)) + 10) for name in names]
    return CHROME_PX + max(max(rows, default=0) * len(rows), LEAST_PX)


def upright(chart: Chart) -> list[str]:
    """The title of the vertical axis, in lines that are no longer than it."""
    return broken(chart.y.title, (chart.height - CHROME_PX) // LETTER_PX)


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
        return math.log(max(value, axis.edge) / axis.low) / math.log(axis.high / axis.low)
    return (value - axis.low) / ((axis.high - axis.low) or 1.0)


def powers(scale: Axis) -> tuple[tuple[float, str], ...]:
    """Ticks of a logarithmic axis, in its unit: powers of ten, on a short one also twice and five times these."""
    low, high = (math.log10(end / scale.unit) for end in (scale.low, scale.high))
    steps = (1.0, 2.0, 5.0) if high - low < SHORT else (1.0,)
    values = (step * 10.0**power for power in range(math.floor(low), math.floor(high) + 1) for step in steps)
    return tuple((at * scale.unit, f"{at:,.6g}") for at in values if low <= math.log10(at) <= high)
