"""How long collectives take by each way that a library knows: algorithm and protocol, on two levels of links.

The form is that of NCCL's own tuning model (src/graph/tuning.cc): a base, a latency a step by kind of link, and bytes
over a bus bandwidth that depends on the protocol. LL sends a flag with each 4 bytes, LL128 with each 120, Simple
synchronises by chunks; an algorithm with a protocol is a way, and the fastest that is enabled wins. Beyond NCCL's
form: what NICs carry is counted from the algorithm, and filling the pipeline of chunks costs time (`fill_s`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dcsim.kernels.collectives import hierarchical_s, in_network_s, pipeline_s, ring_s

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COLLECTIVES = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "reduce", "send_recv")
ALL_REDUCE, ALL_GATHER, REDUCE_SCATTER, ALL_TO_ALL, BROADCAST, REDUCE, SEND_RECV = range(7)

ALGORITHMS = (
    "ring",
    "tree",
    "in_network",
    "direct",
    "halving_doubling",
    "hierarchical",
    "collnet_direct",
    "collnet_chain",
    "collnet_nvls",
    "pat",
)
RING, TREE, IN_NETWORK, DIRECT, HALVING_DOUBLING, HIERARCHICAL = range(6)
COLLNET_DIRECT, COLLNET_CHAIN, COLLNET_NVLS, PAT = range(6, 10)

PROTOCOLS = ("LL", "LL128", "Simple")
LL, LL128, SIMPLE = range(3)

WAYS = (
    (RING, LL),
    (RING, LL128),
    (RING, SIMPLE),
    (TREE, LL),
    (TREE, LL128),
    (TREE, SIMPLE),
    (IN_NETWORK, SIMPLE),
    (DIRECT, SIMPLE),
    (HALVING_DOUBLING, SIMPLE),
    (HIERARCHICAL, SIMPLE),
    (COLLNET_DIRECT, SIMPLE),
    (COLLNET_CHAIN, SIMPLE),
    (COLLNET_NVLS, SIMPLE),
    (PAT, SIMPLE),
)
"""Algorithm and protocol of each column of times; earlier ones win ties."""

NVLINK, PCIE, NET = range(3)
"""Kinds of links, the first index of `Table.hop_s`."""


class Group(NamedTuple):
    """Ranks of a collective and what they send over; one direction, for each rank."""

    ranks: float
    domains: float
    """Scale-up domains that the ranks fill evenly."""
    link_b_per_s: float
    """All scale-up links of a rank."""
    pair_b_per_s: float
    """Links to one other rank."""
    nic_b_per_s: float
    nic_latency_s: float
    """Of the network beyond NCCL's own figure, which is InfiniBand's."""
    pcie: float
    """1 if ranks of a domain meet on PCIe."""
    in_network: float
    """1 if switches of the domain can sum."""


class Tuned(NamedTuple):
    """Constants of one generation of accelerators."""

    link_efficiency: float
    """Share of the links' rate that rings reach."""
    switch_efficiency: float
    """Share of the links' rate that reductions in the switch reach."""
    pair_efficiency: float
    """Share of the links' rate that a message from one rank to another reaches."""
    nic_efficiency: float
    """Share of the NICs' rate."""
    fill_s: float
    """Time to fill a pipeline of chunks: a message takes 2 sqrt(fill_s x bytes / B) more than bytes / B."""
    call_s: float
    """Time of a call beyond NCCL's base."""
    ll_b_per_s: float
    """Most that LL reaches in one domain (bus bandwidth), in two, and in more."""
    ll_2_b_per_s: float
    ll_4_b_per_s: float


class Table(NamedTuple):
    """Latencies of a library, s, for every generation."""

    base_s: Floats
    """Shape (3, 3): ring, tree, in_network by protocol."""
    hop_s: Floats
    """Shape (3, 3, 3): kind of link by algorithm by protocol."""
    tree_share: Floats
    """Shape (3, 24): share of bandwidth that trees reach by protocol and log2(size / 64 B)."""
    collnet_s: Floats
    """Shape (3, 3): a step under Simple of collnet_direct, collnet_chain, collnet_nvls by kind of link."""
    arity_s: float
    """What each further rank of a node adds to a step of collnet_direct."""
    pat_base_s: float
    pat_rank_s: float
    """What each rank adds to parallel aggregated trees."""


