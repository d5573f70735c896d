"""The page of a sweep: one self-contained file with what was swept, figures by key, what is best, and all means."""

from __future__ import annotations

import math
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcsim.report.chart import Exhibit, Look
from dcsim.report.chart_plot import plot_chart
from dcsim.report.document import document
from dcsim.report.markup import breakable, counted, in_html, in_label, in_script, section, table
from dcsim.report.style import SYMBOLS
from dcsim.report.sweep_figures import Figures
from dcsim.sweep.columns import brief
from dcsim.sweep.comparison import Row, reading

_TEXT = " class='text'"
STYLE = Path(__file__).with_name("sweep.css")
MOST_ROWS = 5000  # of the table
MOST_ERRORS = 20
MOST_VALUES = 12  # of a key, in what was swept
_NUMBER = re.compile(r"\d+(\.\d+)?")
HOVER = 64  # letters of a line of a label
NAMED = "const named = traces => traces.map(t => t.rows ? {...t, hovertext: t.rows.map(i => NAMES[i])} : t);"
SORT = """for (const button of document.querySelectorAll("table.sortable button")) button.onclick = () => {
  const th = button.parentElement, row = th.parentElement, at = th.cellIndex, body = th.closest("table").tBodies[0];
  const down = th.getAttribute("aria-sort") === "ascending", key = tr => tr.cells[at].dataset.v ?? "";
  for (const other of row.cells) other.removeAttribute("aria-sort");
  th.setAttribute("aria-sort", down ? "descending" : "ascending");
  const number = th.dataset.kind === "number", sign = down ? -1 : 1;
  const order = (a, b) => a === b ? 0 : a === "" ? 1 : b === "" ? -1 : sign * (number ? a - b : a < b ? -1 : 1);
  body.append(...[...body.rows].sort((a, b) => order(key(a), key(b))));
};"""


def sweep_html(figures: Figures) -> str:
    """The page as the text of an HTML file; the same bytes for the same table. Whatever comes from the user is
    escaped."""
    sweep = figures.table
    body = [
        f"<header><h1>{in_html(sweep.name)}</h1>\n{_said(figures)}</header>",
        _swept(figures),
        _errors(sweep.rows, sweep.axes),
        *(_output(output.name, shown) for output, shown in figures.of_outputs),
        _front(figures),
        _table(figures),
    ]
    labels = [in_label("\n".join(textwrap.wrap(label, HOVER)) or "all") for label in figures.labels]
    calls = [f"const NAMES = {in_script(labels)};", NAMED]
    for exhibit in figures.all():
        for chart in exhibit.charts:
            traces, layout = plot_chart(chart)
            calls.append(f'draw("{chart.key}",named({in_script(traces)}),{in_script(layout)});')
    return document(sweep.name, body, [*calls, SORT], STYLE.read_text(encoding="utf-8"))


def _answer(figures: Figures) -> str:
    rows = figures.table.rows
    counts = Counter(row["status"] for row in rows)
    ends = ", ".join(f"{n:,} {status}" for status, n in counts.items())
    seeds = len({row["seed"] for row in rows})
    return (
        f"{counted(len(rows), 'run')} of {counted(len(figures.labels), 'variant')}, {counted(seeds, 'seed')}: {ends}."
    )


def _said(figures: Figures) -> str:
    remarks = [f"\n<p class='caption'>{in_html(text[0].upper() + text[1:])}.</p>" for text in figures.found.remarks]
    return f"<p class='answer'>{in_html(_answer(figures))}</p>{''.join(remarks)}"


def _swept(figures: Figures) -> str:
    first = figures.table.rows[0]
    shown = [(key.name, _values(key.names)) for key in figures.keys]
    varied = {key.name for key in figures.keys}
    shown += [(axis, brief(first[axis])) for axis in figures.table.axes if axis not in varied]
    shown.append(("seed", _values([str(seed) for seed in dict.fromkeys(row["seed"] for row in figures.table)])))
    return section("What was swept", "", table(("Key", "Values"), shown, "words"))


def _values(names: Sequence[str]) -> str:
    if len(names) <= MOST_VALUES:
        return ", ".join(names)
    return f"{names[0]}, {names[1]}, {names[2]}, \u2026, {names[-1]} ({len(names):,} values)"


def _errors(rows: Iterable[dict[str, Any]], axes: Sequence[str]) -> str:
    """Each error once, its numbers apart, with the first run that it ended."""
    count: Counter[str] = Counter()
    first: dict[str, tuple[str, str]] = {}
    for row in rows:
        if row["status"] != "done":
            error = row["error"] or row["status"]
            alike = _NUMBER.sub("", error)
            count[alike] += 1
            first.setdefault(alike, (error, ", ".join(f"{key} = {brief(row[key])}" for key in (*axes, "seed"))))
    if not count:
        return ""
    shown = [(str(n), *first[alike]) for alike, n in list(count.items())[:MOST_ERRORS]]
    rest = len(count) - len(shown)
    caption = "Errors that differ in their numbers alone are counted as one."
    caption += f" {rest} more are in the column error of table.csv." if rest else ""
    return section("Runs without a result", caption, table(("Runs", "Error of the first", "Where"), shown, "words"))


