"""`dcsim estimate --rows FILE.csv`: a prediction for every configuration of a file, as CSV."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcsim.performance.predictions import Prediction

COLUMNS = (
    "id",
    "accelerator",
    "accelerators",
    "step_time_s",
    "tokens_per_s_per_accelerator",
    "mfu",
    "memory_b",
    "fits",
    "bound",
    "plan",
    "assumed",
    "notes",
)


def print_rows(arguments: argparse.Namespace) -> int:
    """Print a line a row on stdout; on stderr every mistake of the rows that cannot be told."""
    from dcsim.errors import ScenarioError
    from dcsim.performance.predictions import predict
    from dcsim.performance.row_problems import gathered

    found = predict(Path(arguments.rows))
    for line in ScenarioError(gathered(found.left_out)).lines():
        print(f"dcsim: left out: {line}", file=sys.stderr)
    if arguments.json:
        print(json.dumps([asdict(row) for row in found.rows]))
        return 0
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(map(_cells, found.rows))
    return 0


def _cells(row: Prediction) -> list[str]:
    """Numbers with six significant digits, several words with blanks between."""
    values = (getattr(row, name) for name in COLUMNS)
    return [_text(value) for value in values]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "; ".join(value) if isinstance(value, tuple) else str(value)
