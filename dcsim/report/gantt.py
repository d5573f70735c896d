"""Gantt charts of single jobs: all of them where they are few, and those that waited longest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from dcsim.metrics.runs import Stretches
from dcsim.report.bands import Bands
from dcsim.report.figure import Bars, Figure, Floats, Mark, Panel, TimeScale
from dcsim.report.lanes import Bar, job_bars
from dcsim.report.markup import shortened
from dcsim.report.sizes import size_classes
from dcsim.report.waits import longest_waiters, waiting_s
from dcsim.units import human_time

if TYPE_CHECKING:
    from dcsim.run import Run

MOST_BARS = 1500
MOST_WAITERS = 25
MOST_PX = 340  # height of a chart beside the room that names need
PIXELS = 2000  # gaps below this part of the span are not seen


def gantt_figure(run: Run, held: Stretches) -> Figure | None:
    """Every job as bars on its accelerators; None where that would be more bars than can be read."""
    if len(held) > MOST_BARS or not len(held):
        return None
    bars = job_bars(run.scenario, run.jobs, run.log, held)
    if bars is None or not 0 < len(bars) <= MOST_BARS:
        return None
    pools, by_node = run.scenario.pools, len(run.log.nodes) > 0
    lanes = [pool.nodes * pool.accelerators_per_node for pool in pools]
    bands = Bands.of(pools, lanes) if by_node else None
    y_title, ticks = bands.named() if bands else ("Accelerator", ())
    marks: list[Mark] = [*_bars_by_size(run, held, bars, bands), *(bands.walls(run.end_s) if bands else ())]
    panel = Panel(y_title, tuple(marks), float(sum(lanes)), ticks, legend="Accelerators of the job:")
    where = "node" if by_node else "pool"
    caption = (
        f"A row is an accelerator, a bar a job. Which accelerators of its {where} a job has is for the drawing only."
    )
    x = TimeScale.of(run.scenario.start, run.end_s)
    height = int(min(MOST_PX + (bands.least_px if bands else 0), 160 + 14 * sum(lanes)))
    return Figure("jobs", "Every job on its accelerators", caption, x, (0.0, run.end_s), (panel,), height)


def _bars_by_size(run: Run, held: Stretches, bars: list[Bar], bands: Bands | None) -> Iterator[Bars]:
    """Bars of each size class; at the heights of the pools' bands, or at plain numbers of accelerators."""
    sizes = size_classes(run.jobs.accelerators)
    size = sizes.of_job[held.job[[bar.stretch for bar in bars]]]
    stretch, low, height = np.array(bars, np.intp).T
    bottom, top = (bands.y(lane) if bands else lane.astype(float) for lane in (low, low + height))
    for number, label in enumerate(sizes.labels):
        mine = size == number
        at, y, high = stretch[mine], (bottom + top)[mine] / 2, (top - bottom)[mine]
        notes = tuple(run.jobs.job_id(job) for job in held.job[at].tolist())
        color = f"size {number}/{len(sizes)}"
        yield Bars(label, held.start_s[at], held.length_s[at], y, high, color, notes, True)


def longest_waits_figure(run: Run, held: Stretches) -> Figure | None:
    """Waiting and running of the jobs that waited longest in all; None if no job waited."""
    worst = longest_waiters(waiting_s(run))[:MOST_WAITERS].tolist()
    if not worst:
        return None
    stories = [_story(run, held, job) for job in worst]
    bars = np.cumsum([len(waits) + len(runs) for waits, runs in stories])
    count = max(1, int(np.searchsorted(bars, MOST_BARS, side="right")))
    worst, stories = worst[:count], stories[:count]
    marks = (_spans("waiting", "waits", [w for w, _ in stories]), _spans("running", "held", [r for _, r in stories]))
    ticks = tuple((count - i - 0.5, name) for i, name in enumerate(job_names(run, worst)))
    longest_s = max(float(part[-1, 1]) for story in stories for part in story if len(part))
    caption = "The job that waited longest in all is on top. Bars end where the job or the run ended."
    panel = Panel("Job (accelerators)", marks, float(count), ticks)
    x = TimeScale.since("submission", longest_s)
    return Figure(
        "longest-waits", "Jobs that waited longest", caption, x, (0.0, longest_s), (panel,), 120 + 20 * max(count, 3)
    )


def _story(run: Run, held: Stretches, job: int) -> tuple[Floats, Floats]:
    """Spans of waiting and of running of one job, s since its submission, each of shape (spans, 2).

    Gaps too short to see are closed.
    """
    mine = np.flatnonzero(held.job == job)
    submit_s, over_s = float(run.jobs.submit_s[job]), float(run.results.end_s[job])
    end_s = (run.end_s if isnan(over_s) else over_s) - submit_s
    runs = np.column_stack([held.start_s[mine], held.end_s[mine]]) - submit_s
    apart = np.diff(runs.ravel())[1::2] > end_s / PIXELS
    first, last = np.concatenate([[True], apart])[: len(runs)], np.concatenate([apart, [True]])[: len(runs)]
    runs = np.column_stack([runs[first, 0], runs[last, 1]])
    waits = np.column_stack([np.append(0.0, runs[:, 1]), np.append(runs[:, 0], end_s)])
    return waits[waits[:, 1] > waits[:, 0]], runs


def _spans(name: str, color: str, spans: list[Floats]) -> Bars:
    """Bars of the spans of each job, the first job on top."""
    count = len(spans)
    y = np.concatenate([np.full(len(s), count - i - 0.5) for i, s in enumerate(spans)])
    both = np.concatenate(spans)
    length_s = both[:, 1] - both[:, 0]
    notes = tuple(f"{name} for {human_time(length)}" for length in length_s.tolist())
    return Bars(name, both[:, 0], length_s, y, np.full(len(y), 0.7), color, notes)


def job_names(run: Run, jobs: Sequence[int]) -> list[str]:
    """The ids of jobs, long ones shortened, each with its accelerators."""
    names = shortened([run.jobs.job_id(job) for job in jobs])
    return [f"{name} ({run.jobs.accelerators[job]})" for name, job in zip(names, jobs, strict=True)]
