"""Figures as Plotly draws them: plain dictionaries, with arrays packed as Plotly's typed arrays.

Building `plotly.graph_objects` would cost ten times as long for the same JSON and may import pandas.
"""

from __future__ import annotations

from base64 import b64encode
from functools import singledispatch
from math import log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcsim.report.durations import log_limits, log_ticks
from dcsim.report.figure import (
    Across,
    Bars,
    Boxes,
    Cells,
    Dots,
    Figure,
    Floats,
    Lines,
    Mark,
    Panel,
    Plane,
    Steps,
    TimeScale,
)
from dcsim.report.markup import in_label
from dcsim.report.style import GRID, HEAT, INK, color
from dcsim.units import MILLI, human_time

Json = dict[str, Any]

CONFIG: Json = {
    "displaylogo": False,
    "showSendToCloud": False,  # Plotly's default offers a button that uploads the data to its maker
    "plotlyServerURL": "",
    "responsive": True,
    "typesetMath": False,  # there is no MathJax: a `$` is a dollar
    "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
}
GAP_PX = 26  # between panels
FEW = 6  # counts up to which each has a tick
TITLE = {"size": 13}  # of axes: not larger than the rest
FONT = {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13, "color": INK}


def plot(figure: Figure) -> tuple[list[Json], Json]:
    """Traces and layout of a figure."""
    traces, layout = [], _layout(figure)
    for number, panel in enumerate(figure.panels, 1):
        for mark in panel.marks:
            axes = {"xaxis": "x", "yaxis": _axis_name("y", number)}
            traces += [trace | axes for trace in _traces(mark, figure.x)]
    return traces, layout


def packed(values: NDArray[Any]) -> Json:
    """An array as Plotly's typed array: little-endian bytes in base64."""
    codes = {"f8": "<f8", "f4": "<f4", "i4": "<i4", "u1": "|u1"}
    code = values.dtype.str[1:] if values.dtype.str[1:] in codes else "f8"
    data = b64encode(np.ascontiguousarray(values, codes[code]).tobytes()).decode("ascii")
    shape = {"shape": ", ".join(map(str, values.shape))} if values.ndim > 1 else {}
    return {"dtype": code, "bdata": data, **shape}


def _place(time_s: Floats, x: Across) -> Json:
    """Positions on the horizontal axis: ms since 1970 on a calendar, else in the axis' unit."""
    if not isinstance(x, TimeScale):
        return packed(time_s)
    if x.offset_s is None:
        return packed(time_s / x.unit_s)
    return packed(np.rint((time_s + x.offset_s) * MILLI))


@singledispatch
def _traces(mark: Mark, x: Across) -> list[Json]:
    raise TypeError(f"no such mark: {mark!r}")


@_traces.register
def _(mark: Steps, x: Across) -> list[Json]:
    line = {"shape": "hv", "color": color(mark.color), "width": mark.width}
    trace = {
        "type": "scatter",
        "mode": "lines",
        "name": in_label(mark.name),
        "x": _place(mark.time_s, x),
        "y": packed(mark.y),
        "line": line | ({"dash": "dash"} if mark.dashed else {}),
        "hovertemplate": "%{x}<br>%{y:,.4~g}",
        "showlegend": mark.listed,
        **({"fill": "tozeroy", "fillcolor": f"{color(mark.color)}40"} if mark.filled else {}),
    }
    return [trace]


@_traces.register
def _(mark: Cells, x: Across) -> list[Json]:
    steps = len(HEAT) - 1
    name = in_label(mark.name)
    title = {"text": name, "side": "right", "font": TITLE}
    bar = {"title": title, "thickness": 12, "outlinewidth": 0, "len": 1.0}
    trace = {
        "type": "heatmap",
        "x": _place(mark.time_edges_s, x),
        "y": packed(mark.y_edges),
        "z": packed(mark.values),
        "zmin": 0,
        "zmax": mark.most,
        "colorscale": [[i / steps, shade] for i, shade in enumerate(HEAT)],
        "colorbar": bar,
        "hovertemplate": f"%{{x}}<br>%{{z}} {name}<extra></extra>",
    }
    return [trace]


