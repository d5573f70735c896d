"""FGD: where least becomes useless to the tasks of the workload (fragmentation gradient descent)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dcsim.policies.decisions import Allocation
from dcsim.policies.fragments import States, TaskMix
from dcsim.policies.placements import Placement, fullest_beside, gang, in_parts, on_devices, one_node
from dcsim.policies.view import PoolView, Request, SharedPoolsView
from dcsim.units import MILLI

Numbers = NDArray[np.intp]

HIGHEST = 100
"""Scores of nodes are whole numbers from 0 to this, as in Kubernetes."""


@dataclass
class Fgd(Placement):
    """Fragmentation gradient descent (Weng et al., USENIX ATC 2023).

    What a node has free and a task cannot use is a fragment of it: all that is free where the task does not fit, for
    want of accelerators, of cores or of the right model; else what is free on accelerators with less than the task
    wants of each. F of a node is the mean over the tasks of the workload. A job goes, of all pools it may use, to the
    node, and with a fraction to the accelerator, on which F grows least; whole accelerators are the lowest-numbered
    idle ones.

    Growth counts as in the authors' artifact, by Kubernetes' whole scores: floor(100 / (1 + exp(growth))), growth in
    accelerators, so that nodes within some 0.04 accelerators of each other tie. Ties go to the node that comes first
    in an order of all nodes drawn once a run from the stream `placement`, so that none depends on the order of the
    scenario's pools; then to the lowest-numbered accelerator.

    The tasks are those of the whole workload: how many jobs ask for the same, neither when nor for how long. That is
    more than a scheduler knows which has only the past, and what the authors' has. Host memory decides where a job
    fits, and fragments nothing. A job larger than a node goes where `pack` puts it; where
    nodes are shared in parts, its remainder goes where F grows least.
    """

    uses_random: ClassVar[bool] = True
    uses_tasks: ClassVar[bool] = True

    popularity: float = 0.95
    """The tasks that most jobs ask for are looked at, until they make up this share of the jobs."""

    def __post_init__(self) -> None:
        if not 0.0 < self.popularity <= 1.0:
            raise ValueError("popularity: must be above 0 and at most 1")
        self.stream = np.random.default_rng(0)  # the engine gives each run its own

    def expect(self, tasks: Sequence[tuple[Request, int]], pools: int) -> None:
        """Begin a run with these tasks."""
        self._mix = TaskMix(tasks, pools, self.popularity)
        self._rank: Numbers = np.empty(0, np.intp)
        self._seen: _Seen | None = None
        self._scores: dict[tuple[int, float, float], _Scores] = {}
        self._by_free = cache(self._score_by_free)

    def place(self, request: Request, pools: Sequence[PoolView]) -> Allocation | None:
        """The node whose fragment grows least; gangs as `pack` has them."""
        need = request.accelerators
        first = np.cumsum([0, *(pool.nodes for pool in pools)])
        score = np.full(first[-1], -1)
        for number in request.pools:
            pool = pools[number]
            score[first[number] : first[number + 1]] = self._by_free(number, pool.width, need)[pool.free()]
        node = self._best(np.arange(first[-1]), score, int(first[-1]))
        if score[node] >= 0:
            number = int(np.searchsorted(first, node, "right")) - 1
            return one_node(number, node - int(first[number]), need)
        for number in request.pools:
            if need > pools[number].width and (nodes := gang(pools[number], need, fullest_beside)) is not None:
                return Allocation(number, *nodes)
        return None

    def place_shared(self, request: Request, pools: SharedPoolsView) -> Allocation | None:
        """The node, over all pools, whose fragment grows least, and there the accelerator."""
        return in_parts(request, pools, self._one_of)

    def _one_of(self, nodes: Numbers, request: Request, pools: SharedPoolsView) -> Allocation:
        seen = self._seen = self._seen or _Seen(pools)
        seen.look(pools, self._mix)
        asked = (request.accelerators, request.share, request.cpus)
        scores = self._scores.get(asked)
        if scores is None:
            scores = self._scores[asked] = _Scores(len(pools.pool))
        stale = nodes[scores.at[nodes] < seen.changed[nodes]]
        if len(stale):
            self._look_up(scores, request, stale, seen)
        node = self._best(nodes, scores.score[nodes], len(pools.pool))
        free = scores.free[node]  # the first accelerator that has as much free is the one that was meant
        return on_devices(node, request, pools, lambda milli: int((milli == free).argmax()))

    def _best(self, nodes: Numbers, score: NDArray[np.integer[Any]], of: int) -> int:
        """The one of these nodes, `of` so many in all, with the highest score; ties by the run's own order."""
        if not len(self._rank):
            self._rank = self.stream.permutation(of)
        best = nodes[score == score.max()]
        return int(best[self._rank[best].argmin()])

    def _score_by_free(self, pool: int, width: int, need: int) -> NDArray[np.int64]:
        """Scores of nodes with 0, 1, ... `width` free accelerators, which alone count; -1 where there is no room."""
        milli = np.tri(width + 1, width, -1, np.int64) * MILLI
        states = States(milli, np.full(width + 1, np.inf), np.full(width + 1, pool))
        before = self._mix.fragments(states)
        growth = np.roll(before, need)[need:] - before[need:]
        return np.concatenate([np.full(min(need, width + 1), -1), self._score(growth)])

    def _score(self, growth: NDArray[np.float64]) -> NDArray[np.int64]:
        """Scores of growths, thousandths x weight."""
        return (HIGHEST / (1.0 + np.exp(growth / (self._mix.weight * MILLI)))).astype(np.int64)

    def _look_up(self, scores: _Scores, request: Request, nodes: Numbers, seen: _Seen) -> None:
        """Compute the scores of some nodes, ascending, anew."""
        now = seen.states.take(nodes)
        row, after = _with_share(now, request) if request.share < 1.0 else _with_whole(now, request)
        after.milli_cpus[:] -= round(request.cpus * MILLI)
        score = self._score(self._mix.fragments(after) - seen.fragments[nodes[row]])
        by_score = np.lexsort((-score, row))  # stable: of equal scores the first, as accelerators are ascending
        best = by_score[np.searchsorted(row, np.arange(len(nodes)))]
        before = now.milli[row[best]]
        scores.score[nodes] = score[best]
        scores.free[nodes] = before.max(axis=1, where=after.milli[best] != before, initial=0)
        scores.at[nodes] = seen.now


