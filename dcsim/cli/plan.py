"""`dcsim plan`: the best parallel plans for training a model."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from dcsim.cli.question import WHERE, add_question, options_of
from dcsim.cli.tables import aligned
from dcsim.units import human_count, human_si, human_step

if TYPE_CHECKING:
    from dcsim.performance.answers import Proposal, Proposals

COLUMNS = ("tp", "pp", "vpp", "cp", "dp", "ep", "micro", "recompute", "sharding")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", metavar="MODEL", nargs="?", help="model preset, or a TOML file of its keys")
    add_question(parser)
    parser.add_argument("--top", metavar="N", default="5", help="how many plans to print (default: 5)")


def run(arguments: argparse.Namespace) -> int:
    """Search and print."""
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
    yield (
        f"{found.model} on {human_count(found.accelerators)} x {found.accelerator}, {found.precision}, {_batch(found)}"
    )
    shown = "the best of each tp, pp, ep" if found.seq_len else "by micro-batch"
    yield (
        f"{human_count(found.evaluated)} legal plans, {human_count(found.fitting)} fit into "
        f"{human_si(found.memory_available_b, 'B')} a device; searched in {wall_s:.2f} s; {shown}:"
    )
    yield ""
    columns = COLUMNS if found.seq_len else ("dp", "micro")
    speed = "tokens/s" if found.seq_len else "samples/s"
    head = [*columns, "step", speed, "MFU", "memory", "bubble", "exposed", "bound by"]
    yield from aligned([head, *(_row(plan, columns) for plan in found.plans)], _sides(head))
    yield ""
    yield (
        f"{speed} of one accelerator; MFU of {human_si(found.peak_flop_per_s, 'FLOP/s')}"
        f"{', attention not halved' if found.seq_len else ''}; exposed: traffic that is waited for"
    )
    yield from (f"note: {note}" for note in found.notes)


def _batch(found: Proposals) -> str:
    if found.seq_len is None:
        return f"{human_count(found.global_batch)} samples a step"
    tokens = human_si(found.global_batch * found.seq_len, "").strip()
    return (
        f"{human_count(found.global_batch)} sequences of {human_count(found.seq_len)} tokens ({tokens} tokens) a step"
    )


def _sides(head: Sequence[str]) -> str:
    return "".join("<" if name in ("recompute", "sharding", "bound by") else ">" for name in head)


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
    """What a plan is bound by, and what else is waited for most, if it is a thousandth of the step."""
    waits = {name: share for name, share in plan.shares.items() if name not in ("compute", "optimizer")}
    name, share = max(waits.items(), key=lambda item: item[1])
    return plan.bound if share < 0.001 else f"{plan.bound}, then {name} {percent(share)}"
