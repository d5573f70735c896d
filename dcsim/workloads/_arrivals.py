"""When jobs come: evenly, as a Poisson process, or in batches whose rate follows hour, weekday and level."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.jobs import Floats
from dcsim.units import DAY, HOUR, MINUTE, TIME, WEEK, Seconds
from dcsim.workloads._durations import NonNegative
from dcsim.workloads._sizes import WholeLaw

MOST_JOBS = 100_000_000
MOST_HOURS = 10_000_000
"""Longest calendar of rates, about 1,100 years: a guard against slips of a unit."""

Stream = Callable[[str], np.random.Generator]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Level:
    """A slow rise and fall of the rate: a log-normal factor of mean 1, held for `every`, then drawn anew.

    Its logarithm is an autoregressive series of order 1.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    every: Seconds
    """How long one value holds, in whole hours."""
    sigma: NonNegative
    """Standard deviation of the logarithm."""
    correlation: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False, strict=True)] = 0.0
    """Correlation of the logarithm from one value to the next."""

    def __post_init__(self) -> None:
        if self.every < HOUR or self.every % HOUR:
            raise ValueError("every: expected whole hours")

    def factors(self, rng: np.random.Generator, hours: int) -> Floats:
        """The factor in each hour, shape (hours,)."""
        held = int(self.every / HOUR)
        noise = rng.standard_normal(-(-hours // held))
        noise[1:] *= math.sqrt(1 - self.correlation**2)
        series = _autoregressive(noise, self.correlation) if self.correlation else noise
        return np.repeat(np.exp(self.sigma * series - self.sigma**2 / 2), held)[:hours]


@dataclass(frozen=True)
class Amount:
    """How many jobs: the first `jobs` (None: all) of those before `span`, s (may be infinite), at `rate`,
    /s."""

    jobs: int | None
    span: float
    rate: float

    @property
    def exact(self) -> bool:
        """Whether just so many jobs come within just that span."""
        return self.jobs is not None and math.isfinite(self.span)


@dataclass(frozen=True)
class Bursts:
    """What makes arrivals bursty.

    `hours`, `weekdays`: relative rates, from 0:00 and from Monday. `sizes`: jobs of a batch. `gap`, s, and
    `together`: how the jobs of a batch follow each other. `first_second`: s from Monday 00:00 to second 0.
    """

    hours: tuple[float, ...]
    weekdays: tuple[float, ...]
    levels: tuple[Level, ...]
    sizes: WholeLaw
    gap: float
    together: float
    first_second: float
    file: str


def second_of_week(start: datetime | None) -> float:
    """Seconds from Monday 00:00 to the scenario's second 0, which is Monday 00:00 where it has no `start`."""
    if start is None:
        return 0.0
    seconds = start.hour * HOUR + start.minute * MINUTE + start.second + start.microsecond * 1e-6
    return start.weekday() * DAY + seconds


def deterministic(amount: Amount) -> Floats:
    """Jobs at equal distances, the first at time 0: shape (n,), s."""
    count = math.ceil(amount.span * amount.rate) if amount.jobs is None else amount.jobs
    return np.arange(count) / amount.rate


def poisson(amount: Amount, rng: np.random.Generator) -> Floats:
    """A Poisson process: shape (n,), s; if it has an exact number in its span, sorted uniform draws."""
    if amount.exact:
        return np.sort(rng.random(amount.jobs)) * amount.span
    return _unit_poisson(rng, amount.jobs, amount.span * amount.rate) / amount.rate


def bursty(amount: Amount, bursts: Bursts, stream: Stream) -> tuple[Floats, Rows]:
    """Submission times, s, sorted, and for each job the row of the first job of its batch: both shape (n,).

    Batches come as a Poisson process whose rate, an hour at a time, is the product of the mean rate, the
    factors of hour and weekday, and the levels; time is rescaled by the integral of that rate. Within a
    batch, a job comes together with the one before it or up to `gap` later.
    """
    sizes = None
    if amount.jobs is not None:  # as many batches as it takes
        sizes = bursts.sizes.at(stream("workload.batches").random(amount.jobs))
        sizes = sizes[: 1 + int(np.searchsorted(np.cumsum(sizes), amount.jobs))]
    starts = _batch_starts(amount, bursts, stream, None if sizes is None else len(sizes))
    if sizes is None:
        sizes = bursts.sizes.at(stream("workload.batches").random(len(starts)))
    times, first = _spread(starts, sizes, bursts, stream("workload.gaps"))
    times, first = _in_order(times[: amount.jobs], first[: amount.jobs])
    if amount.jobs is not None:
        return times, first
    count = int(np.searchsorted(times, amount.span))  # a batch may begin inside the span and end outside
    return times[:count], first[:count]


def steady_order(submit_s: Floats, first: Rows, work: Floats, steadiness: float, rng: np.random.Generator) -> Rows:
    """Which of the drawn jobs is submitted at each time, shape (n,): small ones rather in busy times.

    `first`: the row of the first job of each job's batch; `work`: accelerator-seconds; both shape (n,). A
    Gaussian copula deals the jobs out: with z the standardised `busyness`, the job of rank r goes to the
    time of rank r in -steadiness z + sqrt(1 - steadiness^2) N(0, 1). No job is changed, so all laws stay as
    they are.
    """
    busy = standardised(busyness(submit_s, first))
    key = math.sqrt(1 - steadiness**2) * rng.standard_normal(len(submit_s)) - steadiness * busy
    order = np.empty(len(submit_s), dtype=np.intp)
    order[np.argsort(key, kind="stable")] = np.argsort(work, kind="stable")
    return order


def busyness(submit_s: Floats, first: Rows) -> Floats:
    """For each job the logarithm of the number of jobs in its hour times that in its batch, shape (n,)."""
    _, hour, in_hour = np.unique(np.floor(submit_s / HOUR), return_inverse=True, return_counts=True)
    in_batch = np.bincount(first, minlength=len(first))
    return np.log(in_hour)[hour] + np.log(in_batch[first])


def standardised(values: Floats) -> Floats:
    """The same with mean 0 and standard deviation 1; all 0 if they are all equal."""
    deviation = values.std()
    return (values - values.mean()) / deviation if deviation > 0 else np.zeros(len(values))


def _batch_starts(amount: Amount, bursts: Bursts, stream: Stream, count: int | None) -> Floats:
    """When batches begin, s, shape (batches,): `count` of them, or as many as there are."""
    rng, begin = stream("workload.arrivals"), bursts.first_second
    rate = amount.rate / bursts.sizes.mean
    if math.isinf(amount.span):
        edges, passed, need = _long_enough(bursts, stream, _unit_poisson(rng, count, math.inf) / rate)
    else:
        edges, passed = _calendar(bursts, stream, math.ceil((begin + amount.span) / HOUR))
        low, high = np.interp([begin, begin + amount.span], edges, passed).tolist()
        if high == low:
            raise ScenarioError(Problem(bursts.file, "workload.span", "the rate is 0 all along"))
        if amount.exact:
            need = low + np.sort(rng.random(count)) * (high - low)
        else:
            need = low + _unit_poisson(rng, None, (high - low) * rate) / rate
    return np.interp(need, passed, edges) - begin


def _long_enough(bursts: Bursts, stream: Stream, need: Floats) -> tuple[Floats, Floats, Floats]:
    """A calendar whose rescaled time covers `need`, and `need` counted from its beginning."""
    hours = 1.2 * (bursts.first_second + (need[-1] if len(need) else 0.0)) / HOUR + WEEK / HOUR
    while True:
        edges, passed = _calendar(bursts, stream, math.ceil(hours))
        low = float(np.interp(bursts.first_second, edges, passed))
        if not len(need) or low + need[-1] <= passed[-1]:
            return edges, passed, low + need
        hours *= 2


def _calendar(bursts: Bursts, stream: Stream, hours: int) -> tuple[Floats, Floats]:
    """Edges of the hours from Monday 00:00, s, and the rescaled time passed at each, s: both shape (hours +
    1,).

    A longer calendar begins as a shorter one does, since each level has its own stream.
    """
    if hours > MOST_HOURS:
        got, most = (
            f"about {hours * HOUR / TIME.factor('y'):.3g} years",
            f"at most {MOST_HOURS * HOUR / TIME.factor('y'):,.0f}",
        )
        fix = "write a shorter span or a higher rate"
        raise ScenarioError(Problem(bursts.file, "workload.arrivals", "bursty ones last too long", got, most, fix))
    hour = np.arange(hours)
    factor = _mean_one(bursts.hours)[hour % 24] * _mean_one(bursts.weekdays)[hour // 24 % 7]
    for number, level in enumerate(bursts.levels):
        factor *= level.factors(stream(f"workload.levels.{number}"), hours)
    passed: Floats = np.concatenate((np.zeros(1), np.cumsum(factor) * HOUR))
    return np.arange(hours + 1, dtype=np.float64) * HOUR, passed


def _spread(starts: Floats, sizes: NDArray[np.int64], bursts: Bursts, rng: np.random.Generator) -> tuple[Floats, Rows]:
    """All jobs of all batches, batch by batch: times, s, and the row of each batch's first job, both shape
    (n,)."""
    heads = np.cumsum(sizes) - sizes
    first = np.repeat(heads, sizes)
    times = np.repeat(starts, sizes)
    followers = np.flatnonzero(first != np.arange(len(first)))
    if len(followers):
        gaps = np.zeros(len(first))
        draws = rng.random((len(followers), 2))
        gaps[followers] = np.where(draws[:, 0] < bursts.together, 0.0, draws[:, 1] * bursts.gap)
        passed = np.cumsum(gaps)
        times += passed - passed[first]
    return times, first


def _in_order(times: Floats, first: Rows) -> tuple[Floats, Rows]:
    """Sorted by time (stable), with `first` pointing to the new rows."""
    order = np.argsort(times, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return times[order], place[first[order]]


def _unit_poisson(rng: np.random.Generator, count: int | None, until: float) -> Floats:
    """Times of a Poisson process of rate 1: the first `count`, or all before `until`; longer begins as
    shorter."""
    if count is not None:
        return np.cumsum(rng.standard_exponential(count))
    gaps = rng.standard_exponential(math.ceil(until + 6 * math.sqrt(until) + 20))
    while (times := np.cumsum(gaps))[-1] < until:
        gaps = np.concatenate((gaps, rng.standard_exponential(len(gaps))))
    return times[: int(np.searchsorted(times, until))]


def _autoregressive(noise: Floats, correlation: float) -> Floats:
    """x[0] = noise[0], x[t] = correlation x[t-1] + noise[t]; shape (n,)."""
    value, series = 0.0, []
    for shock in noise.tolist():
        value = correlation * value + shock
        series.append(value)
    return np.array(series)


def _mean_one(factors: tuple[float, ...]) -> Floats:
    return np.array(factors) / (math.fsum(factors) / len(factors))
