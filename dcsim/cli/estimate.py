"""`dcsim estimate`: what training a model takes, on one screen."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from dcsim.cli.plan import LEAST, percent
from dcsim.cli.question import WHERE, add_question, options_of, tell_of_compiling
from dcsim.cli.rows import print_rows
from dcsim.cli.tables import WIDE, columns, fitted, hanging, wrapped
from dcsim.errors import Problem, ScenarioError
from dcsim.units import ENERGY, human_count, human_large, human_si, human_step, human_time

if TYPE_CHECKING:
    from dcsim.performance.answers import Estimate

ABOUT = ("training", "speed", "memory", "failures", "cost")  # order of what is assumed

INDENT = "  "
WORDS = {"compute": "computing", "loading": "late data"} | {
    name: f"{name} traffic" for name in ("tp", "pp", "dp", "cp", "ep")
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", metavar="MODEL", nargs="?", help="model preset, or a TOML file of its keys")
    add_question(parser)
    parser.add_argument("--tokens", metavar="N", help="tokens to train on, such as 15e12 or 15T")
    parser.add_argument("--samples", metavar="N", help="samples to train on instead, such as 1.28e6*90 (data x epochs)")
    parser.add_argument("--target-loss", metavar="L", help="train until this loss, nats a token, instead of --tokens")
    parser.add_argument("--law", metavar="NAME", help="scaling-law preset, or a TOML file of its coefficients")
    parser.add_argument("--deadline", metavar="TIME", help='find the fewest accelerators that need no longer: "60 d"')
    parser.add_argument("--rows", metavar="FILE.csv", help="predict every configuration of a CSV file instead")


def run(arguments: argparse.Namespace) -> int:
    """Estimate and print."""
    tell_of_compiling()
    if arguments.rows is not None:
        _alone(arguments)
        return print_rows(arguments)
    from dcsim.performance.ask import read
    from dcsim.performance.estimate import answer

    request = read(arguments.model, arguments.accelerator, _options(arguments), WHERE)
    found = answer(request)
    print(json.dumps(asdict(found)) if arguments.json else "\n".join(_screen(found, columns(WIDE))))
    return 0


def _alone(arguments: argparse.Namespace) -> None:
    """Refuses options beside --rows that would have no effect."""
    given = _options(arguments) | {"accelerator": arguments.accelerator, "MODEL": arguments.model}
    wrong = [name for name, value in given.items() if value is not None]
    what = "has no effect beside --rows, whose file says everything"
    keys = ["MODEL" if name == "MODEL" else "--" + name.replace("_", "-") for name in wrong]
    if keys:
        raise ScenarioError(Problem(WHERE, key, what, fix="leave it out") for key in keys)


def _options(arguments: argparse.Namespace) -> dict[str, object]:
    return options_of(arguments, "tokens", "samples", "target_loss", "law", "deadline")


def _screen(e: Estimate, width: int) -> Iterator[str]:
    """Answer, storage and power, other numbers of accelerators, assumptions."""
    yield from wrapped(
        f"{e.model} ({human_large(e.parameters)} parameters{_active(e)}), {_amount(e)}, "
        f"on {human_count(e.accelerators)} x {e.accelerator} in {e.precision}: {human_time(e.time_s)}",
        width,
    )
    inside = width - len(INDENT)
    details = hanging([*_run(e), *_means(e)], inside)
    sizes = _sizes(e, inside)
    if e.open:
        fewest = "the fewest that fit, as no --count or --deadline is given; more, same batches:"
        yield from _indented(wrapped(fewest, inside))
        yield from ("", *_indented(sizes), "", f"on {human_count(e.accelerators)}", *_indented(details))
    else:
        yield from (*_indented(details), "", *_indented(sizes))
    yield from ("", "assumed", *_indented(hanging(_assumed(e), inside)))


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (INDENT + line for line in lines)


def _assumed(e: Estimate) -> list[tuple[str, str]]:
    """What is assumed, with grades, a row for each thing that it is about."""
    about = dict.fromkeys(a.about for a in e.assumptions)
    told = {name: [f"{a.what} [{a.grade}]" for a in e.assumptions if a.about == name] for name in about}
    return [(name, "; ".join(told[name])) for name in sorted(told, key=ABOUT.index)]


def _amount(e: Estimate) -> str:
    return f"{human_large(e.samples)} samples" if e.tokens is None else f"{human_large(e.tokens)} tokens"


def _run(e: Estimate) -> Iterator[tuple[str, str]]:
    """How long, how fast, bound by what."""
    if not e.open:
        yield "accelerators", _fewest(e)
    steps = f"{human_count(e.steps)} steps of {human_step(e.plan.step_time_s)}, {_batch(e)} each"
    yield "time", f"{steps}: {_speed(e)}"
    yield "work", f"{e.flop:.3g} FLOP, MFU {percent(e.plan.mfu)} of {human_si(e.peak_flop_per_s, 'FLOP/s')}"
    if e.loss is not None:
        yield "loss", f"{e.loss:.3f} nats a token{_optimal(e)}"
    yield "bound by", f"{e.plan.bound}; of a step: {_shares(e)}"
    yield "plan", _plan(e)
    available = e.memory_available_b
    most = "that of its server is not known" if available is None else f"{human_si(available, 'B')} available"
    yield "memory", f"{human_si(e.plan.memory_b, 'B')} a device, {most}"


def _optimal(e: Estimate) -> str:
    """What the same compute comes to at best."""
    best = e.compute_optimal
    if best is None:
        return ""
    size, tokens = human_large(best.parameters), human_large(best.tokens)
    return f"; compute-optimal: {size} parameters on {tokens} tokens, {best.loss:.3f}"


def _means(e: Estimate) -> Iterator[tuple[str, str]]:
    """What it takes beside accelerators."""
    if e.dataset_b is not None and e.read_b_per_s is not None:
        yield "data", f"{human_si(e.dataset_b, 'B')} read in all, at {human_si(e.read_b_per_s, 'B/s')}"
    yield "checkpoint", f"{_checkpoint(e)}; {_interruptions(e)}"
    if e.storage_b_per_s is not None:
        yield "storage", f"{human_si(e.storage_b_per_s, 'B/s')}: {_storage(e)}"
    energy = "energy not known: the preset has no TDP"
    if e.energy_j is not None and e.power_w is not None:
        used = human_si(e.energy_j / ENERGY.factor("Wh"), "Wh")
        energy = f"{used} of energy, {human_si(e.power_w, 'W')} from the grid"
    rent = "rent not known: the preset has no price" if e.cost_usd is None else f"rent {_usd(e.cost_usd)}"
    yield "cost", f"{energy}; {rent}"


def _checkpoint(e: Estimate) -> str:
    """How large, how often, how fast; nothing is to be saved of a model without parameters."""
    kept = e.checkpoint
    if not kept.size_b:
        return "none: the model has no parameters"
    often = f"every {human_time(kept.interval_s)}" if kept.interval_s < e.time_s else "at the end"
    rate = f"{human_si(kept.bandwidth_b_per_s, 'B/s')} to write it in {human_time(kept.write_s)}"
    return f"{human_si(kept.size_b, 'B')} {often}, {rate}"


def _interruptions(e: Estimate) -> str:
    count = f"{e.interruptions:.3g}" if e.interruptions >= 0.01 else "fewer than 0.01"
    return f"{count} interruptions expected"


def _storage(e: Estimate) -> str:
    """What the bandwidth that storage needs is for, or what checkpoints come to with less."""
    if (given := e.checkpoint_at_given) is not None:
        often = f"every {human_time(given.interval_s)}, {percent(given.share)} of the time"
        write = f"at the {human_si(given.bandwidth_b_per_s, 'B/s')} given a write takes {human_time(given.write_s)}"
        return f"{write} {often if given.interval_s < e.time_s else 'at the end'}"
    if e.read_b_per_s is None:
        return "to write a checkpoint; what is read is not known without --sample-size"
    if not e.checkpoint.size_b:
        return "to read data"
    return "the larger of reads and writes, as it does one at a time"


def _fewest(e: Estimate) -> str:
    told = [f"{human_count(e.accelerators)}"]
    if e.fewest_that_fit is not None:
        told.append(f"fewest that fit: {human_count(e.fewest_that_fit)}")
    if e.deadline_s is not None:
        fewest = "none" if e.fewest_for_deadline is None else human_count(e.fewest_for_deadline)
        told.append(f"fewest for {human_time(e.deadline_s)}: {fewest}")
    if e.fewest_round_for_deadline not in (None, e.fewest_for_deadline):
        told.append(f"of 2^n or 3 x 2^n servers: {human_count(e.fewest_round_for_deadline or 0)}")
    return "; ".join(told)


def _batch(e: Estimate) -> str:
    if e.seq_len is None:
        return f"{human_count(e.global_batch)} samples"
    return f"{human_count(e.global_batch)} x {human_count(e.seq_len)} tokens"


def _speed(e: Estimate) -> str:
    """Samples or tokens a second, of all and of one."""
    one, name = e.plan.tokens_per_s_per_accelerator, "tokens/s"
    if one is None:
        one, name = e.plan.samples_per_s / e.accelerators, "samples/s"
    beside = f", {_rate(one)} an accelerator" if e.accelerators > 1 else ""
    return f"{_rate(one * e.accelerators)} {name}{beside}"


def _rate(value: float) -> str:
    return human_count(value) if value >= 100 else f"{value:.3g}"


def _shares(e: Estimate) -> str:
    """Parts of a step from a thousandth, the largest first; of computing, what waits for memory."""
    parts = sorted(e.plan.shares.items(), key=lambda item: -item[1])
    told = {name: f"{WORDS.get(name, name)} {percent(share)}" for name, share in parts if share >= LEAST}
    if "compute" in told and e.plan.memory_wait >= LEAST:
        told["compute"] += f" ({percent(e.plan.memory_wait)} of the step waits for memory)"
    return ", ".join(told.values())


def _plan(e: Estimate) -> str:
    p = e.plan
    degrees = {"tp": p.tp, "pp": p.pp, "vpp": p.vpp, "cp": p.cp, "dp": p.dp, "ep": p.ep}
    always = ("tp", "pp", "dp") if e.seq_len else ("dp",)
    words = [f"{name} {value}" for name, value in degrees.items() if value > 1 or name in always]
    words.append(f"micro-batch {p.micro_batch}")
    if e.seq_len is None:
        return ", ".join(words)
    from dcsim.performance.plans import unusual

    words += [f"recompute {p.recompute}", f"sharding {p.sharding}"]
    return ", ".join([*words, *unusual(p.schedule, p.experts, p.optimizer)])


def _sizes(e: Estimate, width: int) -> list[str]:
    """A column for each number of accelerators, and how long, how well and for how much it trains."""
    marks = ["> " if size.accelerators == e.accelerators else "" for size in e.sizes]
    rows = [
        ["accelerators", *(mark + human_count(size.accelerators) for mark, size in zip(marks, e.sizes, strict=True))],
        ["time", *(human_time(size.time_s) for size in e.sizes)],
        ["MFU", *(percent(size.mfu) for size in e.sizes)],
    ]
    if any(size.cost_usd is not None for size in e.sizes):
        rows.append(["rent", *("-" if size.cost_usd is None else _usd(size.cost_usd) for size in e.sizes)])
    return fitted(rows, 1, width).lines


def _active(e: Estimate) -> str:
    return f", {human_large(e.active_parameters)} active" if e.active_parameters < 0.99 * e.parameters else ""


def _usd(value: float) -> str:
    return human_si(value, "USD")
