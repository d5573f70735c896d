"""Arguments that the planner's commands share. Values are checked by `performance.request`, all mistakes at once."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any

WHERE = "command line"
DEGREES = {
    "tp": "tensor-parallel degree",
    "pp": "pipeline stages",
    "vpp": "interleaved chunks a stage",
    "dp": "data-parallel degree",
    "cp": "context-parallel degree",
    "ep": "expert-parallel degree",
    "micro-batch": "samples a micro-batch",
}
WAITING = {
    "jitter": ("SHARE", "deviation of an accelerator's step time over its mean, such as 0.05"),
    "sample-size": ("SIZE", "one sample as it is loaded (default: the model's, or its token ids)"),
    "loader-rate": ("RATE", 'of the data loader of one accelerator, such as "200 MB/s" (default: no bound)'),
    "storage-bandwidth": ("RATE", "of the storage that all loaders share (default: no bound)"),
}
NAMES = (
    "count",
    "global_batch",
    "seq_len",
    "precision",
    "recompute",
    "sharding",
    "schedule",
    "experts",
    "framework",
    "optimizer",
    "optimizer_bytes",
    "gradient_bytes",
    "calibration",
)


def add_question(parser: argparse.ArgumentParser) -> None:
    """Declare what describes the run and fixes parts of the plan."""
    # argparse takes -1e12 and -inf for options, and would hide what is wrong with them.
    parser._negative_number_matcher = re.compile(r"-(\d|\.\d|inf|nan)", re.IGNORECASE)
    parser.add_argument("--accelerator", metavar="NAME", help="accelerator preset, or a TOML file of its keys")
    parser.add_argument("--count", metavar="N", help="number of accelerators")
    parser.add_argument("--global-batch", metavar="N", help="samples (sequences, images, ...) a step")
    parser.add_argument("--seq-len", metavar="N", help="tokens a sequence (default: the model's, at most the usual)")
    parser.add_argument("--precision", metavar="NAME", help="of linear layers: bf16, fp16, tf32, fp32, fp8, int8, fp4")
    fixed = parser.add_argument_group("fix a part of the plan; what is left out is searched")
    for name, meaning in DEGREES.items():
        fixed.add_argument(f"--{name}", metavar="N", help=meaning)
    fixed.add_argument("--recompute", metavar="NAME", help="activations computed again: none, selective, full")
    fixed.add_argument("--sharding", metavar="NAME", help="over data ranks: none, zero1, zero2, zero3, hsdp")
    fixed.add_argument(
        "--schedule", metavar="NAME", help="of a pipeline: 1f1b (default), gpipe, zb-h1, zb-h2, dualpipe"
    )
    fixed.add_argument("--experts", metavar="NAME", help="that ep spreads: whole (default), or cut by tp besides")
    parser.add_argument(
        "--framework",
        metavar="NAME",
        help="that trains: megatron (default), pytorch with FSDP, deepspeed, jax (default on TPUs)",
    )
    parser.add_argument(
        "--optimizer",
        metavar="NAME",
        help="adam (default of transformers), sgd with momentum, adagrad (default of networks: their own)",
    )
    states = "bytes of optimiser states a parameter instead, fp32 master weights included, such as 8 for 16-bit moments"
    parser.add_argument("--optimizer-bytes", metavar="B", help=states)
    parser.add_argument(
        "--gradient-bytes", metavar="B", help="of a gradient that is added up and sent: 4 (default) or 2"
    )
    waiting = parser.add_argument_group("what a step waits for beside its own work")
    for name, (metavar, meaning) in WAITING.items():
        waiting.add_argument(f"--{name}", metavar=metavar, help=meaning)
    parser.add_argument(
        "--calibration", metavar="DIR", help="constants that `dcsim calibrate` wrote, for those that ship"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, in base units")


def tell_of_compiling() -> None:
    """Says on a terminal that the first question after an installation waits for compilers; later ones do not."""
    from dcsim.kernels import compiled

    if sys.stderr.isatty() and not compiled():
        sys.stderr.write("dcsim: compiling kernels, once: 10 to 20 s\n")


def options_of(arguments: argparse.Namespace, *more: str) -> dict[str, Any]:
    """The options as `performance.request` wants them; `more` are names of a command's own."""
    names = [name.replace("-", "_") for name in (*DEGREES, *WAITING)]
    return {name: getattr(arguments, name) for name in (*NAMES, *names, *more)}
