"""Load over time: what was allocated, and what waited."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcsim.report.decimate import MOST_POINTS, keep_extremes, mean_steps
from dcsim.report.figure import Figure, Floats, Panel, Steps, TimeScale
from dcsim.report.markup import shortened
from dcsim.report.slots import edges, slot_text
from dcsim.run import capacity

if TYPE_CHECKING:
    from dcsim.run import Run

AIR = 1.08  # room above the highest value
Values = NDArray[np.float64] | NDArray[np.int64]

MEAN_SLOTS = 200  # slots of the lines of means
CROWDED = 1000  # points from which on a line of means is drawn over the line itself
POOL_COLORS = ("spare", "other", "waits", "queue")
MOST_POOLS = len(POOL_COLORS)  # pools that get a line of their own


def load_figure(run: Run) -> Figure:
    """Accelerators allocated against the capacity, jobs waiting, and accelerators that they wait for."""
    line, end_s = run.timeline, run.end_s
    total = capacity(run.scenario)
    capacity_line = Steps("capacity", np.array([0.0, end_s]), np.array([total, total]), "capacity", 1.2, dashed=True)
    waiting = _line(run, line.queue_jobs, "jobs waiting", "queue", listed=False)
    wanted = _line(run, line.queue_accelerators, "accelerators waited for", "queue", listed=False)
    panels = (
        Panel("Accelerators\nallocated", (*_allocated(run), capacity_line), top=total * AIR, share=1.3),
        Panel("Jobs\nwaiting", waiting, top=_top(line.queue_jobs)),
        Panel("Accelerators\nwaited for", wanted, top=_top(line.queue_accelerators)),
    )
    caption = "Accelerators held by jobs, jobs that waited, and accelerators that these jobs asked for."
    if len(line.time_s) > CROWDED:
        slot = slot_text(end_s, MEAN_SLOTS)
        caption += f" Pale: every change, lowest and highest values kept. Dark: mean of each {slot}."
    return Figure("load", "Load over time", caption, TimeScale.of(run.scenario.start, end_s), (0.0, end_s), panels, 560)


def _top(values: Values) -> float:
    return max(1.0, float(values.max(initial=0))) * AIR


def _allocated(run: Run) -> tuple[Steps, ...]:
    line, pools = run.timeline, run.scenario.pools
    total = _line(run, line.allocated, "allocated", "held")
    if not 1 < len(pools) <= MOST_POOLS:
        return total
    # With several pools the pale line of every change would hide the pools: their lines stand alone.
    names = shortened([pool.name for pool in pools])
    lines = (_line(run, line.pools[i], f"in pool {name}", POOL_COLORS[i])[-1] for i, name in enumerate(names))
    return total + tuple(replace(drawn, filled=False) for drawn in lines)


def _line(run: Run, values: Values, name: str, color: str, listed: bool = True) -> tuple[Steps, ...]:
    """The line itself; pale and with a line of means over it where it has many points."""
    end_s = run.end_s
    time_s, values = _from_zero(run.timeline.time_s, values)
    kept = keep_extremes(time_s, values, MOST_POINTS - 1)
    whole_s, whole = np.append(time_s[kept], end_s), np.append(values[kept], values[-1])
    if len(time_s) <= CROWDED:
        return (Steps(name, whole_s, whole, color, filled=True, listed=listed),)
    slots = edges(end_s, MEAN_SLOTS)
    mean = mean_steps(time_s, values, end_s, slots)
    return (
        Steps(name, whole_s, whole, f"{color}_light", 0.8, filled=True, listed=listed),
        Steps(f"{name}, mean", slots, np.append(mean, mean[-1]), color, 1.8, listed=listed),
    )


def _from_zero(time_s: Floats, values: Values) -> tuple[Floats, Values]:
    """A step function that begins at second 0, with nothing before its first value."""
    if len(time_s) and time_s[0] == 0.0:
        return time_s, values
    return np.concatenate([[0.0], time_s]), np.concatenate([np.zeros(1, values.dtype), values])
