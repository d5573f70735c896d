"""Which parallel plans are legal for a model, a batch and a number of accelerators: the rules, and what keeps them.

One table of rules serves both sides: the plans that a search looks at are those that break no rule, and a plan
that a user fixes is told every rule that it breaks. Degrees stand in columns of whole numbers, shape (n,).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
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
DEGREES = ("tp", "pp", "cp", "dp")  # their product is the number of accelerators
SHAPE = (*DEGREES, "vpp", "micro_batch", "ep")  # what the rules speak about, in the order in which plans are built
MOST_VALUES = 1 << 22  # largest batch, sequence, or number of accelerators that is searched


@dataclass(frozen=True)
class Setting:
    """What a plan has to serve.

    `accelerators` is the number to be filled, or None: any number from `least` to `most` that is a multiple of
    `server` or divides it. `domain` is the number of accelerators in a scale-up domain. Batch in samples, `seq_len`
    in tokens; 0 for one that is not known yet: no rule holds anything against it. `schedule` is a code of `SCHEDULE`.
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


def _experts(c: Table, s: Setting) -> Mask:
    return np.asarray(max(int(s.model.experts), 1) % c["ep"] == 0)


def _fills(c: Table, s: Setting) -> Mask:
    whole = c["tp"] * c["pp"] * c["cp"] * c["dp"]
    if s.accelerators is not None:
        return np.asarray(whole == s.accelerators)
    among = (s.least <= whole) & (whole <= s.most)
    return np.asarray(among & ((whole % s.server == 0) | (s.server % whole == 0)))


# Sources: argument checks of NVIDIA/Megatron-LM (megatron/training/arguments.py) and its interleaved schedule.
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
        lambda c, s: (c["ep"] > 1) | (int(s.model.expert_hidden) % c["tp"] == 0),
        "does not divide the width of experts that are not spread by ep",
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
        ("dp", "tp", "pp", "cp"),
        _fills,
        "tp x pp x cp x dp is not the number of accelerators",
        "{accelerators}",
        "{tp} x {pp} x {cp} x {dp} = {ranks}",
    ),
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
        ("ep",),
        lambda c, s: np.asarray((int(s.model.experts) > 0) | (c["ep"] == 1)),
        "the model has no experts to spread",
        "1",
    ),
    Rule(("ep",), _experts, "does not divide the experts", "a divisor of {experts:.0f}"),
    Rule(
        ("ep", "dp", "cp"),
        lambda c, s: np.asarray(c["dp"] * c["cp"] % c["ep"] == 0),
        "experts are spread over ranks of dp x cp",
        "a divisor of dp x cp = {dp} x {cp}",
        convention=True,
    ),
)


def broken(plan: Mapping[str, int], setting: Setting, conventions: bool = True) -> Iterator[Rule]:
    """The rules that a plan breaks, with conventions or without, the first of each group about the same degrees; open
    degrees break none."""
    columns = {name: np.array([value], dtype=np.int64) for name, value in plan.items()}
    found: set[tuple[str, ...]] = set()
    for rule in RULES:
        known = set(rule.columns) <= set(plan) and rule.columns not in found
        if known and (conventions or not rule.convention) and not rule.holds(columns, setting)[0]:
            found.add(rule.columns)
            yield rule


def word_of(words: Mapping[str, float], code: float) -> str:
    """The word that stands for a code of recompute or sharding."""
    return next(word for word, number in words.items() if number == code)


IN_A_JOB = {"seq_len": "sequence_length", "count": "accelerators", "accelerator": "pool"} | {
    name: f"plan.{name}" for name in (*SHAPE, "recompute", "sharding", "schedule")
}
"""Keys of a scenario's job that are called otherwise than the arguments."""


def option(where: str, name: str) -> str:
    """How an argument is called there: `--micro-batch` on the command line, `plan.micro_batch` in a scenario's job
    (`where` begins with "jobs."), `micro_batch` elsewhere."""
    if where.startswith("jobs."):
        return IN_A_JOB.get(name, name)
    return "--" + name.replace("_", "-") if where == "command line" else name


