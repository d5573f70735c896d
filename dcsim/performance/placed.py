"""A training step in its place: what the nodes of a gang, their NICs, waiting and data make of a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dcsim.kernels.waiting import loading_s, slowest_lognormal
from dcsim.performance.devices import USUAL_NIC, scale_up_domain, usual_nic_b_per_s
from dcsim.scenario.spec import Pool

STRAGGLERS, LOADING = "stragglers", "data loading"


class Place(NamedTuple):
    """Where a gang is: accelerators in each scale-up domain that it touches, and NIC bandwidth of one accelerator,
    one direction, B/s; None: that of the accelerator's usual server."""

    counts: tuple[int, ...]
    nic_b_per_s: float | None

    def domain(self, tp: int) -> float:
        """Ranks of a group that stay together: all of a domain's least share where tensor-parallel groups fit into
        every share, else the largest group that no border between domains cuts."""
        least = min(self.counts)
        return float(least if all(count % tp == 0 for count in self.counts) else math.gcd(*self.counts))


def domain_nodes(pool: Pool) -> int:
    """Nodes of a pool that share a scale-up domain: several only where the accelerator's domain is a rack."""
    return max(int(scale_up_domain(pool.accelerator)) // pool.accelerators_per_node, 1)


def domain_size(pool: Pool) -> int:
    """Accelerators of a pool in one scale-up domain: no more than a node, unless the domain is a rack."""
    size, server = int(scale_up_domain(pool.accelerator)), pool.accelerator.accelerators_per_server or 1
    return size if size > server else min(size, pool.accelerators_per_node)


def packed(pool: Pool, accelerators: int) -> tuple[int, ...]:
    """Accelerators in each domain of a gang in its best place."""
    whole, rest = divmod(accelerators, domain_size(pool))
    return (domain_size(pool),) * whole + ((rest,) if rest else ())


def spread(pool: Pool, nodes: Sequence[int], counts: Sequence[int]) -> tuple[int, ...]:
    """Accelerators in each domain of a gang with `counts[k]` of them on node `nodes[k]`."""
    together, size = domain_nodes(pool) if domain_size(pool) > pool.accelerators_per_node else 1, domain_size(pool)
    found: dict[int, int] = {}
    for node, count in zip(nodes, counts, strict=True):
        found[node // together] = found.get(node // together, 0) + count
    cut = [divmod(count, size) for count in found.values()]  # a node may hold several domains, such as pairs of cards
    return tuple(part for whole, rest in cut for part in (size,) * whole + ((rest,) if rest else ()))


def nic_b_per_s(pool: Pool, crowd: int = 0) -> float | None:
    """NIC bandwidth of one accelerator of a pool, B/s; None: that of the accelerator's usual server.

    A node's NICs serve its accelerators alike. With fewer NICs than accelerators, an accelerator has at most one
    NIC, and at most its part when `crowd` accelerators send (0: all).
    """
    width, nics = pool.accelerators_per_node, pool.nics_per_node
    if pool.nic_bandwidth is None and (nics is None or nics >= width):
        return None
    usual = usual_nic_b_per_s(pool.accelerator) or USUAL_NIC
    node_b_per_s = pool.nic_bandwidth or width * usual
    return node_b_per_s / (width if nics is None else max(min(nics, width), crowd or width))


@dataclass(frozen=True)
class Input:
    """What a step waits for beside its own work: the slowest of its workers, and their data.

    `jitter`: deviation over mean of a worker's step times (log-normal). `sample_b`: bytes of a sample as loaded;
    `loader_b_per_s`: of one worker's loader; `storage_b_per_s`: of the storage that all share.
    """

    jitter: float = 0.0
    sample_b: float = 0.0
    loader_b_per_s: float = math.inf
    storage_b_per_s: float = math.inf

    def stretch(self, workers: int) -> float:
        """Expected step time of the slowest worker over that of a mean one."""
        return float(slowest_lognormal(1.0, self.jitter, float(workers))) if self.jitter and workers > 1 else 1.0

    def load_s(self, samples: float, workers: int) -> float:
        """Time to bring the samples of a step to its workers, s."""
        rates = self.loader_b_per_s, self.storage_b_per_s / workers
        return 0.0 if min(rates) == math.inf else float(loading_s(samples / workers, self.sample_b, *rates))


@dataclass(frozen=True)
class PlacedStep:
    """A training step where it runs, at the nominal clock; `step_s(clock)` at others.

    `work_s`: without waiting; `core_clock_share`: share of it that grows as 1 / clock; `largest_s`: its largest part,
    which is called `largest`. `stretch`, `load_s`: see `Input`; data are fetched while the step before computes.
    `memory_b`: on the fullest accelerator, None where it is not modelled (networks). `plan`: in words.
    """

    plan: str
    accelerators: int
    samples: int
    tokens: float
    flop: float
    peak_flop_per_s: float
    memory_b: float | None
    work_s: float
    core_clock_share: float
    largest: str
    largest_s: float
    stretch: float
    load_s: float

    def step_s(self, clock: float = 1.0) -> float:
        """Step time at a core clock of that share of the nominal one, s."""
        share = self.core_clock_share
        return max(self.work_s * (1.0 - share + share / clock) * self.stretch, self.load_s)

    def bound(self, clock: float = 1.0) -> str:
        """What the step is bound by: its largest part, in words."""
        share = self.core_clock_share
        work_s = self.work_s * (1.0 - share + share / clock)
        if self.load_s > work_s * self.stretch:
            return LOADING
        return STRAGGLERS if work_s * (self.stretch - 1.0) > self.largest_s else self.largest

    def mfu(self, clock: float = 1.0) -> float:
        """Model FLOP/s over the dense peak of all accelerators at the nominal clock."""
        return self.flop / self.step_s(clock) / self.peak_flop_per_s
