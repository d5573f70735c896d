"""The rules of parallel plans: what a degree must divide, and what recipes keep besides.

Degrees stand in columns of whole numbers, shape (n,). Sources: argument checks of NVIDIA/Megatron-LM
(megatron/training/arguments.py) and its interleaved schedule; deepseek-ai/DualPipe (dualpipe.py); PyTorch's FSDP.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels import facts

Column = NDArray[np.int64]
Mask = NDArray[np.bool_]
Table = dict[str, Column]

RECOMPUTE = {"none": facts.NONE, "selective": facts.SELECTIVE, "full": facts.FULL}
SHARDING = {
    "none": facts.UNSHARDED,
    "zero1": facts.ZERO1,
    "zero2": facts.ZERO2,
    "zero3": facts.ZERO3,
    "hsdp": facts.HSDP,
}
SCHEDULE = {
    "1f1b": facts.ONE_F_ONE_B,
    "gpipe": facts.GPIPE,
    "zb-h1": facts.ZB_H1,
    "zb-h2": facts.ZB_H2,
    "dualpipe": facts.DUALPIPE,
}
USUAL_SCHEDULE = "1f1b"  # interleaved where vpp > 1
EXPERTS = {"whole": 0.0, "cut": 1.0}
DEGREES = ("tp", "pp", "cp", "dp")  # their product is the number of accelerators
SHAPE = (*DEGREES, "vpp", "micro_batch", "ep")  # what the rules speak about, in the order in which plans are built
MOST_VALUES = 1 << 22  # largest batch, sequence, or number of accelerators that is searched


@dataclass(frozen=True)
class Setting:
    """What a plan has to serve.

    `accelerators` is the number to be filled, or None: any number from `least` to `most` that is a multiple of
    `server` or divides it. `domain` is the number of accelerators in a scale-up domain. Batch in samples, `seq_len`
    in tokens; 0 for one that is not known yet: no rule holds anything against it. `schedule` and
    `cut_experts` are codes of `SCHEDULE` and `EXPERTS`.
    """

    model: facts.Model
    global_batch: int
    seq_len: int
    accelerators: int | None
    domain: int = 8
    server: int = 8
    most: int = MOST_VALUES
    least: int = 1
    schedule: float = facts.ONE_F_ONE_B
    cut_experts: float = 0.0


@dataclass(frozen=True)
class Rule:
    """What plans must keep: `holds(columns, setting)` is a mask, shape (n,).

    `columns` are the degrees it looks at, the first of which is the one to blame. `what`, `got` and `expected` are
    templates of the error line, filled from the plan, the model and the setting. A `convention` is what recipes keep
    and some published runs do not; without it a plan is unusual, but can be.
    """

    columns: tuple[str, ...]
    holds: Callable[[Table, Setting], Mask]
    what: str
    expected: str
    got: str = ""
    convention: bool = False


def _even_shards(c: Table, s: Setting) -> Mask:
    ranks, group = c["dp"] * c["cp"], np.maximum(s.domain // c["tp"], 1)
    return np.asarray((c["sharding"] != int(facts.HSDP)) | (ranks <= group) | (ranks % group == 0))


def _even_expert_shards(c: Table, s: Setting) -> Mask:
    apart = np.where((c["ep"] == 1) | (s.cut_experts > 0.0), c["tp"], 1) * c["ep"]
    span, ranks = np.maximum(s.domain // c["tp"], 1) * c["tp"], c["tp"] * c["dp"] * c["cp"]
    return np.asarray((c["sharding"] != int(facts.HSDP)) | (apart >= span) | (ranks <= span) | (span % apart == 0))


def _enough_layers(c: Table, s: Setting) -> Mask:
    chunks, layers = c["pp"] * c["vpp"], int(s.model.layers)
    return np.asarray((chunks <= layers) | ((c["vpp"] > 1) & (chunks == layers + 2)))  # embedding and head as layers


def _layers_divide(c: Table, s: Setting) -> Mask:
    chunks = c["pp"] * c["vpp"]
    layers = int(s.model.layers)
    even = (layers % chunks == 0) | ((layers + 2) % chunks == 0)
    return np.asarray((c["vpp"] == 1) | (chunks > layers) | even)  # too many stages are the matter of another rule


def _kv_heads(c: Table, s: Setting) -> Mask:
    kv_heads = int(s.model.kv_heads)
    return np.asarray((kv_heads % c["tp"] == 0) | (c["tp"] % kv_heads == 0))


def _folds(c: Table, s: Setting) -> Mask:
    return np.asarray((1 if s.cut_experts else c["tp"]) * c["dp"] * c["cp"] % c["ep"] == 0)


def _pairs(c: Table, s: Setting) -> Mask:
    each = s.global_batch // (c["dp"] * c["micro_batch"])
    fine = (each % 2 == 0) & (each >= 2 * c["pp"])
    return np.asarray((s.schedule != facts.DUALPIPE) | (c["pp"] == 1) | fine)


def _experts(c: Table, s: Setting) -> Mask:
    return np.asarray(max(int(s.model.experts), 1) % c["ep"] == 0)


def _fills(c: Table, s: Setting) -> Mask:
    whole = c["tp"] * c["pp"] * c["cp"] * c["dp"]
    if s.accelerators is not None:
        return np.asarray(whole == s.accelerators)
    among = (s.least <= whole) & (whole <= s.most)
    return np.asarray(among & ((whole % s.server == 0) | (s.server % whole == 0)))


FILLS = Rule(
    ("dp", "tp", "pp", "cp"),
    _fills,
    "tp x pp x cp x dp is not the number of accelerators",
    "{accelerators}",
    "{tp} x {pp} x {cp} x {dp} = {ranks}",
)
RULES = (
    Rule(
        ("tp",),
        lambda c, s: np.asarray(int(s.model.heads) % c["tp"] == 0),
        "does not divide the attention heads",
        "a divisor of {heads:.0f} heads",
    ),
    Rule(
        ("tp",),
        _kv_heads,
        "neither divides the key/value heads nor is a multiple of them (then ranks hold copies)",
        "a divisor or a multiple of {kv_heads:.0f} heads",
    ),
    Rule(
        ("tp",),
        lambda c, s: np.asarray(int(s.model.ffn_hidden) % c["tp"] == 0),
        "does not divide the feed-forward width",
        "a divisor of {ffn_hidden:.0f}",
    ),
    Rule(
        ("tp", "ep"),
        lambda c, s: ((c["ep"] > 1) & (s.cut_experts == 0.0)) | (int(s.model.expert_hidden) % c["tp"] == 0),
        "does not divide the width of experts, which it cuts",
        "a divisor of {expert_hidden:.0f}",
    ),
    Rule(
        ("cp",),
        lambda c, s: (c["cp"] == 1) | (s.seq_len % (2 * c["cp"]) == 0),
        "does not cut the sequence into 2 cp equal pieces (so that causal work is even)",
        "2 x cp divides {seq_len} tokens",
        convention=True,
    ),
    Rule(
        ("pp", "vpp"),
        _enough_layers,
        "more stages than layers",
        "pp x vpp <= {layers:.0f}",
        "{pp} x {vpp} = {stages}",
    ),
    Rule(
        ("vpp", "pp"),
        lambda c, s: (c["vpp"] == 1) | (c["pp"] > 1),
        "interleaving needs a pipeline",
        "pp >= 2",
        convention=True,
    ),
    Rule(
        ("vpp", "pp"),
        _layers_divide,
        "interleaved stages must be of equal size",
        "pp x vpp divides {layers:.0f} layers, or {layers:.0f} + 2 with embedding and head counted",
        "{pp} x {vpp} = {stages}",
        convention=True,
    ),
    Rule(
        ("vpp",),
        lambda c, s: np.asarray((c["vpp"] == 1) | (s.schedule == facts.ONE_F_ONE_B)),
        "only 1F1B is interleaved",
        "vpp = 1, or the schedule 1f1b",
    ),
    Rule(
        ("pp",),
        lambda c, s: np.asarray((c["pp"] == 1) | (c["pp"] % 2 == 0) | (s.schedule != facts.DUALPIPE)),
        "DualPipe needs an even number of stages, as each rank holds one of either direction",
        "an even number, or 1",
    ),
    Rule(
        ("pp", "dp", "micro_batch"),
        _pairs,
        "DualPipe needs an even number of micro-batches, two for each stage at least",
        "at least {pairs} micro-batches, an even number",
        "{micro_batches} micro-batches",
        convention=True,
    ),
    FILLS,
    Rule(
        ("dp",),
        lambda c, s: np.asarray(s.global_batch % c["dp"] == 0),
        "the data-parallel degree does not divide the global batch",
        "a divisor of {global_batch}",
    ),
    Rule(
        ("micro_batch", "dp"),
        lambda c, s: np.asarray(s.global_batch % (c["dp"] * c["micro_batch"]) == 0),
        "dp x micro_batch does not divide the global batch",
        "a divisor of {global_batch}",
        "{dp} x {micro_batch} = {row}",
    ),
    Rule(
        ("vpp", "pp", "dp", "micro_batch"),
        lambda c, s: (c["vpp"] == 1) | (s.global_batch // (c["dp"] * c["micro_batch"]) % c["pp"] == 0),
        "interleaving needs micro-batches in multiples of pp",
        "a multiple of {pp} micro-batches",
        "{micro_batches} micro-batches",
        convention=True,
    ),
    # A stage sums the gradients of all micro-batches before any rank may drop its part. DeepSpeed refuses ZeRO-3 here
    # as well; PyTorch's FSDP under pipelines (torchtitan) does not, which is what zero3 stands for.
    Rule(
        ("sharding", "pp"),
        lambda c, s: (c["sharding"] != int(facts.ZERO2)) | (c["pp"] == 1),
        "gradients are not sharded across a pipeline's micro-batches",
        "pp = 1, or one of {other_sharding}",
        "{sharding_word} with pp = {pp}",
        convention=True,
    ),
    # PyTorch's two-dimensional mesh: all groups that shard together are of one size.
    Rule(
        ("sharding", "dp", "cp", "tp"),
        _even_shards,
        "hsdp shards among the ranks of a domain, whose number does not divide dp x cp",
        "dp x cp at most, or a multiple of, {domain} // {tp}, or one of {other_sharding}",
        "{sharding_word} with {dp} x {cp}",
        convention=True,
    ),
    Rule(
        ("sharding", "ep", "dp", "cp", "tp"),
        _even_expert_shards,
        "hsdp shards experts among the ranks of a domain that hold the same ones, whose number is not whole",
        "ep that divides the {domain} accelerators of a domain, or one of {other_sharding}",
        "{sharding_word} with ep = {ep}",
    ),
    Rule(
        ("ep",),
        lambda c, s: np.asarray((int(s.model.experts) > 0) | (c["ep"] == 1)),
        "the model has no experts to spread",
        "1",
    ),
    Rule(("ep",), _experts, "does not divide the experts", "a divisor of {experts:.0f}"),
    Rule(
        ("ep", "dp", "cp", "tp"),
        _folds,
        "experts are spread over ranks of tp x cp x dp, or of cp x dp where tp cuts them",
        "a divisor of {expert_ranks}",
        convention=True,
    ),
)
