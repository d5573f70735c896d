"""`dcsim collective`: how long a collective takes by size, in the shape of nccl-tests."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dcsim.cli.question import WHERE
from dcsim.cli.tables import aligned
from dcsim.report.markup import counted
from dcsim.units import SIZE, TIME

if TYPE_CHECKING:
    from dcsim.performance.collective_request import Question
    from dcsim.performance.collectives import Answer

OPTIONS = ("accelerator", "collective", "nodes", "per_node", "nic", "sizes", "algorithms", "torus")
NEAR = 3
"""Other algorithms that are named beside the fastest."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--accelerator", metavar="NAME", help="accelerator preset, or a TOML file of its keys")
    parser.add_argument(
        "--collective",
        metavar="NAME",
        help="all_reduce (the default), all_gather, reduce_scatter, all_to_all, broadcast, reduce, send_recv (p2p)",
    )
    parser.add_argument("--nodes", metavar="N", help="servers (default: 1)")
    parser.add_argument("--per-node", metavar="N", help="accelerators a server (default: the usual server's)")
    parser.add_argument("--nic", metavar="RATE", help='network of one accelerator, one direction: "50 GB/s"')
    parser.add_argument("--sizes", metavar="A..B", help="doubling from A to B, or a list (default: 8KiB..16GiB)")
    parser.add_argument(
        "--algorithms",
        metavar="LIST",
        help="those allowed: ring, tree, in_network, direct (NCCL's, the default), collnet_direct, collnet_chain, "
        "collnet_nvls (NCCL's where switches of the network sum: SHARP), pat, halving_doubling, hierarchical",
    )
    parser.add_argument("--torus", metavar="SIDES", help="shape of a slice of TPUs, such as 4x4x4")
    parser.add_argument("--json", action="store_true", help="print one JSON object, in base units")


def run(arguments: argparse.Namespace) -> int:
    """Answer and print."""
    from dcsim.performance.collective_request import read

    question = read({name: getattr(arguments, name) for name in OPTIONS}, WHERE)
    found = question.answer()
    print(_json(question, found) if arguments.json else "\n".join(_screen(question, found)))
    return 0


def _bandwidths(question: Question, answer: Answer, size_b: float) -> tuple[float, float]:
    """Algorithm and bus bandwidth of nccl-tests, B/s; 0 for one rank, which takes no time."""
    from dcsim.performance.collectives import bus_bandwidth

    if not answer.time_s:
        return 0.0, 0.0
    return size_b / answer.time_s, bus_bandwidth(question.collective, size_b, question.ranks, answer.time_s)


def _json(question: Question, found: list[Answer]) -> str:
    rows = []
    for size_b, answer in zip(question.sizes_b, found, strict=True):
        algorithm_b_per_s, bus_b_per_s = _bandwidths(question, answer, size_b)
        row = {"size_b": size_b, "time_s": answer.time_s, "latency_s": answer.latency_s}
        row |= {"algbw_b_per_s": algorithm_b_per_s, "busbw_b_per_s": bus_b_per_s}
        rows.append(row | {"algorithm": answer.way, "others": dict(answer.others)})
    return json.dumps({"collective": question.collective, "ranks": question.ranks, "rows": rows})


def _screen(question: Question, found: list[Answer]) -> Iterator[str]:
    """A head, a row a size, and what was assumed."""
    yield f"{question.collective} over {counted(question.ranks, 'rank')}: {question.where}"
    yield ""
    head = ["size (B)", "time (us)", "algbw (GB/s)", "busbw (GB/s)", "algorithm", "why"]
    rows = [_row(question, answer, size_b) for size_b, answer in zip(question.sizes_b, found, strict=True)]
    yield from aligned([head, *rows], ">>>><<")
    yield from (f"note: not in the preset, assumed: {what}" for what in question.assumed)


def _row(question: Question, answer: Answer, size_b: float) -> list[str]:
    gb = SIZE.factor("GB")
    rates = [f"{rate / gb:.2f}" for rate in _bandwidths(question, answer, size_b)]
    return [f"{size_b:.0f}", f"{answer.time_s / TIME.factor('us'):.2f}", *rates, answer.way, _why(answer)]


def _why(answer: Answer) -> str:
    """How much of the time is latency, and how much longer other algorithms take."""
    if not answer.time_s:
        return "one rank sends nothing"
    latency = f"latency {100 * min(answer.latency_s / answer.time_s, 1.0):.0f} %"
    others = [f"{way} {time_s / answer.time_s:.3g} x" for way, time_s in answer.others[:NEAR]]
    return "; ".join([latency, *others])
