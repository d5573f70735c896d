"""Charts as Plotly draws them; see `interactive`. Their legends are the page's, which wraps them at any width."""

from __future__ import annotations

import math
from math import log10
from typing import Any

import numpy as np

from dcsim.report.chart import Axis, Chart, Grid, Series, upright, wrapped
from dcsim.report.figure import Floats
from dcsim.report.interactive import FONT, TITLE, Json, packed
from dcsim.report.markup import in_label
from dcsim.report.style import GRID, HEAT, INK, SYMBOLS

SHADE = "1F"  # opacity of bands, hexadecimal
MARKER_PX = 8


def plot_chart(chart: Chart) -> tuple[list[Json], Json]:
    """Traces and layout. A trace with `rows` wants the labels of these variants as its `hovertext`."""
    traces = [trace for series in chart.series for trace in _traces(series, chart)]
    traces.sort(key=lambda trace: trace.get("fill") is None)  # bands lie below all lines
    if chart.grid is not None:
        traces.append(_heat(chart.grid, chart))
    layout: Json = {
        "font": FONT,
        "height": chart.height,
        "margin": {"l": 56, "r": 12, "t": 14, "b": 48},
        "paper_bgcolor": "#FFFFFF",
        "plot_bgcolor": "#FFFFFF",
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "namelength": -1},
        "barmode": "overlay",
        "showlegend": False,
        "xaxis": _axis(chart.x, chart),
        "yaxis": _axis(chart.y, chart),
    }
    if chart.level is not None:
        layout["shapes"] = [_level(chart)]
    return traces, layout


def _traces(series: Series, chart: Chart) -> list[Json]:
    symbol = {"symbol": SYMBOLS[series.look.symbol][0], "size": MARKER_PX, "color": series.look.color}
    x, y = chart.x.place(series.x), chart.y.place(series.y)
    axis, drawn = (chart.x, x) if series.along == "x" else (chart.y, y)
    low, high = series.reach(axis)
    spread = _any(series.half)
    trace: Json = {"type": "scatter", "mode": "markers", "name": in_label(series.name), "x": packed(x), "y": packed(y)}
    trace |= {"marker": symbol | {"line": {"color": "#FFFFFF", "width": 0.5}}, "hovertemplate": _hover(series)}
    if series.rows:
        trace["rows"] = list(series.rows)
    exact = [series.x / chart.x.unit, series.y / chart.y.unit, series.half / axis.unit]
    trace["customdata"] = packed(np.stack(exact, axis=1))  # zeros are drawn at the edge of a logarithmic axis
    if series.kind == "line":
        trace |= {"mode": "lines+markers" if series.mark else "lines", "line": {"color": series.look.color, "width": 2}}
        return [*([_band(x, low, high, series)] if spread else []), trace]
    if series.kind == "steps":
        line = {"color": series.look.color, "width": 1.5, "shape": "hv"}
        trace |= {"mode": "lines+markers+text", "line": line, "text": list(series.tags), "textposition": "top right"}
        return [trace]
    if spread:
        trace[f"error_{series.along}"] = {
            "type": "data",
            "symmetric": False,
            "array": packed(np.where(series.half > 0.0, high - drawn, math.nan)),
            "arrayminus": packed(np.where(series.half > 0.0, drawn - low, math.nan)),
            "thickness": 1.2,
            "width": 3,
            "color": series.whisker,
        }
    if series.kind == "bars":
        bar = {"type": "bar", "orientation": "h", "width": packed(np.full(len(x), series.thickness))}
        trace = {key: value for key, value in trace.items() if key != "mode"} | bar
        trace["marker"] = {"color": series.look.color, "line": {"color": "#FFFFFF", "width": 0.5}}
    return [trace]


