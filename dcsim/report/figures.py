"""All figures of a run, in the order in which they are shown: the same for the page and for papers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcsim.metrics.runs import stretches
from dcsim.report.figure import Figure
from dcsim.report.gantt import gantt_figure, longest_waits_figure
from dcsim.report.interconnect import interconnect_figures
from dcsim.report.load import load_figure
from dcsim.report.occupancy import occupancy_figure
from dcsim.report.slowdown import slowdown_figure
from dcsim.report.spread import spread_figures

if TYPE_CHECKING:
    from dcsim.run import Run


def figures(run: Run) -> list[Figure]:
    """Load over time, a Gantt chart at the resolution that suits, the longest waits, the interconnect and slow-down on
    it, waits and JCT by size.

    Figures with nothing to show (no job waited, no links shared, no job ended) are left out.
    """
    held = stretches(run.log, run.end_s)
    shown = [
        load_figure(run),
        (gantt_figure(run, held) or occupancy_figure(run, held)) if len(held) else None,
        longest_waits_figure(run, held),
        *interconnect_figures(run),
        slowdown_figure(run),
        *spread_figures(run),
    ]
    return [figure for figure in shown if figure is not None]
