"""`dcsim report`: the HTML report of a finished run, or its figures for papers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcsim.run import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    parser.add_argument("--figures", action="store_true", help="write the figures as PNG and SVG into RUN/figures")


def run(arguments: argparse.Namespace) -> int:
    """Read the run back, write the page or the figures into its folder, say what was written."""
    from dcsim.results import read

    folder = Path(arguments.run)
    finished = read(folder)
    for path in _figures(finished, folder) if arguments.figures else _page(finished, folder):
        print(path)
    return 0


def _page(finished: Run, folder: Path) -> list[Path]:
    from dcsim.report.next_steps import next_steps
    from dcsim.report.page import html
    from dcsim.results import write_text

    path = folder / "report.html"
    write_text(path, html(finished, next_steps(finished, str(folder))))
    return [path]


def _figures(finished: Run, folder: Path) -> list[Path]:
    from dcsim.report.figures import figures
    from dcsim.report.interconnect import graph_lost
    from dcsim.report.paper import images
    from dcsim.results import write_bytes_to

    if why := graph_lost(finished):
        sys.stderr.write(f"dcsim: note: no figures 'topology' and 'switches', since the graph cannot be built: {why}\n")
    return write_bytes_to(folder / "figures", images(figures(finished)))
