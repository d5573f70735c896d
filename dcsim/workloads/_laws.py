"""Laws of run times fitted to samples: three exponential phases by expectation maximisation, or a
log-normal."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from dcsim.scenario.jobs import Floats
from dcsim.workloads._durations import Phases, Service

FEWEST = 50
"""Below so many run times, a law has the sample's mean and scv, and no phases of its own."""

_STEPS = 4000
_NARROW = 40  # bins a factor of e when samples are condensed
_START = (0.6, 0.85)  # where the first guess cuts the sample into phases


def fit_service(service_s: Floats, mean: float | None = None, offset: float = 0.0, cap: float | None = None) -> Service:
    """A law of run times, shape (n,), s, that are `offset` at least and, if `cap` is given, cut to it.

    The law has the given mean, by default the sample's, so that it brings the load that it should: the
    longest phase is stretched or shrunk to that end. Of three phases and a log-normal law, the one with the
    smaller Akaike criterion is taken; the log-normal only if nothing was cut and its mean is right within 5
    %, which seldom holds (it has no room for both tail and load).
    """
    mean = float(service_s.mean()) if mean is None else mean
    scv = (float(service_s.std()) / float(service_s.mean())) ** 2 if mean else 0.0
    if len(service_s) < FEWEST or scv < 1e-3:
        return _by_moments(mean, scv)
    extra, limit = service_s - offset, None if cap is None else cap - offset
    phases, likelihood = fit_phases(extra, limit)
    law = Service("hyperexponential", weights=phases.weights, means=phases.means, offset=offset, cap=cap)
    if limit is None or not bool((extra >= limit).any()):
        normal, normal_likelihood = _lognormal(np.maximum(extra, 0.5), offset)
        better = 2 * 2 - 2 * normal_likelihood < 2 * 5 - 2 * likelihood
        if better and abs(normal.expected / mean - 1) < 0.05:
            return normal
    return _with_mean(law, mean)


def fit_phases(times: Floats, limit: float | None = None, number: int = 3) -> tuple[Phases, float]:
    """A mixture of exponential phases, shortest first, and the logarithm of its likelihood.

    Expectation maximisation on `times`, shape (n,), s; those at `limit` count as "at least that long". The
    start is the sample cut at fixed shares, so that the same sample gives the same law. Without a limit,
    the mean is the sample's at every step.
    """
    cut = 0 if limit is None else int(np.count_nonzero(times >= limit))
    values, counts = _condensed(times if limit is None else times[times < limit])
    weights, means = np.full(number, 1 / number), _first_means(values, counts, number)
    last = -math.inf
    for _ in range(_STEPS):
        density = weights / means * np.exp(-values[:, None] / means)
        total = np.maximum(density.sum(axis=1), 1e-300)
        likelihood = float(counts @ np.log(total))
        belief = density * (counts / total)[:, None]
        number_in, time_in = belief.sum(axis=0), values @ belief
        if limit is not None and cut:
            beyond = weights * np.exp(-limit / means)
            likelihood += cut * math.log(beyond.sum())
            share = beyond / beyond.sum() * cut
            number_in, time_in = number_in + share, time_in + share * (limit + means)
        weights, means = number_in / number_in.sum(), np.maximum(time_in / number_in, 1e-6)
        if likelihood - last < 1e-9 * abs(likelihood):
            break
        last = likelihood
    order = np.argsort(means, kind="stable")
    return Phases(tuple(weights[order].tolist()), tuple(means[order].tolist())), likelihood


def ks_distance(sample: Floats, service: Service) -> float:
    """Kolmogorov-Smirnov distance of a sample, shape (n,), from a law: largest gap between the two in P(X
    <= t)."""
    values, counts = np.unique(sample, return_counts=True)
    upto = np.cumsum(counts) / len(sample)
    law = service.cdf(values)
    before = service.cdf(np.nextafter(values, 0.0))  # a law with a cap jumps there, as the sample does
    return float(max(np.abs(law - upto).max(), np.abs(before - np.append(0.0, upto[:-1])).max()))


def ks_two_samples(one: Floats, other: Floats) -> float:
    """Kolmogorov-Smirnov distance of two samples."""
    one, other = np.sort(one), np.sort(other)
    both = np.concatenate((one, other))
    shares = [np.searchsorted(sample, both, side="right") / len(sample) for sample in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def _lognormal(times: Floats, offset: float) -> tuple[Service, float]:
    """The most likely log-normal law of times above 0, shape (n,), s, and the logarithm of its likelihood."""
    log = np.log(times)
    median, sigma = math.exp(log.mean()), float(log.std())
    likelihood = -float(np.sum(log)) - len(log) * (math.log(sigma) + (math.log(2 * math.pi) + 1) / 2)
    return Service("lognormal", median=median, sigma=sigma, offset=offset), likelihood


def _by_moments(mean: float, scv: float) -> Service:
    if scv < 1e-4:
        return Service("deterministic", mean=mean)
    return Service("hyperexponential" if scv > 1.001 else "lognormal", mean=mean, scv=scv)


def _with_mean(service: Service, mean: float) -> Service:
    """The same law with its longest phase stretched or shrunk, up to tenfold, until it has the given mean."""
    *shorter, longest = service.means or ()
    low, high = longest / 10, longest * 10
    for _ in range(60):
        middle = math.sqrt(low * high)
        trial = dataclasses.replace(service, means=(*shorter, middle))
        low, high = (middle, high) if trial.expected < mean else (low, middle)
    return trial


def _condensed(times: Floats) -> tuple[Floats, Floats]:
    """The sample as at most a thousand or so values with counts: narrow bins, each with its own mean."""
    number = np.floor(np.log(np.maximum(times, 1e-3)) * _NARROW).astype(np.int64)
    number -= number.min()
    counts = np.bincount(number).astype(np.float64)
    sums = np.bincount(number, times)
    return sums[counts > 0] / counts[counts > 0], counts[counts > 0]


def _first_means(values: Floats, counts: Floats, number: int) -> Floats:
    share = np.cumsum(counts) / counts.sum()
    group = np.searchsorted(_START[: number - 1], share - counts / counts.sum() / 2)
    weight = np.bincount(group, counts, number)
    mean = np.bincount(group, counts * values, number) / np.maximum(weight, 1)
    whole = float(values @ counts / counts.sum())
    return np.maximum(np.where(weight > 0, mean, whole * 4.0 ** np.arange(number)), 1e-3)
