"""Figures as matplotlib draws them for papers: PNG and SVG at column width, the same bytes for the same run.

Only `report --figures` loads this module: matplotlib takes 0.3 s to import.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator
from functools import singledispatch
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.dates import AutoDateLocator
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import Formatter, FuncFormatter, MaxNLocator

from dcsim.report.dates import date_labels
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
from dcsim.report.markup import number, plain
from dcsim.report.style import GRID, HEAT, INK, color, ink_on
from dcsim.units import DAY

WIDTH_IN = 3.5  # a column of a two-column paper
PIXELS_PER_INCH = 130  # of a figure's height on the page
RESOLUTION = 300  # of PNG, dots an inch
MOST_NAMES = 3  # columns of a legend without a title
MOST_VECTORS = 1500  # points from which on a line is pixels in the SVG too: papers load faster
DIGITS = 4  # of positions in parts of a figure: 10 micrometres
THINNER = 0.45  # points of a drawing for each pixel of lines and dots on the page
LEGEND_IN = 0.45  # above a plane
LETTERS = 70  # of the smallest text that fit side by side into a plotting area
LEGEND_LETTERS, HANDLE = 54, 4  # the same of a legend, and what the sign before a name takes of them

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same letters everywhere
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.titlesize": 8,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 6.5,
    "legend.title_fontsize": 6.5,
    "legend.frameon": False,
    "text.parse_math": False,  # a `$` in a job id is a dollar
    "svg.hashsalt": "dcsim",  # element ids do not differ from run to run
    "svg.fonttype": "path",
    "path.simplify": True,
}
HEAT_MAP = LinearSegmentedColormap.from_list("occupancy", HEAT)


class Calendar(Formatter):
    """Dates of an axis in days since 1970."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """The label of one tick alone."""
        return date_labels([x])[0]

    def format_ticks(self, values: Iterable[float]) -> list[str]:
        """The labels of all ticks."""
        return date_labels(list(values))


def images(figures: Iterable[Figure]) -> dict[str, bytes]:
    """Each figure as PNG and as SVG, by file name."""
    return dict(rendered((figure.key, draw(figure)) for figure in figures))


def rendered(drawn: Iterable[tuple[str, Drawing]]) -> Iterator[tuple[str, bytes]]:
    """Names of files and their content: each drawing, by its key, as PNG and as SVG in the house's style.

    `drawn`: lazy, so that drawings are made in that style too.
    """
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # letters the font lacks are drawn as boxes
        for key, drawing in drawn:
            for kind, canvas, options in (
                ("png", FigureCanvasAgg, {"dpi": RESOLUTION}),
                ("svg", FigureCanvasSVG, {"metadata": {"Date": None}, "dpi": RESOLUTION}),
            ):
                content = io.BytesIO()
                drawing.set_canvas(canvas(drawing))
                drawing.savefig(content, format=kind, **options)
                yield f"{key}.{kind}", content.getvalue()


def draw(figure: Figure) -> Drawing:
    """The figure as a matplotlib one; no pyplot, so nothing global is left behind."""
    drawing = Drawing(figsize=(WIDTH_IN, _height_in(figure)), layout="constrained")
    FigureCanvasAgg(drawing)
    heights = [panel.share for panel in figure.panels]
    axes = drawing.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axis, panel in zip(axes, figure.panels, strict=True):
        for mark in panel.marks:
            _mark(mark, axis, figure)
        _y_axis(axis, panel)
    _x_axis(axes[-1], figure)
    drawing.align_ylabels()
    freeze_layout(drawing)
    return drawing


def _height_in(figure: Figure) -> float:
    """As on the page; of a plane whose axes have one scale, no more than the drawing takes."""
    if not isinstance(figure.x, Plane) or not figure.x.even:
        return figure.height / PIXELS_PER_INCH
    panel, (left, right) = figure.panels[0], figure.span_s
    return WIDTH_IN * (panel.top - panel.bottom) / (right - left) + LEGEND_IN


def freeze_layout(drawing: Drawing) -> None:
    """Lay out once and round: the solver's last bits differ from call to call and would show in the SVG."""
    drawing.draw_without_rendering()
    drawing.set_layout_engine("none")
    for axis in drawing.axes:
        left, bottom, width, height = (round(part, DIGITS) for part in axis.get_position(original=True).bounds)
        axis.set_position((left, bottom, width, height))


def _place(time_s: Floats, x: Across) -> Floats:
    """Positions on the horizontal axis: days since 1970 on a calendar, else in the axis' unit."""
    if not isinstance(x, TimeScale):
        return time_s
    return time_s / x.unit_s if x.offset_s is None else (time_s + x.offset_s) / DAY


@singledispatch
def _mark(mark: Mark, axis: Axes, figure: Figure) -> None:
    raise TypeError(f"no such mark: {mark!r}")


@_mark.register
def _(mark: Steps, axis: Axes, figure: Figure) -> None:
    at = _place(mark.time_s, figure.x)
    look: dict[str, Any] = {"color": color(mark.color), "rasterized": len(at) > MOST_VECTORS}
    axis.step(
        at,
        mark.y,
        where="post",
        lw=mark.width * 0.6,
        ls="--" if mark.dashed else "-",
        label=plain(mark.name) if mark.listed else None,
        **look,
    )
    if mark.filled:
        axis.fill_between(at, mark.y, step="post", lw=0, alpha=0.25, **look)


