"""All pools together: what each job needs, whether it could ever fit, and where it would go now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcsim.errors import Problem, ScenarioError
from dcsim.policies.decisions import Allocation
from dcsim.policies.placements import Placement, no_node
from dcsim.policies.view import Request
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.spec import Accelerator, Pool
from dcsim.sim.nodes import Counts, Nodes
from dcsim.sim.shared import SharedNodes, SharedPools


def speed(accelerator: Accelerator) -> float:
    """Peak half-precision rate, FLOP/s (bf16, else fp16, else fp32), or 1 where the device has none of them."""
    return accelerator.bf16 or accelerator.fp16 or accelerator.fp32 or 1.0


class Fleet:
    """The pools of a scenario under one placement policy.

    `shared`: jobs ask for fractions of accelerators, CPU cores or memory. What `occupy`, `release` and `fits` of a
    pool take as a job's need is its Request then, and its number of accelerators otherwise.
    """

    def __init__(self, pools: Sequence[Pool], placement: Placement, shared: bool) -> None:
        self.shared = shared
        self.pools: list[Any] = (
            SharedPools([_shared(p) for p in pools]) if shared else [_whole(p, placement) for p in pools]
        )
        self.place: Callable[[Request, Any], Allocation | None] = placement.place_shared if shared else placement.place
        # None where the placement never waits for better, and where it does not look at links.
        self.place_late = placement.place_late if placement.waits() else None
        self.place_by_share = placement.place_by_share if placement.uses_links else None
        self.patience_s = placement.patience_s
        # Whether a job of up to a node's accelerators goes on the fullest node of the one pool: see Placement.
        self.best_fit = placement.best_fit and not shared and len(pools) == 1
        # Whether gangs have the one shape that dcsim's own placements with node walls give them, wherever it fits.
        own = type(placement).__module__.startswith("dcsim.")
        self.by_node = own and not (placement.ignores_nodes or placement.selective)
        self.capacity = sum(p.nodes * p.width for p in self.pools)
        self.clocks = [p.clock for p in pools]
        self._empty: list[Any] = [pool.scratch() for pool in self.pools]

    def place_largest(self) -> None:
        """From now on, elastic jobs are placed on the largest gang that fits."""
        self._place_by(_largest)

    def place_nothing(self) -> None:
        """From now on, jobs that ask for no accelerator have a place that holds nothing, in the first of their pools.

        For pools of whole accelerators; where nodes are shared in parts, such jobs go on a node.
        """
        self.best_fit = False  # the plain road would take them to a node
        self._place_by(_nothing_for_none)

    def _place_by(self, rule: Callable[[Callable[..., Allocation | None]], Callable[..., Allocation | None]]) -> None:
        """Put a rule before every way to ask the placement."""
        self.place = rule(self.place)
        self.place_late = self.place_late and rule(self.place_late)
        self.place_by_share = self.place_by_share and rule(self.place_by_share)

    def need(self, request: Request) -> int | Request:
        """What the pools want to know of a job's needs."""
        return request if self.shared else request.accelerators

    def could_fit(self, request: Request) -> bool:
        """Whether the job would fit if nothing else ran."""
        return any(self._empty[n].fits(self.need(request)) for n in request.pools)

    def fits_now(self, request: Request) -> bool:
        """Whether there is room now; the placement is not asked."""
        pools = [self.pools[n] if self.shared else self.pools[n].scratch() for n in request.pools]
        return any(pool.fits(self.need(request)) for pool in pools)

    def scratch(self) -> list[Counts | SharedNodes]:
        """Copies of the pools' state, for what-if questions."""
        return [pool.scratch() for pool in self.pools]


def _largest(place: Callable[..., Allocation | None]) -> Callable[..., Allocation | None]:
    """The same placement, which puts the largest gang of a request's sizes that fits; None if none does."""

    def placed(request: Request, *more: Any) -> Allocation | None:
        """Where the largest gang goes."""
        for size in request.sizes:
            found = place(replace(request, accelerators=size, sizes=()), *more)
            if found is not None:
                return found
        return None if request.sizes else place(request, *more)

    return placed


