"""What a policy may see: the present and the past of the world, requested run times, never true ones.

A `View` is handed in by the engine and is read-only: arrays and lists in it must not be changed, and nothing in
it leads to the future. Times are in s since the scenario's start.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dcsim.policies.decisions import Allocation


@dataclass(frozen=True, slots=True)
class Request:
    """What a job needs: the same object for all jobs with the same needs.

    `accelerators`: gang size; `share`: share of each accelerator, below 1 for one fractional accelerator;
    `cpus`, `memory_b`: needed on each node, 0 where not asked for; `pools`: numbers of the pools it may use. `sizes`:
    all gang sizes of an elastic job, largest first, whose least is `accelerators`; empty for others. `one_node`: it
    goes on one node or nowhere; others may span nodes.
    """

    accelerators: int
    share: float = 1.0
    cpus: float = 0.0
    memory_b: float = 0.0
    pools: tuple[int, ...] = (0,)
    sizes: tuple[int, ...] = ()
    one_node: bool = False


class PoolView(Protocol):
    """The present state of one pool of identical nodes, with the queries placements are made of.

    `nodes`, `width`: number of nodes and accelerators in each. `free_total`: free accelerators in all.
    """

    nodes: int
    width: int
    free_total: int
    speed: float

    def fullest(self, accelerators: int, partly: bool = False) -> int:
        """The node with fewest free accelerators that still has as many, lowest number on a tie; -1 if none.

        `partly`: only among nodes that are not wholly free.
        """
        ...

    def emptiest(self, accelerators: int, partly: bool = False) -> int:
        """The node with most free accelerators, lowest number on a tie; -1 if it has fewer than asked for.

        `partly`: only among nodes that are not wholly free.
        """
        ...

    def empty(self, count: int) -> list[int]:
        """The `count` lowest-numbered wholly free nodes; fewer if there are not so many."""
        ...

    def empty_count(self) -> int:
        """How many nodes are wholly free."""
        ...

    def largest(self) -> int:
        """Accelerators of all wholly free nodes, or free on the emptiest one where there are none; pools with node
        walls only."""
        ...

    def free(self) -> NDArray[np.int64]:
        """Free accelerators of each node, shape (nodes,): a copy."""
        ...

    def free_on(self, node: int) -> int:
        """Free accelerators of one node."""
        ...


class SharedPoolView(Protocol):
    """The present state of a pool whose nodes are shared in parts; see `Request`.

    `cpus`: free CPU cores of each node, shape (nodes,), infinite where the scenario does not say; `milli`: free
    thousandths of each accelerator, shape (nodes, width). Both must not be changed. `free_total`: free accelerators in
    all, parts added up and rounded down.
    """

    nodes: int
    width: int
    speed: float
    cpus: NDArray[np.float64]
    milli: NDArray[np.int64]

    @property
    def free_total(self) -> int:
        """Free accelerators in all, parts added up and rounded down."""
        ...

    def devices(self, node: int, request: Request) -> NDArray[np.intp]:
        """Numbers of the accelerators of a node that have room for the request's share, ascending."""
        ...


class SharedPoolsView(Protocol):
    """All such pools at once: their nodes are numbered through, in the order of the scenario's pools.

    `pool, width, cpus_each`: number of the pool, accelerators and CPU cores of each node, `cpus`: its free cores,
    `milli_cpus`: thousandths of these, all of shape (nodes,); cores are infinite where the scenario does not say.
    `milli`: free thousandths of each accelerator, shape (nodes, largest width), 0 beyond a node's own. They must not
    be changed.
    """

    pool: NDArray[np.int64]
    milli: NDArray[np.int64]
    milli_cpus: NDArray[np.float64]
    width: NDArray[np.int64]
    cpus_each: NDArray[np.float64]
    cpus: NDArray[np.float64]

    def fitting(self, request: Request) -> NDArray[np.intp]:
        """Numbers of the nodes, in the pools that the request may use, on which the whole of it fits, ascending."""
        ...

    def free_share(self) -> NDArray[np.float64]:
        """Free accelerators of each node, parts added up, shape (nodes,)."""
        ...

    def locate(self, number: int) -> tuple[int, int]:
        """Pool and node in that pool of a node's number."""
        ...

    def __getitem__(self, pool: int) -> SharedPoolView:
        """One pool, by its number."""
        ...


class Profile(Protocol):
    """A scratch copy of who holds what, to ask "what if these jobs had left?"; changes nothing real."""

    def release(self, job: int, allocation: Allocation) -> None:
        """As if the job had left this allocation."""
        ...

    def occupy(self, job: int, allocation: Allocation) -> None:
        """As if the job ran on this allocation."""
        ...

    def fits(self, job: int) -> bool:
        """Whether the job could be placed."""
        ...


