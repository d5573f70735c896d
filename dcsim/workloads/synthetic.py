"""Jobs drawn from laws: as real traces behave (batches, daily level, hours, size classes), or as textbooks
have it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.jobs import Floats, Ints, JobTable, Names
from dcsim.units import PerSecond, Seconds
from dcsim.workloads import _arrivals, _presets
from dcsim.workloads._arrivals import MOST_JOBS, Amount, Bursts, Level, Rows, steady_order
from dcsim.workloads._durations import NonNegative, Positive, Service, pick
from dcsim.workloads._sizes import Mix, SizeClass, WholeLaw
from dcsim.workloads.base import WorkloadContext

Count = Annotated[int, Field(ge=1, le=MOST_JOBS, strict=True)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]

BATCHED = ("batch_gap", "batch_together", "batch_alike")
"""Keys that need `batch_sizes`."""

BURSTY = ("hour_factors", "weekday_factors", "levels", "steadiness", "batch_sizes", *BATCHED)
"""Keys that need `arrivals = "bursty"`."""


@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """Jobs drawn from laws: as real traces behave, or as queueing theory has them.

    Give two of `jobs`, `span` and `rate` (or `offered_load`), and the jobs' sizes and run times either as
    `accelerators` and `service` or as `classes`. Keys that say nothing in the chosen mode are refused. Every
    purpose has its own random stream: another law for one never shifts the others.
    """

    preset: str | None = None
    """A workload of `dcsim/presets/workloads/`, such as "venus-like"; any key written beside it counts
    instead of the preset's. `offered_load` (or `jobs` with `span`) counts instead of its `rate`, `service`
    and `accelerators` instead of its `classes`, and another kind of `arrivals` drops what only bursty ones
    have."""
    jobs: Count | None = None
    """Number of jobs."""
    span: Seconds | None = None
    """Time within which jobs are submitted."""
    rate: PerSecond | None = None
    """Mean number of jobs in unit time."""
    offered_load: Positive | None = None
    """Instead of `rate`: mean accelerators that jobs would keep busy if none waited, over those of all
    pools."""
    arrivals: Literal["poisson", "deterministic", "at_once", "bursty"] | None = None
    """`poisson` (default); `deterministic`: equal distances; `at_once`: all at time 0; `bursty`: batches of
    jobs at a rate that follows hour, weekday and level, as in real traces."""
    accelerators: dict[str, Positive] | None = None
    """How often each number of accelerators comes, in proportion: `{ 1 = 0.5, 2 = 0.5 }`. Default: always
    1."""
    service: Service | None = None
    """Law of run times: `{ law = "lognormal", mean = "1 s", scv = 4 }`."""
    classes: dict[str, SizeClass] | None = None
    """Size classes by name, each with `share`, `accelerators` and `service`: a job's class is drawn first."""
    priorities: dict[str, Positive] | None = None
    """How often each priority comes, in proportion: `{ 0 = 0.3, 1 = 0.4 }`; larger is more important."""
    tenants: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] | None = None
    """Number of tenants, named t1, t2, ...; without it, jobs have none."""
    tenant_skew: NonNegative | None = None
    """Exponent of the tenants' shares of jobs: tenant k has a share as 1/k^skew (Zipf). Default: 1."""
    hour_factors: Annotated[tuple[NonNegative, ...], Field(min_length=24, max_length=24)] | None = None
    """Rate in each hour of the day, 0 to 23, relative to the mean; hours count from the scenario's `start`,
    or from 0:00 without one."""
    weekday_factors: Annotated[tuple[NonNegative, ...], Field(min_length=7, max_length=7)] | None = None
    """Rate on each day of the week, Monday to Sunday, relative to the mean; the run begins on the weekday
    of the scenario's `start`, or on a Monday without one."""
    levels: tuple[Level, ...] | None = None
    """Slow rises and falls of the rate, multiplied: `[{ every = "1 d", sigma = 0.5, correlation = 0.5 }]`."""
    batch_sizes: dict[str, Positive] | None = None
    """How often a batch has so many jobs, in proportion: `{ 1 = 0.9, 2 = 0.08, "3-8" = 0.02 }`; inside a
    range, a number comes as often as its inverse. Default: always 1."""
    batch_gap: Seconds | None = None
    """Longest time from one job of a batch to the next; drawn evenly up to it. Default: 5 s."""
    batch_together: Share | None = None
    """Share of the jobs of a batch that come at the same instant as the job before. Default: 0."""
    batch_alike: Share | None = None
    """Share of the jobs of a batch that are copies of its first job in size and run time. Default: 0."""
    steadiness: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False, strict=True)] | None = None
    """How much smaller jobs are in busy times, so that work comes more steadily than jobs do: correlation
    (of a Gaussian copula) between the rank of a job's accelerator-seconds and minus the logarithm of the
    number of jobs in its hour times that in its batch. The laws of sizes and run times stay as they are.
    Default: 0."""

    def __post_init__(self) -> None:
        if self.preset is not None:
            self.resolved()
            return
        self._check_amount()
        self._check_mix()
        self._check_modes()

    def resolved(self) -> Synthetic:
        """The same workload with its preset's keys written out; itself if it names none."""
        if self.preset is None:
            return self
        written = {f.name: v for f in dataclasses.fields(self) if (v := getattr(self, f.name)) is not None}
        return Synthetic(**_over_preset(written, _presets.read(self.preset, Synthetic)))

    @staticmethod
    def inlined(table: dict[str, Any]) -> dict[str, Any]:
        """A TOML table of these keys with those of its preset written out; itself if it names none.

        Raises ValueError, with the key `preset`, for a preset that does not exist.
        """
        name = table.get("preset")
        return table if name is None else _over_preset(table, _presets.table_of(name))

    def load(self, context: WorkloadContext) -> JobTable:
        """All jobs, sorted by submission; requested run times are the true ones.

        Raises ScenarioError where no job falls into `span`, or more than dcsim takes.
        """
        jobs = self.resolved()
        mix = jobs._mix()
        submit_s, first = jobs._submissions(jobs._amount(mix, context), context)
        count = len(submit_s)
        if count == 0:
            raise ScenarioError(Problem(context.file, "workload.span", "no job is submitted within it"))
        accelerators, service_s = mix.draw(context.stream, count)
        if jobs.steadiness:
            rng = context.stream("workload.steadiness")
            order = steady_order(submit_s, first, accelerators * service_s, jobs.steadiness, rng)
            accelerators, service_s = accelerators[order], service_s[order]
        if jobs.batch_alike:
            copied = context.stream("workload.alike").random(count) < jobs.batch_alike
            model = np.where(copied, first, np.arange(count))
            accelerators, service_s = accelerators[model], service_s[model]
        return JobTable(
            submit_s=submit_s,
            service_s=service_s,
            accelerators=accelerators,
            requested_s=service_s,
            priority=jobs._priority(first, context),
            tenant=jobs._tenant(first, context),
            origin={"format": "synthetic", "rows": count},
        )

    def _mix(self) -> Mix:
        if self.classes is not None:
            return Mix(self.classes)
        assert self.service is not None  # checked when made
        return Mix({"all": SizeClass(1.0, self.accelerators or {"1": 1.0}, self.service)})

    def _amount(self, mix: Mix, context: WorkloadContext) -> Amount:
        span = math.inf if self.span is None else self.span
        if self.offered_load is not None:
            rate = self.offered_load * context.capacity / mix.mean_work
        elif self.rate is not None:
            rate = self.rate
        else:
            rate = (self.jobs or 0) / span
        if self.jobs is None and span * rate > MOST_JOBS:
            what, limit = f"about {span * rate:.3g}", f"at most {MOST_JOBS:,}"
            raise ScenarioError(Problem(context.file, "workload.span", "too many jobs", what, limit))
        return Amount(self.jobs, span, rate)

    def _submissions(self, amount: Amount, context: WorkloadContext) -> tuple[Floats, Rows]:
        """Submission times, s, and for each job the first row of its batch: both shape (n,)."""
        if self.arrivals == "bursty":
            return _arrivals.bursty(amount, self._bursts(context), context.stream)
        if self.arrivals == "at_once":
            times = np.zeros(amount.jobs or 0)
        elif self.arrivals == "deterministic":
            times = _arrivals.deterministic(amount)
        else:
            times = _arrivals.poisson(amount, context.stream("workload.arrivals"))
        return times, np.arange(len(times))

    def _bursts(self, context: WorkloadContext) -> Bursts:
        return Bursts(
            hours=self.hour_factors or (1.0,) * 24,
            weekdays=self.weekday_factors or (1.0,) * 7,
            levels=self.levels or (),
            sizes=WholeLaw.of("batch_sizes", self.batch_sizes or {"1": 1.0}, ranges=True),
            gap=5.0 if self.batch_gap is None else self.batch_gap,
            together=self.batch_together or 0.0,
            first_second=_arrivals.second_of_week(context.start),
            file=context.file,
        )

    def _priority(self, first: Rows, context: WorkloadContext) -> Ints | None:
        if self.priorities is None:
            return None
        law = WholeLaw.of("priorities", self.priorities, least=0)
        return law.at(context.stream("workload.priorities").random(len(first)))[first].astype(np.int32)

    def _tenant(self, first: Rows, context: WorkloadContext) -> Names:
        if self.tenants is None:
            return Names()
        skew = 1.0 if self.tenant_skew is None else self.tenant_skew
        shares = np.arange(1.0, self.tenants + 1) ** -skew
        codes = pick(shares.tolist(), context.stream("workload.tenants").random(len(first)))[first]
        return Names(tuple(f"t{k}" for k in range(1, self.tenants + 1)), codes.astype(np.int32))

    def _check_amount(self) -> None:
        rates = [k for k in ("rate", "offered_load") if getattr(self, k) is not None]
        for key in ("span", "rate"):
            if getattr(self, key) == 0:
                raise ValueError(f"{key}: must be > 0")
        if len(rates) == 2:
            raise ValueError("offered_load: says again what rate says; leave one of them out")
        if self.arrivals == "at_once":
            for key in (k for k in ("span", *rates) if getattr(self, k) is not None):
                raise ValueError(f'{key}: does not apply to arrivals = "at_once", which takes jobs')
            if self.jobs is None:
                raise ValueError("jobs: is missing; how many?")
        elif self.jobs is None and self.span is None:
            raise ValueError("jobs: is missing; write how many jobs, or within which span")
        elif self.jobs is not None and self.span is not None and rates:
            raise ValueError(f"{rates[0]}: follows from jobs and span; leave one of the three out")
        elif not rates and (self.jobs is None or self.span is None):
            raise ValueError("rate: is missing; write rate or offered_load, or both jobs and span")

    def _check_mix(self) -> None:
        if self.classes is not None:
            for key in (k for k in ("service", "accelerators") if getattr(self, k) is not None):
                raise ValueError(f"{key}: stands in each of classes; leave it out here, or leave classes out")
            if not self.classes:
                raise ValueError("classes: is empty; expected at least one class")
        elif self.service is None:
            raise ValueError('service: is missing; write e.g. { law = "exponential", mean = "1 h" }, or classes')
        if self.accelerators is not None:
            WholeLaw.of("accelerators", self.accelerators)
        if self.priorities is not None:
            WholeLaw.of("priorities", self.priorities, least=0)

    def _check_modes(self) -> None:
        if self.tenant_skew is not None and self.tenants is None:
            raise ValueError("tenant_skew: needs tenants, the number of them")
        if self.arrivals == "bursty":
            for key in ("hour_factors", "weekday_factors"):
                if (factors := getattr(self, key)) is not None and not any(factors):
                    raise ValueError(f"{key}: are all 0; expected at least one above")
            WholeLaw.of("batch_sizes", self.batch_sizes or {"1": 1.0}, ranges=True)
            self._refuse(BATCHED if self.batch_sizes is None else (), "needs batch_sizes")
        else:
            self._refuse(BURSTY, 'applies to arrivals = "bursty" only; leave it out')

    def _refuse(self, keys: tuple[str, ...], why: str) -> None:
        for key in keys:
            if getattr(self, key) is not None:
                raise ValueError(f"{key}: {why}")


def _over_preset(written: dict[str, Any], preset: dict[str, Any]) -> dict[str, Any]:
    """What is written, and the keys of the preset that neither repeat nor contradict it."""
    barred = {"preset", *written}
    if "offered_load" in written or {"jobs", "span"} <= set(written) or written.get("arrivals") == "at_once":
        barred |= {"rate"}
    if written.get("arrivals", "bursty") != "bursty":
        barred |= set(BURSTY)
    if "service" in written or "accelerators" in written:
        barred |= {"classes"}
    kept = {key: value for key, value in written.items() if key != "preset"}
    return kept | {key: value for key, value in preset.items() if key not in barred}