LL_CROSSING = 1.8
"""Steps inside a domain take so much longer under LL where others cross the network (NCCL)."""
PLATEAU = 1.4
"""Latency of all-reduce rings over several domains under Simple (NCCL: "plateau effect of ring")."""
TREE_BUS, LL128_BUS, TREE_LL_BUS, TREE_LL128_BUS = 0.92, 0.92, 1.0 / 3.8, 7.0 / 9.0
"""Shares of the bus bandwidth under a protocol or algorithm (NCCL; 120 of 128 bytes less synchronisation)."""
DIRECT_BUS = 0.85
"""Share of the links that collnet_direct reaches (NCCL, 8 ranks a node)."""
PAT_BUS, PAT_CROSSING = 0.75, 1.0 / 3.5
"""Share of the NICs that parallel aggregated trees reach, and of a step over the network that they wait for (NCCL)."""
MOST_ON_A_NODE = 8.0
"""Ranks of a node that collnet_direct and collnet_chain serve (NCCL, NCCL_MAX_DIRECT_ARITY + 1)."""
WIDE_SWITCH_TREE = 45.5 / 57.7
"""Bandwidth of switches under a tree of more than two domains, over that of two (NCCL, NVLSTree a channel, Hopper)."""


@njit(cache=True, error_model="numpy")
def times_s(
    collective: Ints, size_b: Floats, groups: NDArray[np.void], tuned: NDArray[np.void], table: Table
) -> Floats:
    """Times of n collectives by every way, s, shape (n, ways); inf where a way does not exist.

    collective, size_b: shape (n,); groups, tuned: n records of Group and Tuned (`arrays.named`).
    """
    found = np.full((len(size_b), 14), np.inf)
    for i in range(len(size_b)):
        group, constants = groups[i], tuned[i]
        if group.ranks <= 1.0:
            found[i, :] = 0.0
            continue
        for protocol in range(3):
            found[i, protocol] = _ring(collective[i], size_b[i], group, constants, table, protocol)
            if collective[i] == ALL_REDUCE:
                found[i, 3 + protocol] = _tree(size_b[i], group, constants, table, protocol)
        if collective[i] == ALL_REDUCE:
            found[i, 6] = _in_network(size_b[i], group, constants, table)
            found[i, 8] = _halving_doubling(size_b[i], group, constants, table)
            for algorithm in range(COLLNET_DIRECT, PAT):
                found[i, 4 + algorithm] = _collnet(size_b[i], group, constants, table, algorithm)
        if collective[i] in (ALL_TO_ALL, SEND_RECV):
            found[i, 7] = _direct(collective[i], size_b[i], group, constants, table)
        if collective[i] <= REDUCE_SCATTER:
            found[i, 9] = _levels(collective[i], size_b[i], group, constants, table)
        if collective[i] in (ALL_GATHER, REDUCE_SCATTER):
            found[i, 13] = _pat(size_b[i], group, constants, table)
    return found


@njit(cache=True, error_model="numpy")
def _base_s(constants: Tuned, table: Table, algorithm: int, protocol: int) -> float:
    """Time of a call without steps or bytes, s."""
    base_s: float = table.base_s[algorithm, protocol]
    return constants.call_s + base_s


@njit(cache=True, error_model="numpy")
def _steps_s(group: Group, table: Table, algorithm: int, protocol: int) -> tuple[float, float]:
    """Latency of a step inside a domain, and of one between domains, s."""
    inner_s = table.hop_s[PCIE if group.pcie > 0.0 else NVLINK, algorithm, protocol]
    if protocol == LL and group.domains > 1.0:
        inner_s *= LL_CROSSING
    # Under Simple the data is flushed once more (NCCL counts the latency of the network twice).
    outer_s = table.hop_s[NET, algorithm, protocol] + group.nic_latency_s * (2.0 if protocol == SIMPLE else 1.0)
    return inner_s, outer_s


@njit(cache=True, error_model="numpy")
def _bus(group: Group, constants: Tuned) -> float:
    """Bus bandwidth of rings: of links, or of the NICs of all local ranks, which as many rings use, B/s."""
    bus = group.link_b_per_s * constants.link_efficiency
    if group.domains > 1.0:
        bus = min(bus, group.ranks / group.domains * group.nic_b_per_s * constants.nic_efficiency)
    return bus


@njit(cache=True, error_model="numpy")
def _filled_s(bytes_s: float, constants: Tuned, protocol: int) -> float:
    """Time of bytes with that of filling the pipeline: the best chunk balances its own time and its latency."""
    return bytes_s + (2.0 * math.sqrt(constants.fill_s * bytes_s) if protocol == SIMPLE else 0.0)


@njit(cache=True, error_model="numpy")
def _protocol_bus(bus: float, group: Group, constants: Tuned, protocol: int) -> float:
    if protocol == LL:
        most = constants.ll_b_per_s
        if group.domains > 1.0:
            most = constants.ll_2_b_per_s if group.domains <= 2.0 else constants.ll_4_b_per_s
        return min(most, 0.5 * bus)
    return LL128_BUS * bus if protocol == LL128 else bus


