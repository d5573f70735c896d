"""`dcsim estimate`: what training a model takes, on one screen."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from dcsim.cli.plan import percent
from dcsim.cli.question import WHERE, add_question, options_of
from dcsim.cli.rows import print_rows
from dcsim.cli.tables import aligned
from dcsim.errors import Problem, ScenarioError
from dcsim.units import ENERGY, human_count, human_si, human_step, human_time

if TYPE_CHECKING:
    from dcsim.performance.answers import Estimate, Size

WIDTH = 120
FACTS = " " * 15  # where the facts of the table begin
LEAST = 0.001  # share of a step that is told
WORDS = {"compute": "computing", "loading": "late data"} | {
    name: f"{name} traffic" for name in ("tp", "pp", "dp", "cp", "ep")
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", metavar="MODEL", nargs="?", help="model preset, or a TOML file of its keys")
    add_question(parser)
    parser.add_argument("--tokens", metavar="N", help="tokens to train on, such as 15e12")
    parser.add_argument("--samples", metavar="N", help="samples to train on instead, such as 1.28e6*90 (data x epochs)")
    parser.add_argument("--target-loss", metavar="L", help="train until this loss, nats a token, instead of --tokens")
    parser.add_argument("--law", metavar="NAME", help="scaling-law preset, or a TOML file of its coefficients")
    parser.add_argument("--deadline", metavar="TIME", help='find the fewest accelerators that need no longer: "60 d"')
    parser.add_argument("--rows", metavar="FILE.csv", help="predict every configuration of a CSV file instead")


def run(arguments: argparse.Namespace) -> int:
    """Estimate and print."""
    if arguments.rows is not None:
        _alone(arguments)
        return print_rows(arguments)
    from dcsim.performance.ask import read
    from dcsim.performance.estimate import answer

    request = read(arguments.model, arguments.accelerator, _options(arguments), WHERE)
    found = answer(request)
    print(json.dumps(asdict(found)) if arguments.json else "\n".join(_screen(found)))
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


def _screen(e: Estimate) -> Iterator[str]:
    """Answer, storage and power, other numbers of accelerators, assumptions."""
    yield (
        f"{e.model} ({_big(e.parameters)} parameters{_active(e)}), {_amount(e)}, "
        f"on {human_count(e.accelerators)} x {e.accelerator} in {e.precision}: {human_time(e.time_s)}"
    )
    rows = list(_sizes(e))
    details = [line for row in aligned([*_run(e), *_means(e)]) for line in _wrapped(row, FACTS)]
    sizes = ["  " + line for line in aligned(rows, ">" * len(rows[0]))]
    if e.open:
        yield "  the fewest that fit, as neither --count nor --deadline is given. More of them, with the same batches:"
        yield from ("", *sizes, "", f"on {human_count(e.accelerators)}", *details)
    else:
        yield from (*details, "", *sizes)
    yield from ("", "assumed")
    for assumption in e.assumptions:
        yield from _wrapped(f"{assumption.what} [{assumption.grade}]", "  ")


def _wrapped(text: str, indent: str) -> list[str]:
    """Lines of the screen's width; those after the first are indented more."""
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  " + indent, drop_whitespace=True)


def _amount(e: Estimate) -> str:
    return f"{_big(e.samples)} samples" if e.tokens is None else f"{_big(e.tokens)} tokens"


def _run(e: Estimate) -> Iterator[tuple[str, str]]:
    """How long, how fast, bound by what."""
    yield "accelerators", _fewest(e)
    yield "time", f"{human_count(e.steps)} steps of {human_step(e.plan.step_time_s)}, {_batch(e)} each"
    yield "speed", _speed(e)
    yield "work", f"{e.flop:.3g} FLOP, MFU {percent(e.plan.mfu)} of {human_si(e.peak_flop_per_s, 'FLOP/s')}"
    if e.loss is not None:
        yield "loss", f"{e.loss:.3f} nats a token{_optimal(e)}"
    yield "bound by", f"{e.plan.bound}; of a step: {_shares(e)}"
    yield "plan", _plan(e)
    yield "memory", f"{human_si(e.plan.memory_b, 'B')} a device, {human_si(e.memory_available_b, 'B')} available"


