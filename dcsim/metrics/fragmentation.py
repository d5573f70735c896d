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

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


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


@dataclass(frozen=True)
class Fragmentation:
    """Accelerators that were free and of no use to a job drawn from all that would fit if everything were free, mean
    over the run's time: how many, and which share of all that were free; None without node walls or such jobs, `share`
    also where nothing was ever free."""

    mean: float | None
    share: float | None

    def named(self) -> dict[str, float | None]:
        """As in the summary of a run."""
        return {"unusable_accelerators_mean": self.mean, "fragmentation": self.share}


@dataclass(frozen=True)
class Free:
    """Accelerators free on nodes with a number of parts of them free, by pool and that number; shape (pools, numbers).

    `mean`: over the run's time; `at_end`: at its end. `parts`: of an accelerator, 1 where jobs take whole ones.
    """

    mean: Floats
    at_end: Floats
    parts: int

    def fewer(self, least: Sequence[float]) -> tuple[float, float]:
        """Accelerators on nodes with fewer free than `least`, one number for each pool: mean, and at the end."""
        upto = [round(number * self.parts) for number in least]
        mean, at_end = (sum(float(of[p, :n].sum()) for p, n in enumerate(upto)) for of in (self.mean, self.at_end))
        return mean, at_end


def fragmentation(jobs: JobTable, log: EventLog, pools: Sequence[Pool], end_s: float) -> Fragmentation:
    """How much of what was free the mix of jobs had no use for; those that can never fit are not in it.

    A job has use for a node with as many free as it asks for or, where it asks for more than the node has, for an empty
    one. Source: Weng et al., USENIX ATC 2023, section 3.2; cores, and pools that jobs may use, are not looked at. Where
    jobs take parts of accelerators, this is a lower bound, as `unusable` is.
    """
    free = _free(jobs, log, pools, end_s)
    sizes, counts = np.unique(jobs.demand[_ever_fit(jobs, pools)], return_counts=True)
    if free is None or not len(sizes):
        return Fragmentation(None, None)
    widths = [pool.accelerators_per_node for pool in pools]
    mix = zip(sizes.tolist(), (counts / counts.sum()).tolist(), strict=True)
    mean, total = sum(p * free.fewer([min(size, width) for width in widths])[0] for size, p in mix), free.mean.sum()
    return Fragmentation(mean, mean / float(total) if total > 0.0 else None)


def _ever_fit(jobs: JobTable, pools: Sequence[Pool]) -> NDArray[np.bool_]:
    """Whether some pool has the accelerators for each job when it is empty, shape (jobs,).

    Jobs that are rejected for want of room now, as `loss` does, are in the mix: it is them whom fragmentation costs.
    """
    widest = max(pool.accelerators_per_node for pool in pools)
    largest = max(pool.nodes * pool.accelerators_per_node for pool in pools)
    most = largest if jobs.one_node is None else np.where(jobs.one_node, widest, largest)
    fits: NDArray[np.bool_] = jobs.demand <= most
    return fits


def unusable(jobs: JobTable, log: EventLog, pools: Sequence[Pool], end_s: float) -> tuple[Unusable, ...]:
    """One row for each size that jobs ask for and some node has, small to large; none without node walls.

    All pools count, whichever a job may use. Where jobs take parts of accelerators, the log tells the sum on a node and
    not the devices, nor is it asked whether cores and memory are left: then these are lower bounds.
    """
    widest = max(pool.accelerators_per_node for pool in pools)
    free = _free(jobs, log, pools, end_s)
    if free is None:
        return ()
    total = float(free.mean.sum()), float(free.at_end.sum())
    sizes = [n for n in np.unique(jobs.accelerators).tolist() if 0 < n <= widest]
    return tuple(Unusable(size, *free.fewer([size] * len(pools)), *total) for size in sizes)


def _free(jobs: JobTable, log: EventLog, pools: Sequence[Pool], end_s: float) -> Free | None:
    """What nodes had free; None without node walls, and for a run that took no time."""
    if not len(log.nodes) or not end_s > 0.0:
        return None
    parts = 1 if jobs.share is None else MILLI
    widths = np.array([pool.accelerators_per_node * parts for pool in pools], np.int32)
    pool = np.repeat(np.arange(len(pools), dtype=np.int32), [pool.nodes for pool in pools])  # of each node
    node, change, time_s = _changes(jobs, log, pools, parts, end_s)
    left = widths[pool] + np.rint(np.bincount(node, change, len(pool))).astype(np.int32)
    # Node by node, each from second 0, when it has all; sorting small numbers is quick and keeps the order of the log.
    small = np.uint16 if len(pool) <= 1 << 16 else np.int32
    node = np.concatenate([np.arange(len(pool)), node], dtype=small, casting="unsafe")
    order = np.argsort(node, kind="stable")
    node, time_s = node[order], np.concatenate([np.zeros(len(pool)), time_s])[order]
    change = np.concatenate([widths[pool] - np.append(np.int32(0), left[:-1]), change])[order]
    has = np.cumsum(change, dtype=np.int32)
    held_s = np.diff(time_s, append=end_s)
    last = np.append(np.flatnonzero(node[1:] != node[:-1]), len(node) - 1)
    held_s[last] = end_s - time_s[last]
    numbers = np.arange(int(widths.max()) + 1)
    shape = len(pools), len(numbers)
    for_s, nodes = (
        np.bincount(where * shape[1] + number, weight, shape[0] * shape[1]).reshape(shape)
        for where, number, weight in ((pool[node], has, held_s), (pool, left, None))
    )
    return Free(for_s / end_s * numbers / parts, nodes * numbers / parts, parts)


def _changes(
    jobs: JobTable, log: EventLog, pools: Sequence[Pool], parts: int, end_s: float
) -> tuple[Ints, Ints, Floats]:
    """Node, parts of accelerators given back (taken: below 0), and time, s, of each change on a node, in the order of
    the log. Small types, since half of the cost is memory."""
    held = stretches(log, end_s)
    number = np.arange(len(held), dtype=np.int32)
    of = np.full(len(log) + 1, -1, np.int32)  # the stretch that a row begins or ends
    of[held.row], of[held.end_row] = number, number
    row = np.flatnonzero(of[:-1] >= 0).astype(np.int32)
    start = held.row.astype(np.int32)[of[row]]
    # A piece is a job's part of one node: those of a stretch are those of the row that begins it.
    count = np.diff(log.offsets)[start]
    at = np.repeat(np.arange(len(row), dtype=np.int32), count)
    piece = np.arange(len(at), dtype=np.int32) + (log.offsets[start] - np.cumsum(count, dtype=np.int32) + count)[at]
    each = np.where(row == start, np.int32(-parts), np.int32(parts))
    if jobs.share is not None:
        each = np.rint(each * jobs.share[log.job[start]]).astype(np.int32)
    node = log.nodes[piece]
    if len(pools) > 1:
        node += np.cumsum([0, *(pool.nodes for pool in pools)], dtype=np.int32)[log.pool[start]][at]
    return node, log.counts[piece] * each[at], log.time_s[row][at]
