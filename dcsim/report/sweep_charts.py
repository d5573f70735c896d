"""Charts of one output of a sweep: a line for each key of numbers, bars for names, heat maps, drawn points."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dcsim.report.chart import (
    Axis,
    Chart,
    Exhibit,
    Grid,
    Kind,
    Look,
    Series,
    across,
    cell_axis,
    looks,
    name_axis,
    number_axis,
    rows_px,
)
from dcsim.report.style import paler
from dcsim.report.sweep_output import MOST_CHARTS, Output, Split, arrays, caption, count, rises, settings, split
from dcsim.report.swept import Key, label, name
from dcsim.sweep.margins import Margin, margins
from dcsim.sweep.statistics import Mean, interval
from dcsim.sweep.table import Table

MOST_NAMES = 60  # rows of an axis of names
MOST_MAPS = 3  # pairs of keys that have heat maps
FEW_CELLS = 12  # of a row of a heat map that has its numbers written in
MOST_WHISKERS = 200  # drawn points that have their intervals drawn
CHART_PX, SMALL_PX = 360, 280
MAP_PX = 130  # of a heat map, beside its rows
BARS = 0.8  # of a row


@dataclass(frozen=True)
class _Group:
    """What becomes one series."""

    name: str
    look: Look
    margins: list[Margin]

    def means(self) -> list[Mean]:
        """The means, in order."""
        return [margin.mean for margin in self.margins]


def exhibits(table: Table, keys: Sequence[Key], output: Output) -> list[Exhibit]:
    """What there is to see of an output: by each key, then heat maps of pairs of keys of numbers; nothing where no run
    gave a value."""
    if all(row.get(output.name) is None for row in table):
        return []
    if not keys:
        return [_by_seed(table, output)]
    shown = [_drawn(table, key, keys, output) if key.drawn else _compared(table, key, keys, output) for key in keys]
    gridded = [key for key in keys if key.numbers is not None and not key.drawn]
    pairs = list(itertools.combinations(gridded, 2))
    return shown + [_map(table, pair, keys, output) for pair in pairs[:MOST_MAPS]]


def _by_seed(table: Table, output: Output) -> Exhibit:
    """Each run, and their mean."""
    known = [(row["seed"], float(row[output.name])) for row in table if row.get(output.name) is not None]
    seeds, values = np.array([s for s, _ in known], dtype=np.float64), np.array([v for _, v in known])
    mean = interval(values.tolist())
    x = number_axis("seed", sorted(seeds.tolist()) or [0.0])
    ends = np.array([x.low, x.high])
    line = Series("mean", ends, np.full(2, mean.value), np.full(2, mean.half), Look("#333333"), "line", mark=False)
    runs = Series("run", seeds, values, np.full(len(seeds), math.nan), looks(1, False)[0])
    y = output.axis([mean, *(Mean(value, math.nan, 1) for value in values.tolist())])
    key = _slug(f"{output.name}-by-seed")
    chart = Chart(key, "", x, y, (line, runs), height=CHART_PX)
    return Exhibit(key, "By seed", "A dot a run. " + caption([mean]), (chart,))


def _compared(table: Table, key: Key, keys: Sequence[Key], output: Output) -> Exhibit:
    """By a key of numbers or names: a line or a colour of bars for each setting of the others; points where means over
    the others would be over different settings."""
    parts = split([other for other in keys if other is not key])
    kept = [key, *parts.series, *parts.charts]
    if parts.folded and _uneven(table, kept, parts.folded):
        return _drawn(table, key, keys, output)
    found = {margin.point: margin for margin in margins(table, [k.name for k in kept], output.name)}
    means = [margin.mean for margin in found.values()]
    axis = output.axis(means)
    if key.numbers is None and not axis.log:
        axis = output.axis(means, zero=True)
    styles, panels = looks(count(parts.series), rises(parts.series)), settings(parts.charts)
    if key.numbers is None and not axis.log:
        styles = [replace(look, color=paler(look.color)) for look in styles]
    place = _slug(f"{output.name}-by-{key.name}")
    charts = []
    for number, panel in enumerate(panels, 1):
        groups = [
            _Group(name(parts.series, s), look, [found[p] for v in key.values if (p := (v, *s, *panel)) in found])
            for s, look in zip(settings(parts.series), styles, strict=True)
        ]
        draw = _bars if key.numbers is None else _lines
        chart = draw(key, [group for group in groups if group.margins], axis)
        charts.append(_placed(chart, f"{place}-{number}" if len(panels) > 1 else place, label(parts.charts, panel)))
    cut = max(len(key.values) - MOST_NAMES, 0) if key.numbers is None else 0
    return Exhibit(
        place,
        f"By {key.name}",
        caption(means, parts.folded, cut * count(parts.series), axis=axis),
        tuple(charts),
        tuple((name(parts.series, s), look) for s, look in zip(settings(parts.series), styles, strict=True) if s),
        _names(parts),
    )


def _lines(key: Key, groups: Sequence[_Group], axis: Axis) -> Chart:
    assert key.numbers is not None
    series = [
        Series(g.name, np.array([key.numbers[m.point[0]] for m in g.margins]), *arrays(g.means()), g.look, "line")
        for g in groups
    ]
    return Chart("", "", number_axis(key.title, list(key.numbers.values()), key.unit), axis, tuple(series))


def _bars(key: Key, groups: Sequence[_Group], axis: Axis) -> Chart:
    """Horizontal, since names are long; points where the axis is logarithmic, on which a length means nothing."""
    values = key.values[:MOST_NAMES]
    thick = BARS / max(len(groups), 1)
    series = []
    for number, group in enumerate(groups):
        shown = [margin for margin in group.margins if margin.point[0] in values]
        shift = (number + 0.5) * thick - BARS / 2
        rows = np.array([values.index(margin.point[0]) + shift for margin in shown])
        value, half = arrays(margin.mean for margin in shown)
        kind: Kind = "points" if axis.log else "bars"
        series.append(Series(group.name, value, rows, half, group.look, kind, "x", thickness=thick))
    names = name_axis(key.title, key.names[:MOST_NAMES])
    return Chart("", "", across(axis), names, tuple(series), height=rows_px(key.names[:MOST_NAMES], len(groups)))


def _drawn(table: Table, key: Key, keys: Sequence[Key], output: Output) -> Exhibit:
    """Each variant as a point, by a key of numbers or names; colours tell the other keys of names apart, if they are
    few."""
    parts = split([other for other in keys if other.numbers is None and other is not key])
    shown = parts.series if not parts.charts and not parts.folded else ()
    found = margins(table, table.axes, output.name)
    where, of = table.axes.index(key.name), [table.axes.index(other.name) for other in shown]
    values = key.values if key.numbers is not None else key.values[:MOST_NAMES]
    places = key.numbers or {value: float(number) for number, value in enumerate(values)}
    series = []
    for setting, look in zip(settings(shown), looks(count(shown), False), strict=True):
        mine = [
            m for m in found if tuple(m.point[i] for i in of) == setting and m.mean.count and m.point[where] in places
        ]
        at = np.array([places[m.point[where]] for m in mine])
        value, half = arrays(m.mean for m in mine)
        half = half if len(found) <= MOST_WHISKERS else np.full(len(mine), math.nan)
        rows = tuple(m.variants[0] for m in mine)
        across_it = key.numbers is None
        x, y = (value, at) if across_it else (at, value)
        series.append(Series(name(shown, setting), x, y, half, look, along="x" if across_it else "y", rows=rows))
    means = [margin.mean for margin in found]
    place = _slug(f"{output.name}-by-{key.name}")
    axis = output.axis(means)
    if key.numbers is None:
        names = key.names[:MOST_NAMES]
        axes, height = (across(axis), name_axis(key.title, names)), rows_px(names)
    else:
        axes, height = (number_axis(key.title, list(places.values()), key.unit), axis), CHART_PX
    legend = tuple((s.name, s.look) for s in series if s.name)
    said = f"A point a variant; the other keys differ too. {caption(means, axis=axis)}"
    chart = Chart(place, "", *axes, tuple(series), height=height)
    return Exhibit(place, f"By {key.name}", said, (chart,), legend, ", ".join(k.name for k in shown))


def _uneven(table: Table, kept: Sequence[Key], folded: Sequence[Key]) -> bool:
    """Whether means over the folded keys are over other settings for some of the kept ones, as where points are drawn
    or left out: then they differ for that, too, and are not to be compared."""
    behind: dict[tuple[Any, ...], set[tuple[Any, ...]]] = {}
    for row in table:
        behind.setdefault(tuple(row[k.name] for k in kept), set()).add(tuple(row[k.name] for k in folded))
    return len(set(map(frozenset, behind.values()))) > 1


def _map(table: Table, pair: tuple[Key, Key], keys: Sequence[Key], output: Output) -> Exhibit:
    """Two keys of numbers against one another, a small map for each setting of the others if they are few."""
    others = tuple(key for key in keys if key not in pair)
    charts = others if count(others) <= MOST_CHARTS else ()
    kept = (*pair, *charts)
    found = {margin.point: margin for margin in margins(table, [k.name for k in kept], output.name)}
    means = [margin.mean for margin in found.values()]
    scale = output.axis([replace(mean, half=math.nan) for mean in means])
    place = _slug(f"{output.name}-by-{pair[0].name}-and-{pair[1].name}")
    horizontal, vertical = (cell_axis(key.title, [key.bare(value) for value in key.values]) for key in pair)
    few = max(len(key.values) for key in pair) <= FEW_CELLS and not charts
    drawn = []
    for number, panel in enumerate(settings(charts), 1):
        cells = [[found.get((x, y, *panel)) for x in pair[0].values] for y in pair[1].values]
        z = np.array([[math.nan if cell is None else cell.mean.value for cell in row] for row in cells])
        texts = tuple(tuple(output.shown(value) for value in row) for row in z.tolist()) if few else ()
        key = f"{place}-{number}" if charts else place
        height = max(MAP_PX + 34 * len(pair[1].values), SMALL_PX)
        chart = Chart(key, label(charts, panel), horizontal, vertical, grid=Grid(z, scale, texts), height=height)
        drawn.append(chart)
    folded = () if charts else others
    title = f"By {pair[0].name} and {pair[1].name}"
    return Exhibit(place, title, caption(means, folded, spread=False), tuple(drawn))


def _placed(chart: Chart, key: str, title: str) -> Chart:
    height = chart.height if chart.y.names else SMALL_PX if title else CHART_PX
    return replace(chart, key=key, title=title, height=height)


def _names(parts: Split) -> str:
    return ", ".join(key.name for key in parts.series)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", name)
