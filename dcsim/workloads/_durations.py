"""Laws of run times: drawn, and known in closed form, so that loads are exact and draws can be tested."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, Literal, Protocol

import numpy as np
from pydantic import ConfigDict, Field

from dcsim.scenario.jobs import Floats
from dcsim.units import Seconds

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]

PARAMETERS = {
    "exponential": (("mean",),),
    "deterministic": (("mean",),),
    "uniform": (("mean", "scv"),),
    "lognormal": (("mean", "scv"), ("median", "sigma")),
    "hyperexponential": (("mean", "scv"), ("weights", "means")),
}
"""Each law's parameters; where there are two sets, either will do."""


@dataclass(frozen=True)
class Service:
    """The law of the run times of some jobs; a draw is `offset` more than the law's, and at most `cap`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    law: Literal["exponential", "deterministic", "uniform", "lognormal", "hyperexponential"]
    """`uniform` lies symmetrically about its mean. `hyperexponential` is a mixture of exponential phases;
    given by mean and scv it has two, of balanced means (Whitt, Bell Syst. Tech. J. 61, 1982)."""
    mean: Seconds | None = None
    """Mean, before `offset` and `cap`."""
    scv: NonNegative | None = None
    """Squared coefficient of variation, before `offset` and `cap`: at most 1/3 if uniform, above 1 if
    hyper-exponential."""
    median: Seconds | None = None
    """Median of a log-normal law."""
    sigma: NonNegative | None = None
    """Standard deviation of the natural logarithm, of a log-normal law."""
    weights: tuple[Positive, ...] | None = None
    """How often each phase comes, in proportion."""
    means: tuple[Seconds, ...] | None = None
    """Mean of each phase."""
    offset: Seconds = 0.0
    """Shortest run time; the law describes what comes on top of it."""
    cap: Seconds | None = None
    """Longest run time, such as a limit of the cluster; longer draws are cut to it."""

    def __post_init__(self) -> None:
        self._check_parameters()
        for key in ("mean", "median"):
            if getattr(self, key) == 0:
                raise ValueError(f"{key}: must be > 0 s")
        if self.means is not None and self.weights is not None:
            if len(self.means) != len(self.weights) or not self.means:
                raise ValueError(f"means: {len(self.means)} means for {len(self.weights)} weights; expected as many")
            if min(self.means) <= 0:
                raise ValueError("means: must all be > 0 s")
        if self.law == "uniform" and self.scv is not None and self.scv > 1 / 3:
            raise ValueError(f"scv: a uniform law on positive times has at most 1/3 (got {self.scv:g})")
        if self.law == "hyperexponential" and self.scv is not None and self.scv <= 1:
            raise ValueError(f"scv: a hyper-exponential law has more than 1 (got {self.scv:g})")
        if self.cap is not None and self.cap <= self.offset:
            raise ValueError("cap: must be above offset")

    @cached_property
    def distribution(self) -> Distribution:
        """The law itself, before `offset` and `cap`."""
        if self.law == "lognormal":
            return _lognormal(self)
        if self.law in ("uniform", "deterministic"):
            mean, scv = self.mean or 0.0, self.scv or 0.0
            return Uniform(mean * (1 - math.sqrt(3 * scv)), mean * (1 + math.sqrt(3 * scv)))
        if self.weights is not None and self.means is not None:
            return Phases(tuple(w / sum(self.weights) for w in self.weights), self.means)
        return _phases(self.mean or 0.0, self.scv)

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Independent run times, shape (count,), s."""
        times = self.distribution.draw(rng, count)
        if self.offset:
            times += self.offset
        return times if self.cap is None else np.minimum(times, self.cap, out=times)

    @property
    def expected(self) -> float:
        """Mean run time, s, with `offset` and `cap`."""
        limit = math.inf if self.cap is None else self.cap - self.offset
        return self.offset + self.distribution.limited_mean(limit)

    def cdf(self, times: Floats) -> Floats:
        """Share of run times that are at most `times`, shape (n,), s; with `offset` and `cap`."""
        below = self.distribution.cdf(np.maximum(times - self.offset, 0.0)) * (times >= self.offset)
        return below if self.cap is None else np.where(times >= self.cap, 1.0, below)

    def _check_parameters(self) -> None:
        keys = ("mean", "scv", "median", "sigma", "weights", "means")
        given = tuple(k for k in keys if getattr(self, k) is not None)
        choices = PARAMETERS[self.law]
        if any(set(given) == set(choice) for choice in choices):
            return
        wanted = " or ".join(" and ".join(choice) for choice in choices)
        alien = [k for k in given if not any(k in choice for choice in choices)]
        if alien:
            raise ValueError(f'{alien[0]}: does not apply to law = "{self.law}", which takes {wanted}')
        raise ValueError(f'law: "{self.law}" takes {wanted} (got {" and ".join(given) or "nothing"})')


