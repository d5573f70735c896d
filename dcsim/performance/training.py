"""Training jobs of a scenario: what each takes in each pool, checked before anything runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from operator import mul
from typing import Any

from dcsim.errors import Problem, ScenarioError, tried
from dcsim.kernels import facts
from dcsim.kernels.operations import Work as Samples
from dcsim.performance import models, network, scaling_laws
from dcsim.performance.devices import DeviceRow, device_row
from dcsim.performance.job_plans import Work, common_sizes, loss_tokens, sizes_of, works_of
from dcsim.performance.network_request import NetworkRequest
from dcsim.performance.network_run import NetworkRun
from dcsim.performance.optimizers import OPTIMIZERS
from dcsim.performance.placed import (
    Place,
    PlacedStep,
    Timed,
    cut,
    domain_nodes,
    nic_b_per_s,
    own_nic_b_per_s,
    packed,
    steady,
    together,
)
from dcsim.performance.plan_rules import RECOMPUTE, SHARDING
from dcsim.performance.plan_traffic import Legs, of_network, of_transformer
from dcsim.performance.plans import kinds_of, unusual, word_of
from dcsim.performance.request import Request
from dcsim.performance.shares import DP, KINDS, PP, WHOLE, Shares
from dcsim.performance.step_time import parts, step_time
from dcsim.scenario.spec import Pool
from dcsim.scenario.training import TrainingJob

TRAFFIC_NAMES = tuple(f"{kind} traffic" for kind in KINDS)
"""Parts of a step that are traffic of the kinds of `Shares`."""
SENT, ROUNDING = 1e-3, 1e-5
"""Shares of what is sent: below the first, step times take it to stay in domains; to the second they agree."""


Where = tuple[Sequence[int], Sequence[int]]
"""Nodes, and the accelerators on each."""


@dataclass(frozen=True)
class Training:
    """One table of `[[jobs]]` with all that follows from it.

    `works`: by number of a pool that it may use. `reference`: the pool in whose seconds its service is told, in its
    best place there, at the nominal clock, on the smallest gang. `steps`: optimiser steps that it takes.
    """

    job: TrainingJob
    pools: Sequence[Pool]
    works: dict[int, Work]
    reference: int
    steps: int
    _steps: dict[tuple[int, int, Place], PlacedStep] = field(default_factory=dict)
    _legs: dict[tuple[int, tuple[int, ...]], Legs] = field(default_factory=dict)
    _fits: dict[tuple[int, tuple[int, ...]], Shares] = field(default_factory=dict)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Gang sizes that it may have, smallest first: those that have a plan in every pool it may use."""
        return common_sizes(self.works)

    @cached_property
    def racks(self) -> frozenset[int]:
        """Pools whose scale-up domains span nodes: only there does it matter which nodes a gang has."""
        return frozenset(number for number, pool in enumerate(self.pools) if domain_nodes(pool) > 1)

    @property
    def service_s(self) -> float:
        """Time that the training takes in its reference, s."""
        return self.steps * self.reference_step.step_s()

    @cached_property
    def reference_step(self) -> PlacedStep:
        """The step in its reference."""
        return self.step(self.reference, self.sizes[0], self.place(self.reference, self.sizes[0]))

    def place(
        self, pool: int, accelerators: int, where: Where = ((), ()), crowd: int = 0, shares: Shares = WHOLE
    ) -> Place:
        """A place in a pool: nodes and accelerators on each, none for the best place; `crowd` as in `nic_b_per_s`,
        `shares` as in `sim.speeds.Speeds`."""
        here, nic = self.pools[pool], nic_b_per_s(self.pools[pool], crowd)
        counts = together(here, *where) if where[0] else packed(here, accelerators)
        if len(counts) == 1:
            return Place(cut(here, counts), nic)
        alone = own_nic_b_per_s(here, max(where[1] or counts))
        own = nic or alone
        left = [1.0 if share == 1.0 else min(own, share * alone) / own for share in shares]
        legs, fit = self.legs(pool, counts), self.fit(pool, counts)
        sending_s = [0.0] * len(left)
        for kind, nic_b in zip(legs.kinds.tolist(), legs.nic_b.tolist(), strict=True):
            sending_s[kind] = steady(nic_b / (own * left[kind]))
        return Place(cut(here, counts), nic, Shares(*map(mul, left, fit)), Shares(*sending_s))

    def step(self, pool: int, accelerators: int, place: Place) -> PlacedStep:
        """The step of a gang of that size in a place; computed once."""
        key = (pool, accelerators, place)
        if key not in self._steps:
            self._steps[key] = _placed(self, pool, accelerators, place)
        return self._steps[key]

    def legs(self, pool: int, counts: tuple[int, ...]) -> Legs:
        """What a gang with so many accelerators in each domain, in the order of its ranks, sends in a step."""
        if (pool, counts) not in self._legs:
            self._legs[pool, counts] = _legs(self.works[pool], counts)
        return self._legs[pool, counts]

    def fit(self, pool: int, counts: tuple[int, ...]) -> Shares:
        """How fast NICs carry each kind of what such a gang sends, over what its step time takes for granted.

        Step times know groups of ranks by size and stride: all NICs of a domain are then those of one group, and each
        domain has as many. Where two groups meet on a node, or a group has less of one, it is slower than that.
        """
        if (pool, counts) not in self._fits:
            self._fits[pool, counts] = self._fit(pool, counts)
        return self._fits[pool, counts]

    def _fit(self, pool: int, counts: tuple[int, ...]) -> Shares:
        size, legs = sum(counts), self.legs(pool, counts)
        # Hidden behind nothing where NICs carry 1 B/s, and all of it on NICs.
        slow = self.step(pool, size, Place(cut(self.pools[pool], counts), 1.0))
        told_b = [slow.parts.get(name, 0.0) * slow.nic_efficiency for name in TRAFFIC_NAMES]
        sent_b = dict(zip(legs.kinds.tolist(), legs.nic_b.tolist(), strict=True))
        if isinstance(self.works[pool].request, NetworkRequest):  # one name for all that it sends
            told_b, sent_b = [told_b[DP]] * len(told_b), dict.fromkeys(sent_b, sum(sent_b.values()))
        # Of sends between stages a step waits for few: they are taken to be told right.
        fits = [told_b[kind] / sent_b[kind] if kind in sent_b and kind != PP else 1.0 for kind in range(len(told_b))]
        return Shares(*(steady(fit) if SENT < fit < 1.0 - ROUNDING else 1.0 for fit in fits))

    def nic_b(self, pool: int, accelerators: int, where: Where) -> float:
        """Bytes that an accelerator of a gang sends over NICs in a step, mean of all; `where` as for `place`."""
        here = self.pools[pool]
        counts = together(here, *where) if where[0] else packed(here, accelerators)
        return steady(float(self.legs(pool, counts).sent_b.sum()) / sum(counts))

    def run_as(self, pool: int) -> str | None:
        """By whom and how a pool runs its plans, in words; None of networks, which nobody in particular runs."""
        request = self.works[pool].request
        return request.run if isinstance(request, Request) else None

    def speed_at(self, pool: int, accelerators: int) -> float:
        """Rate of a gang of that size in its best place in a pool: service per second."""
        return self.reference_step.step_s() / self.step(pool, accelerators, self.place(pool, accelerators)).step_s()


