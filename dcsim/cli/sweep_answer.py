"""The answer at the end of a sweep: how many runs, what the points gave, where the table is."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcsim.cli.tables import columns, fitted
from dcsim.sweep.columns import told_apart
from dcsim.sweep.compare import by_point, values
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
    points = list(by_point(table).items())
    keys = list(zip(*(told_apart(column) for column in zip(*(point for point, _ in points), strict=True)), strict=True))
    seeds = len({row["seed"] for row in table})
    rows = [[*table.axes, *table.outputs]]
    for names, (_, runs) in list(zip(keys or [()] * len(points), points, strict=True))[:MOST_POINTS]:
        rows.append([*names, *(_mean(output, runs, seeds) for output in table.outputs)])
    more = len(points) - MOST_POINTS
    shown = fitted(rows, len(table.axes), columns() - len(INDENT))
    left_out = [head for heads in shown.heads[1:] for head in heads]
    lines = shown.pieces[0] + ([f"and {human_count(more)} more points"] if more > 0 else [])
    lines += ["keys are shortened to fit: the table has them whole"] if shown.shortened else []
    few = any(cell.endswith(f" of {seeds})") for row in rows[1:] for cell in row)
    lines += _wrapped(f"(n of {seeds}): a mean over n seeds, where others have more") if few else []
    return lines + (_wrapped(f"no room for {', '.join(left_out)}: `compare` shows them") if left_out else [])


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, columns() - len(INDENT))


def _mean(output: str, runs: list[dict[str, Any]], seeds: int) -> str:
    known = values(runs, output)
    if not known:
        return "-"
    mean = sum(known.values()) / len(known)
    text = human_time(mean) if "_s_" in f"{output}_" else f"{mean:,.4g}"
    return text if len(known) == seeds else f"{text} ({len(known)} of {seeds})"
