"""Shortest paths over directed links, with a choice among equal ones: arrays in, arrays out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]

UNREACHED = -1
NIC = -1
KEPT_B = 1 << 26
"""Memory for hops that are kept, bytes."""


class Ways(NamedTuple):
    """Directed links between nodes, numbered by their places in `neighbour`."""

    begin: Ints
    """Shape (nodes + 1,): links of node v are begin[v] to begin[v + 1]."""
    neighbour: Ints
    """Shape (links,): where each leads."""
    rank: Ints
    """Shape (nodes,): number of an endpoint among all, NIC for a NIC, anything for others."""


class Known(NamedTuple):
    """Hops to the targets that were asked for last."""

    hops: NDArray[np.int32]
    """Shape (rows, nodes)."""
    row: Ints
    """Shape (nodes,): row of each target, -1 if it has none."""
    target: Ints
    """Shape (rows,): whose row it is, -1 if nobody's."""
    turn: Ints
    """Shape (1,): the row that is given away next."""


def nothing_known(nodes: int, kept_b: int = KEPT_B) -> Known:
    """Room for the hops to as many targets as `kept_b` bytes allow."""
    rows = max(min(nodes, kept_b // (4 * nodes)), 1)
    hops = np.empty((rows, nodes), np.int32)  # untouched memory costs nothing
    return Known(hops, np.full(nodes, UNREACHED), np.full(rows, UNREACHED), np.zeros(1, np.int64))


@njit(cache=True, error_model="numpy")
def _known_hops(target: int, begin: Ints, neighbour: Ints, known: Known) -> NDArray[np.int32]:
    """`hops_to`, from memory if it is there."""
    if known.row[target] == UNREACHED:
        row = known.turn[0]
        known.turn[0] = (row + 1) % len(known.target)
        if known.target[row] != UNREACHED:
            known.row[known.target[row]] = UNREACHED
        known.hops[row] = hops_to(target, begin, neighbour)
        known.row[target], known.target[row] = row, target
    hops: NDArray[np.int32] = known.hops[known.row[target]]
    return hops


@njit(cache=True, error_model="numpy")
def hops_to(target: int, begin: Ints, neighbour: Ints) -> Ints:
    """Links from each node to `target`, shape (nodes,), -1 where there is no way; breadth first.

    begin, neighbour: the neighbours of node v are neighbour[begin[v]:begin[v + 1]]; links go both ways.
    """
    hops = np.full(len(begin) - 1, UNREACHED)
    queue = np.empty(len(hops), np.int64)
    hops[target], queue[0] = 0, target
    read, written = 0, 1
    while read < written:
        node = queue[read]
        read += 1
        for place in range(begin[node], begin[node + 1]):
            other = neighbour[place]
            if hops[other] == UNREACHED:
                hops[other] = hops[node] + 1
                queue[written] = other
                written += 1
    return hops


@njit(cache=True, error_model="numpy")
def _mixed(value: int) -> int:
    """A 64-bit number that looks random (finaliser of splitmix64, Steele, Lea and Flood, OOPSLA 2014)."""
    mixed = np.uint64(value) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(1))


@njit(cache=True, error_model="numpy")
def routes(source: Ints, target: Ints, label: Ints, ways: Ways, known: Known) -> tuple[Ints, Ints]:
    """Paths of n flows as (first, link): flow f takes link[first[f]:first[f + 1]].

    source, target, label: shape (n,). Among links that lead nearer by equal-cost paths, one is taken by a hash of
    source, target, label and hops left (ECMP): the same flow always goes the same way. NICs of a host are taken in turn
    instead, by the ranks of source and target, as collective libraries do. Where there is no way the path is empty, as
    it is from a node to itself. `known` is written to.
    """
    count = len(source)
    order = np.argsort(target, kind="mergesort")
    first = np.zeros(count + 1, np.int64)
    for flow in order:
        first[flow + 1] = max(_known_hops(target[flow], ways.begin, ways.neighbour, known)[source[flow]], 0)
    first = np.cumsum(first)
    link = np.empty(first[-1], np.int64)
    for flow in order:
        hops = _known_hops(target[flow], ways.begin, ways.neighbour, known)
        node, turn = source[flow], ways.rank[source[flow]]
        seed = _mixed(_mixed(_mixed(source[flow]) ^ target[flow]) ^ label[flow])
        for place in range(first[flow], first[flow + 1]):
            link[place] = _nearer(node, hops, ways, _mixed(seed ^ hops[node]), turn)
            node = ways.neighbour[link[place]]
            if ways.rank[node] == NIC:
                turn = ways.rank[target[flow]]
    return first, link


@njit(cache=True, error_model="numpy")
def _nearer(node: int, hops: NDArray[np.int32], ways: Ways, drawn: int, turn: int) -> int:
    """The link that a draw picks among those that lead a hop nearer; `turn` picks if they lead to NICs."""
    nearer = 0
    to_nics = True
    for place in range(ways.begin[node], ways.begin[node + 1]):
        if hops[ways.neighbour[place]] == hops[node] - 1:
            nearer += 1
            to_nics = to_nics and ways.rank[ways.neighbour[place]] == NIC
    picked = drawn % nearer
    if to_nics:
        picked = turn % nearer
    for place in range(ways.begin[node], ways.begin[node + 1]):
        if hops[ways.neighbour[place]] == hops[node] - 1:
            if picked == 0:
                return place
            picked -= 1
    return -1
