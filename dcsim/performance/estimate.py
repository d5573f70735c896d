"""The planner's answer to what training a model takes: accelerators, days, FLOP, memory, bytes, energy, dollars."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from dcsim.errors import Problem, ScenarioError
from dcsim.kernels import facts
from dcsim.performance import models, planning, scaling_laws
from dcsim.performance.planner import Proposal, best, illegal, proposal, question, too_large
from dcsim.performance.planning import Assumption, Checkpoints
from dcsim.performance.plans import MOST_VALUES, divisors, option, written
from dcsim.performance.request import Options, Request, read, refuse
from dcsim.performance.search import STEP, ranks, search
from dcsim.units import human_count, human_time

LEAST_MFU = 1 / 16  # numbers of accelerators at which a deadline needs less of the peak than this are not looked at
STATE_BYTES = 18.0  # a parameter, before sharding (Rajbhandari 2020): how many accelerators can at most be needed
BESIDE = (0.25, 0.5, 1.0, 2.0, 4.0)  # numbers of accelerators that are compared, as multiples of the answer
PIECE = 4096  # tokens of a sequence that a context-parallel rank keeps at least where numbers are compared
SIZES_SHARDING = (facts.ZERO1, facts.ZERO3)  # kinds of sharding where numbers are compared


@dataclass(frozen=True)
class Size:
    """What one number of accelerators comes to."""

    accelerators: int
    time_s: float
    mfu: float
    cost_usd: float | None


@dataclass(frozen=True)
class Estimate:
    """What a training run takes. Units stand in the names; None where presets or the question allow no answer.

    `fewest_that_fit` and `fewest_for_deadline` are numbers of accelerators (multiples of a server, or parts of one);
    `sizes` compares some of them; `read_b_per_s` and `checkpoint` say what storage must do; `plan` is the best one.
    """

    model: str
    accelerator: str
    precision: str
    accelerators: int
    fewest_that_fit: int | None
    fewest_for_deadline: int | None
    deadline_s: float | None
    parameters: float
    active_parameters: float
    tokens: float
    loss: float
    global_batch: int
    seq_len: int
    steps: int
    time_s: float
    flop: float
    peak_flop_per_s: float
    memory_available_b: float
    dataset_b: float
    read_b_per_s: float
    checkpoint: Checkpoints
    interruptions: float
    power_w: float | None
    energy_j: float | None
    cost_usd: float | None
    plan: Proposal
    sizes: tuple[Size, ...]
    assumptions: tuple[Assumption, ...]


@dataclass(frozen=True)
class _Length:
    """How long training is."""

    parameters: float
    active: float
    tokens: float
    loss: float
    flop: float


def estimate(model: str, accelerator: str, **options: Unpack[Options]) -> Estimate:
    """What training a model takes on accelerators of one kind.

    estimate("llama-3-70b", "H100-SXM", tokens=15e12, deadline="60 d").accelerators

    `options`: `tokens` or `target_loss`; `count` or `deadline` (text with a unit, or seconds), else the fewest
    accelerators that fit; see `Options`. Raises ScenarioError with every mistake, and where no plan fits.
    """
    return answer(read(model, accelerator, options))


def answer(request: Request) -> Estimate:
    """The estimate that answers a question."""
    refuse(_contradictions(request))
    length = _length(request)
    assumed = []
    if request.global_batch is None:
        batch = planning.usual_batch(length.flop, request.seq_len)
        request = replace(request, global_batch=batch)
        words = f"{human_count(batch)} sequences a step, usual for {length.flop:.3g} FLOP"
        assumed.append(
            planning.usual().assumption("batch_tokens", f"{words} ({option(request.where, 'global_batch')})")
        )
    sizes = _sizes(request, length)
    in_time = [size for size in sizes if request.deadline_s is not None and size.time_s <= request.deadline_s]
    count = (
        request.count or (sizes if request.deadline_s is None else in_time or [_late(request, sizes)])[0].accelerators
    )
    found = best(request, count)
    chosen = proposal(found.plan(0), found.step(0), request)
    return _told(request, length, chosen, _Beside(count, sizes, in_time), [*assumed, *_assumptions(request)])


@dataclass(frozen=True)
class _Beside:
    """The number of accelerators that is answered for, and those beside it."""

    count: int
    sizes: list[Size]
    in_time: list[Size]


def _contradictions(request: Request) -> Iterable[Problem]:
    tokens = option(request.where, "tokens")
    loss = option(request.where, "target_loss")
    if request.tokens is None and request.target_loss is None:
        yield Problem(request.where, tokens, f"neither {tokens} nor {loss} is given", fix=f"write e.g. {tokens} 15e12")
    if request.tokens is not None and request.target_loss is not None:
        yield Problem(request.where, tokens, f"{tokens} and {loss} exclude each other", fix="give one of them")


def _length(request: Request) -> _Length:
    """Tokens from the loss that is wanted, or loss from tokens; and FLOP by the model."""
    active = models.active_parameters(request.model)
    tokens = request.tokens
    if tokens is None:
        assert request.target_loss is not None
        try:
            tokens = scaling_laws.tokens_for(request.law, active, request.target_loss)
        except ScenarioError as error:
            key = option(request.where, "target_loss")
            raise ScenarioError(replace(p, file=request.where, key=key) for p in error.problems) from None
    a_token = models.flop_per_token(models.model_row(request.model), request.seq_len)
    loss = scaling_laws.loss(request.law, active, tokens)
    return _Length(models.parameters(request.model), active, tokens, loss, a_token * tokens)


def _sizes(request: Request, length: _Length) -> list[Size]:
    """Every number of accelerators on which some plan fits, ascending, each with its fastest plan.

    Where the user gives the number, others need not have a plan.
    """
    device = request.device.device
    server = request.accelerator.accelerators_per_server or 1
    most = max(
        max(BESIDE) * (request.count or server),
        4 * STATE_BYTES * length.parameters / device.memory_b,
        length.flop / device.linear_flop_per_s / LEAST_MFU / (request.deadline_s or math.inf),
    )
    setting = request.setting(None, most=int(min(most, MOST_VALUES)))
    ask = question(request, setting)
    pieces = [cp for cp in divisors(request.seq_len // PIECE) if request.seq_len % (2 * cp) == 0]
    near = [tp for tp in divisors(int(setting.model.heads)) if tp <= setting.domain]
    usual = {"cp": [1, *pieces], "tp": near, "sharding": SIZES_SHARDING}
    found = search(replace(ask, choices=usual | dict(ask.choices or {})), top=1)
    if not len(found) and request.count is None:
        refuse([illegal(request, setting) if found.smallest is None else too_large(request, found)])
    return [
        _size(request, length, int(count), float(step_s))
        for count, step_s in zip(ranks(found.plans), found.results[:, STEP["step_s"]], strict=True)
    ]


def _steps(request: Request, length: _Length) -> int:
    assert request.global_batch is not None
    return math.ceil(length.tokens / (request.global_batch * request.seq_len))


def _size(request: Request, length: _Length, count: int, step_s: float) -> Size:
    """What a number of accelerators comes to when a step takes `step_s`."""
    steps = _steps(request, length)
    time_s = step_s * steps
    share = length.flop / time_s / count / request.device.device.linear_flop_per_s
    return Size(count, time_s, share, planning.cost_usd(request.accelerator, count, time_s))


def _late(request: Request, sizes: list[Size]) -> Size:
    """Refuses a deadline that no number of accelerators meets."""
    first = min(sizes, key=lambda size: size.time_s)
    assert request.deadline_s is not None
    fastest = f"{human_time(first.time_s)} on {human_count(first.accelerators)} accelerators"
    larger = written(request.where, "global_batch", 2 * (request.global_batch or 1))
    fix = f"a larger batch can use more accelerators, e.g. {larger}"
    what = "no number of accelerators is that fast with this batch"
    key = option(request.where, "deadline")
    refuse([Problem(request.where, key, what, human_time(request.deadline_s), f"at least {fastest}", fix)])
    return first


def _told(request: Request, length: _Length, chosen: Proposal, beside: _Beside, assumed: list[Assumption]) -> Estimate:
    """All figures of the answer."""
    count, chip = beside.count, request.accelerator
    steps = _steps(request, length)
    time_s = steps * chosen.step_time_s
    mtbf_s = planning.usual().accelerator_mtbf_s / count
    power_w = planning.power_w(chip, count)
    row = models.model_row(request.model)
    return Estimate(
        model=request.model.name,
        accelerator=chip.name,
        precision=request.precision,
        accelerators=count,
        fewest_that_fit=beside.sizes[0].accelerators if beside.sizes else None,
        fewest_for_deadline=beside.in_time[0].accelerators if beside.in_time else None,
        deadline_s=request.deadline_s,
        parameters=length.parameters,
        active_parameters=length.active,
        tokens=length.tokens,
        loss=length.loss,
        global_batch=request.global_batch or 0,
        seq_len=request.seq_len,
        steps=steps,
        time_s=time_s,
        flop=length.flop,
        peak_flop_per_s=request.device.device.linear_flop_per_s,
        memory_available_b=request.available_b,
        dataset_b=planning.dataset_bytes(length.tokens, row.vocab),
        read_b_per_s=planning.dataset_bytes(length.tokens, row.vocab) / time_s,
        checkpoint=planning.checkpoints(length.parameters, mtbf_s),
        interruptions=time_s / mtbf_s,
        power_w=power_w,
        energy_j=None if power_w is None else power_w * time_s,
        cost_usd=planning.cost_usd(chip, count, time_s),
        plan=chosen,
        sizes=_compared(beside, _size(request, length, count, chosen.step_time_s)),
        assumptions=tuple(assumed),
    )


def _compared(beside: _Beside, chosen: Size) -> tuple[Size, ...]:
    """The answer and the numbers nearest to its multiples, ascending."""
    counts: NDArray[np.float64] = np.array([size.accelerators for size in beside.sizes], dtype=np.float64)
    near = {int(np.argmin(np.abs(np.log(counts / (beside.count * factor))))) for factor in BESIDE if len(counts)}
    others = [beside.sizes[row] for row in near if beside.sizes[row].accelerators != beside.count]
    return tuple(sorted([chosen, *others], key=lambda size: size.accelerators))


def _assumptions(request: Request) -> list[Assumption]:
    """What the answer took for granted, beside the batch."""
    row = models.model_row(request.model)
    found = [
        Assumption(
            f"sequences of {human_count(request.seq_len)} tokens", "the question, or usual pre-training", "assumed"
        ),
        Assumption(
            "fewest and compared numbers of accelerators: tp inside the scale-up domain, at least "
            f"{human_count(PIECE)} tokens of a sequence a rank, ZeRO-1 or -3",
            "the search",
            "assumed",
        ),
        _law(request),
        *(Assumption(note, "calibration", "assumed") for note in request.device.notes),
    ]
    return [*found, *planning.run_assumptions(request.accelerator, row.vocab)]


def _law(request: Request) -> Assumption:
    """Whose law ties tokens to loss."""
    law = request.law
    words = f"loss by the law '{law.name}'"
    if request.model.experts:
        words += ", with the parameters that work for a token"
    origin = law.provenance.get("a")
    return Assumption(words, *("the user's file", "assumed") if origin is None else (origin.source, str(origin.grade)))
