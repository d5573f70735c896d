"""Training jobs of a scenario: what each takes in each pool, checked before anything runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from dcsim.errors import Problem, ScenarioError
from dcsim.kernels import facts
from dcsim.performance import models, network, planning, scaling_laws
from dcsim.performance.devices import device_row
from dcsim.performance.placed import Place, PlacedStep, domain_size, nic_b_per_s, packed, spread, steady
from dcsim.performance.planner import best, question
from dcsim.performance.plans import RECOMPUTE, SHARDING, word_of
from dcsim.performance.request import Reader, Request, asked, precision_of, refuse
from dcsim.performance.search import search
from dcsim.performance.step_time import step_time
from dcsim.performance.waiting import Input
from dcsim.scenario.model import Network, Transformer
from dcsim.scenario.spec import Pool
from dcsim.scenario.training import TrainingJob

STATES_B = {"adam": 12.0, "sgd": 8.0}  # bytes of optimiser states a parameter, fp32 master weights included
TRAFFIC_B = {"adam": network.ADAM_B, "sgd": network.SGD_B}


class Work(NamedTuple):
    """What a pool takes of a job: the question that its plans answer (of a transformer), and the plans by gang size."""

    request: Request | None
    precision: str
    plans: dict[int, facts.Plan | None]


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

    @property
    def sizes(self) -> tuple[int, ...]:
        """Gang sizes that it may have, smallest first: those that have a plan in every pool it may use."""
        return common_sizes(self.works)

    @property
    def service_s(self) -> float:
        """Time that the training takes in its reference, s."""
        return self.steps * self.reference_step.step_s()

    @property
    def reference_step(self) -> PlacedStep:
        """The step in its reference."""
        return self.step(self.reference, self.sizes[0], self.place(self.reference, self.sizes[0]))

    def place(self, pool: int, accelerators: int, where: Where = ((), ()), crowd: int = 0) -> Place:
        """A place in a pool: nodes and accelerators on each, none for the best place; `crowd` as in `nic_b_per_s`."""
        here = self.pools[pool]
        counts = spread(here, *where) if where[0] else packed(here, accelerators)
        return Place(counts, nic_b_per_s(here, crowd))

    def step(self, pool: int, accelerators: int, place: Place) -> PlacedStep:
        """The step of a gang of that size in a place; computed once."""
        key = (pool, accelerators, place)
        if key not in self._steps:
            make = _placed_network if isinstance(self.job.model, Network) else _placed_transformer
            self._steps[key] = make(self, pool, accelerators, place)
        return self._steps[key]

    def speed_at(self, pool: int, accelerators: int) -> float:
        """Rate of a gang of that size in its best place in a pool: service per second."""
        return self.reference_step.step_s() / self.step(pool, accelerators, self.place(pool, accelerators)).step_s()


def common_sizes(works: Mapping[int, Work]) -> tuple[int, ...]:
    """Gang sizes that have a plan in every pool, smallest first."""
    return tuple(sorted(set.intersection(*(set(work.plans) for work in works.values()))))


def trainings(jobs: Sequence[TrainingJob], pools: Sequence[Pool]) -> tuple[Training, ...]:
    """What each job takes in each pool; ScenarioError with every mistake of every job.

    The `file` of a problem is the path of the job in the scenario, such as "jobs.0".
    """
    found: list[Training] = []
    problems: list[Problem] = []
    known: dict[tuple[int, str], dict[int, Work]] = {}
    for number, job in enumerate(jobs):
        where = f"jobs.{number}"
        try:
            # Jobs that differ in name, time and length alone have the same plans.
            alike = job.model_dump(exclude={"model", "law", "name", "submit", "count", "every", "steps", "tokens"})
            key = (id(job.model), repr(alike))
            if key not in known:
                known[key] = _works(job, pools, where)
            works = known[key]
            found.append(Training(job, pools, works, _reference(job, works, pools), _steps(job, works, where)))
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return tuple(found)


def _works(job: TrainingJob, pools: Sequence[Pool], where: str) -> dict[int, Work]:
    """Plans in each pool that the job may use; ScenarioError with the first pool's mistakes where there is none."""
    found: dict[int, Work] = {}
    first: ScenarioError | None = None
    for number, pool in enumerate(pools):
        if job.pool in (None, pool.name):
            try:
                found[number] = _work(job, pool, where)
            except ScenarioError as error:
                first = first or error
    if not found:
        raise first or ScenarioError(Problem(where, "pool", "no pool will do"))
    refuse(_at_odds(job, found, pools, where))
    return found


