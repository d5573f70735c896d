"""How much of what is free on a node the tasks to come cannot use: Weng et al., USENIX ATC 2023, section 3.

A task is one job on one node: so many accelerators, or a share of one, and CPU cores.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcsim.policies.view import Request
from dcsim.units import MILLI

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class States:
    """What nodes have free.

    `milli`: thousandths free of each accelerator, shape (nodes, width), 0 beyond what a node has; `milli_cpus`:
    thousandths of CPU cores and `pool`: number of the pool, shape (nodes,).
    """

    milli: Ints
    milli_cpus: Floats
    pool: Ints

    def take(self, rows: NDArray[np.intp]) -> States:
        """Some of them, copied."""
        return States(self.milli[rows], self.milli_cpus[rows], self.pool[rows])


class TaskMix:
    """What tasks ask for and how many ask for each: the distribution that fragmentation is measured by.

    `tasks`: (request, number of jobs) pairs. Requests that differ in memory alone are one kind of task, as in the
    authors' artifact, where memory fragments nothing. `popularity`: the kinds that most jobs ask for are counted, until
    they make up that share of all jobs; ties in order of cores, share, accelerators, pools, larger first. `pools`: how
    many pools there are. `weight`: jobs of all the kinds that are counted.
    """

    def __init__(self, tasks: Iterable[tuple[Request, int]], pools: int, popularity: float = 1.0) -> None:
        kinds = popular(tasks, popularity)
        self.weight = float(sum(kinds.values()))
        users = [(kind, float(jobs)) for kind, jobs in kinds.items() if kind[2]]  # the others use no accelerator
        self._jobs = np.array([jobs for _, jobs in users])
        self._milli_cpus = np.array([kind[0] for kind, _ in users], np.float64)
        self._accelerators = np.array([kind[2] for kind, _ in users], np.int64)
        self._shares, self._share = np.unique(np.array([kind[1] for kind, _ in users], np.int64), return_inverse=True)
        self._allowed = np.array([[pool in kind[3] for kind, _ in users] for pool in range(pools)], np.bool_)

    def fragments(self, nodes: States) -> Floats:
        """Expected fragment of each node, thousandths of an accelerator x `weight`, shape (nodes,).

        For a task that does not fit, all that is free is a fragment; for one that does, what is free on accelerators
        with less than it wants of each (section 3.2, equations 1 to 3). Whole numbers, so that sums are exact
        below 2^53 in whatever order.
        """
        free = nodes.milli[:, None, :]
        enough = free >= self._shares[:, None]
        count = np.count_nonzero(enough, axis=2)[:, self._share]
        usable = np.where(enough, free, 0).sum(axis=2)[:, self._share]
        fits = (count >= self._accelerators) & (nodes.milli_cpus[:, None] >= self._milli_cpus)
        used: Floats = np.where(fits & self._allowed[nodes.pool], usable, 0) @ self._jobs
        free_of_all: Floats = self.weight * nodes.milli.sum(axis=1)
        return free_of_all - used


Kind = tuple[int, int, int, tuple[int, ...]]
"""Thousandths of CPU cores, thousandths of each accelerator, accelerators, pools."""


def popular(tasks: Iterable[tuple[Request, int]], popularity: float) -> dict[Kind, int]:
    """Jobs by kind of task, the kinds with most jobs first, until they make up that share of all jobs."""
    jobs: dict[Kind, int] = {}
    for request, count in tasks:
        share = round(request.share * MILLI) if request.accelerators else 0
        kind = (round(request.cpus * MILLI), share, request.accelerators, request.pools)
        jobs[kind] = jobs.get(kind, 0) + count
    wanted = popularity * sum(jobs.values())
    kept: dict[Kind, int] = {}
    for kind, count in sorted(jobs.items(), key=lambda item: (item[1], item[0]), reverse=True):
        if sum(kept.values()) >= wanted:
            break
        kept[kind] = count
    return kept