class JobView:
    """One job as a scheduler's `key` sees it.

    `requested_s`: requested run time; `remaining_s`: requested minus done; `attained_s`: accelerator-seconds of
    service so far (accelerators x run time).
    """

    __slots__ = ("_done_s", "_facts", "attained_s", "job")

    def __init__(self, facts: JobFacts, job: int, done_s: float, attained_s: float) -> None:
        self.job = job
        self.attained_s = attained_s
        self._done_s = done_s
        self._facts = facts  # looked up when asked for: most keys want one thing

    @property
    def submit_s(self) -> float:
        """Submission time, s."""
        return self._facts.submit_s[self.job]

    @property
    def accelerators(self) -> int:
        """Gang size."""
        return self._facts.accelerators[self.job]

    @property
    def requested_s(self) -> float:
        """Requested run time, s."""
        return self._facts.requested_s[self.job]

    @property
    def priority(self) -> int:
        """Priority, larger is more important; 0 where jobs have none."""
        return self._facts.priority[self.job] if self._facts.priority else 0

    @property
    def remaining_s(self) -> float:
        """Requested run time minus what is done, s."""
        return self._facts.requested_s[self.job] - self._done_s


class JobFacts(Protocol):
    """The facts of all jobs that policies may know, as lists by job number; jobs are numbered by submission."""

    @property
    def submit_s(self) -> Sequence[float]:
        """Submission times, s."""
        ...

    @property
    def accelerators(self) -> Sequence[int]:
        """Gang sizes."""
        ...

    @property
    def requested_s(self) -> Sequence[float]:
        """Requested run times, s."""
        ...

    @property
    def priority(self) -> Sequence[int]:
        """Priorities, larger is more important; empty where the jobs have none."""
        ...

    @property
    def tenant(self) -> Sequence[int]:
        """Numbers of tenants, -1 for none; empty where the jobs have none."""
        ...

    @property
    def request_class(self) -> Sequence[int]:
        """For each job the number of its needs in `requests`."""
        ...

    @property
    def requests(self) -> Sequence[Request]:
        """The distinct needs."""
        ...


class View(Protocol):
    """The world as a policy sees it, now."""

    @property
    def facts(self) -> JobFacts:
        """What is known of the jobs."""
        ...

    @property
    def lasts_s(self) -> Sequence[float]:
        """How long each job would hold its accelerators, overheads included, if it ran as long as requested, s.

        Where `rates_vary`, in the pool that suits it best.
        """
        ...

    @property
    def rates_vary(self) -> bool:
        """Whether jobs run at rates that depend on pool, place, clock and neighbours; else all run at rate 1."""
        ...

    @property
    def by_node(self) -> bool:
        """Whether all jobs ask for whole accelerators and each gang larger than a node gets whole empty nodes, and one
        more node for its remainder."""
        ...

    def estimate(self, job: int, allocation: Allocation) -> float:
        """How long a job would hold an allocation if it started there now and took as long as requested, s.

        Overheads and earlier work counted. An allocation without nodes stands for the best place in its pool.
        """
        ...

    @property
    def now(self) -> float:
        """Simulated time, s."""
        ...

    @property
    def pools(self) -> Sequence[PoolView]:
        """The pools, in the order of the scenario."""
        ...

    @property
    def random(self) -> np.random.Generator:
        """The policy's own random stream."""
        ...

    def waiting(self) -> Collection[int]:
        """Jobs that wait, in the order in which they began to."""
        ...

    def running(self) -> Collection[int]:
        """Jobs that run, in the order in which they started."""
        ...

    def job(self, job: int) -> JobView:
        """One job with its progress so far."""
        ...

    def request(self, job: int) -> Request:
        """What one job needs."""
        ...

    def place(self, job: int) -> Allocation | None:
        """Where the scenario's placement would put a waiting job now; None if it does not fit."""
        ...

    def lacking(self, job: int) -> str:
        """In words, for reasons: what a waiting job that has no place finds too little of, now."""
        ...

    def place_after(self, job: int, leaving: Sequence[int]) -> tuple[Allocation, list[int]] | None:
        """Where a waiting job would go if jobs of `leaving` went, one after another, until it fits; and those jobs.

        None if it does not fit when all have gone.
        """
        ...

    def rate(self, job: int) -> float:
        """Rate of a running job, service per second: 1 unless it is time-shared or `rates_vary`."""
        ...

    def saving(self) -> Collection[int]:
        """Preempted jobs that still hold accelerators while they save their state: a live view."""
        ...

    def allocation(self, job: int) -> Allocation:
        """Where a running or saving job is."""
        ...

    def started_s(self, job: int) -> float:
        """When a running job took its accelerators, s."""
        ...

    def expected_end_s(self, job: int) -> float:
        """When a running job would end if it ran as long as requested; may lie in the past."""
        ...

    def profile(self) -> Profile:
        """A scratch copy of the present allocation."""
        ...
