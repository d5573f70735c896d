"""What the figures of all experiments share: the command line, the look, the files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HOME = Path(__file__).resolve().parent
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#6b6b6b"  # told apart by the colour-blind (Okabe and Ito)
INK, PALE_BLUE, PALE_GREEN = "#222222", "#73b1d6", "#73c9b0"  # bars on which lines are seen
WIDTH_IN = 7.0  # both columns of a two-column paper
DOTS_PER_INCH = 150
SMALL = 6.5  # points: numbers at bars
LOOK: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same letters everywhere
    "font.size": 8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#e2e2e2",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.hashsalt": "dcsim",  # element ids do not differ from call to call
    "axes.titlesize": 8,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "hatch.linewidth": 0.6,
}


def arguments(text: str) -> argparse.Namespace:
    """`out`: folder of results, which are used again; `data`: folder of traces; `figures`: folder for PNG and SVG."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for results (default: results)")
    parser.add_argument("--data", type=Path, help="folder of traces (default: $DCSIM_DATA)")
    parser.add_argument("--figures", type=Path, default=HOME.parent / "docs" / "figures", help="folder for PNG and SVG")
    return parser.parse_args()


def panels(columns: int, height_in: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure of panels side by side."""
    mpl.rcParams.update(LOOK)
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False, **options)[0])


def save(figure: Figure, name: str, folder: Path) -> None:
    """Write `name`.png and `name`.svg and say so."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=DOTS_PER_INCH)
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    print(f"{folder / name}.png and .svg")
