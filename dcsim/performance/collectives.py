"""Which way a collective goes and how long it takes, from an accelerator's datasheet and the presets of libraries.

Constants of a generation stand in `presets/collectives/`, fitted by `collective_fit`; latencies of the library beside
them. An accelerator of no known generation takes those of `all`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels import tuning
from dcsim.kernels.arrays import named
from dcsim.kernels.collectives import bus_factor, torus_all_to_all_s, torus_s
from dcsim.kernels.tuning import ALGORITHMS, COLLECTIVES, PROTOCOLS, WAYS, Group, Table, Tuned
from dcsim.performance.devices import scale_up_domain
from dcsim.performance.unknown import unknown
from dcsim.scenario import presets
from dcsim.scenario.spec import Accelerator
from dcsim.units import TIME

Floats = NDArray[np.float64]

LIBRARY = "nccl"
TPU = "tpu"
MICROSECOND = TIME.factor("us")


@dataclass(frozen=True)
class Generation:
    """Accelerators of one architecture, by the beginnings of their names, and their constants."""

    name: str
    prefixes: tuple[str, ...]
    in_network: bool
    """Switches of the scale-up domain can sum (NVLS)."""
    tuned: Tuned


@dataclass(frozen=True)
class Answer:
    """One collective: its time, the way it goes, and what the other algorithms would take."""

    time_s: float
    latency_s: float
    """What a message without bytes takes by the same way."""
    way: str
    """Algorithm and protocol, `none` where one rank sends nothing, or no enabled algorithm can do it."""
    others: tuple[tuple[str, float], ...] = ()
    """Best way and time, s, of each other enabled algorithm, fastest first."""


ALONE = Answer(0.0, 0.0, "none")
"""Of one rank, which sends nothing."""


@cache
def generations() -> tuple[Generation, ...]:
    """All generations that have a preset, `all` last: it fits any accelerator."""
    tables = {name: presets.table("collectives", name) for name in presets.names("collectives")}
    found = [
        Generation(name, tuple(table["accelerators"]), table["in_network"], _tuned(table))
        for name, table in tables.items()
        if name not in (LIBRARY, TPU)
    ]
    return tuple(sorted(found, key=lambda generation: (generation.name == "all", generation.name)))


def _tuned(table: Mapping[str, Mapping[str, float]]) -> Tuned:
    return Tuned(**{field: float(table[field]["value"]) for field in Tuned._fields})


def generation_of(name: str) -> Generation:
    """The generation of an accelerator by its name."""
    return next(found for found in generations() if name.startswith(found.prefixes))


@cache
def table() -> Table:
    """The latencies of the library, s."""
    facts = presets.table("collectives", LIBRARY)
    hops = [facts["link_step_us"], facts["pcie_step_us"], facts["net_step_us"]]
    return Table(
        np.array(facts["base_us"]) * MICROSECOND,
        np.array(hops) * MICROSECOND,
        np.array(facts["tree_share"]),
        np.array(facts["collnet_step_us"]) * MICROSECOND,
        *(fact_s(name) for name in ("collnet_arity_us", "pat_base_us", "pat_rank_us")),
    )


def fact_s(name: str) -> float:
    """A single latency of the library's preset, s."""
    return float(presets.table("collectives", LIBRARY)[name]) * MICROSECOND


def group_of(accelerator: Accelerator, ranks: int, local: int, nic_b_per_s: float | None = None) -> Group:
    """Ranks on servers of `local` accelerators; domains larger than a server are filled by servers.

    nic_b_per_s: of one accelerator, one direction; by default a server's NICs shared by its accelerators.
    """
    whole = scale_up_domain(accelerator)
    rack = whole > (accelerator.accelerators_per_server or local)
    domains = math.ceil(ranks / min(whole if rack else local, ranks))
    # Published sweeps over several NVL72 racks follow rings and trees, as if switches summed in one rack alone.
    sums = generation_of(accelerator.name).in_network and whole > 1 and not (rack and domains > 1)
    link = accelerator.link_bandwidth or unknown().link_b_per_s
    usual = (accelerator.nic_bandwidth_server or 0.0) / (accelerator.accelerators_per_server or local)
    return Group(
        ranks=float(ranks),
        domains=float(domains),
        link_b_per_s=link,
        pair_b_per_s=accelerator.link_bandwidth_pair or link,
        nic_b_per_s=nic_b_per_s or usual or unknown().nic_b_per_s,
        nic_latency_s=0.0,
        pcie=float(accelerator.link.startswith("PCIe") or accelerator.link_bandwidth is None),
        in_network=float(sums),
    )


