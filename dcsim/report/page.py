"""`report.html`: one self-contained file that opens offline; the answer first, then figures, tables and sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dcsim.report import tables
from dcsim.report.document import document, draw
from dcsim.report.figure import Figure
from dcsim.report.figures import figures
from dcsim.report.interactive import plot
from dcsim.report.interconnect import graph_lost
from dcsim.report.markup import counted, folded, in_html, section, table
from dcsim.report.next_steps import Step
from dcsim.report.sources import sources
from dcsim.report.trained import training_jobs
from dcsim.scenario.write import to_toml
from dcsim.units import human_count, human_time

if TYPE_CHECKING:
    from dcsim.run import Run


def html(run: Run, next_steps: Sequence[Step] = ()) -> str:
    """The report of a run as the text of an HTML file; the same bytes for the same run and steps.

    `next_steps`: what to look at next, see `next_steps.next_steps`. Whatever comes from the user is escaped.
    """
    shown = figures(run)
    name = in_html(run.scenario.name)
    body = [
        f"<header><h1>{name}</h1>\n<p class='answer'>{in_html(tables.answer(run))}</p>",
        f"<p class='facts'>{in_html(_facts(run))}</p></header>",
        _cards(run),
        training_jobs(run),
        *(_figure(figure) for figure in shown),
        _lost(run),
        _rejections(run),
        _fragmentation(run),
        _shares(run),
        _scenario(run),
        sources(run),
        _next(next_steps),
    ]
    calls = [draw(figure.key, *plot(figure)) for figure in shown]
    return document(run.scenario.name, body, calls)


def _facts(run: Run) -> str:
    scenario = run.scenario
    pools = ", ".join(
        f"{human_count(p.nodes)} x {p.accelerators_per_node} {p.accelerator.name} ({p.name})" for p in scenario.pools
    )
    return (
        f"{counted(len(run.jobs), 'job')} from {tables.jobs_from(run)}, scheduler {scenario.scheduler.use}, "
        f"placement {scenario.placement.use}, on {pools}; {human_time(run.end_s)} simulated."
    )


def _cards(run: Run) -> str:
    cards = tables.cards(run)
    shown = "\n".join(
        f"<dl class='card'><dt>{in_html(label)}</dt><dd class='value'>{in_html(value)}</dd>"
        f"<dd class='note'>{in_html(note)}</dd></dl>"
        for label, value, note in cards
    )
    wide, middle = (columns_of(len(cards), most) for most in (6, 4))
    return f"<div class='cards' style='--wide:{wide};--middle:{middle}'>\n{shown}\n</div>"


def columns_of(count: int, most: int) -> int:
    """Columns in which the rows of so many cards are about even: no card stands alone."""
    return -(-count // -(-count // most))


def _figure(figure: Figure) -> str:
    place = f"<div class='figure' id='{figure.key}' style='height:{figure.height}px'></div>"
    return section(figure.title, figure.caption, place)


def _lost(run: Run) -> str:
    why = graph_lost(run)
    return section("Load of the interconnect", f"No picture, since the graph cannot be built: {why}", "") if why else ""


def _rejections(run: Run) -> str:
    rows = tables.rejections(run)
    return section("Why jobs were rejected", "", table(("Reason", "Jobs"), rows)) if rows else ""


def _fragmentation(run: Run) -> str:
    rows = tables.fragmentation(run)
    caption = (
        "Accelerators that were free on nodes with too few of them for a job of that size, of all that were free: the "
        "mean over the run, then at its end. Which pool a job may use, and cores and memory, are not looked at; where "
        "jobs take parts of accelerators, no less than this was of no use."
    )
    return section("Fragmentation", caption, table(tables.FRAGMENT_COLUMNS, rows)) if rows else ""


def _shares(run: Run) -> str:
    shares = tables.shares(run)
    if shares is None:
        return section("By tenant", "The jobs name neither tenants nor users.", "")
    caption = (
        f"The {shares.by}s with most accelerator-hours first. Waits are of jobs that started, completion times of "
        "jobs that ended."
    )
    rows = ((name, *row) for name, row in shares.rows)
    return section(f"By {shares.by}", caption, table((shares.by.capitalize(), *tables.SHARE_COLUMNS), rows))


def _scenario(run: Run) -> str:
    text = f"<pre class='tall'>{in_html(to_toml(run.scenario))}</pre>"
    return section("Scenario", "", folded("The resolved scenario, with all defaults and presets written out", text))


def _next(steps: Sequence[Step]) -> str:
    shown = "\n".join(f"<p>{in_html(s.question)}</p>\n<pre><code>{in_html(s.command)}</code></pre>" for s in steps)
    return section("What to look at next", "", shown) if steps else ""
