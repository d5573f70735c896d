"""Fragmentation as a run left it: accelerators that were free, but not enough of them on one node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcsim.eventlog.log import EventLog
from dcsim.metrics.runs import stretches
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.spec import Pool
from dcsim.units import MILLI


@dataclass(frozen=True)
class Unusable:
    """Accelerators that are free on nodes with too few of them for a job of this size.

    `size`: accelerators of the job, all on one node. `mean`: mean over the run's time, and `at_end`: at its end, of
    the accelerators that such a job cannot use; `free_mean` and `free_at_end`: of all that are free.
    """

    size: int
    mean: float
    at_end: float
    free_mean: float
    free_at_end: float


def unusable(jobs: JobTable, log: EventLog, pools: Sequence[Pool], end_s: float) -> tuple[Unusable, ...]:
    """One row for each size that jobs ask for and some node has, small to large; none without node walls.

    All pools count, whichever a job may use. Where jobs take parts of accelerators, the log tells the sum on a node and
    not the devices, nor is it asked whether cores and memory are left: then these are lower bounds.
    """
    widest = max(pool.accelerators_per_node for pool in pools)
    sizes = [n for n in np.unique(jobs.accelerators).tolist() if 0 < n <= widest]
    if not len(log.nodes) or not end_s > 0.0:
        return ()
    time_s, free, last = _free(jobs, log, pools, end_s)
    held_s = np.append(time_s[1:], end_s)
    held_s[last] = end_s
    weight = free * (held_s - time_s) / end_s
    left = free[last]
    return tuple(
        Unusable(
            size=size,
            mean=float(weight[free < size * MILLI].sum()) / MILLI,
            at_end=float(left[left < size * MILLI].sum()) / MILLI,
            free_mean=float(weight.sum()) / MILLI,
            free_at_end=float(left.sum()) / MILLI,
        )
        for size in sizes
    )


def _free(
    jobs: JobTable, log: EventLog, pools: Sequence[Pool], end_s: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.intp]]:
    """When what is free on a node changes, s, and thousandths free from then on, node by node, each from second 0; and
    the last change of each node."""
    sizes = [pool.nodes for pool in pools]
    first = np.cumsum([0, *sizes])
    held = stretches(log, end_s)
    count = np.diff(log.offsets)[held.row]
    of = np.repeat(np.arange(len(held)), count)  # stretch of each piece, a piece being a job's part of one node
    piece = np.arange(len(of)) + np.repeat(log.offsets[held.row] - np.cumsum(count) + count, count)
    share = 1.0 if jobs.share is None else jobs.share[held.job[of]]
    taken = np.rint(log.counts[piece] * share * MILLI).astype(np.int64)
    node = first[log.pool[held.row[of]]] + log.nodes[piece]
    back = held.end_row[of] < len(log)
    all_nodes = np.arange(first[-1])
    nodes = np.concatenate([all_nodes, node, node[back]])
    times = np.concatenate([np.zeros(first[-1]), held.start_s[of], held.end_s[of][back]])
    width = np.repeat([pool.accelerators_per_node * MILLI for pool in pools], sizes)
    change = np.concatenate([width, -taken, taken[back]])
    order = np.lexsort((times, nodes))  # stable: a node's own accelerators come first
    nodes, free = nodes[order], change[order].cumsum()
    last = np.searchsorted(nodes, all_nodes, "right") - 1
    before = np.append(0, free[last[:-1]])
    return times[order], free - before[nodes], last
