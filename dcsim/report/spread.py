"""How waits and completion times spread, by job size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcsim.report.figure import Boxes, Figure, Floats, Panel
from dcsim.report.sizes import SizeClasses, size_classes
from dcsim.units import human_count

if TYPE_CHECKING:
    from dcsim.run import Run

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
HOW_TO_READ = "Box: middle half, line: median, whiskers: 5 % to 95 %, diamond: mean, dot: maximum."
ROW_HEIGHT = 46  # px on the page


def spread_figures(run: Run) -> list[Figure]:
    """Waits of jobs that waited, with the share that did, and completion times; none of what does not occur."""
    sizes = size_classes(run.jobs.accelerators)
    return [*_waits(run, sizes), *_completions(run, sizes)]


def _waits(run: Run, sizes: SizeClasses) -> list[Figure]:
    wait_s = run.results.wait_s
    started = ~np.isnan(wait_s)
    labels = []
    for number, label in enumerate(sizes.labels):
        mine = wait_s[started & (sizes.of_job == number)]
        labels.append(f"{label}\n{_share(mine > 0.0)}")
    caption = f"Until the first start. Boxes hold only jobs that waited; labels tell their share. {HOW_TO_READ}"
    positive = np.where(started & (wait_s > 0.0), wait_s, np.nan)
    return _figure("wait-by-size", "Waiting time by job size", caption, "Waiting time", positive, sizes, labels)


def _share(waited: NDArray[np.bool_]) -> str:
    if not len(waited):
        return "none started"
    percent = 100 * float(waited.mean())
    return f"{percent:{'.0f' if percent >= 1.0 else '.2g'}} % of {human_count(len(waited))} waited"


def _completions(run: Run, sizes: SizeClasses) -> list[Figure]:
    jct_s = np.where(run.results.jct_s > 0.0, run.results.jct_s, np.nan)
    count = np.bincount(sizes.of_job[~np.isnan(jct_s)], minlength=len(sizes)).tolist()
    labels = [f"{label}\n{human_count(n)} ended" for label, n in zip(sizes.labels, count, strict=True)]
    caption = f"From submission to the end, of jobs that ended. {HOW_TO_READ}"
    return _figure("jct-by-size", "Completion time by job size", caption, "Job completion time", jct_s, sizes, labels)


def _figure(
    key: str, title: str, caption: str, x: str, values: Floats, sizes: SizeClasses, labels: list[str]
) -> list[Figure]:
    """One box for each class that has values; a list, empty where no job has one."""
    if np.isnan(values).all():
        return []
    rows, quantiles, mean, most = [], [], [], []
    for number in range(len(sizes)):
        mine = values[sizes.of_job == number]
        mine = mine[~np.isnan(mine)]
        if len(mine):
            rows.append(number + 0.5)
            quantiles.append(np.quantile(mine, QUANTILES))
            mean.append(mine.mean())
            most.append(mine.max())
    boxes = Boxes(np.array(rows), np.array(quantiles), np.array(mean), np.array(most))
    ticks = tuple((i + 0.5, label) for i, label in enumerate(labels))
    panel = Panel("Accelerators", (boxes,), float(len(sizes)), ticks)
    span = (float(boxes.quantiles.min()), float(boxes.most.max()))
    return [Figure(key, title, caption, f"{x} (log scale)", span, (panel,), 130 + ROW_HEIGHT * len(sizes))]
