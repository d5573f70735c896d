"""Arguments that the planner's commands share. Values are checked by `performance.request`, all mistakes at once."""

from __future__ import annotations

import argparse
import re
from typing import Any

WHERE = "command line"
DEGREES = {
    "tp": "tensor-parallel degree",
    "pp": "pipeline stages",
    "vpp": "interleaved chunks a stage",
    "dp": "data-parallel degree",
    "cp": "context-parallel degree",
    "ep": "expert-parallel degree",
    "micro-batch": "sequences a micro-batch",
}
NAMES = ("count", "global_batch", "seq_len", "precision", "recompute", "sharding")


def add_question(parser: argparse.ArgumentParser) -> None:
    """Declare what describes the run and fixes parts of the plan."""
    # argparse takes -1e12 and -inf for options, and would hide what is wrong with them.
    parser._negative_number_matcher = re.compile(r"-(\d|\.\d|inf|nan)", re.IGNORECASE)
    parser.add_argument("--accelerator", metavar="NAME", help="accelerator preset, or a TOML file of its keys")
    parser.add_argument("--count", metavar="N", help="number of accelerators")
    parser.add_argument("--global-batch", metavar="N", help="sequences a step")
    parser.add_argument("--seq-len", metavar="N", help="tokens a sequence (default: the model's, at most the usual)")
    parser.add_argument("--precision", metavar="NAME", help="of linear layers: bf16, fp16, tf32, fp32, fp8, fp4")
    fixed = parser.add_argument_group("fix a part of the plan; what is left out is searched")
    for name, meaning in DEGREES.items():
        fixed.add_argument(f"--{name}", metavar="N", help=meaning)
    fixed.add_argument("--recompute", metavar="NAME", help="activations computed again: none, selective, full")
    fixed.add_argument("--sharding", metavar="NAME", help="over data ranks: none, zero1, zero2, zero3, hsdp")
    parser.add_argument("--json", action="store_true", help="print one JSON object, in base units")


def options_of(arguments: argparse.Namespace, *more: str) -> dict[str, Any]:
    """The options as `performance.request` wants them; `more` are names of a command's own."""
    names = [name.replace("-", "_") for name in DEGREES]
    return {name: getattr(arguments, name) for name in (*NAMES, *names, *more)}
