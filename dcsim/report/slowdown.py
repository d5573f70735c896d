"""By how much contention slowed jobs down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcsim.eventlog.schema import BREAK
from dcsim.metrics.contention import SEEN
from dcsim.report.figure import Bars, Figure, Floats, Panel, Steps, TimeScale
from dcsim.report.gantt import job_names
from dcsim.report.sizes import size_classes

if TYPE_CHECKING:
    from dcsim.run import Run

MOST_BARS = 25  # jobs that get a bar each
MOST_STEPS = 500  # of a line
ALONE = "1: as if nobody else had sent and no link had failed."
AXIS = TimeScale.plain("Run time / run time alone at the same place")


def slowdown_figure(run: Run) -> Figure | None:
    """A bar for each job, or the distribution by size if they are many; None where nobody was slowed down."""
    if run.slowdown is None:
        return None
    jobs = np.flatnonzero(~np.isnan(run.slowdown))
    slowdown = run.slowdown[jobs]
    if slowdown.max(initial=1.0) < SEEN:
        return None
    few = len(jobs) <= MOST_BARS
    panel, height, caption = (_bars if few else _distribution)(run, jobs, slowdown)
    span = (1.0, 1.0 + 1.05 * (float(slowdown.max()) - 1.0))
    return Figure("contention", "Slow-down by contention", caption, AXIS, span, (panel,), height)


def slowdown_of(run: Run, job: int) -> float | None:
    """A job's slow-down by contention; None where nobody knows of any."""
    value = np.nan if run.slowdown is None else run.slowdown[job]
    return None if np.isnan(value) else float(value)


def slowdown_sentences(run: Run, job: int) -> list[str]:
    """What `explain` says of a job's slow-down by contention; nothing where nobody knows of any."""
    value = slowdown_of(run, job)
    if value is None:
        return []
    who = "others on its links" + (" and links that failed" if len(run.log.of_kind(BREAK)) else "")
    if value < SEEN:
        return [f"{who} did not slow it down"]
    return [f"{who} made it run {value:.2f} times as long as alone there"]


def _bars(run: Run, jobs: np.ndarray, slowdown: Floats) -> tuple[Panel, int, str]:
    order = np.lexsort((jobs, -slowdown))
    y = len(jobs) - np.arange(len(jobs)) - 0.5
    notes = tuple(f"{value:.3g} x" for value in slowdown[order].tolist())
    bars = Bars(
        "slow-down",
        np.ones(len(jobs)),
        slowdown[order] - 1.0,
        y.astype(np.float64),
        np.full(len(jobs), 0.7),
        "queue",
        notes,
        True,
    )
    ticks = tuple(zip(y.tolist(), job_names(run, jobs[order].tolist()), strict=True))
    panel = Panel("Job (accelerators)", (bars,), float(len(jobs)), ticks)
    caption = f"Those that others slowed down most on top; {ALONE}"
    return panel, 120 + 22 * max(len(jobs), 3), caption


def _distribution(run: Run, jobs: np.ndarray, slowdown: Floats) -> tuple[Panel, int, str]:
    sizes = size_classes(run.jobs.accelerators[jobs])
    marks = []
    for number, label in enumerate(sizes.labels):
        mine = np.sort(slowdown[sizes.of_job == number])
        share = np.linspace(0.0, 1.0, min(MOST_STEPS, len(mine) + 1))
        value = np.quantile(mine, share, method="higher")
        line = Steps(
            label, np.append(value, slowdown.max()), 100 * np.append(share, 1.0), f"size {number}/{len(sizes)}", 2.0
        )
        marks.append(line)
    caption = f"Share of the jobs of a size that were slowed down by so much or less; {ALONE}"
    panel = Panel("Jobs (%)", tuple(marks), 104.0, legend="Accelerators of the job:")
    return panel, 340, caption
