"""Shapes of plans become the rows that kernels read, one for each kind of recompute and sharding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels import facts
from dcsim.performance.plan_rules import RECOMPUTE, SHAPE, SHARDING, Mask, Setting, Table
from dcsim.performance.plans import kept_rules, legal_shapes

Floats = NDArray[np.float64]


def legal_plans(
    setting: Setting, choices: Mapping[str, Iterable[float]] | None = None, like: facts.Plan | None = None
) -> Iterator[Floats]:
    """All legal plans in blocks of rows of `facts.Plan`, one block for each kind of recompute and sharding.

    `choices` as in `legal_shapes`, with `recompute` and `sharding` by their codes. `like` gives what is not
    searched: precision, schedule, bytes of gradients and states. Sharding that comes to the same as a simpler kind
    (no ranks to shard over; a hierarchy of one level) is left out. Sequence parallelism goes with tp.
    """
    yield from plans_of(legal_shapes(setting, choices), setting, choices, like)


def plans_of(
    shapes: Table,
    setting: Setting,
    choices: Mapping[str, Iterable[float]] | None = None,
    like: facts.Plan | None = None,
) -> Iterator[Floats]:
    """The plans of these shapes, in blocks as from `legal_plans`."""
    chosen = choices or {}
    recompute = list(chosen.get("recompute", RECOMPUTE.values()))
    sharding = list(chosen.get("sharding", SHARDING.values()))
    for kind in sharding:
        rows = rows_of(shapes, setting, like)[_distinct(shapes, kind, sharding, setting)]
        rows[:, facts.Plan._fields.index("sharding")] = kind
        for level in recompute:
            rows[:, facts.Plan._fields.index("recompute")] = level
            yield rows.copy()


def _distinct(shapes: Table, kind: float, kinds: list[float], setting: Setting) -> Mask:
    """Mask of the rows in which this kind of sharding is legal and unlike the simpler ones that are looked at."""
    ranks = shapes["dp"] * shapes["cp"]
    legal = kept_rules(shapes | {"sharding": np.full(len(ranks), int(kind), dtype=np.int64)}, setting)
    group = setting.domain // shapes["tp"]  # ranks that shard together under HSDP
    if kind == facts.HSDP and len(kinds) > 1:
        return legal & (group > 1) & (group < ranks)
    if kind != facts.UNSHARDED and facts.UNSHARDED in kinds:
        return legal & (ranks > 1)
    return legal


def rows_of(shapes: Table, setting: Setting, like: facts.Plan | None = None) -> Floats:
    """A row of `facts.Plan` for each shape, recompute and sharding as in `like` (none, if it is not given)."""
    base = like or facts.Plan(1, 1, 1, 1, 1, 1, 1, setting.global_batch, setting.seq_len)
    rows = np.tile(np.array(base, dtype=np.float64), (len(shapes["tp"]), 1))
    for name in SHAPE:
        rows[:, facts.Plan._fields.index(name)] = shapes[name]
    even = setting.seq_len % (shapes["tp"] * shapes["cp"]) == 0
    rows[:, facts.Plan._fields.index("sequence_parallel")] = (shapes["tp"] > 1) & even
    rows[:, facts.Plan._fields.index("shard_ranks")] = np.maximum(setting.domain // shapes["tp"], 1)
    return rows
