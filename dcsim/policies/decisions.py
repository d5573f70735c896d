"""What a policy may decide. Each decision carries a reason, which goes into the event log."""

from __future__ import annotations

from typing import NamedTuple

TIME_SHARED = -1


class Allocation(NamedTuple):
    """Where a job runs: `counts[k]` accelerators on node `nodes[k]` of pool number `pool`.

    Nodes are numbered from 0 inside their pool. Both tuples are empty under a placement that ignores node walls:
    then the accelerators come from the pool as a whole. Where nodes are shared in parts, `devices` are the numbers
    of the accelerators on their nodes, node after node, and `share` is how much of each the job takes. Pool
    TIME_SHARED stands for no place at all: the job shares all accelerators with others by time.
    """

    pool: int
    nodes: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()
    devices: tuple[int, ...] = ()
    share: float = 1.0


class Start(NamedTuple):
    """Start a waiting job on an allocation. `rate` < 1: it time-shares its accelerators and runs that slowly."""

    job: int
    allocation: Allocation
    reason: str = ""
    rate: float = 1.0


class Preempt(NamedTuple):
    """Stop a running job; it keeps the work of its last checkpoint and waits again."""

    job: int
    reason: str = ""


class Reject(NamedTuple):
    """Send a waiting job away for good."""

    job: int
    reason: str = ""


class SetRate(NamedTuple):
    """Change the share of time that a running, time-shared job gets of its accelerators."""

    job: int
    rate: float
    reason: str = ""


class WakeAt(NamedTuple):
    """Ask for a scheduling pass at a later time, s; changes nothing else."""

    time_s: float


Decision = Start | Preempt | Reject | SetRate | WakeAt