def trainings(jobs: Sequence[TrainingJob], pools: Sequence[Pool]) -> tuple[Training, ...]:
    """What each job takes in each pool; ScenarioError with every mistake of every job.

    The `file` of a problem is the path of the job in the scenario, such as "jobs.0".
    """
    found: list[Training] = []
    problems: list[Problem] = []
    known: dict[tuple[int, str], dict[int, Work]] = {}
    for number, job in enumerate(jobs):
        where = f"jobs.{number}"
        # Jobs that differ in name, time and length alone have the same plans.
        alike = job.model_dump(exclude={"model", "law", "name", "submit", "count", "every", "steps", "tokens"})
        key = (id(job.model), repr(alike))
        works = known.get(key) or tried(problems, works_of, job, pools, where)
        tokens = tried(problems, loss_tokens, job, where)
        if works:
            known[key] = works
        if works and not problems:
            found.append(Training(job, pools, works, _reference(job, works, pools), _steps(job, works, tokens)))
    if problems:
        raise ScenarioError(problems)
    return tuple(found)


def _reference(job: TrainingJob, works: dict[int, Work], pools: Sequence[Pool]) -> int:
    """The first pool that is large enough, else the first."""
    least = sizes_of(job)[0]
    large = (n for n in works if pools[n].nodes * pools[n].accelerators_per_node >= least)
    return next(large, next(iter(works)))


