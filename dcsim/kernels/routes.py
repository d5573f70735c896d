"""Shortest paths over directed links, with a choice among equal ones: arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]

UNREACHED = -1


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
def routes(source: Ints, target: Ints, label: Ints, begin: Ints, neighbour: Ints) -> tuple[Ints, Ints]:
    """Paths of n flows as (first, link): flow f takes link[first[f]:first[f + 1]].

    source, target, label: shape (n,); links are numbered by their places in `neighbour`. Among links that lead nearer
    by equal-cost paths, one is taken by a hash of source, target, label and hops left (ECMP): the same flow always goes
    the same way. Where there is no way the path is empty, as it is from a node to itself.
    """
    count = len(source)
    order = np.argsort(target, kind="mergesort")
    lengths, hops, last = np.zeros(count, np.int64), np.empty(0, np.int64), -1
    for flow in order:
        if target[flow] != last:
            last = target[flow]
            hops = hops_to(last, begin, neighbour)
        lengths[flow] = max(hops[source[flow]], 0)
    first = np.zeros(count + 1, np.int64)
    first[1:] = np.cumsum(lengths)
    link, last = np.empty(first[-1], np.int64), -1
    for flow in order:
        if target[flow] != last:
            last = target[flow]
            hops = hops_to(last, begin, neighbour)
        node = source[flow]
        seed = _mixed(_mixed(_mixed(source[flow]) ^ target[flow]) ^ label[flow])
        for place in range(first[flow], first[flow + 1]):
            link[place] = _nearer(node, hops, begin, neighbour, _mixed(seed ^ hops[node]))
            node = neighbour[link[place]]
    return first, link


@njit(cache=True, error_model="numpy")
def _nearer(node: int, hops: Ints, begin: Ints, neighbour: Ints, drawn: int) -> int:
    """The link that a draw picks among those that lead a hop nearer."""
    nearer = 0
    for place in range(begin[node], begin[node + 1]):
        nearer += hops[neighbour[place]] == hops[node] - 1
    picked = drawn % nearer
    for place in range(begin[node], begin[node + 1]):
        if hops[neighbour[place]] == hops[node] - 1:
            if picked == 0:
                return place
            picked -= 1
    return -1
