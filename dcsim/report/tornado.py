"""Tornado figures: how much outputs depend on what was varied, the most important on top; for papers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dcsim.report.markup import number, plain
from dcsim.report.paper import WIDTH_IN, freeze_layout, rendered
from dcsim.report.style import INK, color

BAR_IN = 0.17  # height that a bar takes
AROUND_IN = 0.52  # and what stands around the bars of one output
LEGEND_IN = 0.25
MOST_LETTERS = 28  # of a key's name
KINDS = {
    "rises": ("held", "output rises with the key"),
    "falls": ("queue", "output falls"),
    "mixed": ("waits", "rises here, falls there"),
    "share": ("held_light", "with all interactions (ST)"),
}
ALONE: dict[str, Any] = {"color": color("held"), "marker": "D", "ms": 3.5, "ls": "", "mec": "white", "mew": 0.4}


@dataclass(frozen=True)
class Bar:
    """One key. `length`: how much it matters; `half`: of its interval; `kind`: in `KINDS`; `alone`: the
    part that the key has by itself, None where that is not known."""

    name: str
    length: float
    half: float
    kind: str
    alone: float | None = None


@dataclass(frozen=True)
class Tornado:
    """The bars of one output, longest first."""

    title: str
    bars: tuple[Bar, ...]


def tornado_images(key: str, x_title: str, tornados: Sequence[Tornado]) -> dict[str, bytes]:
    """The tornados below one another, as PNG and as SVG by file name. `x_title`: what the length of a bar is."""
    return dict(rendered((name, _draw(x_title, tornados)) for name in [key]))


def _draw(x_title: str, tornados: Sequence[Tornado]) -> Drawing:
    heights = [AROUND_IN + BAR_IN * len(tornado.bars) for tornado in tornados]
    drawing = Drawing(figsize=(WIDTH_IN, sum(heights) + LEGEND_IN), layout="constrained")
    axes = drawing.subplots(len(tornados), squeeze=False, height_ratios=heights)[:, 0]
    for axis, tornado in zip(axes, tornados, strict=True):
        _bars(axis, tornado)
    axes[-1].set_xlabel(x_title)
    kinds = {bar.kind: None for tornado in tornados for bar in tornado.bars}
    handles: list[Any] = [Patch(color=color(KINDS[kind][0]), label=KINDS[kind][1]) for kind in KINDS if kind in kinds]
    if any(bar.alone is not None for tornado in tornados for bar in tornado.bars):
        handles.append(Line2D([], [], label="by the key alone (S1)", **ALONE))
    handles.append(Line2D([], [], color=INK, lw=0.8, label="95 % interval"))
    drawing.legend(handles=handles, loc="outside upper left", ncols=2, columnspacing=1.0, handlelength=1.0)
    freeze_layout(drawing)
    return drawing


def _bars(axis: Axes, tornado: Tornado) -> None:
    at = range(len(tornado.bars))
    lengths = [bar.length for bar in tornado.bars]
    halves = [bar.half for bar in tornado.bars]
    shades = [color(KINDS[bar.kind][0]) for bar in tornado.bars]
    whisker = {"elinewidth": 0.8, "capsize": 1.8, "capthick": 0.8}
    axis.barh(at, lengths, 0.72, color=shades, xerr=halves, ecolor=INK, error_kw=whisker)
    alone = [(bar.alone, y) for y, bar in enumerate(tornado.bars) if bar.alone is not None]
    axis.plot([share for share, _ in alone], [y for _, y in alone], **ALONE)
    axis.set_yticks(at, [_name(bar.name) for bar in tornado.bars])
    axis.set_ylim(len(lengths) - 0.5, -0.5)
    lowest = [bar.length - bar.half for bar in tornado.bars] + [share for share, _ in alone]
    axis.set_xlim(left=1.05 * min(0.0, *lowest))
    axis.grid(False, axis="y")
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_title(plain(tornado.title), loc="left")


def _name(key: str) -> str:
    """A key, whose end says more than its beginning."""
    return plain(key if len(key) <= MOST_LETTERS else "…" + key[1 - MOST_LETTERS :])
