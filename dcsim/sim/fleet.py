"""All pools together: what each job needs, whether it could ever fit, and where it would go now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dcsim.policies.decisions import Allocation
from dcsim.policies.placements import Placement
from dcsim.policies.view import Request
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.spec import Accelerator, Pool
from dcsim.sim.nodes import Counts, Nodes


def speed(accelerator: Accelerator) -> float:
    """Peak half-precision rate, FLOP/s (bf16, else fp16, else fp32), or 1 where the device has none of them."""
    return accelerator.bf16 or accelerator.fp16 or accelerator.fp32 or 1.0


class Fleet:
    """The pools of a scenario under one placement policy."""

    def __init__(self, pools: Sequence[Pool], placement: Placement) -> None:
        walls = not placement.ignores_nodes
        self.placement = placement
        self.pools = [Nodes(p.nodes, p.accelerators_per_node, walls, speed(p.accelerator)) for p in pools]
        self.capacity = sum(p.nodes * p.width for p in self.pools)

    def place(self, request: Request) -> Allocation | None:
        """Where the placement policy puts a job with these needs now."""
        return self.placement.place(request, self.pools)

    def could_fit(self, request: Request) -> bool:
        """Whether the job would fit if every node were empty."""
        return any(
            Counts(pool.nodes, pool.width, pool.walls).fits(request.accelerators)
            for pool in (self.pools[n] for n in request.pools)
        )

    def occupy(self, allocation: Allocation, accelerators: int) -> None:
        """Take an allocation; ValueError, and no change, where it is not free."""
        self.pools[allocation.pool].occupy(allocation, accelerators)

    def release(self, allocation: Allocation, accelerators: int) -> None:
        """Give an allocation back."""
        self.pools[allocation.pool].release(allocation, accelerators)

    def scratch(self) -> list[Counts]:
        """Copies of the pools' counts, for what-if questions."""
        return [pool.scratch() for pool in self.pools]


def requests(jobs: JobTable, pools: Sequence[Pool]) -> tuple[list[Request], list[int]]:
    """The distinct needs among the jobs, and for each job the number of its needs."""
    names = {pool.name: number for number, pool in enumerate(pools)}
    columns = [jobs.accelerators.astype(np.int64)]
    if jobs.pool.codes is not None:
        columns.append(jobs.pool.codes.astype(np.int64))
    if len(columns) == 1:
        distinct, kind = np.unique(columns[0], return_inverse=True)
        rows = distinct.reshape(-1, 1)
    else:
        rows, kind = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    everywhere = tuple(range(len(pools)))

    def allowed(row: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[int, ...]:
        if len(row) == 1 or row[1] < 0:
            return everywhere
        name = jobs.pool.names[int(row[1])]
        return (names[name],) if name in names else ()

    return [Request(int(row[0]), pools=allowed(row)) for row in rows], kind.reshape(-1).tolist()
