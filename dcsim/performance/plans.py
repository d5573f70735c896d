"""Which parallel plans are legal for a model, a batch and a number of accelerators: what keeps the rules.

One table of rules (plan_rules.py) serves both sides: the plans that a search looks at are those that break no rule, and
a plan that a user fixes is told every rule that it breaks. Degrees stand in columns of whole numbers, shape (n,).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import numpy as np

from dcsim.kernels import facts
from dcsim.performance.optimizers import USUAL
from dcsim.performance.plan_rules import (
    DEGREES,
    EXPERTS,
    RULES,
    SCHEDULE,
    SHAPE,
    USUAL_SCHEDULE,
    Column,
    Mask,
    Rule,
    Setting,
    Table,
)

T = TypeVar("T")


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


def word_of(words: Mapping[str, T], code: T) -> str:
    """The word that stands for a code, such as that of recompute or sharding."""
    return next(word for word, number in words.items() if number == code)


def kinds_of(plan: facts.Plan) -> tuple[str | None, str | None]:
    """The schedule of a plan's pipeline, and whether experts that it spreads are whole or cut; None without."""
    schedule = word_of(SCHEDULE, plan.schedule) if plan.pp > 1 else None
    return schedule, word_of(EXPERTS, plan.cut_experts) if plan.ep > 1 else None


def unusual(schedule: str | None, experts: str | None, optimizer: str | None, usual: str = USUAL) -> list[str]:
    """What of these is not as it is unless said, in words; None where there is nothing to tell. `usual`: optimiser."""
    told = (("schedule", schedule, USUAL_SCHEDULE), ("experts", experts, "whole"), ("optimizer", optimizer, usual))
    return [f"{name} {word}" for name, word, usual in told if word not in (None, usual)]


IN_A_JOB = {"seq_len": "sequence_length", "count": "accelerators", "accelerator": "pool"} | {
    name: f"plan.{name}" for name in (*SHAPE, "recompute", "sharding", "schedule", "experts")
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
        tp = divisors(int(model.heads))
        return tp[_whole_groups({"tp": tp}, setting)]
    whole = {"ep": max(int(model.experts), 1), "cp": setting.seq_len // 2, "dp": batch or setting.accelerators or 1}
    return np.union1d([1], divisors(whole.get(name, batch)))


def _whole_groups(table: Table, setting: Setting) -> Mask:
    """Rows whose groups no border of a scale-up domain cuts: it holds a whole number of them, or they of it. Kernels
    price all groups alike, so one that lies across a border would be told as fast as the rest. Groups are those of
    tensor parallelism, with context parallelism, and of all experts, as far as these degrees are there."""
    tp = table["tp"]
    if (setting.most if setting.accelerators is None else setting.accelerators) <= setting.domain:
        return np.ones(len(tp), dtype=np.bool_)
    spans = [tp]
    if "cp" in table:
        spans.append(tp * table["cp"])
    if "ep" in table:
        spans.append(table["ep"] * (tp if setting.cut_experts else 1))
    whole = [(setting.domain % span == 0) | (span % setting.domain == 0) for span in spans]
    return np.asarray(np.logical_and.reduce(whole))


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
        mask = fits & kept_rules(table, setting) & _whole_groups(table, setting)
        table = {column: values[mask] for column, values in table.items()}
    return table


def _cross(table: Table, name: str, values: Column) -> Table:
    rows = len(next(iter(table.values())))
    crossed = {column: np.repeat(old, len(values)) for column, old in table.items()}
    return crossed | {name: np.tile(values, rows)}