def _nothing_for_none(place: Callable[..., Allocation | None]) -> Callable[..., Allocation | None]:
    """The same placement, which gives jobs without accelerators a place that holds nothing."""

    def placed(request: Request, *more: Any) -> Allocation | None:
        """Where the job goes."""
        return place(request, *more) if request.accelerators else no_node(request.pools[0])

    return placed


def fleet_for(jobs: JobTable, pools: Sequence[Pool], placement: Placement, name: str) -> Fleet:
    """The fleet these jobs need. `name` is that of the placement, for the ScenarioError raised when jobs ask for
    fractions, CPU cores or memory of a placement that cannot give them."""
    shared = asks_for_parts(jobs, pools)
    if shared and not placement.shares():
        what = "this placement cannot give what jobs ask for: fractions of accelerators, CPU cores, memory, or one node"
        fix = "use 'pack', 'spread', 'random' or 'fgd'"
        raise ScenarioError(Problem("", "placement.use", what, got=f"'{name}'", fix=fix))
    return Fleet(pools, placement, shared)


def asks_for_parts(jobs: JobTable, pools: Sequence[Pool]) -> bool:
    """Whether jobs ask for anything that the pools have but whole accelerators, or may not span nodes and would."""
    fractions = jobs.share is not None and bool((jobs.share < 1.0).any())
    cores = jobs.cpus is not None and any(p.cpus_per_node is not None for p in pools)
    memory = jobs.memory_b is not None and any(p.memory_per_node is not None for p in pools)
    if fractions or cores or memory:
        return True
    narrowest = min(p.accelerators_per_node for p in pools)
    return jobs.one_node is not None and bool((jobs.accelerators[jobs.one_node > 0] > narrowest).any())


def requests(jobs: JobTable, pools: Sequence[Pool]) -> tuple[list[Request], list[int]]:
    """The distinct needs among the jobs, and for each job the number of its needs."""
    columns: dict[str, NDArray[Any]] = {"accelerators": jobs.accelerators}
    optional: dict[str, NDArray[Any] | None] = {"share": jobs.share, "cpus": jobs.cpus, "memory_b": jobs.memory_b}
    optional |= {"one_node": jobs.one_node}
    optional |= {"pool": jobs.pool.codes, "names": jobs.accelerator_names.codes}
    columns |= {name: column for name, column in optional.items() if column is not None}
    if len(columns) == 1:
        distinct, kind = np.unique(jobs.accelerators, return_inverse=True)
        rows = distinct.reshape(-1, 1).astype(np.float64)
    else:
        table = np.stack([column.astype(np.float64) for column in columns.values()], axis=1)
        rows, kind = np.unique(table, axis=0, return_inverse=True)
    allowed = _allowed_pools(jobs, pools)
    found = []
    for row in rows.tolist():
        need: dict[str, Any] = dict(zip(columns, row, strict=True))
        where = allowed(int(need.pop("pool", -1)), int(need.pop("names", -1)))
        one_node = bool(need.pop("one_node", False))
        found.append(Request(int(need.pop("accelerators")), pools=where, one_node=one_node, **need))
    return found, kind.reshape(-1).tolist()


def _allowed_pools(jobs: JobTable, pools: Sequence[Pool]) -> Callable[[int, int], tuple[int, ...]]:
    """Numbers of the pools for a pool's name and a list of accelerator names, both as codes (-1: any)."""

    def allowed(pool: int, names: int) -> tuple[int, ...]:
        """Numbers of the pools that jobs with these wishes may use."""
        numbers = range(len(pools))
        if pool >= 0:
            numbers = [n for n in numbers if pools[n].name == jobs.pool.names[pool]]  # type: ignore[assignment]
        if names >= 0:
            wanted = jobs.accelerator_names.names[names].split("|")
            numbers = [n for n in numbers if pools[n].accelerator.name in wanted]  # type: ignore[assignment]
        return tuple(numbers)

    return allowed


def _whole(pool: Pool, placement: Placement) -> Nodes:
    walls = not placement.ignores_nodes
    return Nodes(pool.nodes, pool.accelerators_per_node, walls, speed(pool.accelerator))


def _shared(pool: Pool) -> SharedNodes:
    width = pool.accelerators_per_node
    return SharedNodes(pool.nodes, width, pool.cpus_per_node, pool.memory_per_node, speed(pool.accelerator))
