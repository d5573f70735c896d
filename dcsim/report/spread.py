"""How waits and completion times spread, by job size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcsim.metrics.jobs import unstarted
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
    return [figure for figure in (_waits(run, sizes), _completions(run, sizes)) if figure is not None]


def _waits(run: Run, sizes: SizeClasses) -> Figure | None:
    wait_s, still = run.results.wait_s, unstarted(run.results, run.end_s)
    came = still | ~np.isnan(wait_s)
    waited = (np.where(still, run.end_s - run.results.submit_s, wait_s) > 0.0) & came
    labels = [f"{label}\n{_share(waited[came & (sizes.of_job == n)])}" for n, label in enumerate(sizes.labels)]
    caption = "Until the first start. Boxes hold only jobs that waited and started; labels tell the share that waited"
    caption += f"{', started or not' if still.any() else ''}. {HOW_TO_READ}"
    boxes = _boxes(wait_s, sizes)
    return (
        None
        if boxes is None
        else _figure("wait-by-size", "Waiting time by job size", caption, "Waiting time", boxes, labels)
    )


def _share(waited: NDArray[np.bool_]) -> str:
    if not len(waited):
        return "none ran or waited"
    percent = 100 * float(waited.mean())
    return f"{percent:{'.0f' if percent >= 1.0 else '.2g'}} % of {human_count(len(waited))} waited"


def _completions(run: Run, sizes: SizeClasses) -> Figure | None:
    jct_s = run.results.jct_s
    count = np.bincount(sizes.of_job[~np.isnan(jct_s)], minlength=len(sizes)).tolist()
    labels = [f"{label}\n{human_count(n)} ended" for label, n in zip(sizes.labels, count, strict=True)]
    caption = f"From submission to the end, of jobs that ended. {HOW_TO_READ}"
    boxes = _boxes(jct_s, sizes)
    return (
        None
        if boxes is None
        else _figure("jct-by-size", "Completion time by job size", caption, "Completion time", boxes, labels)
    )


def _boxes(values: Floats, sizes: SizeClasses) -> Boxes | None:
    """A box for each class that has positive values; None where no job has one."""
    rows, quantiles, mean, most = [], [], [], []
    for number in range(len(sizes)):
        mine = values[sizes.of_job == number]
        mine = mine[mine > 0.0]  # neither NaN nor zero, which a logarithmic axis cannot show
        if len(mine):
            rows.append(number + 0.5)
            quantiles.append(np.quantile(mine, QUANTILES))
            mean.append(mine.mean())
            most.append(mine.max())
    return Boxes(np.array(rows), np.array(quantiles), np.array(mean), np.array(most)) if rows else None


def _figure(key: str, title: str, caption: str, x: str, boxes: Boxes, labels: list[str]) -> Figure:
    ticks = tuple((i + 0.5, label) for i, label in enumerate(labels))
    panel = Panel("Accelerators", (boxes,), float(len(labels)), ticks)
    span = (float(boxes.quantiles.min()), float(boxes.most.max()))
    return Figure(key, title, caption, f"{x} (log scale)", span, (panel,), 130 + ROW_HEIGHT * len(labels))
