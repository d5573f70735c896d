"""`dcsim sensitivity`: which swept keys the outputs of an experiment depend on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcsim.cli.options import add_making, making, read_experiment
from dcsim.cli.progress import SweepReporter
from dcsim.cli.tables import aligned
from dcsim.units import human_count

if TYPE_CHECKING:
    from dcsim.report.tornado import Tornado
    from dcsim.sweep.sensitivity import Indices

TITLES = {
    "morris": "Mean size of change over the whole range",
    "sobol": "Share of the output's variance",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_making(parser)
    parser.add_argument("--json", action="store_true", help="print the indices as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Run what is missing, write indices and figure."""
    from dcsim import results
    from dcsim.sweep.sensitivity import sensitivity_of

    basis = read_experiment(arguments)
    with SweepReporter(arguments) as reporter:
        found = sensitivity_of(basis, Path(arguments.out), making(arguments, reporter))
    folder = Path(arguments.out) / found.name
    from dcsim.report.tornado import tornado_images

    drawn = [tornado for output in found.outputs if (tornado := _tornado(found, output)) is not None]
    if drawn:
        results.write_bytes_to(folder, tornado_images("sensitivity", TITLES[found.method], drawn))
    if arguments.json:
        print(json.dumps(as_json(found, folder)))
    elif not arguments.quiet:
        print("\n".join([*_lines(found), f"  written  {folder}/sensitivity.csv" + (", .png, .svg" if drawn else "")]))
    return 0


def as_json(found: Indices, folder: Path) -> dict[str, Any]:
    """Method, number of points, and the measures by output and key."""
    rows = [{"output": row.output, "key": row.key, **row.measures} for row in found.rows]
    return {"folder": str(folder), "method": found.method, "points": found.points, "indices": rows}


def _lines(found: Indices) -> list[str]:
    lines = [f"{found.name}: {found.method}, {human_count(found.points)} points"]
    for output in found.outputs:
        keys = found.of(output)
        if None in keys[0].measures.values():
            lines.append(f"  {output}: the same at all points")
            continue
        rows = [[output, *found.measures]]
        rows += [[row.key, *(f"{row.measures[name]:,.4g}" for name in found.measures)] for row in keys]
        lines += [f"  {line}" for line in aligned(rows, "<" + ">" * len(found.measures))]
    return lines


def _tornado(found: Indices, output: str) -> Tornado | None:
    """The figure of an output; None where it is the same at all points."""
    from dcsim.report.tornado import Bar, Tornado

    rows = [(row, {name: m for name, m in row.measures.items() if m is not None}) for row in found.of(output)]
    if not all(measures for _, measures in rows):
        return None
    if found.method == "sobol":
        bars = [Bar(row.key, m["ST"], m["ST_conf"], "share", m["S1"]) for row, m in rows]
    else:
        bars = [Bar(row.key, m["mu_star"], m["mu_star_conf"], _kind(m["mu"], m["mu_star"])) for row, m in rows]
    return Tornado(output, tuple(bars))


def _kind(mu: float, mu_star: float) -> str:
    """Whether the output always rises with the key, always falls, or both: then effects cancel in the mean."""
    if abs(mu) < mu_star * (1.0 - 1e-9):
        return "mixed"
    return "falls" if mu < 0.0 else "rises"