def written(where: str, name: str, value: object) -> str:
    """An argument as it is given there: `--micro-batch 4` on the command line, else `micro_batch=4`."""
    return option(where, name) + (" " if where == "command line" else "=") + str(value)


def completed(plan: Mapping[str, int], setting: Setting) -> dict[str, int]:
    """The plan, with dp where the other degrees leave one choice, and no interleaving unless it is asked for."""
    known = dict(plan)
    if "pp" in known:
        known.setdefault("vpp", 1)
    rest = math.prod(known.get(name, 0) for name in DEGREES if name != "dp")
    if "dp" not in known and rest and setting.accelerators is not None and setting.accelerators % rest == 0:
        known["dp"] = setting.accelerators // rest
    return known


def divisors(number: int) -> Column:
    """All divisors of a whole number, ascending; none of 0."""
    low = np.arange(1, math.isqrt(number) + 1, dtype=np.int64)
    low = low[number % low == 0]
    return np.union1d(low, number // low)


def _candidates(name: str, setting: Setting) -> Column:
    """Values that a search gives a degree, ascending."""
    model, batch = setting.model, setting.global_batch
    layers = int(model.layers)
    if name == "pp":
        stages = np.arange(1, layers + 1, dtype=np.int64)
        return stages if setting.accelerators is None else stages[setting.accelerators % stages == 0]
    if name == "vpp":
        even = np.union1d(divisors(layers), divisors(layers + 2))
        return even[even <= layers]
    if name == "tp":
        return _whole_groups(divisors(int(model.heads)), setting)
    whole = {"ep": max(int(model.experts), 1), "cp": setting.seq_len // 2, "dp": batch or setting.accelerators or 1}
    return np.union1d([1], divisors(whole.get(name, batch)))


def _whole_groups(tp: Column, setting: Setting) -> Column:
    """Tensor-parallel degrees whose groups no border of a scale-up domain cuts: it holds a whole number of them, or
    they of it. Kernels price all groups alike, so one that lies across a border would be told as fast as the rest."""
    if setting.accelerators is not None and setting.accelerators <= setting.domain:
        return tp
    return np.asarray(tp[(setting.domain % tp == 0) | (tp % setting.domain == 0)])


def kept_rules(columns: Table, setting: Setting) -> Mask:
    """Mask of the rows that keep all rules about the columns that are there."""
    mask = np.ones(len(next(iter(columns.values()))), dtype=np.bool_)
    for rule in RULES:
        if set(rule.columns) <= set(columns):
            mask &= rule.holds(columns, setting)
    return mask


def legal_shapes(setting: Setting, choices: Mapping[str, Iterable[float]] | None = None) -> Table:
    """All legal degrees, micro-batches included, as columns `SHAPE` of shape (n,).

    `choices` holds the values that a column may have, where not all are wanted; others than degrees are skipped. A
    column is crossed with those before it and the rules are applied at once, so that the table never grows much
    beyond its end.
    """
    wanted = {name: values for name, values in (choices or {}).items() if name in SHAPE}
    given = {name: np.array(sorted(values), dtype=np.int64) for name, values in wanted.items()}
    table: Table = {"tp": given["tp"] if "tp" in given else _candidates("tp", setting)}
    for name in SHAPE[1:]:
        table = _cross(table, name, given[name] if name in given else _candidates(name, setting))
        ranks = math.prod(table[degree] for degree in DEGREES if degree in table)
        fits = ranks <= setting.most if setting.accelerators is None else setting.accelerators % ranks == 0
        mask = fits & kept_rules(table, setting)
        table = {column: values[mask] for column, values in table.items()}
    return table


def _cross(table: Table, name: str, values: Column) -> Table:
    rows = len(next(iter(table.values())))
    crossed = {column: np.repeat(old, len(values)) for column, old in table.items()}
    return crossed | {name: np.tile(values, rows)}
