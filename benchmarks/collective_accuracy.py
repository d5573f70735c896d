"""How near predicted collectives come to published ones: `python -m benchmarks.accuracy collectives --rows FILE.csv`.

One set of constants a generation of accelerators, fitted anew without each source in turn; the rows of that source are
predicted by them. Errors are those of times; a row that gives a bandwidth alone is a large message of that bandwidth.
`--write DIR` writes the constants of a fit to all rows as preset files.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcsim.performance.collective_fit import CONSTANTS, Bench, bench, cross_validated_s, fit, starts
from dcsim.performance.collective_rows import MeasuredRows, read
from dcsim.performance.collectives import Generation, generations

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MIB = 2.0**20
FELT = 1e-3
"""A row rests on a constant if a tenth less of it changes the prediction by this much."""


def mape(errors: Floats, part: Flags) -> float | None:
    """Mean absolute error of a part, None if it is empty."""
    return float(np.abs(errors[part]).mean()) if part.any() else None


def parts(at: Bench) -> dict[str, Flags]:
    """The parts of the last line: one node from 1 MiB, several from 16 MiB, all rows."""
    size_b, nodes = np.array([row.size_b for row in at.rows]), np.array([row.nodes for row in at.rows])
    return {
        "mape_one_node_1mib": (nodes == 1) & (size_b >= MIB),
        "mape_nodes_16mib": (nodes > 1) & (size_b >= 16 * MIB),
        "mape_all": np.ones(len(at.rows), dtype=bool),
    }


def left_out(found: MeasuredRows, at: Bench | None) -> dict[str, int]:
    """Rows that are not predicted, by the rule under which they are left out, most first."""
    unserved = len(found.rows) - (len(at.rows) if at else 0)
    return dict((found.excluded + Counter({"no enabled algorithm": unserved})).most_common())


def tables(found: MeasuredRows, at: Bench, errors: Floats) -> Iterator[str]:
    """Rows left out, and errors by source and collective, %."""
    yield f"{len(at.rows)} of {found.total} rows predicted"
    yield from (f"  {count} left out: {rule}" for rule, count in left_out(found, at).items())
    yield f"  {found.mended} times taken from the bandwidths, which contradict the printed time"
    yield ""
    yield f"{'source, generation, collective':44}{'rows':>6}{'mean |error| %':>16}{'bias %':>9}"
    names = np.array([f"{row.source:7}{row.generation:12}{row.collective}" for row in at.rows])
    for name in sorted(set(names)):
        part = names == name
        yield f"{name:44}{part.sum():>6}{100 * np.abs(errors[part]).mean():>16.1f}{100 * errors[part].mean():>+9.1f}"


def preset_text(generation: Generation, number: int, at: Bench, values: Floats) -> str:
    """A generation's preset: fitted constants with the rows they rest on, and NCCL's limits of LL."""
    lines = [
        f"# Constants of collectives for '{generation.name}'; written by `python -m benchmarks.accuracy collectives`.",
        "",
        f"accelerators = {json.dumps(list(generation.prefixes))}",
        f"in_network = {json.dumps(generation.in_network)}",
    ]
    predicted = at.predict(values)
    for column, constant in enumerate(CONSTANTS):
        nudged = values.copy()
        nudged[number, column] *= 0.9
        touched = np.abs(np.log(at.predict(nudged) / predicted)) > FELT
        sources = len(np.unique(at.sources[touched]))
        grade = "measured" if sources > 1 else "weak" if sources else "assumed"
        what = f"fitted to {touched.sum()} rows of {sources} sources" if sources else "no rows; from all generations"
        begin = f"start {starts()[number, column]:g}: {constant.source}"
        lines += ["", f"[{constant.name}]", f"value = {values[number, column]:.4g}", f'grade = "{grade}"']
        lines += [f'source = "{what}; {begin}"']
    why = "NVIDIA/nccl 5067397, src/graph/tuning.cc, llMaxBws"
    for name in ("ll_b_per_s", "ll_2_b_per_s", "ll_4_b_per_s"):
        known = generation.name in ("volta", "ampere", "hopper", "blackwell")
        grade, source = ("vendor", why) if known else ("assumed", f"as Ampere: {why}")
        lines += ["", f"[{name}]", f"value = {getattr(generation.tuned, name):.4g}"]
        lines += [f'grade = "{grade}"', f'source = "{source}"']
    return "\n".join(lines) + "\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `collectives`."""
    parser.add_argument("--rows", type=Path, required=True, metavar="FILE", help="CSV of measured collectives")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write the constants of a fit to all rows there")


def report(arguments: argparse.Namespace) -> None:
    """Print errors of rows of unseen sources, and one JSON object."""
    found = read(arguments.rows)
    at = bench(found.rows) if found.rows else None
    figures: dict[str, object] = {"rows": found.total, "predicted": len(at.rows) if at else 0}
    scored: dict[str, float | None] = dict.fromkeys(("mape_one_node_1mib", "mape_nodes_16mib", "mape_all"))
    if at is not None and at.rows:
        errors = cross_validated_s(at) / at.measured_s - 1.0
        print("\n".join(tables(found, at, errors)))
        scored = {name: mape(errors, part) for name, part in parts(at).items()}
        if arguments.write:
            _write(arguments.write, at)
    figures |= {name: None if value is None else round(value, 5) for name, value in scored.items()}
    print(json.dumps(figures | {"left_out": left_out(found, at)}))


def _write(folder: Path, at: Bench) -> None:
    """Presets of a fit to all rows."""
    values = fit(at)
    for number, generation in enumerate(generations()):
        text = preset_text(generation, number, at, values)
        (folder / f"{generation.name}.toml").write_text(text, encoding="utf-8")
