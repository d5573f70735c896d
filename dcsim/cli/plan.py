"""`dcsim plan`: the best parallel plans for training a model."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from dcsim.cli.question import WHERE, add_question, options_of, tell_of_compiling
from dcsim.cli.tables import WIDE, aligned, columns, fitted, wrapped
from dcsim.units import human_count, human_si, human_step

if TYPE_CHECKING:
    from dcsim.performance.answers import Proposal, Proposals

PLAN = ("tp", "pp", "vpp", "cp", "dp", "ep", "micro", "recompute", "sharding")
SPECIAL = ("vpp", "cp", "ep")  # degrees that are told where they are above 1
LAST = "bound by, then"
LEAST = 0.001  # share of a step that is told
BOUNDS = {
    "compute": ("compute", "memory bandwidth", "host time"),
    "tp": ("tensor-parallel traffic",),
    "pp": ("pipeline traffic",),
    "dp": ("data-parallel traffic",),
    "cp": ("context-parallel traffic",),
    "ep": ("expert traffic",),
    "bubble": ("pipeline bubble",),
    "optimizer": ("optimizer",),
    "stragglers": ("stragglers",),
    "loading": ("data loading",),
}
"""What a step may be bound by, by the part of it that has it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", metavar="MODEL", nargs="?", help="model preset, or a TOML file of its keys")
    add_question(parser)
    parser.add_argument("--top", metavar="N", default="5", help="how many plans to print (default: 5)")


def run(arguments: argparse.Namespace) -> int:
    """Search and print."""
    tell_of_compiling()
    from dcsim.performance.ask import read
    from dcsim.performance.planner import NEEDS, proposals

    request = read(arguments.model, arguments.accelerator, options_of(arguments, "top"), WHERE, NEEDS)
    start = time.perf_counter()
    found = proposals(request)
    if arguments.json:
        print(json.dumps(asdict(found)))
    else:
        print("\n".join(_screen(found, time.perf_counter() - start)))
    return 0


def _screen(found: Proposals, wall_s: float) -> Iterator[str]:
    """A head, a row a plan, and what the columns mean."""
    width = columns(WIDE)
    head = f"{found.model} on {human_count(found.accelerators)} x {found.accelerator}, {found.precision}, "
    yield from wrapped(head + _batch(found), width)
    yield from wrapped(f"{_searched(found)}; searched in {wall_s:.2f} s; {_shown(found)}:", width)
    names = _told(found.plans) if found.seq_len else ("dp", "micro")
    speed = "tokens/s" if found.seq_len else "samples/s"
    heads = [*names, "step", speed, "MFU", "memory", "bubble", "exposed", LAST]
    rows = [heads, *(_row(plan, names) for plan in found.plans)]
    yield from ("", *_table(rows, _sides(heads), width))
    yield ""
    told = f"{speed} of one accelerator; MFU of {human_si(found.peak_flop_per_s, 'FLOP/s')}"
    halved = ", attention not halved" if found.seq_len else ""
    yield from wrapped(f"{told}{halved}; exposed: traffic that is waited for", width)
    for note in found.notes:
        yield from wrapped(f"note: {note}", width, "  ")


def _told(plans: Sequence[Proposal]) -> tuple[str, ...]:
    """The columns of plans of a transformer, without the special degrees that none of them has."""
    return tuple(name for name in PLAN if name not in SPECIAL or any(getattr(plan, name) > 1 for plan in plans))


def _table(rows: Sequence[Sequence[str]], sides: str, width: int) -> list[str]:
    """A row a plan; where that is too wide, plans are numbered, and the columns stand in pieces below one another."""
    lines = aligned(rows, sides)
    if max(map(len, lines)) <= width:
        return lines
    numbers = ["", *(f"{rank}." for rank in range(1, len(rows)))]
    numbered = [[number, *row] for number, row in zip(numbers, rows, strict=True)]
    return fitted(numbered, 1, width, sides=f"<{sides}").lines


def _searched(found: Proposals) -> str:
    """How many plans there are, and how many fit."""
    legal = f"{human_count(found.evaluated)} legal plans"
    if found.memory_available_b is None:
        return legal
    return f"{legal}, {human_count(found.fitting)} fit into {human_si(found.memory_available_b, 'B')} a device"


def _shown(found: Proposals) -> str:
    return "the best of each tp, pp, ep" if found.seq_len else "by micro-batch"


def _batch(found: Proposals) -> str:
    if found.seq_len is None:
        return f"{human_count(found.global_batch)} samples a step"
    tokens = human_si(found.global_batch * found.seq_len, "").strip()
    return (
        f"{human_count(found.global_batch)} sequences of {human_count(found.seq_len)} tokens ({tokens} tokens) a step"
    )


def _sides(head: Sequence[str]) -> str:
    return "".join("<" if name in ("recompute", "sharding", LAST) else ">" for name in head)


def _row(plan: Proposal, columns: Sequence[str]) -> list[str]:
    known = asdict(plan) | {"micro": plan.micro_batch}
    one = plan.tokens_per_s_per_accelerator
    return [
        *(str(known[name]) for name in columns),
        human_step(plan.step_time_s),
        human_count(plan.samples_per_s / plan.dp if one is None else one),
        percent(plan.mfu),
        human_si(plan.memory_b, "B"),
        percent(plan.shares["bubble"]),
        percent(plan.traffic_share),
        bound(plan),
    ]


def percent(share: float) -> str:
    """A share for people: `41.3 %`."""
    return f"{100 * share:.1f} %"


def bound(plan: Proposal) -> str:
    """What a plan is bound by, and what takes most of the rest of the step, if it is a thousandth of it."""
    rest = {name: share for name, share in plan.shares.items() if plan.bound not in BOUNDS[name]}
    name, share = max(rest.items(), key=lambda item: item[1])
    return plan.bound if share < LEAST else f"{plan.bound}, {name} {percent(share)}"
