"""The rhythm of a trace's arrivals as keys of `synthetic`: batches, hours, weekdays and levels, by
moments."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcsim.scenario.jobs import Floats, JobTable
from dcsim.units import HOUR
from dcsim.workloads._describe import BATCH_GAP, HourlyCounts, batch_heads, batch_lengths, same_second_share
from dcsim.workloads._sizes import WholeLaw

FEWEST_DAYS = 6
"""Whole days that a trace must have for daily levels to be told from chance; twice that for weekdays."""


def fit_rate(hours: HourlyCounts, clumping: float) -> dict[str, Any]:
    """Factors of hours and weekdays, and levels for what these and batches leave open.

    `clumping` is the variance over mean of counts that batches alone bring. Factors are mean counts, drawn
    towards 1 by as much of their spread as chance explains. What a trace does not show is left out.
    """
    by_hour = _shrunk(hours.counts, hours.hour_of_day, 24)
    by_weekday = _shrunk(hours.whole_days(), hours.weekday_of_days(), 7)
    expected = by_hour[hours.hour_of_day] * by_weekday[hours.weekday]
    levels = _levels(hours, expected * (hours.counts.sum() / expected.sum()), clumping)
    table: dict[str, Any] = {"hour_factors": by_hour, "weekday_factors": by_weekday}
    table = {key: [round(f, 3) for f in factors.tolist()] for key, factors in table.items() if factors.std() > 0}
    return table | ({"levels": levels} if levels else {})


def _shrunk(counts: NDArray[Any], group: NDArray[np.intp], size: int) -> Floats:
    """Mean count of each group over the mean of all, shape (size,), less what is chance.

    The spread of the means is that of the true means plus the mean squared error of a mean; as large a part
    of each deviation is kept as is true. All 1 where some group has fewer than two counts.
    """
    number = np.bincount(group, minlength=size)
    if number.min() < 2:
        return np.ones(size)
    mean = np.bincount(group, counts, size) / number
    variance = (np.bincount(group, counts.astype(np.float64) ** 2, size) / number - mean**2) * number / (number - 1)
    spread = float(mean.var(ddof=1))
    true = max(1 - float(np.mean(variance / number)) / spread, 0.0) if spread > 0 else 0.0
    factors: Floats = 1 + (mean / mean.mean() - 1) * true
    return factors


def _levels(hours: HourlyCounts, expected: Floats, clumping: float) -> list[dict[str, Any]]:
    """Daily and hourly levels. A count with mean m has variance `clumping` m from batches alone."""
    levels = []
    daily, foreseen = hours.by_day(hours.counts), hours.by_day(expected)
    if len(daily) >= FEWEST_DAYS + 2:
        inner = slice(1, -1)
        levels += _level("1 d", daily[inner] - foreseen[inner], foreseen[inner], clumping)
        expected = expected * (daily / np.maximum(foreseen, 1e-9))[hours.day]
    return levels + _level("1 h", hours.counts - expected, expected, clumping)


def _level(every: str, surplus: Floats, expected: Floats, clumping: float) -> list[dict[str, Any]]:
    """A log-normal level that brings the moments of `surplus` over `expected`; none if batches suffice."""
    if len(surplus) < FEWEST_DAYS:
        return []
    variance = float((surplus**2 - clumping * expected).sum() / (expected**2).sum())
    if variance <= 1e-4:
        return []
    covariance = float((surplus[1:] * surplus[:-1]).sum() / (expected[1:] * expected[:-1]).sum())
    log_variance = math.log1p(variance)
    correlation = math.log1p(max(covariance, 0.0)) / log_variance
    sigma = rounded(math.sqrt(log_variance))
    return [{"every": every, "sigma": sigma, "correlation": rounded(min(correlation, 0.95))}]


def fit_batches(jobs: JobTable) -> dict[str, Any]:
    """Sizes of batches, and how their jobs follow and resemble each other.

    Batches come near each other by chance too, and then are taken for one; so many pairs of singles as chance
    joins at the rate of each hour are counted as two again.
    """
    heads = batch_heads(jobs.submit_s)
    lengths, followers = batch_lengths(heads), np.flatnonzero(~heads)
    joined = min(_joined_by_chance(jobs.submit_s[heads]), 0.9 * float(np.sum(lengths == 2)))
    sizes = _batch_sizes(lengths, joined)
    if len(followers) == 0:
        return {"batch_sizes": sizes}
    real = 1 - joined / len(followers)
    # gaps drawn evenly from 0 to BATCH_GAP leave a job in the second of the one before now and then
    by_chance = 1 / (2 * BATCH_GAP)
    same = same_second_share(jobs.submit_s) * (len(jobs) - 1) / len(followers)
    return {
        "batch_sizes": sizes,
        "batch_gap": f"{BATCH_GAP:g} s",
        "batch_together": _share((same - by_chance) / (1 - by_chance) / real),
        "batch_alike": _share(_alike(jobs, heads) / real),
    }


def _share(value: float) -> float:
    return rounded(min(max(value, 0.0), 1.0))


def _joined_by_chance(begun_s: Floats) -> float:
    """How many batches were lost in others by chance, if those of an hour, seen to begin at `begun_s`, are
    Poisson: of m that come, m exp(-m gap/hour) are seen."""
    seen = np.bincount(np.floor((begun_s - begun_s[0]) / HOUR).astype(np.int64)).astype(np.float64)
    return float(np.sum(seen * np.expm1(seen * BATCH_GAP / HOUR)))


def _batch_sizes(lengths: NDArray[np.intp], joined: float) -> dict[str, float]:
    """Shares of batch sizes: 1 to 4 each by itself, then in ranges that double."""
    most = int(lengths.max())
    edges = [1, 2, 3, 4, *(2**k + 1 for k in range(2, 24))]
    table = {}
    for low, next_low in pairwise(edges):
        number = float(np.sum((lengths >= low) & (lengths < next_low)))
        number += {1: 2 * joined, 2: -joined}.get(low, 0.0)
        if number > 0:
            high = min(next_low - 1, most)
            table[str(low) if low == high else f"{low}-{high}"] = rounded(number / (len(lengths) + joined))
    return table


def clumping(batch_sizes: dict[str, float]) -> float:
    """Mean size of the batch that a job is in: the variance over mean of counts that batches alone bring."""
    law = WholeLaw.of("batch_sizes", batch_sizes, ranges=True)
    return float(law.values**2 @ law.chances) / law.mean


def _alike(jobs: JobTable, heads: NDArray[np.bool_]) -> float:
    """Share of followers that are as their batch's first: same size, run time within a tenth; less chance."""
    followers = np.flatnonzero(~heads)
    first = np.maximum.accumulate(np.where(heads, np.arange(len(jobs)), 0))[followers]
    stranger = (first + len(jobs) // 2) % len(jobs)
    seen, chance = (_resemblance(jobs, followers, other) for other in (first, stranger))
    return (seen - chance) / (1 - chance) if chance < 1 else 1.0


def _resemblance(jobs: JobTable, one: NDArray[np.intp], other: NDArray[np.intp]) -> float:
    log = np.log(np.maximum(jobs.service_s, 0.5))
    same = (jobs.accelerators[one] == jobs.accelerators[other]) & (np.abs(log[one] - log[other]) < 0.1)
    return float(np.mean(same))


def rounded(value: float) -> float | int:
    """Four significant digits, as a whole number where that loses nothing."""
    short = float(f"{value:.4g}")
    return int(short) if short == int(short) and abs(short) >= 1 else short