def _at_odds(job: TrainingJob, works: Mapping[int, Work], pools: Sequence[Pool], where: str) -> Iterator[Problem]:
    """What the pools that a job may use do not agree on."""
    fix = f"write e.g. pool = {pools[next(iter(works))].name!r}"
    if not common_sizes(works):
        what = "no gang size has a plan in every pool that the job may use"
        yield Problem(where, "max_accelerators", what, fix=fix)
    devices = {pools[number].accelerator.name for number in works}
    for number, pool in enumerate(pools):
        # Jobs ask for kinds of accelerators, so they cannot keep away from one pool of a kind alone.
        if job.pool is None and number not in works and pool.accelerator.name in devices:
            what = f"has a plan in another pool of {pool.accelerator.name}, but none in {pool.name}"
            yield Problem(where, "pool", what, fix=fix)


def _work(job: TrainingJob, pool: Pool, where: str) -> Work:
    given = {
        "global_batch": job.global_batch,
        "seq_len": job.sequence_length,
        "precision": job.precision,
        "count": job.accelerators,
        **job.plan.model_dump(),
    }
    reader = Reader(where, given)
    if isinstance(job.model, Network):
        precision = precision_of(reader, pool.accelerator)
        sizes = [n for n in _range(job) if job.global_batch % n == 0]
        if not sizes:
            reader.wrong("global_batch", "is not divisible by the accelerators", job.global_batch, _multiple(job))
        if reader.problems or precision is None:
            raise ScenarioError(reader.problems)
        return Work(None, precision, dict.fromkeys(sizes))
    request = asked(reader, job.model, pool.accelerator)
    domain, nic = float(domain_size(pool)), nic_b_per_s(pool)
    device = device_row(pool.accelerator, request.precision, domain=domain, nic_b_per_s=nic)
    request = replace(request, device=device, optimizer_bytes=STATES_B[job.optimizer])
    return Work(request, request.precision, _plans(job, request))


def _range(job: TrainingJob) -> range:
    if job.accelerators is not None:
        return range(job.accelerators, job.accelerators + 1)
    assert job.min_accelerators is not None
    assert job.max_accelerators is not None
    return range(job.min_accelerators, job.max_accelerators + 1)


def _multiple(job: TrainingJob) -> str:
    return f"a multiple of {job.accelerators or f'{job.min_accelerators} to {job.max_accelerators}'}"


def _plans(job: TrainingJob, request: Request) -> dict[int, facts.Plan | None]:
    """The fastest plan that fits, by gang size: of an elastic job, whole servers and parts of one."""
    sizes = _range(job)
    if job.accelerators is not None:
        return {job.accelerators: best(request, job.accelerators).plan(0)}
    found = search(question(request, request.setting(None, most=sizes[-1])), top=1)
    plans = {_ranks(found.plan(row)): found.plan(row) for row in range(len(found))}
    kept: dict[int, facts.Plan | None] = {size: plan for size, plan in plans.items() if size in sizes}
    if not kept:
        best(request, sizes[-1])  # says why
        what = "no plan fits on any whole number of servers, or part of one, within it"
        near = ", ".join(map(str, sorted(plans)[:5])) or None
        raise ScenarioError(
            Problem(request.where, "min_accelerators", what, f"{sizes[0]} to {sizes[-1]}", near and f"such as {near}")
        )
    return kept


def _ranks(plan: facts.Plan) -> int:
    return int(plan.tp * plan.pp * plan.cp * plan.dp)


def _reference(job: TrainingJob, works: dict[int, Work], pools: Sequence[Pool]) -> int:
    """The first pool that is large enough, else the first."""
    least = _range(job)[0]
    large = (n for n in works if pools[n].nodes * pools[n].accelerators_per_node >= least)
    return next(large, next(iter(works)))


def _steps(job: TrainingJob, works: dict[int, Work], where: str) -> int:
    """Optimiser steps from the length as it is given, and the noise scale."""
    batch, noise = float(job.global_batch), job.noise_scale
    if job.steps is not None:
        return job.steps if noise is None else math.ceil(scaling_laws.steps_for(job.steps, noise, batch))
    samples = job.samples
    if samples is None:
        request = next(iter(works.values())).request
        assert request is not None
        samples = _tokens(job, where) / request.seq_len
    if noise is not None:
        samples = scaling_laws.samples_for(samples, noise, batch)
    return math.ceil(samples / batch)