@_traces.register
def _(mark: Bars, x: Across) -> list[Json]:
    length = mark.length_s / x.unit_s if isinstance(x, TimeScale) and x.offset_s is None else mark.length_s * MILLI
    notes = [in_label(note) for note in mark.notes]
    trace = {
        "type": "bar",
        "orientation": "h",
        "name": in_label(mark.name),
        "base": _place(mark.start_s, x),
        "x": packed(length),
        "y": packed(mark.y),
        "width": packed(mark.height),
        "marker": {"color": color(mark.color), "line": {"color": "#FFFFFF", "width": 0.5}},
        "text": notes,
        "textposition": "inside" if mark.labelled else "none",
        "insidetextanchor": "middle",
        "hovertemplate": "%{text}<br>%{base} to %{x}",
    }
    return [trace]


@_traces.register
def _(mark: Boxes, x: Across) -> list[Json]:
    low, first, middle, third, high = mark.quantiles.T
    box = {
        "type": "box",
        "orientation": "h",
        "y": packed(mark.y),
        "lowerfence": packed(low),
        "q1": packed(first),
        "median": packed(middle),
        "q3": packed(third),
        "upperfence": packed(high),
        "width": 0.5,
        "line": {"color": color("held"), "width": 1.5},
        "fillcolor": color("held_light"),
        "showlegend": False,
        "name": "",
    }
    points = {"mean": (mark.mean, "diamond", color("capacity")), "maximum": (mark.most, "circle", color("queue"))}
    return [box, *(_points(name, mark.y, *drawn) for name, drawn in points.items())]


@_traces.register
def _(mark: Lines, x: Across) -> list[Json]:
    """All lines in one trace with gaps between them, and points in their middles to be pointed at."""
    with_gaps = np.full((len(mark.ends), 3, 2), np.nan, np.float32)
    with_gaps[:, :2] = mark.ends
    middle = mark.ends.mean(axis=1).astype(np.float32)
    name = in_label(mark.name)
    common: Json = {"type": "scatter", "name": name, "legendgroup": name}
    line = common | {
        "mode": "lines",
        "x": packed(with_gaps[..., 0].ravel()),
        "y": packed(with_gaps[..., 1].ravel()),
        "line": {"color": color(mark.color), "width": mark.width},
        "hoverinfo": "skip",
    }
    points = common | {
        "mode": "markers",
        "x": packed(middle[:, 0]),
        "y": packed(middle[:, 1]),
        "text": [in_label(note) for note in mark.notes],
        "marker": {"opacity": 0, "size": 12, "color": color(mark.color)},
        "hovertemplate": "%{text}<extra></extra>",
        "showlegend": False,
    }
    return [line, points]


@_traces.register
def _(mark: Dots, x: Across) -> list[Json]:
    below = mark.symbol == "circle"
    trace = {
        "type": "scatter",
        "mode": "markers+text",
        "x": packed(mark.x),
        "y": packed(mark.y),
        "text": [in_label(label) for label in mark.labels],
        "customdata": [in_label(note) for note in mark.notes],
        "textposition": "bottom center" if below else "middle right",
        "textfont": {"size": 11},
        "marker": {
            "symbol": mark.symbol,
            "size": mark.size,
            "color": color(mark.color),
            "line": {"color": "#FFFFFF", "width": 1},
        },
        "hovertemplate": "%{customdata}<extra></extra>",
        "showlegend": False,
    }
    return [trace]


def _points(name: str, y: Floats, durations_s: Floats, symbol: str, shade: str) -> Json:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": packed(durations_s),
        "y": packed(y),
        "text": [human_time(duration) for duration in durations_s.tolist()],
        "marker": {"symbol": symbol, "size": 8, "color": shade, "line": {"color": "#FFFFFF", "width": 1}},
        "hovertemplate": "%{text}",
        "showlegend": False,
    }