def _output(name: str, shown: Sequence[Exhibit]) -> str:
    return section(name, "" if shown else "No run gave a value.", "\n".join(_exhibit(exhibit) for exhibit in shown))


def _exhibit(exhibit: Exhibit, level: str = "h3") -> str:
    parts = [
        f"<{level}>{in_html(exhibit.title)}</{level}>",
        f"<p class='caption'>{in_html(exhibit.caption)}</p>",
        _legend(exhibit.legend, exhibit.legend_title),
        f"<div class='{'charts' if len(exhibit.charts) > 1 else 'charts one'}'>",
        *(
            f"<div>{f'<p>{in_html(chart.title)}</p>' if chart.title else ''}"
            f"<div class='chart' id='{chart.key}' style='height:{chart.height}px'></div></div>"
            for chart in exhibit.charts
        ),
        "</div>",
    ]
    return "\n".join(part for part in parts if part)


def _legend(names: Sequence[tuple[str, Look]], title: str) -> str:
    if not names:
        return ""
    first = [f"<li class='of'>{in_html(title)}:</li>"] if title else []
    items = [
        f"<li><span style='color:{look.color}'>{SYMBOLS[look.symbol][2]}</span> {in_html(name)}</li>"
        for name, look in names
    ]
    return f"<ul class='legend'>{''.join([*first, *items])}</ul>"


def _front(figures: Figures) -> str:
    if figures.front is None:
        return ""
    front = figures.front
    keys, outputs = figures.keys, front.outputs
    where = [figures.table.axes.index(key.name) for key in keys]
    head = ("", *(key.title for key in keys), *(output.name for output in outputs))
    rows = []
    for number, (point, values) in enumerate(front.best, 1):
        settings = [key.bare(point[i]) for key, i in zip(keys, where, strict=True)]
        rows.append((str(number), *settings, *(o.shown(v) for o, v in zip(outputs, values, strict=True))))
    return f"<section>{_exhibit(front.exhibit, 'h2')}\n{table(head, rows)}</section>"


@dataclass(frozen=True)
class _Column:
    """`values`: what to sort by, empty where there is none."""

    head: str
    texts: list[str]
    values: list[str]
    number: bool


def _table(figures: Figures) -> str:
    columns = list(_columns(figures))
    rows = list(zip(*(zip(c.texts, c.values, strict=True) for c in columns), strict=True))
    head = "".join(
        f"<th data-kind='{'number' if c.number else 'text'}'{'' if c.number else _TEXT}>"
        f"<button type='button'>{breakable(c.head)}</button></th>"
        for c in columns
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            f"<td data-v='{in_html(value)}'{'' if c.number else _TEXT}>{in_html(shown)}</td>"
            for c, (shown, value) in zip(columns, row, strict=True)
        )
        + "</tr>"
        for row in rows[:MOST_ROWS]
    )
    caption = f"A row a variant: {'; '.join(reading(figures.found))}. Click a head to sort."
    if len(rows) > MOST_ROWS:
        caption += f" The first {MOST_ROWS:,} of {len(rows):,}; table.csv has all."
    inside = f"<table class='sortable'><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"
    return section("All variants", caption, f"<div class='scroll'>{inside}</div>")


def _columns(figures: Figures) -> Iterator[_Column]:
    """The keys, then each output with its difference from the baseline, as `compare` shows them."""
    found = figures.found
    head, *lines = found.cells()
    per = len(list(dict.fromkeys(row.output for row in found.rows)))
    rows = [found.rows[at : at + per] for at in range(0, len(found.rows), per)]
    for key in figures.keys:
        at = found.axes.index(key.name)
        numbers = key.numbers
        values = [row[0].variant[at] for row in rows]
        sort = [repr(numbers[v]) if numbers is not None else brief(v).lower() for v in values]
        yield _Column(key.title, [key.bare(v) for v in values], sort, numbers is not None)
    seeds = [str(max(row.mean.count for row in of)) for of in rows]
    yield _Column("seeds", seeds, seeds, True)
    for at in range(len(found.axes), len(head)):
        number, difference = divmod(at - len(found.axes), 1 if found.baseline is None else 2)
        of = [row[number] for row in rows]
        sort = [_sorted_by(row, bool(difference)) for row in of]
        yield _Column(head[at], [line[at] for line in lines], sort, True)


def _sorted_by(row: Row, difference: bool) -> str:
    mean = row.against if difference else row.mean
    return "" if mean is None or math.isnan(mean.value) else repr(mean.value)
