"""Charts as matplotlib draws them for papers; see `paper`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis as Ruler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from dcsim.report.chart import LINE_PX, Axis, Chart, Exhibit, Grid, Series, upright, wrapped
from dcsim.report.markup import broken, plain
from dcsim.report.paper import (
    HEAT_MAP,
    PIXELS_PER_INCH,
    WIDTH_IN,
    freeze_layout,
    legend,
    rendered,
)
from dcsim.report.style import INK, SYMBOLS, ink_on

MARK = 3.0  # size of a symbol, points
LEGEND_LETTERS = 50  # of a line of a name in the legend, and of its title


def chart_images(exhibits: Iterable[Exhibit]) -> dict[str, bytes]:
    """Each chart as PNG and as SVG, by file name."""
    return dict(rendered((chart.key, draw_chart(chart, shown)) for shown in exhibits for chart in shown.charts))


def draw_chart(chart: Chart, exhibit: Exhibit) -> Drawing:
    """One chart of an exhibit as a matplotlib figure, with the exhibit's legend."""
    titles = filter(None, (chart.title, exhibit.legend_title))
    head = [line for text in titles for line in broken(plain(text), LEGEND_LETTERS)]
    height = (chart.height + LINE_PX * max(len(head) - 1, 0)) / PIXELS_PER_INCH
    drawing = Drawing(figsize=(WIDTH_IN, height), layout="constrained")
    FigureCanvasAgg(drawing)
    axes = drawing.subplots()
    for series in chart.series:
        _series(series, chart, axes)
    if chart.grid is not None:
        _heat(chart.grid, axes)
    if chart.level is not None:
        line = axes.axvline if chart.level[0] == "x" else axes.axhline
        line(chart.level[1] / (chart.x if chart.level[0] == "x" else chart.y).unit, color=INK, lw=0.6, ls=":")
    _ruler(axes.xaxis, chart.x)
    _ruler(axes.yaxis, replace(chart.y, title="\n".join(upright(chart))))
    if len(exhibit.legend) > 1:
        legend(axes, "\n".join(head))
    elif head:
        axes.set_title("\n".join(head), fontsize=7, loc="left")
    freeze_layout(drawing)
    return drawing


def _series(series: Series, chart: Chart, axes: Axes) -> None:
    color, marker = series.look.color, SYMBOLS[series.look.symbol][1]
    look: dict[str, Any] = {"color": color, "label": "\n".join(wrapped(plain(series.name), LEGEND_LETTERS))}
    point: dict[str, Any] = {"marker": marker, "ms": MARK, "mec": "white", "mew": 0.3}
    x, y = chart.x.place(series.x), chart.y.place(series.y)
    if series.kind == "bars":
        axes.barh(y, x, series.thickness, edgecolor="white", linewidth=0.3, **look)
    elif series.kind == "line":
        axes.plot(x, y, lw=1.2, **look, **(point if series.mark else {}))
        known = np.isfinite(series.half).tolist()
        axes.fill_between(x, *series.reach(chart.y), where=known, color=color, alpha=0.13, lw=0)
    elif series.kind == "steps":
        axes.plot(x, y, lw=1.0, drawstyle="steps-post", **look, **point)
    else:
        axes.plot(x, y, ls="", **look, **point)
    if series.kind in ("bars", "points"):
        _whiskers(series, chart, axes)
    for at, height, tag in zip(x, y, series.tags, strict=bool(series.tags)):
        axes.annotate(tag, (at, height), (3, 2), textcoords="offset points", fontsize=5.5)


def _whiskers(series: Series, chart: Chart, axes: Axes) -> None:
    known = series.half > 0.0
    if not known.any():
        return
    x, y = chart.x.place(series.x), chart.y.place(series.y)
    key, value, axis = ("xerr", x, chart.x) if series.along == "x" else ("yerr", y, chart.y)
    low, high = series.reach(axis)
    spread: dict[str, Any] = {key: np.array([value - low, high - value])[:, known]}
    axes.errorbar(x[known], y[known], fmt="none", ecolor=series.whisker, elinewidth=0.6, capsize=1.5, **spread)


def _heat(grid: Grid, axes: Axes) -> None:
    z = grid.scale.place(grid.z)
    ends = (grid.scale.low / grid.scale.unit, grid.scale.high / grid.scale.unit)
    norm = LogNorm(*ends) if grid.scale.log else Normalize(*ends)
    rows, columns = (np.arange(count + 1) - 0.5 for count in z.shape)
    mesh = axes.pcolormesh(columns, rows, z, cmap=HEAT_MAP, norm=norm, edgecolors="white", linewidth=0.4)
    axes.grid(False)
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.02, aspect=30)
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()
    _ruler(bar.ax.yaxis, grid.scale, ends=False)
    for row, texts in enumerate(grid.texts):
        for column, text in enumerate(texts):
            shade = mesh.to_rgba(z[row, column])
            ink = ink_on("#" + "".join(f"{round(255 * part):02X}" for part in shade[:3]))
            axes.text(column, row, text, ha="center", va="center", fontsize=4.5, color=ink)


def _ruler(ruler: Ruler, axis: Axis, ends: bool = True) -> None:
    """Title, scale, ends and ticks of an axis; a colour bar has its own scale and ends."""
    ruler.set_label_text(plain(axis.title))
    across = ruler is ruler.axes.xaxis
    if ends:
        (ruler.axes.set_xscale if across else ruler.axes.set_yscale)("log" if axis.log else "linear")
    if axis.ticks:
        names = ["\n".join(wrapped(plain(name))) for _, name in axis.ticks]
        ruler.set_ticks([at / axis.unit for at, _ in axis.ticks], names)
        ruler.set_minor_locator(NullLocator())
    else:
        ruler.set_major_locator(MaxNLocator(nbins=5))
        ruler.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    if ends:
        low, high = (axis.high, axis.low) if axis.names else (axis.low, axis.high)
        (ruler.axes.set_xlim if across else ruler.axes.set_ylim)(low / axis.unit, high / axis.unit)