def _hover(series: Series) -> str:
    first = ["%{hovertext}"] if series.rows else ["%{fullData.name}"] if series.name else []
    spread = " \u00b1 %{customdata[2]:,.3~g}" if _any(series.half) else ""
    x, y = "%{xaxis.title.text}: %{customdata[0]:,.6~g}", "%{yaxis.title.text}: %{customdata[1]:,.4~g}"
    lines = [*first, x + spread] if series.along == "x" else [*first, x, y + spread]
    return "<br>".join(lines) + "<extra></extra>"


def _band(x: Floats, low: Floats, high: Floats, series: Series) -> Json:
    """The interval as an area; in pieces where some values have none."""
    along: list[float] = []
    edge: list[float] = []
    known = np.isfinite(high)
    for piece in np.split(np.arange(len(x)), np.flatnonzero(np.diff(known)) + 1):
        if known[piece[0]]:
            back = piece[::-1]
            along += [*x[piece], *x[back], math.nan]
            edge += [*high[piece], *low[back], math.nan]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": packed(np.array(along)),
        "y": packed(np.array(edge)),
        "fill": "toself",
        "fillcolor": series.look.color + SHADE,
        "line": {"color": series.look.color + SHADE, "width": 1},
        "hoverinfo": "skip",
    }


def _heat(grid: Grid, chart: Chart) -> Json:
    z, ends = grid.scale.place(grid.z), [end / grid.scale.unit for end in (grid.scale.low, grid.scale.high)]
    if grid.scale.log:
        z, ends = np.log10(z), [log10(end) for end in ends]
    steps = len(HEAT) - 1
    bar: Json = {"title": {"text": in_label(grid.scale.title), "side": "right", "font": TITLE}, "thickness": 12}
    if grid.scale.log:
        bar |= {"tickvals": [log10(at) for at, _ in grid.scale.ticks]}
        bar |= {"ticktext": [name for _, name in grid.scale.ticks]}
    trace: Json = {
        "type": "heatmap",
        "x": [name for _, name in chart.x.ticks],
        "y": [name for _, name in chart.y.ticks],
        "z": packed(z),
        "zmin": ends[0],
        "zmax": ends[1],
        "xgap": 1,
        "ygap": 1,
        "colorscale": [[i / steps, shade] for i, shade in enumerate(HEAT)],
        "colorbar": bar | {"outlinewidth": 0},
        "customdata": packed(grid.z / grid.scale.unit),
        "hovertemplate": "%{xaxis.title.text}: %{x}<br>%{yaxis.title.text}: %{y}<br>"
        f"{in_label(grid.scale.title)}: %{{customdata:,.4~g}}<extra></extra>",
    }
    if grid.texts:
        trace |= {"text": [list(row) for row in grid.texts], "texttemplate": "%{text}"}
    return trace


def _axis(axis: Axis, chart: Chart) -> Json:
    title = axis.title
    if axis is chart.y:
        title = "\n".join(upright(chart))
    look: Json = {
        "title": {"text": in_label(title), "font": TITLE, "standoff": 8},
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": INK,
        "automargin": True,
    }
    if chart.grid is not None:
        return look | {"type": "category", "showgrid": False}
    ends = [end / axis.unit for end in (axis.low, axis.high)]
    look |= {"type": "log", "range": [log10(end) for end in ends]} if axis.log else {"range": ends}
    if axis.names:
        look |= {"range": ends[::-1], "showgrid": False}  # the first on top
    if axis.ticks:
        labels = [in_label("\n".join(wrapped(name)) if axis.names else name) for _, name in axis.ticks]
        look |= {"tickvals": [at / axis.unit for at, _ in axis.ticks], "ticktext": labels}
    return look


def _level(chart: Chart) -> Json:
    assert chart.level is not None
    letter, value = chart.level
    other = "y" if letter == "x" else "x"
    place = value / (chart.x if letter == "x" else chart.y).unit
    return {
        "type": "line",
        f"{letter}0": place,
        f"{letter}1": place,
        f"{other}ref": f"{other} domain",
        f"{other}0": 0,
        f"{other}1": 1,
        "line": {"color": INK, "width": 1, "dash": "dot"},
    }


def _any(values: Floats) -> Any:
    return np.isfinite(values).any()
