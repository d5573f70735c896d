"""`dcsim sweep-report`: one offline HTML page of a finished sweep, and its figures for papers."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", metavar="DIR", help="folder of a finished sweep")
    parser.add_argument("--outputs", metavar="NAME,...", help="keys of the summary (default: those of the experiment)")
    parser.add_argument(
        "--pareto",
        metavar="FIRST,SECOND",
        help="the two outputs of the front (default: the first output against accelerators or accelerator_hours)",
    )
    parser.add_argument("--maximize", metavar="NAME,...", help="which of the two are better when larger")
    parser.add_argument("--baseline", metavar="KEY=VALUE,...", help="the variant to subtract, seed by seed")
    parser.add_argument("--out", metavar="FILE", help="the page (default: DIR/report.html)")
    parser.add_argument("--figures", action="store_true", help="also write the figures as PNG and SVG into DIR/figures")


def run(arguments: argparse.Namespace) -> int:
    """Read the table, write the page and, where asked, the figures; say what was written."""
    from dcsim.errors import Problem, ScenarioError
    from dcsim.report.sweep_figures import Asked, sweep_figures
    from dcsim.report.sweep_page import sweep_html
    from dcsim.results import write_text
    from dcsim.sweep.table import Table

    folder = Path(arguments.folder)
    names = (_names(arguments.outputs), _names(arguments.pareto), _names(arguments.maximize))
    figures = sweep_figures(Table.read(folder), Asked(*names, arguments.baseline))
    page = Path(arguments.out) if arguments.out else folder / "report.html"
    if page.suffix not in (".html", ".htm"):  # a slip of the hand must not cost a scenario
        raise ScenarioError(Problem("--out", "", "is no page", f"'{page}'", "a name that ends in .html"))
    write_text(page, sweep_html(figures))
    written = [page]
    if arguments.figures:
        from dcsim.report.chart_paper import chart_images
        from dcsim.results import write_bytes_to

        written += write_bytes_to(folder / "figures", chart_images(figures.all()))
    print("\n".join(map(str, written)))
    return 0


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",")) if text else ()