@_mark.register
def _(mark: Cells, axis: Axes, figure: Figure) -> None:
    edges = _place(mark.time_edges_s, figure.x)
    mesh = axis.pcolormesh(edges, mark.y_edges, mark.values, cmap=HEAT_MAP, vmin=0, vmax=mark.most, rasterized=True)
    axis.grid(False)
    bar = axis.figure.colorbar(mesh, ax=axis, label=mark.name, pad=0.02, aspect=30)
    bar.outline.set_visible(False)


@_mark.register
def _(mark: Bars, axis: Axes, figure: Figure) -> None:
    begin, end = (_place(at, figure.x) for at in (mark.start_s, mark.start_s + mark.length_s))
    look: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.3, "label": plain(mark.name)}
    axis.barh(mark.y, end - begin, mark.height, begin, color=color(mark.color), **look)
    if mark.labelled:
        _write_into(mark, axis, (begin + end) / 2, figure.span_s[1] - figure.span_s[0])


@_mark.register
def _(mark: Boxes, axis: Axes, figure: Figure) -> None:
    names = ("whislo", "q1", "med", "q3", "whishi")
    stats = [dict(zip(names, row, strict=True)) for row in mark.quantiles.tolist()]
    line = {"color": color("held"), "linewidth": 0.8}
    axis.bxp(
        stats,
        positions=mark.y,
        orientation="horizontal",
        widths=0.5,
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": color("held_light"), "edgecolor": color("held"), "linewidth": 0.8},
        medianprops=line,
        whiskerprops=line,
        capprops=line,
        manage_ticks=False,
    )
    axis.plot(mark.mean, mark.y, "D", ms=2.5, color=color("capacity"), mec="white", mew=0.3)
    axis.plot(mark.most, mark.y, "o", ms=2.8, color=color("queue"), mec="white", mew=0.3)


@_mark.register
def _(mark: Lines, axis: Axes, figure: Figure) -> None:
    axis.add_collection(
        LineCollection(
            mark.ends.tolist(),
            colors=color(mark.color),
            linewidths=mark.width * THINNER,
            label=plain(mark.name),
            capstyle="round",
            rasterized=len(mark.ends) > MOST_VECTORS,
        )
    )


@_mark.register
def _(mark: Dots, axis: Axes, figure: Figure) -> None:
    symbol = {"circle": "o", "square": "s"}[mark.symbol]
    look: dict[str, Any] = {
        "color": color(mark.color),
        "mec": "white",
        "mew": 0.3,
        "zorder": 3.0,
    }
    axis.plot(mark.x, mark.y, symbol, ms=mark.size * THINNER, **look)
    offset, align = ((0, -3), ("center", "top")) if mark.symbol == "circle" else ((4, 0), ("left", "center"))
    for x, y, label in zip(mark.x.tolist(), mark.y.tolist(), mark.labels, strict=True):
        place: dict[str, Any] = {"xytext": offset, "textcoords": "offset points", "ha": align[0], "va": align[1]}
        axis.annotate(plain(label), (x, y), fontsize=5, **place)


def _write_into(mark: Bars, axis: Axes, middle: Floats, span_s: float) -> None:
    """Notes in the bars that have room for them."""
    letters = mark.length_s / (span_s or 1.0) * LETTERS
    ink = ink_on(color(mark.color))
    for at, y, note, room in zip(middle, mark.y, mark.notes, letters, strict=True):
        if len(note) <= room:
            axis.text(at, y, plain(note), ha="center", va="center", fontsize=5, color=ink, clip_on=True)


def _y_axis(axis: Axes, panel: Panel) -> None:
    axis.set_ylabel(panel.y_title)
    if panel.ticks:
        axis.set_yticks([at for at, _ in panel.ticks], [plain(text) for _, text in panel.ticks])
        axis.grid(False, axis="y")
    else:
        axis.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_ylim(panel.bottom, panel.top)
    if len(axis.get_legend_handles_labels()[1]) > 1:
        legend(axis, panel.legend)


def legend(axis: Axes, title: str) -> None:
    """The names of the marks in rows above the plotting area, below their title."""
    names = axis.get_legend_handles_labels()[1]
    axis.legend(
        title=title or None,
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=_columns(names, len(names) if title else MOST_NAMES),
        columnspacing=0.8,
        handlelength=1.0,
        handletextpad=0.4,
        borderaxespad=0.2,
    )


def _columns(names: list[str], most: int) -> int:
    """Most columns of a legend, filled one after the other, that fit side by side."""
    for count in range(min(len(names), most), 1, -1):
        columns = [column.tolist() for column in np.array_split(names, count)]
        if sum(max(map(len, column)) + HANDLE for column in columns) <= LEGEND_LETTERS:
            return count
    return 1


def _x_axis(axis: Axes, figure: Figure) -> None:
    if isinstance(figure.x, Plane):
        axis.set_xlim(*figure.span_s)
        axis.xaxis.set_visible(False)
        axis.spines["bottom"].set_visible(False)
        axis.grid(False)
        if figure.x.even:
            axis.set_aspect("equal")
            axis.set_axis_off()
        return
    if isinstance(figure.x, str):
        ticks = log_ticks(*figure.span_s)
        axis.set_xscale("log")
        axis.set_xlim(*log_limits(*figure.span_s))
        axis.set_xticks([value for value, _ in ticks], [text for _, text in ticks])
        axis.minorticks_off()
        axis.set_xlabel(figure.x)
        return
    ends = _place(np.array(figure.span_s), figure.x)
    axis.set_xlim(ends[0], ends[1] if ends[1] > ends[0] else ends[0] + 1.0)
    axis.set_xlabel(figure.x.title)
    if figure.x.offset_s is not None:
        locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(Calendar())
