"""The best few parallel plans for a model on a number of accelerators, in words and numbers for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Unpack

import numpy as np

from dcsim.errors import Problem
from dcsim.kernels import facts
from dcsim.performance import models, planning
from dcsim.performance.answers import TRAFFIC, Proposal, Proposals
from dcsim.performance.ask import read
from dcsim.performance.frameworks import as_run
from dcsim.performance.network_request import NetworkRequest
from dcsim.performance.network_run import NetworkRun
from dcsim.performance.plan_problems import advice, nearest, problems
from dcsim.performance.plan_rules import DEGREES, RECOMPUTE, SHARDING, Setting, Table
from dcsim.performance.plans import kept_rules, kinds_of, legal_shapes, option, word_of
from dcsim.performance.reader import refuse
from dcsim.performance.request import Options, Request
from dcsim.performance.search import Found, Question, search
from dcsim.performance.step_time import parts
from dcsim.units import human_count, human_si

LAYOUT = ("tp", "pp", "ep")  # plans that are shown beside one another differ in one of these
NEEDS = ("count", "global_batch")  # options that a question for plans must have


def plan(model: str, accelerator: str, **options: Unpack[Options]) -> Proposals:
    """The `top` (5) best plans of `count` accelerators for batches of `global_batch` samples, one for each layout.

    plan("llama-3-70b", "H100-SXM", count=512, global_batch=2048).plans[0].tp

    Layouts differ in tp, pp or ep; a network that is no transformer has one plan for each micro-batch. Options are
    those of `dcsim.estimate` but for the length of the training and the deadline:

    needed      `count`, `global_batch`
    how many    `top`: plans that are named
    a step      `seq_len` (tokens), `precision` (bf16, fp16, tf32, fp32, fp8, int8, fp4)
    its plan    `tp`, `pp`, `vpp`, `dp`, `cp`, `ep`, `micro_batch`, `recompute`, `sharding`, `schedule`, `experts`;
                what is left out is searched
    the rest    `framework`, `optimizer`, `optimizer_bytes`, `gradient_bytes`, `jitter`, `sample_size`,
                `loader_rate`, `storage_bandwidth`, `calibration`

    Raises ScenarioError with every mistake, and where no plan fits.
    """
    return proposals(read(model, accelerator, options, "plan", NEEDS))


def proposals(request: Request | NetworkRequest) -> Proposals:
    """The best plans for a question that has `NEEDS`."""
    assert request.count is not None
    if isinstance(request, NetworkRequest):
        return NetworkRun(request).proposals(request.count)
    found = best(request, request.count, request.top, LAYOUT)
    return Proposals(
        model=request.model.name,
        accelerator=request.accelerator.name,
        precision=request.precision,
        accelerators=request.count,
        global_batch=request.global_batch or 0,
        seq_len=request.seq_len,
        evaluated=found.evaluated,
        fitting=found.fitting,
        memory_available_b=planning.finite(found.available_b),
        peak_flop_per_s=request.device.device.linear_flop_per_s,
        plans=tuple(proposal(found.plan(rank), found.step(rank), request) for rank in range(len(found))),
        notes=(request.run, request.kinds, *request.device.notes),
    )


def best(request: Request, count: int, top: int = 1, apart: Sequence[str] = ()) -> Found:
    """The best plans that fit on `count` accelerators; ScenarioError where none is legal, or none fits."""
    setting = request.setting(count)
    found = search(question(request, setting), top, apart)
    if found.smallest is None:
        refuse([illegal(request, setting)])
    if not len(found):
        refuse([too_large(request, found)])
    return found


def question(request: Request, setting: Setting) -> Question:
    """What to search for a request."""
    run = partial(as_run, framework=request.framework, precision=request.precision)
    return Question(setting, request.device.device, request.available_b, request.choices, request.like(), run)


def proposal(plan: facts.Plan, step: facts.Step, request: Request) -> Proposal:
    """A plan and its result in words, with all that the step waits for."""
    ranks = int(plan.tp * plan.pp * plan.cp * plan.dp)
    waited = request.input.waited(float(step.step_s), plan.global_batch, ranks)
    exposed = {name: getattr(step, f"{name}_s") for name in (*TRAFFIC, "bubble", "optimizer")}
    exposed |= {"stragglers": waited.stragglers_s, "loading": waited.loading_s}
    shares = {name: float(time_s / waited.step_s) for name, time_s in exposed.items()}
    tokens_per_s = float(plan.global_batch * plan.seq_len / waited.step_s / ranks)
    flop_per_s = tokens_per_s * models.flop_per_token(models.model_row(request.model), request.seq_len)
    shares["compute"] = 1.0 - sum(shares.values())
    schedule, experts = kinds_of(plan)
    return Proposal(
        **{name: int(getattr(plan, name)) for name in ("tp", "pp", "vpp", "cp", "dp", "ep", "micro_batch")},
        recompute=word_of(RECOMPUTE, plan.recompute),
        sharding=word_of(SHARDING, plan.sharding),
        step_time_s=waited.step_s,
        samples_per_s=float(plan.global_batch / waited.step_s),
        tokens_per_s_per_accelerator=tokens_per_s,
        mfu=flop_per_s / request.device.device.linear_flop_per_s,
        memory_b=float(step.memory_b),
        shares=shares,
        memory_wait=float(step.memory_bound_s / waited.step_s),
        bound=waited.bound(parts(step)),
        framework=request.framework.name,
        gradient_bytes=request.gradient_bytes,
        schedule=schedule,
        experts=experts,
        optimizer=request.optimizer,
    )


def illegal(request: Request, setting: Setting) -> Problem:
    """Says why no plan is legal: by the first of what is asked for without which one is, the kind of sharding and the
    degrees; else by which numbers of accelerators have one, else by which batches do."""
    degrees = (_by_degree(name, request, setting) for name in request.fixed)
    found = next(filter(None, (_by_sharding(request, setting), *degrees)), None)
    if found is not None:
        return found
    near = _counts_near(request, setting)
    blamed = "global_batch" if near is None and (batches := _batches_near(request, setting)) else "count"
    what = f"no legal plan for {request.model.name}{_amid(request, setting, blamed)}"
    got = setting.global_batch if blamed == "global_batch" else setting.accelerators or "any"
    fix = advice(request.where, blamed, batches) if blamed == "global_batch" else near or "free a degree"
    return Problem(request.where, option(request.where, blamed), what, str(got), fix=fix)


def _amid(request: Request, setting: Setting, blamed: str) -> str:
    """What else stands fixed: accelerators and batch, and whether the batch is the question's own."""
    count = "" if setting.accelerators is None else f" on {setting.accelerators} accelerators"
    batch = f" with a batch of {setting.global_batch}"
    if request.batch_assumed:
        batch += f", which is assumed as {option(request.where, 'global_batch')} is not given"
    return (count if blamed != "count" else "") + (batch if blamed != "global_batch" else "")


