"""`dcsim calibrate`: fit the constants of the step-time model to measured training runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcsim.performance.calibration_files import Entry


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


def run(arguments: argparse.Namespace) -> int:
    """Fit, cross-validate, print, write."""
    from dcsim import results
    from dcsim.errors import Problem, ScenarioError
    from dcsim.performance.calibrate import calibrate
    from dcsim.performance.calibration_files import entries, preset_texts
    from dcsim.performance.rows import configurations, read
    from dcsim.performance.scores import score

    found = configurations(read(arguments.rows))
    if not found.rows:
        why = "; ".join(f"{count} {rule}" for rule, count in found.excluded.most_common()) or "it has none"
        raise ScenarioError(Problem(str(arguments.rows), "", f"no row can be used: {why}"))
    fitted = calibrate(found)
    listed = entries(fitted)
    print(f"{len(found.rows)} of {found.total} primary rows used")
    for rule, count in found.excluded.most_common():
        print(f"  {count} left out: {rule}")
    print("\n".join(_table(listed)))
    inside, outside = (score(p, fitted.bench.measured) for p in (fitted.inside, fitted.outside))
    print(f"fitted:          {inside}")
    print(f"sources left out: {outside}")
    results.write_bytes_to(arguments.out, {name: text.encode() for name, text in preset_texts(listed).items()})
    print(f"written to {arguments.out}")
    return 0


def _table(listed: list[Entry]) -> list[str]:
    lines = [f"{'scope':16}{'constant':28}{'value':>10}{'rows':>7}{'sources':>9}{'error':>8}  grade"]
    for entry in listed:
        name = f"{entry.constant.scope:16}{entry.constant.field:28}"
        error = f"{100 * entry.error:7.1f}%" if entry.rows else f"{'':8}"
        note = "" if entry.rows else "  no rows: starting value"
        lines.append(f"{name}{entry.value:>10.3g}{entry.rows:>7}{entry.sources:>9}{error}  {entry.grade}{note}")
    return lines
