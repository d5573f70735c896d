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
    "assumed",
    "notes",
)


def print_rows(arguments: argparse.Namespace) -> int:
    """Print a line a row on stdout; rows that cannot be told are counted on stderr."""
    from dcsim.performance.predictions import predict

    found = predict(Path(arguments.rows))
    for reason, count in sorted(found.excluded.items()):
        print(f"dcsim: note: {arguments.rows}: rows left out: {count}: {reason}", file=sys.stderr)
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