class Distribution(Protocol):
    """A law of times >= 0 in closed form."""

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Independent draws, shape (count,), s."""
        ...

    def limited_mean(self, limit: float) -> float:
        """E[min(X, limit)], s; `limit` may be infinite."""
        ...

    def cdf(self, times: Floats) -> Floats:
        """P(X <= time), shape (n,), for times >= 0, s."""
        ...


@dataclass(frozen=True)
class Phases:
    """A mixture of exponential laws: `weights` add up to 1, `means` in s."""

    weights: tuple[float, ...]
    means: tuple[float, ...]

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Independent draws, shape (count,), s: for each the phase, then the time."""
        if len(self.means) == 1:
            return rng.exponential(self.means[0], count)
        phase = pick(self.weights, rng.random(count))
        times: Floats = np.asarray(self.means)[phase] * rng.standard_exponential(count)
        return times

    def limited_mean(self, limit: float) -> float:
        """E[min(X, limit)], s."""
        pairs = zip(self.weights, self.means, strict=True)
        return math.fsum(w * m * -math.expm1(-limit / m) for w, m in pairs)

    def cdf(self, times: Floats) -> Floats:
        """P(X <= time), shape (n,)."""
        pairs = zip(self.weights, self.means, strict=True)
        return sum((-w * np.expm1(-times / m) for w, m in pairs), np.zeros(len(times)))


@dataclass(frozen=True)
class Uniform:
    """Evenly between `low` and `high`, s; always the same where they are equal."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Independent draws, shape (count,), s."""
        return rng.uniform(self.low, self.high, count) if self.high > self.low else np.full(count, self.low)

    def limited_mean(self, limit: float) -> float:
        """E[min(X, limit)], s."""
        if limit >= self.high:
            return (self.low + self.high) / 2
        if limit <= self.low:
            return limit
        return limit - (limit - self.low) ** 2 / (2 * (self.high - self.low))

    def cdf(self, times: Floats) -> Floats:
        """P(X <= time), shape (n,)."""
        if self.high == self.low:
            return (times >= self.low).astype(np.float64)
        return np.clip((times - self.low) / (self.high - self.low), 0.0, 1.0)


@dataclass(frozen=True)
class Lognormal:
    """exp of a normal law with mean `mu` and standard deviation `sigma`; times in s."""

    mu: float
    sigma: float

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Independent draws, shape (count,), s."""
        return rng.lognormal(self.mu, self.sigma, count)

    def limited_mean(self, limit: float) -> float:
        """E[min(X, limit)], s."""
        mean = math.exp(self.mu + self.sigma**2 / 2)
        if math.isinf(limit):
            return mean
        if self.sigma == 0:
            return min(mean, limit)
        z = (math.log(limit) - self.mu) / self.sigma
        return mean * normal_cdf(z - self.sigma) + limit * normal_cdf(-z)

    def cdf(self, times: Floats) -> Floats:
        """P(X <= time), shape (n,)."""
        with np.errstate(divide="ignore"):
            above = np.log(times) - self.mu
        if self.sigma == 0:
            return (above >= 0).astype(np.float64)
        return np.array([normal_cdf(z) for z in (above / self.sigma).tolist()])


def normal_cdf(z: float) -> float:
    """The standard normal law: P(Z <= z)."""
    return math.erfc(-z / math.sqrt(2)) / 2


def pick(weights: Sequence[float], uniforms: Floats) -> np.ndarray:
    """Indices drawn in proportion to `weights`, one for each of `uniforms` in [0, 1), shape (n,)."""
    edges = np.cumsum(weights)
    return np.searchsorted(edges[:-1] / edges[-1], uniforms, side="right")


def _lognormal(service: Service) -> Lognormal:
    if service.median is not None and service.sigma is not None:
        return Lognormal(math.log(service.median), service.sigma)
    variance = math.log1p(service.scv or 0.0)
    return Lognormal(math.log(service.mean or 0.0) - variance / 2, math.sqrt(variance))


def _phases(mean: float, scv: float | None) -> Phases:
    """One phase, or two that bring equal shares of the mean: w = (1 + sqrt((scv - 1)/(scv + 1)))/2."""
    if scv is None:
        return Phases((1.0,), (mean,))
    weight = (1 + math.sqrt((scv - 1) / (scv + 1))) / 2
    return Phases((weight, 1 - weight), (mean / (2 * weight), mean / (2 * (1 - weight))))
