"""When flows that share links are done, against SimGrid: `python -m benchmarks.accuracy flows --links --flows`.

Columns of links: case, link, capacity_Bps; of flows: case, flow, size_bytes, start_s, path (links joined by '>'),
finish_s_simgrid, in any order; others are not looked at. A link is what its row says: one direction of a cable, or both
together. A flow whose path is empty stays inside a host and is done when it starts, as in SimGrid.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcsim.errors import Problem, TraceError
from dcsim.kernels.fairshare import finish_times_s, flows
from dcsim.performance.measured_csv import rows_of

Row = Mapping[str, str]
Floats = NDArray[np.float64]
LINK_COLUMNS = ("case", "link", "capacity_Bps")
FLOW_COLUMNS = ("case", "flow", "size_bytes", "start_s", "path", "finish_s_simgrid")


def read(path: Path, columns: tuple[str, ...]) -> dict[str, list[tuple[int, Row]]]:
    """Rows by case, each with its line; TraceError as for `rows_of`."""
    cases: dict[str, list[tuple[int, Row]]] = defaultdict(list)
    for line, row in rows_of(path, columns):
        cases[row["case"]].append((line, row))
    return cases


class Reader:
    """Reads numbers of rows and remembers what is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def wrong(self, line: int, key: str, what: str, got: str) -> None:
        """Remember a mistake."""
        self.problems.append(Problem(str(self.path), key, what, got=f"'{got}'", line=line))

    def number(self, line: int, row: Row, key: str, least: float = 0.0, strict: bool = False) -> float:
        """A finite number that is large enough; NaN, with a problem noted, if it is not."""
        try:
            value = float(row[key])
        except ValueError:
            value = math.nan
        if math.isfinite(value) and (value > least or (value == least and not strict)):
            return value
        self.wrong(line, key, f"must be a finite number {'>' if strict else '>='} {least:g}", row[key])
        return math.nan


def relative_errors(links: Path, flow_rows: Path) -> dict[str, Floats]:
    """Error of each flow's finish time, by case; TraceError with every mistake of both files."""
    by_case = read(links, LINK_COLUMNS)
    link_reader, reader = Reader(links), Reader(flow_rows)
    found: dict[str, Floats] = {}
    problems: list[Problem] = []
    for case, rows in read(flow_rows, FLOW_COLUMNS).items():
        numbers: dict[str, int] = {}
        capacity: list[float] = []
        for line, row in by_case.get(case, []):
            if row["link"] in numbers:
                link_reader.wrong(line, "link", f"comes twice in case {case}", row["link"])
            numbers[row["link"]] = len(capacity)
            capacity.append(link_reader.number(line, row, "capacity_Bps", strict=True))
        for line, row in rows:
            for name in _path(row):
                if name not in numbers:
                    reader.wrong(line, "path", f"no such link in case {case}", name)
        columns = [
            [reader.number(line, row, key) for line, row in rows]
            for key in ("size_bytes", "start_s", "finish_s_simgrid")
        ]
        problems = link_reader.problems + reader.problems
        if not problems:
            size_b, start_s, expected_s = map(np.array, columns)
            paths = [[numbers[name] for name in _path(row)] for _, row in rows]
            ours_s = _finish_s(np.array(capacity), paths, size_b, start_s)
            with np.errstate(invalid="ignore", divide="ignore"):
                found[case] = np.where(ours_s == expected_s, 0.0, np.abs(ours_s / expected_s - 1.0))
    if problems:
        raise TraceError(problems)
    return found


def _path(row: Row) -> list[str]:
    return [name.strip() for name in row["path"].split(">")] if row["path"] else []


def _finish_s(capacity: Floats, paths: list[list[int]], size_b: Floats, start_s: Floats) -> Floats:
    """When each flow is done, s, shape (flows,)."""
    hops = np.array([len(path) for path in paths])
    crossing = hops > 0
    first = np.concatenate(([0], np.cumsum(hops[crossing])))
    made = flows(capacity, first, np.array([link for path in paths for link in path], dtype=np.int64))
    done_s = start_s.copy()
    done_s[crossing] = finish_times_s(made, size_b[crossing], start_s[crossing])
    return done_s


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `flows`."""
    parser.add_argument("--links", type=Path, required=True, metavar="FILE", help="CSV of links and their capacities")
    parser.add_argument("--flows", type=Path, required=True, metavar="FILE", help="CSV of flows, with finish times")


def report(arguments: argparse.Namespace) -> None:
    """Print the worst error of each case, and one JSON object."""
    found = relative_errors(arguments.links, arguments.flows)
    print(f"{'case':32}{'flows':>7}{'largest relative error':>26}")
    for case, errors in found.items():
        print(f"{case:32}{len(errors):>7}{errors.max():>26.2e}")
    count, worst = sum(map(len, found.values())), max(errors.max() for errors in found.values())
    print(json.dumps({"cases": len(found), "flows": count, "max_relative_error": float(worst)}))
