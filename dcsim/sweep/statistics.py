"""Means with their uncertainty: over seeds, paired by seed, and over one long run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MSER_BATCH = 5
BATCHES = 20
"""Batches of one long run: with fewer the interval is wide, with many they depend on one another (Schmeiser 1982)."""


@dataclass(frozen=True)
class Mean:
    """A mean of `count` values and half the width of its confidence interval; NaN where there are fewer than two."""

    value: float
    half: float
    count: int

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval; false where there is none."""
        return abs(self.value) > self.half


def interval(values: Sequence[float] | Floats, confidence: float = 0.95) -> Mean:
    """Mean of independent values, with Student's interval; NaN without values."""
    known = np.asarray(values, dtype=np.float64)
    count = len(known)
    if count < 2:
        return Mean(float(known[0]) if count else math.nan, math.nan, count)
    half = _student(confidence, count - 1) * float(known.std(ddof=1)) / math.sqrt(count)
    return Mean(float(known.mean()), half, count)


def paired(values: Sequence[float], baseline: Sequence[float], confidence: float = 0.95) -> Mean:
    """Mean of value - baseline, pair by pair: what both have in common (the same seed's arrivals) cancels."""
    return interval(np.asarray(values, dtype=np.float64) - np.asarray(baseline, dtype=np.float64), confidence)


def warm_up(values: Sequence[float] | Floats) -> int:
    """How many values to leave out at the beginning of a run that starts empty, by MSER-5: batches of five values; the
    cut that makes the standard error of the mean of what is left smallest, among the first half.

    Source: White, Cobb and Spratt, Winter Simulation Conference 2000.
    """
    known = np.asarray(values, dtype=np.float64)
    batches = known[: len(known) // MSER_BATCH * MSER_BATCH].reshape(-1, MSER_BATCH).mean(axis=1)
    count = len(batches)
    if count < 4:
        return 0
    left = count - np.arange(count // 2 + 1)  # batches left after each cut
    total = np.cumsum(batches[::-1])[::-1][: len(left)]
    squares = np.cumsum(np.square(batches)[::-1])[::-1][: len(left)]
    error = (squares - total**2 / left) / left.astype(np.float64) ** 2
    return int(np.argmin(error)) * MSER_BATCH


def batch_means(values: Sequence[float] | Floats, confidence: float = 0.95, batches: int = BATCHES) -> Mean:
    """Mean of one run's values in order, after its warm-up, with an interval from the means of equal batches.

    Values that depend on their neighbours (waits do) make intervals from single values far too narrow; batches that are
    long against that dependence do not. NaN as half-width where there are fewer than two values a batch.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[warm_up(known) :]
    size = len(known) // batches
    if size < 2:
        return Mean(float(known.mean()) if len(known) else math.nan, math.nan, len(known))
    of_batches = interval(known[: size * batches].reshape(batches, size).mean(axis=1), confidence)
    return Mean(of_batches.value, of_batches.half, size * batches)


def _student(confidence: float, freedom: int) -> float:
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    return float(stdtrit(freedom, 0.5 + confidence / 2.0))
