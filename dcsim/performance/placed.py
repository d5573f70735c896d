"""A training step in its place: what the nodes of a gang, their NICs, waiting and data make of a plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dcsim.kernels.facts import Plan
from dcsim.kernels.groups import expert_tensor
from dcsim.performance.devices import scale_up_domain, usual_nic_b_per_s
from dcsim.performance.shares import CUT_OFF, KINDS, WHOLE, Shares
from dcsim.performance.unknown import unknown
from dcsim.performance.waiting import Input, Waited
from dcsim.scenario.spec import Pool

DIGITS = 10  # kept of what kernels say: the last ones depend on the machine's vector units, event logs must not


class Place(NamedTuple):
    """Where a gang is: accelerators in each scale-up domain that it touches, NIC bandwidth of one accelerator, one
    direction, B/s (None: that of the accelerator's usual server), what it has of that for each kind of its traffic, and
    how long its busiest NICs send each kind in a step, s, if traffic gets all of a NIC."""

    counts: tuple[int, ...]
    nic_b_per_s: float | None
    shares: Shares = WHOLE
    sending_s: Shares = CUT_OFF

    def domain(self, plan: Plan) -> float:
        """Ranks that stay together: all of a domain's least share where groups of tensor and context ranks and of all
        experts fit into every share, else the largest part of them that no border between domains cuts."""
        least, shares = min(self.counts), set(self.counts)
        spans = (int(plan.tp), int(plan.tp * plan.cp), int(expert_tensor(plan) * plan.ep))
        cut = [span for span in spans if any(share % span for share in shares)]
        return float(math.gcd(*shares, *(span for span in cut if span <= least)) if cut else least)


def domain_nodes(pool: Pool) -> int:
    """Nodes of a pool that share a scale-up domain: several only where the accelerator's domain is a rack."""
    return max(domain_size(pool) // pool.accelerators_per_node, 1)


def domain_size(pool: Pool) -> int:
    """Accelerators of a pool in one scale-up domain: no more than a node, unless the domain is a rack."""
    size, server = int(scale_up_domain(pool.accelerator)), pool.accelerator.accelerators_per_server or 1
    return size if size > server else min(size, pool.accelerators_per_node)


def packed(pool: Pool, accelerators: int) -> tuple[int, ...]:
    """Accelerators in each domain of a gang in its best place."""
    whole, rest = divmod(accelerators, domain_size(pool))
    return (domain_size(pool),) * whole + ((rest,) if rest else ())


def cut(pool: Pool, counts: Sequence[int]) -> tuple[int, ...]:
    """Accelerators in each domain of nodes with so many: a node may hold several domains, such as pairs of cards."""
    size = domain_size(pool)
    pairs = [divmod(count, size) for count in counts]
    return tuple(part for whole, rest in pairs for part in (size,) * whole + ((rest,) if rest else ()))


def together(pool: Pool, nodes: Sequence[int], counts: Sequence[int]) -> tuple[int, ...]:
    """The same by node, or by rack where a rack is one domain: what is in one reaches the rest of it without NICs."""
    joined = domain_nodes(pool)
    found: dict[int, int] = {}
    for node, count in zip(nodes, counts, strict=True):
        found[node // joined] = found.get(node // joined, 0) + count
    return tuple(found.values())


def nic_b_per_s(pool: Pool, crowd: int = 0) -> float | None:
    """NIC bandwidth of one accelerator of a pool, B/s; None: that of the accelerator's usual server.

    A node's NICs serve its accelerators alike. With fewer NICs than accelerators, an accelerator has at most one
    NIC, and at most its part when `crowd` accelerators send (0: all).
    """
    width, nics = pool.accelerators_per_node, pool.nics_per_node
    if pool.nic_bandwidth is None and (nics is None or nics >= width):
        return None
    usual = usual_nic_b_per_s(pool.accelerator) or unknown().nic_b_per_s
    node_b_per_s = pool.nic_bandwidth or width * usual
    return node_b_per_s / (width if nics is None else max(min(nics, width), crowd or width))


def own_nic_b_per_s(pool: Pool, count: int) -> float:
    """NIC bandwidth of one accelerator of a gang with `count` on a node that shares its NICs with nobody, B/s."""
    return nic_b_per_s(pool, count) or usual_nic_b_per_s(pool.accelerator) or unknown().nic_b_per_s


def is_torus(pool: Pool) -> bool:
    """Whether the pool's network between nodes is that of its scale-up domain: TPUs send over links of their own."""
    return pool.accelerator.device_class == "tpu"


def away_b_per_s(pool: Pool, count: int) -> float:
    """What one accelerator of a gang with `count` on a node can send to other nodes, one direction, B/s."""
    own = pool.accelerator.link_bandwidth if is_torus(pool) else None
    return own or own_nic_b_per_s(pool, count)


class Timed(NamedTuple):
    """A step without waiting: how long it takes, and what it is made of by name, s."""

    step_s: float
    parts: dict[str, float]


@dataclass(frozen=True)
class PlacedStep:
    """A training step where it runs.

    `work(clock)`: how long it takes without waiting at a core clock of that share of the nominal one, s, and what it is
    made of, by the names of `kernels.facts.BOUNDS`: where computing slows down, more traffic hides behind it, so the
    whole is no plain share of the clock. `nic_efficiency`: share of a NIC's bandwidth that traffic gets. `input`:
    what it waits for beside. `memory_b`: on the fullest accelerator. `plan`: in words. `sending_s`: for which NICs send
    each kind of its traffic; a step takes as long as all of them, one after another, whatever hides behind computing.
    """

    plan: str
    accelerators: int
    samples: int
    tokens: float
    flop: float
    peak_flop_per_s: float
    memory_b: float
    work: Callable[[float], Timed]
    nic_efficiency: float
    input: Input
    sending_s: Shares = CUT_OFF

    @property
    def parts(self) -> dict[str, float]:
        """What the step is made of at the nominal clock, s."""
        return self.work(1.0).parts

    @property
    def traffic_s(self) -> float:
        """Traffic that the step waits for, s."""
        return sum(part_s for name, part_s in self.parts.items() if name.endswith("traffic"))

    def step_s(self, clock: float = 1.0) -> float:
        """Step time at a core clock of that share of the nominal one, s."""
        return steady(self._waited(clock).step_s)

    def bound(self, clock: float = 1.0, slowed_s: float = 0.0) -> str:
        """What the step is bound by, in words: its largest part.

        `slowed_s`: by how much others' traffic makes it longer. That counts as its own traffic, divided over the kinds
        by how long NICs send them.
        """
        work, sending_s = self.work(clock), sum(self.sending_s)
        if sending_s > work.step_s:
            return f"{KINDS[self.sending_s.index(max(self.sending_s))]} traffic"
        parts, waited = dict(work.parts), self._waited(clock)
        if slowed_s:  # beyond what its data take: they are no bound, and what they took of it was traffic
            slowed_s, waited = slowed_s + waited.loading_s, waited._replace(loading_s=0.0)
        for kind, sent_s in zip(KINDS, self.sending_s, strict=True):
            if sent_s and slowed_s:
                name = f"{kind} traffic"
                parts[name] = parts.get(name, 0.0) + slowed_s * sent_s / sending_s
        return waited.bound(parts)

    def _waited(self, clock: float) -> Waited:
        work_s = max(self.work(clock).step_s, sum(self.sending_s))
        return self.input.waited(work_s, float(self.samples), self.accelerators)


def steady(value: float) -> float:
    """A number to so many digits that every machine agrees on it."""
    return float(f"{value:.{DIGITS}g}")