def _optimal(e: Estimate) -> str:
    """What the same compute comes to at best."""
    best = e.compute_optimal
    if best is None:
        return ""
    return f"; compute-optimal: {_big(best.parameters)} parameters on {_big(best.tokens)} tokens, {best.loss:.3f}"


def _means(e: Estimate) -> Iterator[tuple[str, str]]:
    """What it takes beside accelerators."""
    kept = e.checkpoint
    if e.dataset_b is not None and e.read_b_per_s is not None:
        yield "data", f"{human_si(e.dataset_b, 'B')} read in all, at {human_si(e.read_b_per_s, 'B/s')}"
    often = f"every {human_time(kept.interval_s)}" if kept.interval_s < e.time_s else "at the end"
    yield "checkpoint", f"{human_si(kept.size_b, 'B')} {often}"
    yield "storage", f"{human_si(kept.bandwidth_b_per_s, 'B/s')}, to write a checkpoint in {human_time(kept.write_s)}"
    yield "interruptions", f"{e.interruptions:.3g} expected" if e.interruptions >= 0.01 else "fewer than 0.01 expected"
    if e.energy_j is not None and e.power_w is not None:
        energy = human_si(e.energy_j / ENERGY.factor("Wh"), "Wh")
        yield "energy", f"{energy}, {human_si(e.power_w, 'W')} from the grid"
    else:
        yield "energy", "not known: the preset has no TDP"
    yield "rent", "not known: the preset has no price" if e.cost_usd is None else _usd(e.cost_usd)


def _fewest(e: Estimate) -> str:
    told = [f"{human_count(e.accelerators)}"]
    if e.fewest_that_fit is not None:
        told.append(f"fewest that fit: {human_count(e.fewest_that_fit)}")
    if e.deadline_s is not None:
        fewest = "none" if e.fewest_for_deadline is None else human_count(e.fewest_for_deadline)
        told.append(f"fewest for {human_time(e.deadline_s)}: {fewest}")
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
    """Parts of a step from a thousandth, the largest first."""
    parts = sorted(e.plan.shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{WORDS.get(name, name)} {percent(share)}" for name, share in parts if share >= LEAST)


def _plan(e: Estimate) -> str:
    p = e.plan
    degrees = {"tp": p.tp, "pp": p.pp, "vpp": p.vpp, "cp": p.cp, "dp": p.dp, "ep": p.ep}
    always = ("tp", "pp", "dp") if e.seq_len else ("dp",)
    words = [f"{name} {value}" for name, value in degrees.items() if value > 1 or name in always]
    words.append(f"micro-batch {p.micro_batch}")
    return ", ".join([*words, f"recompute {p.recompute}", f"sharding {p.sharding}"] if e.seq_len else words)


def _sizes(e: Estimate) -> Iterator[tuple[str, ...]]:
    known = any(size.cost_usd is not None for size in e.sizes)
    yield ("accelerators", "time", "MFU", "rent")[: 4 if known else 3]
    yield from (_size(size, size.accelerators == e.accelerators)[: 4 if known else 3] for size in e.sizes)


def _size(size: Size, chosen: bool) -> tuple[str, ...]:
    cost = "-" if size.cost_usd is None else _usd(size.cost_usd)
    mark = "> " if chosen else ""
    return mark + human_count(size.accelerators), human_time(size.time_s), percent(size.mfu), cost


def _active(e: Estimate) -> str:
    return f", {_big(e.active_parameters)} active" if e.active_parameters < 0.99 * e.parameters else ""


def _big(value: float) -> str:
    """A count with the words of the field: `70.6 B`, `15 T`."""
    return human_si(value, "").strip().replace("G", "B")


def _usd(value: float) -> str:
    return human_si(value, "USD")
