"""The best few parallel plans for a model on a number of accelerators, in words and numbers for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np

from dcsim.errors import Problem
from dcsim.kernels import facts
from dcsim.performance import models
from dcsim.performance.plans import DEGREES, RECOMPUTE, SHARDING, Setting, legal_shapes, option, word_of
from dcsim.performance.request import Options, Request, read, refuse
from dcsim.performance.search import Found, Question, search
from dcsim.units import human_count, human_si

LAYOUT = ("tp", "pp", "ep")  # plans that are shown beside one another differ in one of these
NEEDS = ("count", "global_batch")  # options that a question for plans must have
TRAFFIC = ("tp", "pp", "dp", "cp", "ep")


@dataclass(frozen=True)
class Proposal:
    """A plan with what it comes to. `shares` are parts of the step that are exposed; they add up to about 1."""

    tp: int
    pp: int
    vpp: int
    cp: int
    dp: int
    ep: int
    micro_batch: int
    recompute: str
    sharding: str
    step_time_s: float
    tokens_per_s_per_accelerator: float
    mfu: float
    memory_b: float
    shares: dict[str, float]
    bound: str

    @property
    def traffic_share(self) -> float:
        """Share of the step in which accelerators wait for communication."""
        return sum(self.shares[name] for name in TRAFFIC)


@dataclass(frozen=True)
class Proposals:
    """The best plans, best first, and what was searched."""

    model: str
    accelerator: str
    precision: str
    accelerators: int
    global_batch: int
    seq_len: int
    evaluated: int
    fitting: int
    memory_available_b: float
    peak_flop_per_s: float
    plans: tuple[Proposal, ...]
    notes: tuple[str, ...]


def plan(model: str, accelerator: str, **options: Unpack[Options]) -> Proposals:
    """The `top` (5) best plans of `count` accelerators for batches of `global_batch` samples, one for each layout.

    plan("llama-3-70b", "H100-SXM", count=512, global_batch=2048).plans[0].tp

    Layouts differ in tp, pp or ep. Raises ScenarioError with every mistake, and where no plan fits.
    """
    return proposals(read(model, accelerator, options, "plan", NEEDS))


def proposals(request: Request) -> Proposals:
    """The best plans for a question that has `NEEDS`."""
    assert request.count is not None
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
        memory_available_b=found.available_b,
        peak_flop_per_s=request.device.device.linear_flop_per_s,
        plans=tuple(proposal(found.plan(rank), found.step(rank), request) for rank in range(len(found))),
        notes=request.device.notes,
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
    return Question(setting, request.device.device, request.available_b, request.choices, request.like())


def proposal(plan: facts.Plan, step: facts.Step, request: Request) -> Proposal:
    """A plan and its result in words."""
    ranks = plan.tp * plan.pp * plan.cp * plan.dp
    exposed = {name: getattr(step, f"{name}_s") for name in (*TRAFFIC, "bubble", "optimizer")}
    shares = {name: float(time_s / step.step_s) for name, time_s in exposed.items()}
    tokens_per_s = float(plan.global_batch * plan.seq_len / step.step_s / ranks)
    flop_per_s = tokens_per_s * models.flop_per_token(models.model_row(request.model), request.seq_len)
    shares["compute"] = 1.0 - sum(shares.values())
    return Proposal(
        **{name: int(getattr(plan, name)) for name in ("tp", "pp", "vpp", "cp", "dp", "ep", "micro_batch")},
        recompute=word_of(RECOMPUTE, plan.recompute),
        sharding=word_of(SHARDING, plan.sharding),
        step_time_s=float(step.step_s),
        tokens_per_s_per_accelerator=tokens_per_s,
        mfu=flop_per_s / request.device.device.linear_flop_per_s,
        memory_b=float(step.memory_b),
        shares=shares,
        bound=facts.BOUNDS[int(step.bound)],
    )


def illegal(request: Request, setting: Setting) -> Problem:
    """Says that no plan is legal, and which numbers of accelerators have one."""
    count = setting.accelerators or 1
    shapes = legal_shapes(request.setting(None, most=2 * count), request.choices_of_shapes)
    counts = np.unique(np.prod([shapes[name] for name in DEGREES], axis=0))
    below, above = counts[counts < count][-1:], counts[counts > count][:1]
    near = " and ".join(str(int(value)) for value in (*below, *above))
    fix = f"numbers that have one: {near}" if near else "change the batch or free a degree"
    what = f"no legal plan for {request.model.name} with a batch of {setting.global_batch}"
    return Problem(request.where, option(request.where, "count"), what, str(setting.accelerators or "any"), fix=fix)


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
        "use more accelerators, smaller micro-batches, more recompute or more sharding",
    )
