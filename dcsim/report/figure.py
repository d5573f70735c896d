"""A figure as data: what the page (Plotly) and the paper (matplotlib) both draw.

Times are in s since the scenario's start; `TimeScale` says how an axis shows them. Texts are plain, as the user
wrote them: who draws a figure makes them harmless in its own language.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from dcsim.units import DAY, HOUR, MINUTE

Floats = NDArray[np.float64]

EPOCH = datetime(1970, 1, 1)
SCALES = (("d", 3 * DAY, DAY), ("h", 3 * HOUR, HOUR), ("min", 5 * MINUTE, MINUTE))


@dataclass(frozen=True)
class TimeScale:
    """How an axis shows simulated time: as calendar time, or since the start in a unit that suits the span.

    `offset_s`: local calendar time of second 0, s since 1970 on the clock of its own time zone; None without a
    calendar. `unit_s`: length of the unit without a calendar, s.
    """

    title: str
    offset_s: float | None = None
    unit_s: float = 1.0

    @staticmethod
    def of(start: datetime | None, span_s: float) -> TimeScale:
        """The scale for a run of `span_s` s that starts at `start`."""
        if start is None:
            return TimeScale.since("start", span_s)
        zone = start.strftime("%z")
        title = f"Time (UTC{zone[:3]}:{zone[3:5]})" if zone else "Time"
        return TimeScale(title, (start.replace(tzinfo=None) - EPOCH).total_seconds())

    @staticmethod
    def since(event: str, span_s: float) -> TimeScale:
        """A scale that counts from an event, in a unit that suits the span."""
        unit, unit_s = next(((name, length) for name, least, length in SCALES if span_s >= least), ("s", 1.0))
        return TimeScale(f"Time since {event} ({unit})", None, unit_s)

    @staticmethod
    def plain(title: str) -> TimeScale:
        """An axis of numbers that are no times."""
        return TimeScale(title)


@dataclass(frozen=True)
class Steps:
    """A step function: `y[i]` holds from `time_s[i]` to the next.

    `color`: name in `style.COLORS`. `listed`: whether the legend has it.
    """

    name: str
    time_s: Floats
    y: NDArray[np.generic]
    color: str
    width: float = 1.5
    filled: bool = False
    dashed: bool = False
    listed: bool = True


@dataclass(frozen=True)
class Cells:
    """A heat map: `values[r, c]` fills the cell of time edges c, c + 1 and height edges r, r + 1.

    `name`: what the values are, with their unit, as the bar of colours says it. `most`: value of the darkest colour;
    0 has the lightest.
    """

    name: str
    time_edges_s: Floats
    y_edges: Floats
    values: NDArray[np.generic]
    most: float = 100.0


@dataclass(frozen=True)
class Bars:
    """Horizontal bars in time, each centred on `y` and `height` high.

    `notes`: a line of text for each; written into the bars that have room for it if `labelled`.
    """

    name: str
    start_s: Floats
    length_s: Floats
    y: Floats
    height: Floats
    color: str
    notes: tuple[str, ...]
    labelled: bool = False


@dataclass(frozen=True)
class Boxes:
    """Horizontal boxes on a logarithmic axis of durations, s, centred on heights `y`.

    `quantiles`: shape (boxes, 5): 5 %, 25 %, 50 %, 75 % and 95 %. `mean`, `most`: shape (boxes,).
    """

    y: Floats
    quantiles: Floats
    mean: Floats
    most: Floats


@dataclass(frozen=True)
class Lines:
    """Straight lines in a plane, from `ends[i, 0]` to `ends[i, 1]`, each (x, y); shape (lines, 2, 2).

    `color`: name in `style.COLORS`. `notes`: a line of text for each.
    """

    name: str
    ends: Floats
    color: str
    width: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Dots:
    """Points in a plane, which no legend lists; `x`, `y`: shape (dots,).

    `symbol`: "circle" or "square". `size`: across, px on the page. `labels`: text beside each, or none. `notes`: a
    line of text for each.
    """

    x: Floats
    y: Floats
    symbol: str
    color: str
    size: float
    labels: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Plane:
    """What a figure has instead of a horizontal axis where positions mean nothing. `even`: as long as the vertical."""

    even: bool


Mark = Steps | Cells | Bars | Boxes | Lines | Dots
Across = TimeScale | Plane | str


@dataclass(frozen=True)
class Panel:
    """One plotting area. `ticks`: (height, lines of its label); empty for a plain axis of numbers.

    `top`: upper end of the vertical axis, which begins at `bottom`. `share`: part of the figure's height. `legend`:
    what the names of the marks are.
    """

    y_title: str
    marks: tuple[Mark, ...]
    top: float
    ticks: tuple[tuple[float, str], ...] = ()
    share: float = 1.0
    legend: str = ""
    bottom: float = 0.0


@dataclass(frozen=True)
class Figure:
    """Panels one below the other over one horizontal axis: simulated time, a duration on a logarithmic axis, or none.

    `key`: name of its files and of its place in the page. `x`: a TimeScale, the title of an axis of durations, or a
    Plane. `span_s`: ends of the horizontal axis, s. `height`: on the page, px.
    """

    key: str
    title: str
    caption: str
    x: Across
    span_s: tuple[float, float]
    panels: tuple[Panel, ...] = field(default_factory=tuple)
    height: int = 320
