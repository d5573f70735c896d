"""Fewer points for long lines, without losing what a reader looks for: extremes and ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_POINTS = 5000
POINTS_PER_SLOT = 4  # first, lowest, highest and last value of a slot

Floats = NDArray[np.float64]


def keep_extremes(time_s: Floats, values: NDArray[np.generic], most: int = MOST_POINTS) -> NDArray[np.intp]:
    """Numbers of the points to keep, rising; all of them if there are at most `most`.

    time_s: shape (n,), s, sorted; values: shape (n,). Time is cut into `most // 4` equal slots and each keeps its
    first, last, lowest and highest point, so that a line drawn through what is kept covers the same pixels as
    the whole line if a slot is at most a pixel wide (M4: Jugel et al., PVLDB 7(10), 2014).
    """
    n = len(time_s)
    if n <= most:
        return np.arange(n)
    slots = most // POINTS_PER_SLOT
    span = time_s[-1] - time_s[0]
    slot = np.minimum(((time_s - time_s[0]) * (slots / (span or 1.0))).astype(np.intp), slots - 1)
    first = np.flatnonzero(np.diff(slot, prepend=-1))
    last = np.append(first[1:], n) - 1
    return np.unique(
        np.concatenate([first, last, _first_equal(np.minimum, values, first), _first_equal(np.maximum, values, first)])
    )


def _first_equal(extreme: np.ufunc, values: NDArray[np.generic], first: NDArray[np.intp]) -> NDArray[np.intp]:
    """In each slot, the first point that has the slot's extreme value; `first`: where the slots begin."""
    best = extreme.reduceat(values, first)
    hits = np.flatnonzero(values == np.repeat(best, np.diff(np.append(first, len(values)))))
    return hits[np.searchsorted(hits, first)]


def mean_steps(time_s: Floats, values: NDArray[np.generic], end_s: float, edges: Floats) -> Floats:
    """Mean of a step function between neighbouring edges, exact; shape (edges - 1,).

    time_s: shape (n,), s, sorted, from the first edge on; `values[i]` holds from `time_s[i]` to the next, the last
    to `end_s`. edges: s, rising.
    """
    times = np.append(time_s, end_s)
    integral = np.concatenate([[0.0], np.cumsum(values * np.diff(times))])
    means: Floats = np.diff(np.interp(edges, times, integral)) / np.diff(edges)
    return means
