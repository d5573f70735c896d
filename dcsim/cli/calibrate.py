"""`dcsim calibrate`: fit the constants of the step-time model to measured training runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcsim.performance.calibration_files import Entry


CLEARLY = 0.95
"""Of two median errors, the smaller over the larger from which on it is said to be better."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("rows", metavar="ROWS.csv", type=Path, help="measured runs; columns as in docs/models.md")
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=Path("calibration"),
        help="folder for the preset files (default: calibration)",
    )
    parser.add_argument(
        "--start",
        choices=("published", "shipped"),
        default="published",
        help="what constants start from and are held to: values published before any fit, as those that ship did, or "
        "those that ship, for a few rows of your own (default: published)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Fit, cross-validate, print, write."""
    from dcsim import results
    from dcsim.errors import Problem, ScenarioError
    from dcsim.performance.calibrate import calibrate, from_shipped, predict
    from dcsim.performance.calibration_files import entries, in_place, preset_texts
    from dcsim.performance.constants import CONSTANTS
    from dcsim.performance.rows import configurations, read
    from dcsim.performance.scores import score

    found = configurations(read(arguments.rows))
    if not found.rows:
        why = "; ".join(f"{count} {rule}" for rule, count in found.excluded.most_common()) or "it has none"
        raise ScenarioError(Problem(str(arguments.rows), "", f"no row can be used: {why}"))
    fitted = calibrate(found, from_shipped() if arguments.start == "shipped" else CONSTANTS)
    listed = entries(fitted)
    print(f"{len(found.rows)} of {found.total} primary rows used")
    for rule, count in found.excluded.most_common():
        print(f"  {count} left out: {rule}")
    print("\n".join(_table(listed)))
    told = predict(found, in_place(listed)), fitted.outside, predict(found)
    inside, outside, usual = (score(predicted, fitted.bench.measured) for predicted in told)
    print(f"fitted:           {inside}")
    print(f"sources left out: {outside}")
    print(f"as they ship:     {usual}")
    if usual.median < CLEARLY * inside.median:
        print("the constants that ship tell these rows better than this fit", end="; ")
        print("keep them" if arguments.start == "shipped" else "--start shipped holds it to them")
    results.write_bytes_to(arguments.out, {name: text.encode() for name, text in preset_texts(listed).items()})
    print(f"written to {arguments.out}")
    return 0


def _table(listed: list[Entry]) -> list[str]:
    lines = [f"{'scope':16}{'constant':28}{'value':>10}{'rows':>7}{'sources':>9}{'error':>8}  grade"]
    for entry in listed:
        name = f"{entry.constant.scope:16}{entry.constant.field:28}"
        error = f"{100 * entry.error:7.1f}%" if entry.rows else f"{'':8}"
        note = "" if entry.fitted else "  no rows: starting value" if not entry.rows else "  starting value"
        lines.append(f"{name}{entry.value:>10.3g}{entry.rows:>7}{entry.sources:>9}{error}  {entry.grade}{note}")
    return lines
