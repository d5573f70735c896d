"""The answer at the end of a sweep: how many runs, what the points gave, where the table is."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcsim.cli.tables import columns, fitted
from dcsim.units import human_count, human_time

if TYPE_CHECKING:
    from dcsim.sweep.table import Table

INDENT = "  "
MOST_POINTS = 12
MOST_ERRORS = 3


def answer(table: Table, folder: Path, shard: tuple[int, int] | None, experiment: str) -> str:
    """At most a screen."""
    counts = {status: sum(row["status"] == status for row in table) for status in ("done", "failed", "missing")}
    said = ", ".join(f"{human_count(n)} {status}" for status, n in counts.items() if n or status == "done")
    if shard is not None:
        merge = f"python -m dcsim sweep {experiment} --out {folder.parent} --merge"
        return f"{table.name}: shard {shard[0]} of {shard[1]} is done\n  then     {merge}"
    lines = [f"{table.name}: {human_count(len(table))} runs: {said}"]
    lines += [INDENT + line for line in _means(table)]
    lines += [f"  failed: {_where(table, row)}: {row['error']}" for row in _failed(table)]
    left = counts["failed"] - MOST_ERRORS
    lines += [f"  and {left} more failed: see the column error"] if left > 0 else []
    return "\n".join([*lines, f"  table    {folder}/table.csv and table.parquet"])


def _failed(table: Table) -> list[dict[str, Any]]:
    return [row for row in table if row["status"] == "failed"][:MOST_ERRORS]


def _where(table: Table, row: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {row[name]}" for name in (*table.axes, "seed"))


def _means(table: Table) -> list[str]:
    """The outputs of the first points, means over seeds."""
    points: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in table:
        points.setdefault(tuple(row[axis] for axis in table.axes), []).append(row)
    rows = [[*table.axes, *table.outputs]]
    for values, runs in list(points.items())[:MOST_POINTS]:
        rows.append([*map(str, values), *(_mean(output, runs) for output in table.outputs)])
    more = len(points) - MOST_POINTS
    shown = fitted(rows, len(table.axes), columns() - len(INDENT))
    left_out = [head for heads in shown.heads[1:] for head in heads]
    lines = shown.pieces[0] + ([f"and {human_count(more)} more points"] if more > 0 else [])
    lines += ["keys are shortened to fit: the table has them whole"] if shown.shortened else []
    return lines + (_wrapped(f"no room for {', '.join(left_out)}: `compare` shows them") if left_out else [])


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, columns() - len(INDENT))


def _mean(output: str, runs: list[dict[str, Any]]) -> str:
    known = [run[output] for run in runs if run.get(output) is not None]
    if not known:
        return "-"
    mean = sum(known) / len(known)
    return human_time(mean) if "_s_" in f"{output}_" else f"{mean:,.4g}"