def enabled(algorithms: Sequence[str]) -> NDArray[np.bool_]:
    """Which ways belong to these algorithms, shape (ways,)."""
    return np.array([ALGORITHMS[algorithm] in algorithms for algorithm, _ in WAYS])


def usual_algorithms() -> tuple[str, ...]:
    """The algorithms that the library has."""
    return tuple(presets.table("collectives", LIBRARY)["algorithms"])


def times_s(collective: Sequence[str], size_b: Floats, groups: Sequence[Group], tuned: Floats) -> Floats:
    """Times of n collectives by every way, s, shape (n, ways); tuned: shape (n, fields of Tuned)."""
    numbers = np.array([COLLECTIVES.index(name) for name in collective])
    return np.asarray(tuning.times_s(numbers, size_b, named(np.array(groups), Group), named(tuned, Tuned), table()))


def answers(
    collective: str, sizes_b: Sequence[float], group: Group, tuned: Tuned, algorithms: Sequence[str]
) -> list[Answer]:
    """The fastest enabled way for each size, B; its time is inf where no enabled algorithm can do the collective."""
    if group.ranks <= 1.0:
        return [ALONE for _ in sizes_b]
    sizes = np.array([0.0, *sizes_b])
    count = len(sizes)
    times = times_s([collective] * count, sizes, [group] * count, np.array([tuned] * count))
    return [_answer(row, times[0], enabled(algorithms)) for row in times[1:]]


def _answer(times: Floats, latencies: Floats, ways: NDArray[np.bool_]) -> Answer:
    best: dict[int, int] = {}
    for way in np.argsort(times, kind="stable").tolist():
        if ways[way] and math.isfinite(times[way]):
            best.setdefault(WAYS[way][0], way)
    if not best:
        return Answer(math.inf, math.inf, "none")
    names = [(f"{ALGORITHMS[WAYS[way][0]]}/{PROTOCOLS[WAYS[way][1]]}", float(times[way])) for way in best.values()]
    first = next(iter(best.values()))
    return Answer(names[0][1], float(latencies[first]), names[0][0], tuple(names[1:]))


def torus_answers(
    collective: str, sizes_b: Sequence[float], sides: Sequence[int], wrapped: Sequence[bool], link_b_per_s: float
) -> list[Answer]:
    """Collectives over all axes of a torus of TPUs; a message (`send_recv`) goes to a neighbour, over one link.

    link_b_per_s: one link, one direction. Broadcasts and reductions take one pass, as an all-gather does: a chip has as
    many trees to all others that share no link as it has lanes (Edmonds, Combinatorial Algorithms, 1973), each for its
    part.
    """
    hop_s = float(presets.table("collectives", TPU)["hop_us"]) * MICROSECOND
    if math.prod(sides) == 1:
        return [ALONE for _ in sizes_b]
    shape = np.array(sides, dtype=float), np.array(wrapped, dtype=float), hop_s, link_b_per_s
    if collective == "all_to_all":
        times = [torus_all_to_all_s(size_b, *shape) for size_b in (0.0, *sizes_b)]
    elif collective == "send_recv":
        times = [max(size_b / link_b_per_s, hop_s) for size_b in (0.0, *sizes_b)]
    else:
        passes = 2.0 if collective == "all_reduce" else 1.0
        times = [torus_s(passes, size_b, *shape) for size_b in (0.0, *sizes_b)]
    return [Answer(time_s, times[0], "torus") for time_s in times[1:]]


def bus_bandwidth(collective: str, size_b: float, ranks: float, time_s: float) -> float:
    """Bus bandwidth of nccl-tests, B/s."""
    return bus_factor(collective, ranks) * size_b / time_s