def _steps(job: TrainingJob, works: dict[int, Work], loss_tokens: float | None) -> int:
    """Optimiser steps from the length as it is given, and the noise scale. `loss_tokens`: those until its loss."""
    batch, noise = float(job.global_batch), job.noise_scale
    if job.steps is not None:
        return job.steps if noise is None else math.ceil(scaling_laws.steps_for(job.steps, noise, batch))
    samples = job.samples
    if samples is None:
        request = next(iter(works.values())).request
        assert isinstance(request, Request)
        samples = (job.tokens or loss_tokens or 0.0) / request.seq_len
    if noise is not None:
        samples = scaling_laws.samples_for(samples, noise, batch)
    return math.ceil(samples / batch)


def _legs(work: Work, counts: tuple[int, ...]) -> Legs:
    request, plan = work.request, work.plans[sum(counts)]
    if isinstance(request, Request):
        return of_transformer(models.model_row(request.model), plan, counts)
    times = int(plan.global_batch / plan.dp / plan.micro_batch)
    each = Samples(plan.micro_batch, request.device.linear_bytes)
    exchanged_b = 2.0 * times * network.looked_up_b(request.model, each)
    return of_network(network.gradients_b(request.model, each), exchanged_b, counts)


def _placed(training: Training, pool: int, accelerators: int, place: Place) -> PlacedStep:
    """The step of a gang of that size in a place."""
    work, chip = training.works[pool], training.pools[pool].accelerator
    request, plan = work.request, work.plans[accelerators]
    domain = place.domain(plan)
    family = None if isinstance(request, NetworkRequest) else request.framework.family
    device = device_row(chip, request.precision, family, domain, place.nic_b_per_s)
    shares = {f"nic_share_{kind}": share for kind, share in place.shares._asdict().items()}
    device = replace(device, device=device.device._replace(**shares))
    if isinstance(request, NetworkRequest):
        own = _of_network(request, plan, device)
    else:
        own = _of_transformer(request, plan, device)
    return PlacedStep(
        plan=", ".join(_words(plan, request)),
        accelerators=accelerators,
        samples=training.job.global_batch,
        peak_flop_per_s=accelerators * device.device.linear_flop_per_s,
        nic_efficiency=device.device.nic_efficiency,
        input=request.input,
        sending_s=place.sending_s.times(1.0 / device.device.nic_efficiency),
        **own,
    )


def _of_transformer(request: Request, plan: facts.Plan, device: DeviceRow) -> dict[str, Any]:
    """What a step of a transformer takes, by field of a placed step."""
    row = models.model_row(request.model)
    step = step_time(row, plan, device)
    tokens = plan.global_batch * plan.seq_len

    @cache
    def work(clock: float) -> Timed:
        """The same at another clock."""
        slower = step_time(row, plan, replace(device, device=device.device._replace(clock=clock)))
        return Timed(slower.step_s, parts(slower))

    return {
        "tokens": tokens,
        "flop": tokens * models.flop_per_token(row, request.seq_len),
        "memory_b": steady(step.memory_b),
        "work": work,
    }


def _of_network(request: NetworkRequest, plan: facts.Plan, device: DeviceRow) -> dict[str, Any]:
    """What a step of a network takes, by field of a placed step."""
    run, size, micro_batch = NetworkRun(replace(request, device=device)), int(plan.dp), int(plan.micro_batch)
    step = run.step(size, micro_batch)
    return {
        "tokens": 0.0,
        "flop": step.flop,
        "memory_b": steady(run.memory_b(size, micro_batch)),
        "work": lambda clock: Timed(
            step.step_s + step.compute_s * (1.0 / clock - 1.0),
            {**step.parts, "compute": step.parts["compute"] / clock},
        ),
    }


def _words(plan: facts.Plan, request: Request | NetworkRequest) -> list[str]:
    """A plan: degrees above 1, micro-batch, recompute and sharding where there are any, and what else is not usual:
    schedule, layout of experts, optimiser."""
    degrees = [
        f"{name} {getattr(plan, name):.0f}" for name in ("tp", "pp", "vpp", "cp", "dp", "ep") if getattr(plan, name) > 1
    ]
    words = [*degrees, f"micro-batch {plan.micro_batch:.0f}"]
    if plan.recompute != facts.NONE:
        words.append(f"{word_of(RECOMPUTE, plan.recompute)} recompute")
    if plan.sharding != facts.UNSHARDED:
        words.append(word_of(SHARDING, plan.sharding))
    if isinstance(request, Request):
        return [*words, *unusual(*kinds_of(plan), request.optimizer)]
    return [*words, *unusual(None, None, word_of(OPTIMIZERS, request.optimizer), request.model.optimizer)]