def _tokens(job: TrainingJob, where: str) -> float:
    if job.tokens is not None:
        return job.tokens
    assert job.law is not None
    assert job.target_loss is not None
    assert isinstance(job.model, Transformer)
    if job.model.arrangement != "decoder":
        refuse([Problem(where, "target_loss", scaling_laws.CAUSAL, job.model.name, fix="give tokens or samples")])
    try:
        return scaling_laws.tokens_for(job.law, models.law_parameters(job.model, job.law), job.target_loss)
    except ScenarioError as error:
        raise ScenarioError(replace(p, file=where, key="target_loss") for p in error.problems) from None


def _input(job: TrainingJob, sample_b: float) -> Input:
    rates = (math.inf if rate is None else rate for rate in (job.loader_rate, job.storage_bandwidth))
    return Input(job.jitter, job.sample_size or sample_b, *rates)


def _placed_transformer(training: Training, pool: int, accelerators: int, place: Place) -> PlacedStep:
    job, work, chip = training.job, training.works[pool], training.pools[pool].accelerator
    plan, request = work.plans[accelerators], work.request
    assert plan is not None
    assert request is not None
    device = device_row(chip, work.precision, domain=place.domain(int(plan.tp)), nic_b_per_s=place.nic_b_per_s)
    row = models.model_row(request.model)
    step = step_time(row, plan, device)
    tokens = float(job.global_batch * request.seq_len)
    data = _input(job, request.seq_len * planning.token_bytes(row.vocab))
    return PlacedStep(
        plan=plan_text(plan),
        accelerators=accelerators,
        samples=job.global_batch,
        tokens=tokens,
        flop=tokens * models.flop_per_token(row, request.seq_len),
        peak_flop_per_s=accelerators * device.device.linear_flop_per_s,
        memory_b=steady(step.memory_b),
        work_s=step.step_s,
        core_clock_share=step.core_clock_share,
        parts=_parts(facts.Step(**step.parts)),
        input=data,
    )


def _parts(step: facts.Step) -> tuple[tuple[str, float], ...]:
    """The parts of a step by the names of BOUNDS, in their order; the kernels know no data."""
    computing_s = step.compute_s - step.launch_s - step.memory_bound_s
    traffic_s = (step.tp_s, step.pp_s, step.dp_s, step.cp_s, step.ep_s)
    times_s = (computing_s, step.memory_bound_s, *traffic_s, step.bubble_s, step.optimizer_s, step.launch_s)
    return tuple(zip(facts.BOUNDS[: len(times_s)], times_s, strict=True))


def _placed_network(training: Training, pool: int, accelerators: int, place: Place) -> PlacedStep:
    job, chip = training.job, training.pools[pool].accelerator
    assert isinstance(job.model, Network)
    precision = training.works[pool].precision
    device = device_row(chip, precision, domain=place.domain(1), nic_b_per_s=place.nic_b_per_s)
    how = network.Training(job.global_batch // accelerators, accelerators, TRAFFIC_B[job.optimizer])
    step = network.network_step(job.model, device, how)
    data = _input(job, job.model.sample_size or 0.0)
    return PlacedStep(
        plan=f"dp {accelerators}, {how.batch} samples each",
        accelerators=accelerators,
        samples=job.global_batch,
        tokens=0.0,
        flop=step.flop,
        peak_flop_per_s=accelerators * device.device.linear_flop_per_s,
        memory_b=None,
        work_s=step.step_s,
        core_clock_share=step.compute_s / step.step_s,
        parts=tuple((network.BOUNDS[name], getattr(step, name)) for name in network.BOUNDS),
        input=data,
    )


def plan_text(plan: facts.Plan) -> str:
    """A plan in words: degrees above 1, micro-batch, recompute and sharding where there are any."""
    degrees = [
        f"{name} {getattr(plan, name):.0f}" for name in ("tp", "pp", "vpp", "cp", "dp", "ep") if getattr(plan, name) > 1
    ]
    words = [*degrees, f"micro-batch {plan.micro_batch:.0f}"]
    if plan.recompute != facts.NONE:
        words.append(f"{word_of(RECOMPUTE, plan.recompute)} recompute")
    if plan.sharding != facts.UNSHARDED:
        words.append(word_of(SHARDING, plan.sharding))
    return ", ".join(words)
