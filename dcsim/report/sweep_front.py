"""What is best of a sweep: the front of two outputs, and differences from a baseline."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dcsim.report.chart import Axis, Chart, Exhibit, Look, Series, across, name_axis, rows_px, share
from dcsim.report.figure import Floats
from dcsim.report.style import SERIES
from dcsim.report.sweep_output import Output, arrays, caption
from dcsim.report.swept import Key
from dcsim.sweep.columns import Point
from dcsim.sweep.comparison import Comparison, Row
from dcsim.sweep.remarks import labels, listed
from dcsim.sweep.statistics import Mean

MOST_DIFFERENCES = 60
FRONT_PX = 440
NEAR = 0.03  # of an axis: points nearer than this share a number
PLAIN, BEST = Look("#8C8C8C"), Look(SERIES[1], 3)
CLEAR, UNCLEAR = Look(SERIES[0]), Look("#8C8C8C", 1)


@dataclass(frozen=True)
class Front:
    """The variants that no other beats in both outputs, with their means, in the order of the first output."""

    outputs: tuple[Output, Output]
    best: tuple[tuple[Point, tuple[float, float]], ...]
    exhibit: Exhibit


@dataclass(frozen=True)
class Chosen:
    """Numbers of the variants on the front, and of those that lack a value on some seed and are not judged."""

    best: Sequence[int]
    left_out: Sequence[int]


def front(found: Comparison, chosen: Chosen, pair: tuple[str, str], maximize: Collection[str]) -> Front:
    """The means of all variants in two outputs, and the front among them. `found`: the comparison of both outputs."""
    first, second = pair
    best = chosen.best
    outputs = (Output(first), Output(second))
    means = [[row.mean for row in found.rows if row.output == output.name] for output in outputs]
    (x, _), (y, _) = (arrays(_bare(mean) for mean in column) for column in means)
    judged = [n for n in range(len(x)) if n not in set(chosen.left_out)]
    x_axis, y_axis = (
        _titled(output.axis([_bare(column[n]) for n in judged]), output.name in maximize)
        for output, column in zip(outputs, means, strict=True)
    )
    rest = [n for n in judged if n not in set(best)]
    none = np.full(len(x), math.nan)
    tags = _tags(x[list(best)], y[list(best)], x_axis, y_axis)
    series = (
        Series("beaten", x[rest], y[rest], none[rest], PLAIN, rows=tuple(rest)),
        Series("front", x[list(best)], y[list(best)], none[list(best)], BEST, "steps", rows=tuple(best), tags=tags),
    )
    points = list(dict.fromkeys(row.variant for row in found.rows))
    key = f"front-{first}-{second}"
    said = (
        "A point a variant, means over seeds. No other variant is at least as good in both and better in one than "
        "those on the front, which are numbered and listed below."
    )
    if chosen.left_out:
        names = labels(points, found.axes)
        lacking = listed([names[n] for n in chosen.left_out])
        said += f" Left out, for want of values on some seeds: {lacking}."
    chart = Chart(key, "", across(x_axis), y_axis, series, height=FRONT_PX)
    title = f"Pareto front of {first} and {second}"
    ranked = tuple((points[n], (float(x[n]), float(y[n]))) for n in best)
    legend = (("on the front", BEST), ("beaten", PLAIN))
    return Front(outputs, ranked, Exhibit(key, title, said, (chart,), legend))


def differences(rows: Sequence[Row], keys: Sequence[Key], names: Sequence[str], base: str, output: Output) -> Exhibit:
    """Paired differences of an output from the baseline.

    `rows`: of all variants; `names`: theirs, settings of `keys`; `base`: the baseline in words.
    """
    known = [(text, row.against) for text, row in zip(names, rows, strict=True) if row.against is not None]
    shown = known[:MOST_DIFFERENCES]
    x = _difference_axis(output, [mean for _, mean in shown])
    labels = [text for text, _ in shown]
    series = []
    for name, look, wanted in (("interval excludes 0", CLEAR, True), ("interval holds 0", UNCLEAR, False)):
        mine = [(n, mean) for n, (_, mean) in enumerate(shown) if mean.excludes_zero is wanted]
        value, half = arrays(mean for _, mean in mine)
        places = np.array([n for n, _ in mine], dtype=np.float64)
        series.append(Series(name, value, places, half, look, along="x"))
    y = name_axis(", ".join(key.name for key in keys), labels)
    place = f"{output.name}-difference"
    chart = Chart(place, "", x, y, tuple(series), level=("x", 0.0), height=rows_px(labels))
    rest = caption([mean for _, mean in known], cut=len(known) - len(shown))
    said = f"Difference from {base} on the same seeds. {rest}"
    legend = tuple((s.name, s.look) for s in series if len(s.x))
    return Exhibit(place, "Difference from the baseline", said, (chart,), legend)


def _difference_axis(output: Output, means: Sequence[Mean]) -> Axis:
    """Never logarithmic, and zero is on it."""
    axis = output.axis([*means, Mean(0.0, math.nan, 1)], zero=True)
    return replace(axis, title=f"difference of {axis.title}")


def _titled(axis: Axis, more_is_better: bool) -> Axis:
    side = "larger" if more_is_better else "smaller"
    return replace(axis, title=f"{axis.title}, {side} is better")


def _tags(x: Floats, y: Floats, x_axis: Axis, y_axis: Axis) -> tuple[str, ...]:
    """Numbers 1, 2, ... of the points on the front, but none on top of another."""
    tags: list[str] = []
    last = (-1.0, -1.0)
    for number, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True), 1):
        place = (share(x_axis, a), share(y_axis, b))
        apart = max(abs(place[0] - last[0]), abs(place[1] - last[1])) >= NEAR
        tags.append(str(number) if apart else "")
        last = place if apart else last
    return tuple(tags)


def _bare(mean: Mean) -> Mean:
    """The mean without its interval."""
    return Mean(mean.value, math.nan, mean.count)
