"""Means with their uncertainty: over seeds, paired by seed, and over one long run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDING = 1e-12
"""Share of a value within which others are the same: sums of a million float64 numbers err by some 1e-13 of theirs."""
MSER_BATCH = 5
BATCHES = 20
"""Batches of one long run: with fewer the interval is wide, with many they depend on one another (Schmeiser 1982)."""
LEAST_BATCH = 50
"""Values of a batch. On M/M/1 at half load, batches of 50 to 100 make 95 % intervals that hold the mean in 87 % of
runs; shorter ones depend on one another even there (benchmarks/RESULTS.md)."""


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


@dataclass(frozen=True)
class Relative:
    """A difference over the baseline's mean, and the ends of its interval; NaN where there is none, infinite where the
    baseline's mean may be zero."""

    value: float
    low: float
    high: float

    @property
    def bounded(self) -> bool:
        """Whether it is a number with an interval that ends."""
        return math.isfinite(self.value) and not math.isinf(self.low)


NO_RELATIVE = Relative(math.nan, math.nan, math.nan)


def alike(one: float, other: float) -> bool:
    """Whether two values differ by nothing but rounding."""
    return math.isclose(one, other, rel_tol=ROUNDING)


def interval(values: Sequence[float] | Floats, confidence: float = 0.95) -> Mean:
    """Mean of independent values, with Student's interval; NaN without values, of no width where all are alike."""
    known = np.asarray(values, dtype=np.float64)
    count = len(known)
    if count < 2:
        return Mean(float(known[0]) if count else math.nan, math.nan, count)
    if alike(float(known.min()), float(known.max())):
        return Mean(float(known[0]), 0.0, count)
    half = _student(confidence, count - 1) * float(known.std(ddof=1)) / math.sqrt(count)
    return Mean(float(known.mean()), half, count)


def paired(values: Sequence[float], baseline: Sequence[float], confidence: float = 0.95) -> Mean:
    """Mean of value - baseline, pair by pair: what both have in common (the same seed's arrivals) cancels. Pairs that
    differ by rounding alone do not differ, and no more do such means."""
    pairs = zip(values, baseline, strict=True)
    mean = interval([0.0 if alike(ours, theirs) else ours - theirs for ours, theirs in pairs], confidence)
    return replace(mean, value=0.0) if alike(sum(values), sum(baseline)) else mean


def independent(mean: Mean, baseline: Mean) -> Mean:
    """Difference of two means of values that have nothing in common; none where they differ by rounding alone."""
    value = 0.0 if alike(mean.value, baseline.value) else mean.value - baseline.value
    return Mean(value, math.hypot(mean.half, baseline.half), min(mean.count, baseline.count))


def relative(difference: Mean, ours: Mean, theirs: Mean) -> Relative:
    """The difference of two means over the second, with the interval of that ratio: all r for which the mean of
    ours - (1 + r) theirs has an interval that holds zero. It holds r = 0 just where that of the difference holds zero.

    All three are of the same values and confidence, so that their half-widths tell how ours and theirs vary together.
    Source: Fieller, J. R. Stat. Soc. B 16 (1954).
    """
    if not theirs.value:
        return NO_RELATIVE
    value = difference.value / theirs.value
    if not difference.value and not difference.half:
        return Relative(0.0, 0.0, 0.0)
    if math.isnan(difference.half):
        return Relative(value, math.nan, math.nan)
    square = theirs.value**2 - theirs.half**2  # of r in the quadratic that is negative inside the interval
    if square <= 0.0:
        return Relative(value, -math.inf, math.inf)
    together = (ours.half**2 - theirs.half**2 - difference.half**2) / 2.0  # of the difference and theirs
    middle = difference.value * theirs.value - together
    root = math.sqrt(max(middle**2 - square * (difference.value**2 - difference.half**2), 0.0))
    return Relative(value, min((middle - root) / square, value), max((middle + root) / square, value))


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
    long against that dependence do not. NaN as half-width where there are fewer than `LEAST_BATCH` values a batch.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[warm_up(known) :]
    size = len(known) // batches
    if size < LEAST_BATCH:
        return Mean(float(known.mean()) if len(known) else math.nan, math.nan, len(known))
    of_batches = interval(known[: size * batches].reshape(batches, size).mean(axis=1), confidence)
    return Mean(of_batches.value, of_batches.half, size * batches)


def _student(confidence: float, freedom: int) -> float:
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    return float(stdtrit(freedom, 0.5 + confidence / 2.0))