class _Scores:
    """By node, for one task: its score, thousandths free of the accelerator that a share goes on, when computed."""

    def __init__(self, nodes: int) -> None:
        self.score = np.zeros(nodes, np.int16)
        self.free = np.zeros(nodes, np.int16)
        self.at = np.zeros(nodes, np.int64)


class _Seen:
    """All nodes as they were last looked at, with their fragments: of two looks in a row, few nodes differ.

    Compared by value, since jobs also leave, and schedulers ask what would fit if they did.
    """

    def __init__(self, pools: SharedPoolsView) -> None:
        self.states = States(np.full_like(pools.milli, -1), np.zeros_like(pools.milli_cpus), pools.pool)
        self.fragments = np.zeros(len(pools.pool))
        self.changed = np.zeros(len(pools.pool), np.int64)
        self.now = 0

    def look(self, pools: SharedPoolsView, mix: TaskMix) -> None:
        """Note which nodes have changed."""
        self.now += 1
        mine = self.states
        other = np.flatnonzero((mine.milli != pools.milli).any(axis=1) | (mine.milli_cpus != pools.milli_cpus))
        mine.milli[other] = pools.milli[other]
        mine.milli_cpus[other] = pools.milli_cpus[other]
        self.fragments[other] = mix.fragments(mine.take(other))
        self.changed[other] = self.now


def _with_whole(now: States, request: Request) -> tuple[Numbers, States]:
    """Rows of `now`, and what they are when the lowest-numbered idle accelerators are taken."""
    idle = now.milli == MILLI
    taken = idle & (idle.cumsum(axis=1) <= request.accelerators)
    row = np.arange(len(now.milli))
    return row, States(np.where(taken, 0, now.milli), now.milli_cpus.copy(), now.pool)


def _with_share(now: States, request: Request) -> tuple[Numbers, States]:
    """Rows of `now`, one for each accelerator with room, and what they are when the share is taken there."""
    share = round(request.share * MILLI)
    row, device = np.nonzero(now.milli >= share)
    after = now.take(row)
    after.milli[np.arange(len(row)), device] -= share
    return row, after
