"""The planner's answer to what training a model takes: accelerators, days, FLOP, memory, bytes, energy, dollars."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Unpack

from dcsim.errors import Problem, ScenarioError
from dcsim.performance import planning
from dcsim.performance.answers import Estimate, Paced, Run, Size
from dcsim.performance.ask import read
from dcsim.performance.memory import shipped
from dcsim.performance.network_request import NetworkRequest
from dcsim.performance.network_run import NetworkRun
from dcsim.performance.plan_rules import MOST_VALUES
from dcsim.performance.planning import Assumption
from dcsim.performance.plans import option, written
from dcsim.performance.reader import refuse
from dcsim.performance.request import Options, Request
from dcsim.performance.search import RANKED_ALIKE
from dcsim.performance.transformer_run import TransformerRun
from dcsim.units import SIZE, human_count, human_si, human_time, human_time_up

BESIDE = (0.25, 0.5, 1.0, 2.0, 4.0)  # times the power of two at the answer: numbers of accelerators beside it
MOST_ROUND = 2  # times the fewest accelerators for a deadline: round numbers that are near
LADDER = 8  # numbers of accelerators that are shown where nobody says how many or by when
MEASURED_ON = "NVIDIA"  # vendor of the accelerators whose memory the allowance was measured on
MOST_RATIO = 1 << 12  # of the largest of them to the fewest that fit


def estimate(model: str, accelerator: str, **options: Unpack[Options]) -> Estimate:
    """What training a model takes on accelerators of one kind.

    estimate("llama-3-70b", "H100-SXM", tokens=15e12, deadline="60 d").accelerators

    Options are numbers, or text as on the command line (`"15T"`, `"1.28e6*90"`, `"60 d"`):

    how long    one of `tokens`, `samples` and `target_loss` (nats a token, by the scaling law `law`)
    how many    `count`, or `deadline` (s); else the fewest accelerators that fit
    a step      `global_batch` (samples), `seq_len` (tokens), `precision` (bf16, fp16, tf32, fp32, fp8, int8, fp4)
    its plan    `tp`, `pp`, `vpp`, `dp`, `cp`, `ep`, `micro_batch`; `recompute` (none, selective, full), `sharding`
                (none, zero1, zero2, zero3, hsdp), `schedule` (1f1b, gpipe, zb-h1, zb-h2, dualpipe), `experts`
                (whole, cut); what is left out is searched
    framework   `framework` (megatron, pytorch, deepspeed, jax)
    states      `optimizer` (adam, sgd, adagrad), or `optimizer_bytes` (of states a parameter); `gradient_bytes` (4, 2)
    waits       `jitter` (share of a step), `sample_size` (B), `loader_rate` and `storage_bandwidth` (B/s)
    constants   `calibration`: a folder that `dcsim calibrate` wrote

    Raises ScenarioError with every mistake, and where no plan fits.
    """
    return answer(read(model, accelerator, options))


def answer(request: Request | NetworkRequest) -> Estimate:
    """The estimate that answers a question."""
    refuse(_contradictions(request))
    run: Run = NetworkRun(request) if isinstance(request, NetworkRequest) else TransformerRun(request)
    return _told(run, _beside(run))


@dataclass(frozen=True)
class _Beside:
    """The number of accelerators that is answered for, the fewest, and those it is compared with, ascending."""

    count: int
    fewest_that_fit: int | None
    fewest_for_deadline: int | None
    fewest_round: int | None
    compared: tuple[Size, ...]


def _contradictions(request: Request | NetworkRequest) -> Iterable[Problem]:
    """Lengths that are missing, or of which there are too many."""
    lengths = ("samples",) if isinstance(request, NetworkRequest) else ("tokens", "samples", "target_loss")
    words = [option(request.where, name) for name in lengths]
    given = [word for word, name in zip(words, lengths, strict=True) if getattr(request, name) is not None]
    if not given:
        what = f"neither {' nor '.join(words)} is given" if len(words) > 1 else "is missing"
        example = written(request.where, lengths[0], "15e12" if len(words) > 1 else "1.28e6*90")
        yield Problem(request.where, words[0], what, fix=f"write e.g. {example}")
    if len(given) > 1:
        yield Problem(request.where, given[0], f"{' and '.join(given)} exclude each other", fix="give one of them")


def _beside(run: Run) -> _Beside:
    """Which number of accelerators is answered for, and what it is compared with."""
    request, fewest = run.request, run.fewest()
    fit = None if fewest is None else fewest.accelerators
    if request.deadline_s is None and request.count is None:
        if fewest is None:
            raise ScenarioError([run.unfit()])
        return _Beside(fewest.accelerators, fit, None, None, _compared(run, fewest.accelerators, _ladder(fewest)))
    soon = None if request.deadline_s is None else _soonest(run)
    in_time = soon.accelerators if soon is not None and soon.step_s <= _longest_s(run) else None
    if request.count is None and in_time is None:
        refuse([run.unfit() if soon is None else _late(run, soon)])
    count = request.count or in_time or 0
    even = None if in_time is None else _round(run, in_time)
    near = {int(factor * _power(count)) for factor in BESIDE} | ({even} if even else set())
    return _Beside(count, fit, in_time, even, _compared(run, count, sorted(near)))


def _longest_s(run: Run) -> float:
    """The longest step that is in time, s."""
    return (run.request.deadline_s or math.inf) / _steps(run) * (1 + RANKED_ALIKE)


def _soonest(run: Run) -> Paced | None:
    """The number of accelerators to take for the deadline, a late one if none is in time. The given one counts too,
    whether it fills servers or not."""
    found, count = run.in_time(_longest_s(run)), run.request.count
    both = [found, None if count is None else run.pace(count)]
    return min((pace for pace in both if pace is not None and pace.step_s <= _longest_s(run)), default=found)


def _round(run: Run, fewest: int) -> int | None:
    """The fewest accelerators in time of those that planners build: 2^n or 3 x 2^n servers, or a part of a server.
    None if none near the fewest of all is in time."""
    server = run.request.accelerator.accelerators_per_server or 1
    if fewest <= server:
        return fewest
    rounds = sorted(server * factor * 2**n for factor in (1, 3) for n in range(MOST_VALUES.bit_length()))
    paces = (run.pace(count) for count in rounds if fewest <= count <= MOST_ROUND * fewest)
    return next((pace.accelerators for pace in paces if pace is not None and pace.step_s <= _longest_s(run)), None)


def _power(count: int) -> int:
    """The largest power of two up to a number."""
    return int(2 ** math.floor(math.log2(count)))


def _ladder(fewest: Paced) -> list[int]:
    """The powers of two after the fewest accelerators that fit."""
    first = 2 * _power(fewest.accelerators)
    most = min(MOST_VALUES, MOST_RATIO * fewest.accelerators)
    return [count for number in range(LADDER - 1) if (count := first * 2**number) <= most]


def _compared(run: Run, count: int, others: Iterable[int]) -> tuple[Size, ...]:
    """What other numbers of accelerators come to, those on which some plan fits."""
    paces = (run.pace(other) for other in others if 0 < other != count)
    return tuple(_size(run, pace) for pace in paces if pace is not None)


def _steps(run: Run) -> int:
    assert run.request.global_batch is not None
    return math.ceil(run.length.samples / run.request.global_batch)


def _size(run: Run, pace: Paced) -> Size:
    """What a number of accelerators comes to. The last step is a full one, as MFU counts it."""
    request, time_s = run.request, pace.step_s * _steps(run)
    step_flop = run.length.flop / run.length.samples * (request.global_batch or 0)
    share = step_flop / pace.step_s / pace.accelerators / request.device.device.linear_flop_per_s
    cost_usd = planning.cost_usd(request.accelerator, pace.accelerators, time_s)
    return Size(pace.accelerators, time_s, share, cost_usd)


def _late(run: Run, quickest: Paced) -> Problem:
    """Refuses a deadline that no number of accelerators meets."""
    request, steps = run.request, _steps(run)
    assert request.deadline_s is not None
    least = human_time_up(quickest.step_s * steps)
    what = f"none of up to {human_count(MOST_VALUES)} accelerators is that fast with a batch of {request.global_batch}"
    fix = _quicker(run, quickest) or "write " + written(request.where, "deadline", f'"{least}"')
    expected = f"at least {least} on {human_count(quickest.accelerators)} accelerators"
    return Problem(
        request.where, option(request.where, "deadline"), what, human_time(request.deadline_s), expected, fix
    )


def _quicker(run: Run, quickest: Paced) -> str | None:
    """What can make even the quickest number of accelerators quicker, None if nothing that is known."""
    request = run.request
    batch = request.global_batch or 1
    if request.input.load_s(batch, MOST_VALUES) >= quickest.step_s * (1 - RANKED_ALIKE):
        return f"data come no faster from storage: raise {option(request.where, 'storage_bandwidth')}"
    if _steps(run) > 1 and 2 * batch <= MOST_VALUES and not (isinstance(request, Request) and "dp" in request.fixed):
        return f"a larger batch can use more accelerators, e.g. {written(request.where, 'global_batch', 2 * batch)}"
    return None


def _told(run: Run, beside: _Beside) -> Estimate:
    """All figures of the answer."""
    request, length, count = run.request, run.length, beside.count
    chip, chosen, steps = request.accelerator, run.best(count), _steps(run)
    time_s = steps * chosen.step_time_s
    mtbf_s = planning.usual().accelerator_mtbf_s / count
    power_w = planning.power_w(chip, count)
    dataset_b = None if length.sample_b is None else length.sample_b * length.samples
    read_b_per_s = None if dataset_b is None else dataset_b / time_s
    kept, given_b_per_s = planning.checkpoints(run.saved.size_b, mtbf_s), request.input.storage_b_per_s
    slower = given_b_per_s < kept.bandwidth_b_per_s
    mine = _size(run, Paced(count, chosen.step_time_s))
    return Estimate(
        model=run.name,
        accelerator=chip.name,
        precision=request.precision,
        accelerators=count,
        fewest_that_fit=beside.fewest_that_fit,
        fewest_for_deadline=beside.fewest_for_deadline,
        fewest_round_for_deadline=beside.fewest_round,
        deadline_s=request.deadline_s,
        parameters=length.parameters,
        active_parameters=length.active,
        samples=length.samples,
        tokens=length.tokens,
        loss=length.loss,
        compute_optimal=length.optimal,
        global_batch=request.global_batch or 0,
        seq_len=run.seq_len,
        steps=steps,
        time_s=time_s,
        flop=length.flop,
        peak_flop_per_s=request.device.device.linear_flop_per_s,
        memory_available_b=planning.finite(request.available_b),
        dataset_b=dataset_b,
        read_b_per_s=read_b_per_s,
        storage_b_per_s=planning.storage_b_per_s(read_b_per_s, kept),
        checkpoint=kept,
        checkpoint_at_given=planning.checkpoints_at(given_b_per_s, kept.size_b, mtbf_s) if slower else None,
        interruptions=time_s / mtbf_s,
        power_w=power_w,
        energy_j=None if power_w is None else power_w * time_s,
        cost_usd=planning.cost_usd(chip, count, time_s),
        plan=chosen,
        sizes=tuple(sorted([mine, *beside.compared], key=lambda size: size.accelerators)),
        assumptions=(
            *run.assumptions(),
            *_memory(run),
            Assumption("the same batches on any number of accelerators", "definition", "assumed", "training"),
            *_waiting(run),
            *planning.run_assumptions(chip, run.saved),
        ),
        open=request.count is None and request.deadline_s is None,
    )


def _memory(run: Run) -> list[Assumption]:
    """What of a device's memory a step may use; nothing where it is not known."""
    request, allowance = run.request, shipped()
    if math.isinf(request.available_b):
        return []
    sheet_b = request.device.device.memory_b
    sheet = human_si(sheet_b, "B")
    whole_b = sheet_b / SIZE.factor("GB") * SIZE.factor("GiB")
    words = (
        f"a data sheet's {sheet} are {sheet.replace('B', 'iB')} = {human_si(whole_b, 'B')}, "
        f"{human_si(request.available_b, 'B')} of them usable: ({allowance.visible:g} x {sheet} - "
        f"{human_si(allowance.fixed_b, 'B')} for context, libraries) / {1 + allowance.slack:g} for the allocator"
    )
    chip = request.accelerator
    measured = chip.memory is not None and chip.vendor == MEASURED_ON
    source = "presets/calibration/memory.toml"
    return [Assumption(words, source, "measured" if measured else "assumed", "memory")]


def _waiting(run: Run) -> list[Assumption]:
    """Jitter and data: as asked, or none."""
    given = run.request.input
    even = "step times are even" if not given.jitter else f"step times vary by {100 * given.jitter:g} % (log-normal)"
    rates = [
        f"{human_si(rate, 'B/s')} {of}"
        for rate, of in ((given.loader_b_per_s, "a loader"), (given.storage_b_per_s, "from storage"))
        if rate < math.inf
    ]
    data = f"data come at {' and '.join(rates)}, fetched ahead" if rates else "data come in time"
    return [Assumption(f"{even}; {data}", "the question", "assumed", "speed")]
