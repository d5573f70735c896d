"""`dcsim run`: simulate a scenario, write its results, and end in an answer."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dcsim.cli.options import add_scenario, load_scenario
from dcsim.cli.progress import Reporter

if TYPE_CHECKING:
    from dcsim.run import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_scenario(parser)
    parser.add_argument("--out", metavar="DIR", default="results", help="folder for results (default: results)")
    parser.add_argument("--no-report", action="store_true", help="do not make report.html")
    parser.add_argument("--quiet", "-q", action="store_true", help="print nothing but errors")
    parser.add_argument("--json", action="store_true", help="print the summary alone, as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Check, simulate, write, answer."""
    loaded = load_scenario(arguments)
    # All that a run needs is imported after the scenario is known to be good: errors come at once.
    from dcsim import results
    from dcsim.run import run as simulate
    from dcsim.scenario import digest

    out = Path(arguments.out)
    place = results.prepare(out, loaded.scenario.name, digest(loaded.scenario))
    quiet = arguments.quiet or arguments.json
    with Reporter(quiet) as reporter:
        outcome = simulate(loaded, reporter)
        reporter.say("writing results")
        report = None if arguments.no_report else _report(outcome, place)
        results.write(outcome, place, report)
    if not arguments.quiet:
        for note in (*loaded.notes, *outcome.jobs.warnings):
            sys.stderr.write(f"dcsim: note: {note}\n")
    if arguments.json:
        print(json.dumps(outcome.summary))
    elif not arguments.quiet:
        from dcsim.cli.answer import answer

        print(answer(outcome, place, report is not None))
    return 0


def _report(outcome: Run, place: Path) -> str:
    from dcsim.report.next_steps import next_steps
    from dcsim.report.page import html

    return html(outcome, next_steps(outcome, str(place)))
