"""`dcsim optimize`: search an experiment's space for the best point, or the front of several objectives."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcsim.cli.options import add_making, making, read_experiment
from dcsim.cli.progress import SweepReporter
from dcsim.cli.tables import aligned
from dcsim.units import human_count

if TYPE_CHECKING:
    from dcsim.sweep.optimize import Optimum, Trial

MOST_SHOWN = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_making(parser)
    parser.add_argument("--json", action="store_true", help="print what was found as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Search, or go on with a search; 1 if no point keeps the constraints."""
    from dcsim.sweep.optimize import optimize_basis

    basis = read_experiment(arguments)
    with SweepReporter(arguments, "trials") as reporter:
        found = optimize_basis(basis, Path(arguments.out), making(arguments, reporter))
    folder = Path(arguments.out) / found.name
    if arguments.json:
        print(json.dumps(as_json(found, folder)))
    elif not arguments.quiet:
        print("\n".join([*_lines(found), f"  tables   {folder}/optimum.csv and trials.csv"]))
    return 0 if found.best else 1


def as_json(found: Optimum, folder: Path) -> dict[str, Any]:
    """Counts, and the best points with their outputs."""
    best = [{"trial": t.number, "values": t.values, "outputs": t.outputs} for t in found.best]
    return {"folder": str(folder), "trials": len(found.trials), **_counts(found), "best": best}


def _counts(found: Optimum) -> dict[str, int]:
    return {name: sum(t.status == name for t in found.trials) for name in ("kept", "violated", "failed", "excluded")}


def _lines(found: Optimum) -> list[str]:
    counts = _counts(found)
    said = {"violated": "violate constraints", "failed": "failed", "excluded": "excluded"}
    others = [f", {human_count(counts[status])} {what}" for status, what in said.items() if counts[status]]
    lines = [f"{found.name}: {human_count(len(found.trials))} trials{''.join(others)}"]
    if found.best:
        asked = ", ".join(f"{direction} {key}" for key, direction in found.objectives.items())
        more = len(found.best) - MOST_SHOWN
        lines += [f"  {asked}:", *_table(found, found.best[:MOST_SHOWN])]
        return lines + ([f"  and {more} more points of the front"] if more > 0 else [])
    nearest = found.nearest()
    if nearest is None:
        failed = next((f"  failed: {trial.error}" for trial in found.trials if trial.error), None)
        return [*lines, failed or "  every point that was chosen is excluded"]
    return [
        *lines,
        "  no point keeps the constraints; the nearest:",
        *_table(found, [nearest]),
        *(f"  violated: {bound}, by {share:.3g} of it" for bound, share in nearest.violations.items()),
    ]


def _table(found: Optimum, trials: Sequence[Trial]) -> list[str]:
    rows = [["trial", *found.axes, *found.outputs]]
    for trial in trials:
        outputs = [f"{trial.outputs[key]:,.6g}" for key in found.outputs]
        rows.append([str(trial.number), *(str(trial.values[axis]) for axis in found.axes), *outputs])
    return [f"  {line}" for line in aligned(rows, ">" + "<" * len(found.axes) + ">" * len(found.outputs))]
