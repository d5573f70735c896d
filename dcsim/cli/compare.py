"""`dcsim compare`: variants of a sweep, or runs, against one another."""

from __future__ import annotations

import argparse
import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from dcsim.cli.tables import columns, fitted

if TYPE_CHECKING:
    from dcsim.sweep.comparison import Comparison
    from dcsim.sweep.table import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folders", metavar="FOLDER", nargs="+", help="folder of a sweep, or folders of runs")
    parser.add_argument("--baseline", metavar="KEY=VALUE,...", help="the variant to subtract, seed by seed")
    parser.add_argument("--outputs", metavar="NAME,...", help="keys of the summary (default: those of the experiment)")
    parser.add_argument(
        "--confidence", metavar="SHARE", type=float, default=0.95, help="of the intervals (default: 0.95)"
    )
    parser.add_argument(
        "--batch-means", action="store_true", help="intervals from within each run: mean wait and completion time"
    )
    parser.add_argument("--write", metavar="DIR", help="write compare.csv, compare.md and compare.tex into this folder")
    parser.add_argument("--json", action="store_true", help="print the comparison as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Print the table of variants; write it where asked."""
    found = _comparison(arguments)
    if arguments.json:
        print(json.dumps(found.as_json()))
    else:
        print(_answer(found))
    if arguments.write:
        from dcsim import results

        folder = Path(arguments.write)
        results.make_folder(folder, "--write")
        for name, text in (("csv", found.csv()), ("md", found.markdown()), ("tex", found.latex())):
            results.write_text(folder / f"compare.{name}", text)
    return 0


def _comparison(arguments: argparse.Namespace) -> Comparison:
    from dcsim.sweep.compare import compare
    from dcsim.sweep.runs import batched, runs_table

    folders = [Path(folder) for folder in arguments.folders]
    outputs = tuple(name.strip() for name in arguments.outputs.split(",")) if arguments.outputs else ()
    if arguments.batch_means:
        return batched(folders, arguments.baseline, outputs, arguments.confidence)
    table = _sweep(folders[0]) if len(folders) == 1 else runs_table(folders)
    return compare(table, arguments.baseline, outputs, arguments.confidence)


def _sweep(folder: Path) -> Table:
    from dcsim.sweep.table import Table

    return Table.read(folder)


def _answer(found: Comparison) -> str:
    """The table in as many pieces as it takes, and how to read it."""
    width = columns()
    shown = fitted(found.cells(), len(found.axes), width, per=1 if found.baseline is None else 2)
    told = found.notes()
    told += ["keys are shortened to fit: --write DIR or --json has them whole"] if shown.shortened else []
    lines = [line for text in told for line in textwrap.wrap(text, width)]
    return "\n\n".join(map("\n".join, shown.pieces)) + "\n" + "\n".join(lines)