def _legal(request: Request, setting: Setting, free: str = "") -> Table:
    """The legal shapes for a request, as if one of its choices were free."""
    shapes = legal_shapes(setting, {name: [value] for name, value in request.fixed.items() if name != free})
    kinds = list(request.choices.get("sharding", ()))
    if len(kinds) != 1 or free == "sharding":
        return shapes
    kept = kept_rules(shapes | {"sharding": np.full(len(shapes["tp"]), int(kinds[0]))}, setting)
    return {name: values[kept] for name, values in shapes.items()}


def _by_sharding(request: Request, setting: Setting) -> Problem | None:
    """What speaks against the one kind of sharding that is asked for, in the first shape that is legal without it."""
    kinds = list(request.choices.get("sharding", ()))
    shapes = _legal(request, setting, "sharding")
    if len(kinds) != 1 or not len(shapes["tp"]):
        return None
    first = {name: int(values[0]) for name, values in shapes.items()} | {"sharding": int(kinds[0])}
    return next(iter(problems(first, setting, request.where)), None)


def _by_degree(name: str, request: Request, setting: Setting) -> Problem | None:
    """Blames a degree, or the micro-batch, without which there is a legal plan; None if there is none."""
    value = request.fixed[name]
    near = nearest(value, _legal(request, setting, name)[name])
    what = f"no legal plan for {request.model.name} has it{_amid(request, setting, name)}"
    fix = advice(request.where, name, near)
    return Problem(request.where, option(request.where, name), what, str(value), fix=fix) if near else None


def _counts_near(request: Request, setting: Setting) -> str | None:
    """The numbers of accelerators next to the one that is asked for that have a legal plan."""
    count = setting.accelerators
    if count is None:
        return None
    shapes = _legal(request, request.setting(None, most=2 * count))
    counts = np.unique(np.prod([shapes[name] for name in DEGREES], axis=0))
    near = [str(int(number)) for number in (*counts[counts < count][-1:], *counts[counts > count][:1])]
    return f"numbers that have one: {' and '.join(near)}" if near else None


def _batches_near(request: Request, setting: Setting) -> list[int]:
    """Batches nearest to the one that is asked for that have a legal plan."""
    batch = setting.global_batch
    open_batch = replace(setting, global_batch=0)  # which every rule lets pass
    shapes = _legal(request, open_batch)
    parts = np.unique(shapes["dp"] * shapes["micro_batch"])
    multiples = np.union1d(batch // parts * parts, (batch // parts + 1) * parts)
    return [
        n
        for n in nearest(batch, multiples[multiples > 0])
        if len(_legal(request, replace(setting, global_batch=n))["tp"])
    ]


def too_large(request: Request, found: Found) -> Problem:
    """Says how many bytes are needed at least and how many there are."""
    assert found.smallest is not None
    plan, step = found.smallest
    words = ", ".join(f"{name} {getattr(plan, name):.0f}" for name in (*DEGREES, "micro_batch"))
    plans = "the plan does not fit" if found.evaluated == 1 else f"none of {human_count(found.evaluated)} plans fits"
    return Problem(
        request.where,
        option(request.where, next(iter(request.fixed), "count")),
        f"{plans} into {request.accelerator.name}: {words} needs least",
        f"{step.memory_b:.0f} B ({human_si(step.memory_b, 'B')}) a device",
        f"at most {found.available_b:.0f} B ({human_si(found.available_b, 'B')})",
        f"use {'more accelerators, ' if request.count else ''}smaller micro-batches, more recompute or more sharding",
    )
