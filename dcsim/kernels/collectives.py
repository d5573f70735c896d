"""Collectives by alpha-beta: a message of S bytes takes alpha + S / B. Closed forms for each algorithm.

Sizes are nccl-tests': the full buffer. `passes` is 1 for an all-gather or a reduce-scatter, 2 for an all-reduce, which
is one after the other. B is one direction of what a rank sends over. One rank takes 0 s.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@njit(cache=True, error_model="numpy")
def ring_s(passes: float, size_b: float, ranks: float, alpha_s: float, b_per_s: float) -> float:
    """Ring: each pass takes ranks - 1 steps of a chunk of size / ranks, s.

    Source: Patarasuk and Yuan, JPDC 69 (2009), section 3.
    """
    return passes * (ranks - 1.0) * (alpha_s + size_b / (ranks * b_per_s))


@njit(cache=True, error_model="numpy")
def direct_s(passes: float, size_b: float, ranks: float, alpha_s: float, b_per_s: float) -> float:
    """Full mesh, a link of `b_per_s` between each two ranks: all chunks at once, s. All-to-all is one pass."""
    return 0.0 if ranks <= 1.0 else passes * (alpha_s + size_b / (ranks * b_per_s))


@njit(cache=True, error_model="numpy")
def halving_doubling_s(passes: float, size_b: float, ranks: float, alpha_s: float, b_per_s: float) -> float:
    """Recursive halving (doubling): log2(ranks) steps of size / 2, size / 4, ..., s; inf unless a power of two.

    Source: Thakur, Rabenseifner and Gropp, IJHPCA 19 (2005), sections 4.1 and 4.5.
    """
    steps = round(math.log2(ranks))
    if 2.0**steps != ranks:
        return math.inf
    return passes * (steps * alpha_s + (1.0 - 1.0 / ranks) * size_b / b_per_s)


@njit(cache=True, error_model="numpy")
def double_tree_s(size_b: float, ranks: float, alpha_s: float, b_per_s: float) -> float:
    """Pipelined all-reduce on a double binary tree, s: every rank sends and receives twice the size at most.

    Source: Sanders, Speck and Traeff, Parallel Computing 35 (2009); chunks are taken to be many.
    """
    return 0.0 if ranks <= 1.0 else 2.0 * (math.ceil(math.log2(ranks)) * alpha_s + size_b / b_per_s)


@njit(cache=True, error_model="numpy")
def pipeline_s(size_b: float, ranks: float, alpha_s: float, b_per_s: float) -> float:
    """Broadcast or reduction along a chain of ranks, in many chunks, s. Two ranks: one message."""
    return 0.0 if ranks <= 1.0 else (ranks - 1.0) * alpha_s + size_b / b_per_s


@njit(cache=True, error_model="numpy")
def in_network_s(size_b: float, ranks: float, alpha_s: float, b_per_s: float) -> float:
    """All-reduce in the switch, s: each rank sends all for the others to have summed, and its sum of 1/ranks once more.

    Source: Klenk et al., ISCA 2020 (in-switch reduction and multicast: size + size / ranks leave each rank).
    """
    return 0.0 if ranks <= 1.0 else alpha_s + size_b * (1.0 + 1.0 / ranks) / b_per_s


@njit(cache=True, error_model="numpy")
def hierarchical_s(
    passes: float, size_b: float, ranks: Floats, alpha_s: Floats, b_per_s: Floats, overlapped: bool
) -> float:
    """Rings level by level (node, rail, pod; or the dimensions of a torus), s.

    ranks, alpha_s, b_per_s: shape (levels,), inner level first. Each level works on the share that a rank holds of the
    level below. Chunks in flight on all levels at once (`overlapped`) leave the slowest level; else levels add up.
    """
    total_s, slowest_s = 0.0, 0.0
    for level in range(len(ranks)):
        level_s = ring_s(passes, size_b, ranks[level], alpha_s[level], b_per_s[level])
        total_s += level_s
        slowest_s = max(slowest_s, level_s)
        size_b /= ranks[level]
    return slowest_s if overlapped else total_s


@njit(cache=True, error_model="numpy")
def torus_s(passes: float, size_b: float, sides: Floats, wrapped: Floats, hop_s: float, link_b_per_s: float) -> float:
    """All-gather (or the like) over all axes of a torus at once, s: the larger of bytes and hops.

    sides, wrapped: shape (axes,); link_b_per_s: one link, one direction. A wrapped axis is a ring that sends both
    ways; one that is not wrapped is a line, whose last link carries everything one way: twice as long. All bytes count,
    also the share that a rank has already, as in the source: jax-ml/scaling-book, sharding.md, "AllGather".
    """
    lanes, hops = 0.0, 0.0
    for axis in range(len(sides)):
        if sides[axis] > 1.0:
            lanes += 1.0 + wrapped[axis]
            hops += math.floor(sides[axis] / 2.0) if wrapped[axis] > 0.0 else sides[axis] - 1.0
    return 0.0 if lanes == 0.0 else passes * max(size_b / (link_b_per_s * lanes), hops * hop_s)


@njit(cache=True, error_model="numpy")
def torus_all_to_all_s(size_b: float, sides: Floats, wrapped: Floats, hop_s: float, link_b_per_s: float) -> float:
    """All-to-all of `size_b` bytes a chip on a torus, s: the larger of bytes over the narrowest cut and of hops.

    Half of what each chip sends crosses the middle of an axis: size x side / 4 a link, half of that where wrapping
    links share it. On one ring that is a quarter of an all-gather of the same array, as in the source:
    jax-ml/scaling-book, sharding.md, "AllToAll"; bisection: Dally and Towles, 2004, section 3.2.
    """
    worst_s, hops = 0.0, 0.0
    for axis in range(len(sides)):
        side = sides[axis]
        if side > 1.0:
            worst_s = max(worst_s, size_b * side / (4.0 * link_b_per_s * (1.0 + wrapped[axis])))
            hops += math.floor(side / 2.0) if wrapped[axis] > 0.0 else side - 1.0
    return max(worst_s, hops * hop_s)


def bus_factor(collective: str, ranks: float) -> float:
    """Bus bandwidth over algorithm bandwidth (nccl-tests, doc/PERFORMANCE.md)."""
    if collective == "all_reduce":
        return 2.0 * (ranks - 1.0) / ranks
    return (ranks - 1.0) / ranks if collective in ("all_gather", "reduce_scatter", "all_to_all") else 1.0