def _axis_name(letter: str, number: int) -> str:
    return letter if number == 1 else f"{letter}{number}"


def _layout(figure: Figure) -> Json:
    marks = [mark for panel in figure.panels for mark in panel.marks]
    named = sum(isinstance(m, Bars | Lines) or (isinstance(m, Steps) and m.listed) for m in marks)
    layout: Json = {
        "font": FONT,
        "height": figure.height,
        "margin": {"l": 64, "r": 12, "t": 60 if figure.panels[0].legend else 40, "b": 52},
        "paper_bgcolor": "#FFFFFF",
        "plot_bgcolor": "#FFFFFF",
        "hovermode": "closest",
        "barmode": "overlay",
        "bargap": 0,
        "uniformtext": {"minsize": 9, "mode": "hide"},
        "showlegend": named > 1,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.0,
            "yanchor": "bottom",
            "title": {"text": in_label(figure.panels[0].legend), "side": "top", "font": TITLE},
        },
        "xaxis": _x_axis(figure),
    }
    for number, (panel, domain) in enumerate(zip(figure.panels, _domains(figure), strict=True), 1):
        layout[f"yaxis{number if number > 1 else ''}"] = _y_axis(panel, domain)
    if isinstance(figure.x, Plane) and figure.x.even:
        layout["yaxis"] |= {"visible": False, "scaleanchor": "x", "constrain": "domain"}
    return layout


def _domains(figure: Figure) -> list[tuple[float, float]]:
    """Vertical parts of the plotting area, the first panel on top."""
    gap = GAP_PX / figure.height
    room = 1.0 - gap * (len(figure.panels) - 1)
    total = sum(panel.share for panel in figure.panels)
    domains, top = [], 1.0
    for panel in figure.panels:
        height = room * panel.share / total
        domains.append((max(top - height, 0.0), top))
        top -= height + gap
    return domains


def _x_axis(figure: Figure) -> Json:
    low, high = figure.span_s
    axis: Json = {
        "anchor": _axis_name("y", len(figure.panels)),
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": INK,
        "ticks": "outside",
        "automargin": True,
    }
    if isinstance(figure.x, Plane):
        return {"visible": False, "range": [low, high], "constrain": "domain"}
    if isinstance(figure.x, str):
        ticks = log_ticks(low, high)
        ends = log_limits(low, high)
        return axis | {
            "title": {"text": in_label(figure.x), "font": TITLE, "standoff": 8},
            "type": "log",
            "range": [log10(ends[0]), log10(ends[1])],
            "tickvals": [value for value, _ in ticks],
            "ticktext": [text for _, text in ticks],
        }
    scale = figure.x
    high = high if high > low else low + scale.unit_s  # Plotly would put both ends of an empty range around it
    axis["title"] = {"text": in_label(scale.title), "font": TITLE}
    if scale.offset_s is None:
        return axis | {"type": "linear", "range": [low / scale.unit_s, high / scale.unit_s]}
    return axis | {"type": "date", "range": [round((t + scale.offset_s) * MILLI) for t in (low, high)]}


def _y_axis(panel: Panel, domain: tuple[float, float]) -> Json:
    axis: Json = {
        "title": {"text": in_label(panel.y_title), "standoff": 10, "font": TITLE},
        "domain": list(domain),
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": INK,
        "automargin": True,
        "anchor": "x",
        "range": [panel.bottom, panel.top],
    }
    if panel.ticks:
        labels = [in_label(text) for _, text in panel.ticks]
        axis |= {"tickvals": [at for at, _ in panel.ticks], "ticktext": labels, "showgrid": False}
    elif panel.top < FEW:
        axis["dtick"] = 1  # counts: no halves
    return axis