@njit(cache=True, error_model="numpy")
def _ring(collective: int, size_b: float, group: Group, constants: Tuned, table: Table, protocol: int) -> float:
    """A ring through all ranks, domain by domain."""
    if collective in (ALL_TO_ALL, SEND_RECV):
        return math.inf
    inner_s, outer_s = _steps_s(group, table, RING, protocol)
    ranks, crossings = group.ranks, group.domains - 1.0
    bus = _protocol_bus(_bus(group, constants), group, constants, protocol)
    passes = 2.0 if collective == ALL_REDUCE else 1.0
    latency_s = passes * ((ranks - 1.0 - crossings) * inner_s + crossings * outer_s)
    if collective in (BROADCAST, REDUCE):
        bytes_s = pipeline_s(size_b, ranks, 0.0, bus)
    else:
        bytes_s = ring_s(passes, size_b, ranks, 0.0, bus)
    if passes > 1.0 and crossings > 0.0 and protocol == SIMPLE:
        latency_s *= PLATEAU
    return _base_s(constants, table, RING, protocol) + latency_s + _filled_s(bytes_s, constants, protocol)


@njit(cache=True, error_model="numpy")
def _crossing_b(size_b: float, group: Group) -> float:
    """Bytes that a domain sends in a double binary tree of domains: twice the size, less at the ends of the trees."""
    return 2.0 * (group.domains - 1.0) / group.domains * size_b


@njit(cache=True, error_model="numpy")
def _tree(size_b: float, group: Group, constants: Tuned, table: Table, protocol: int) -> float:
    """A double binary tree of domains, a chain inside each."""
    inner_s, outer_s = _steps_s(group, table, TREE, protocol)
    local = group.ranks / group.domains
    bytes_s = 2.0 * size_b / (group.link_b_per_s * constants.link_efficiency * TREE_BUS) if local > 1.0 else 0.0
    if group.domains > 1.0:
        nics = local * group.nic_b_per_s * constants.nic_efficiency
        bytes_s = max(bytes_s, _crossing_b(size_b, group) / nics)
    share = 1.0 if protocol == SIMPLE else TREE_LL_BUS if protocol == LL else TREE_LL128_BUS
    if protocol == LL128 and group.domains > 1.0:
        share = 120.0 / 128.0
    share *= table.tree_share[protocol, min(max(int(math.log2(max(size_b, 64.0))) - 6, 0), 23)]
    latency_s = 2.0 * ((local - 1.0) * inner_s + math.ceil(math.log2(group.domains)) * outer_s)
    return _base_s(constants, table, TREE, protocol) + latency_s + _filled_s(bytes_s / share, constants, protocol)


@njit(cache=True, error_model="numpy")
def _in_network(size_b: float, group: Group, constants: Tuned, table: Table) -> float:
    """Sums in the switches of each domain (NVLS, SHARP), a double binary tree of domains above."""
    local = group.ranks / group.domains
    if group.in_network <= 0.0 or local < 2.0:
        return math.inf
    inner_s, outer_s = _steps_s(group, table, IN_NETWORK, SIMPLE)
    links = group.link_b_per_s * constants.switch_efficiency
    if group.domains > 1.0:
        links *= TREE_BUS * (1.0 if group.domains <= 2.0 else WIDE_SWITCH_TREE)
    bytes_s = in_network_s(size_b, local, 0.0, links)
    if group.domains > 1.0:
        bytes_s = max(bytes_s, _crossing_b(size_b, group) / (local * group.nic_b_per_s * constants.nic_efficiency))
    latency_s = inner_s + 2.0 * math.ceil(math.log2(group.domains)) * outer_s
    return _base_s(constants, table, IN_NETWORK, SIMPLE) + latency_s + _filled_s(bytes_s, constants, SIMPLE)


@njit(cache=True, error_model="numpy")
def _collnet(size_b: float, group: Group, constants: Tuned, table: Table, algorithm: int) -> float:
    """All-reduce whose sums over nodes the network's switches make (SHARP): a node sends the size once and gets the
    sum once, at the same time. Inside a node: each rank a part of it, a chain, or the node's own switches (NVLS)."""
    local = group.ranks / group.domains
    switches = algorithm == COLLNET_NVLS
    if group.domains <= 1.0 or (switches and (group.in_network <= 0.0 or local < 2.0)):
        return math.inf
    if not switches and local > MOST_ON_A_NODE:
        return math.inf
    step_s = table.collnet_s[algorithm - COLLNET_DIRECT]
    inner_s: float = step_s[PCIE if group.pcie > 0.0 else NVLINK]
    outer_s: float = step_s[NET] + 2.0 * group.nic_latency_s
    links = group.link_b_per_s * constants.link_efficiency
    if switches:
        latency_s = inner_s
        bytes_s = in_network_s(size_b, local, 0.0, group.link_b_per_s * constants.switch_efficiency)
    elif algorithm == COLLNET_CHAIN:
        latency_s = 2.0 * (local - 1.0) * inner_s
        bytes_s = 2.0 * size_b / links if local > 1.0 else 0.0
    else:
        latency_s = 2.0 * (min(1.0, local - 1.0) * inner_s + (local - 1.0) * table.arity_s)
        bytes_s = ring_s(2.0, size_b, local, 0.0, links * DIRECT_BUS)
    bytes_s = max(bytes_s, size_b / (local * group.nic_b_per_s * constants.nic_efficiency))
    return constants.call_s + latency_s + outer_s + _filled_s(bytes_s, constants, SIMPLE)


