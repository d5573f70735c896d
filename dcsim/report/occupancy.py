"""Who was busy when, at bounded resolution: a heat map of nodes, or of job sizes where there are no nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcsim.metrics.cells import held_in_cells
from dcsim.metrics.runs import Stretches
from dcsim.report.bands import Bands
from dcsim.report.figure import Cells, Figure, Floats, Panel, TimeScale
from dcsim.report.sizes import size_classes
from dcsim.report.slots import edges, slot_text
from dcsim.run import capacity
from dcsim.scenario.spec import Pool

if TYPE_CHECKING:
    from dcsim.run import Run

MOST_ROWS = 200
MOST_SLOTS = 400
AROUND_PX = 100  # height of a figure around its plotting area
SIZES_PX = 340  # and of a map of sizes


def occupancy_figure(run: Run, held: Stretches) -> Figure:
    """Nodes x time where jobs sit on nodes, else job sizes x time: percent of accelerators allocated."""
    slots = edges(run.end_s, MOST_SLOTS)
    by_node = len(run.log.nodes) > 0
    panel, rows_text, height = _node_rows(run, held, slots) if by_node else _size_rows(run, held, slots)
    caption = f"Each cell: share of {rows_text} that jobs held, mean of {slot_text(run.end_s, MOST_SLOTS)}."
    title = "Which nodes were busy" if by_node else "Which job sizes held the accelerators"
    x = TimeScale.of(run.scenario.start, run.end_s)
    return Figure("occupancy", title, caption, x, (0.0, run.end_s), (panel,), height)


def _node_rows(run: Run, held: Stretches, slots: Floats) -> tuple[Panel, str, int]:
    """Rows of as many neighbouring nodes of a pool as it takes to stay within the resolution; height, px."""
    pools = run.scenario.pools
    group = -(-sum(pool.nodes for pool in pools) // MOST_ROWS)
    rows = [-(-pool.nodes // group) for pool in pools]
    first = np.concatenate([[0], np.cumsum(rows)])
    sizes = np.concatenate([_row_capacity(pool, group) for pool in pools])
    pieces = np.diff(run.log.offsets)[held.row]
    stretch = np.repeat(np.arange(len(held)), pieces)  # pieces lie in the order of their start rows
    row = first[run.log.pool[held.row]][stretch] + run.log.nodes // group
    shares = np.ones(len(run.jobs)) if run.jobs.share is None else run.jobs.share
    weight = (held.share * shares[held.job])[stretch] * run.log.counts
    share = held_in_cells(held.start_s[stretch], held.end_s[stretch], weight, row, len(sizes), slots)
    bands = Bands.of(pools, rows)
    cells = Cells("% allocated", slots, bands.y(np.arange(len(sizes) + 1.0)), _percent(share / sizes[:, None]))
    what = "the accelerators of a node" if group == 1 else f"the accelerators of {group} nodes"
    title, ticks = bands.named()
    panel = Panel(title, (cells, *bands.walls(run.end_s)), bands.top, ticks)
    return panel, what, AROUND_PX + bands.least_px


def _row_capacity(pool: Pool, group: int) -> NDArray[np.int64]:
    """Accelerators behind each row of a pool; the last row may have fewer nodes."""
    begin = np.arange(0, pool.nodes, group)
    return (np.minimum(begin + group, pool.nodes) - begin) * pool.accelerators_per_node


def _size_rows(run: Run, held: Stretches, slots: Floats) -> tuple[Panel, str, int]:
    """Without node walls: a row for each job size class, against the capacity of all pools; height, px."""
    sizes = size_classes(run.jobs.accelerators)
    weight = run.jobs.demand[held.job] * held.share
    share = held_in_cells(held.start_s, held.end_s, weight, sizes.of_job[held.job], len(sizes), slots)
    cells = Cells("% allocated", slots, np.arange(len(sizes) + 1.0), _percent(share / capacity(run.scenario)))
    ticks = tuple((i + 0.5, label) for i, label in enumerate(sizes.labels))
    return Panel("Accelerators of the job", (cells,), float(len(sizes)), ticks), "all accelerators", SIZES_PX


def _percent(share: Floats) -> NDArray[np.uint8]:
    return np.rint(np.clip(share, 0.0, 1.0) * 100).astype(np.uint8)