@njit(cache=True, error_model="numpy")
def _pat(size_b: float, group: Group, constants: Tuned, table: Table) -> float:
    """Parallel aggregated trees over one rank a node: a logarithm of steps, and a part that grows with the ranks."""
    if group.ranks > group.domains:
        return math.inf
    _, outer_s = _steps_s(group, table, TREE, SIMPLE)
    latency_s = math.ceil(math.log2(group.ranks)) * PAT_CROSSING * outer_s + group.ranks * table.pat_rank_s
    bytes_s = ring_s(1.0, size_b, group.ranks, 0.0, group.nic_b_per_s * constants.nic_efficiency * PAT_BUS)
    return constants.call_s + table.pat_base_s + latency_s + _filled_s(bytes_s, constants, SIMPLE)


@njit(cache=True, error_model="numpy")
def _direct(collective: int, size_b: float, group: Group, constants: Tuned, table: Table) -> float:
    """Messages from rank to rank: each to each other, or one to one."""
    inner_s, outer_s = _steps_s(group, table, RING, SIMPLE)
    local, crossings = group.ranks / group.domains, group.domains - 1.0
    links, nic = group.link_b_per_s * constants.link_efficiency, group.nic_b_per_s * constants.nic_efficiency
    if collective == SEND_RECV:
        latency_s = outer_s if crossings > 0.0 else inner_s
        bytes_s = size_b / (nic if crossings > 0.0 else group.pair_b_per_s * constants.pair_efficiency)
    else:
        # Ranks of a domain are met one by one; messages over NICs are all in flight at once.
        latency_s = (local - 1.0) * inner_s + (outer_s if crossings > 0.0 else 0.0)
        bytes_s = size_b * (local - 1.0) / group.ranks / links
        if crossings > 0.0:
            bytes_s = max(bytes_s, size_b * (group.ranks - local) / group.ranks / nic)
    return _base_s(constants, table, RING, SIMPLE) + latency_s + bytes_s  # one hop: no pipeline to fill


@njit(cache=True, error_model="numpy")
def _halving_doubling(size_b: float, group: Group, constants: Tuned, table: Table) -> float:
    """Recursive halving and doubling, near ranks last in halving: all but the first steps stay in a domain."""
    inner_s, outer_s = _steps_s(group, table, RING, SIMPLE)
    near, far = round(math.log2(group.ranks / group.domains)), round(math.log2(group.domains))
    if 2.0**near * 2.0**far != group.ranks:
        return math.inf
    local = group.ranks / group.domains
    # Halving by near ranks first leaves 1 / local of the bytes for the network.
    bytes_s = 2.0 * (1.0 - 1.0 / local) * size_b / (group.link_b_per_s * constants.link_efficiency)
    if far > 0:
        share = size_b / local * (1.0 - 1.0 / group.domains)
        bytes_s += 2.0 * share / (group.nic_b_per_s * constants.nic_efficiency)
    latency_s = 2.0 * (near * inner_s + far * outer_s)
    return _base_s(constants, table, RING, SIMPLE) + latency_s + _filled_s(bytes_s, constants, SIMPLE)


@njit(cache=True, error_model="numpy")
def _levels(collective: int, size_b: float, group: Group, constants: Tuned, table: Table) -> float:
    """Rings inside domains, then rings over NICs among ranks of the same place, one level after the other."""
    local = group.ranks / group.domains
    if group.domains <= 1.0 or local <= 1.0:
        return math.inf
    inner_s, outer_s = _steps_s(group, table, RING, SIMPLE)
    rates = np.array([group.link_b_per_s * constants.link_efficiency, group.nic_b_per_s * constants.nic_efficiency])
    passes, levels = 2.0 if collective == ALL_REDUCE else 1.0, np.array([local, group.domains])
    latency_s = hierarchical_s(passes, 0.0, levels, np.array([inner_s, outer_s]), rates, False)
    bytes_s = hierarchical_s(passes, size_b, levels, np.zeros(2), rates, False)
    return _base_s(constants, table, RING, SIMPLE) + latency_s + _filled_s(bytes_s, constants, SIMPLE)
