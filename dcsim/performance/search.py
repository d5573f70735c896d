"""The best parallel plans: the batched kernel evaluates every legal one, those that fit are ranked by step time.

`search` looks at all of them; `fastest` finds the same best plan, of many numbers of accelerators at once, by branch
and bound: shapes whose lower bound is above a plan that is known are not looked at any further.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels import facts
from dcsim.kernels.step import steps
from dcsim.performance.plan_rows import legal_plans, plans_of, rows_of
from dcsim.performance.plan_rules import DEGREES, Setting, Table
from dcsim.performance.plans import legal_shapes

Floats = NDArray[np.float64]

PLAN = {name: number for number, name in enumerate(facts.Plan._fields)}
STEP = {name: number for number, name in enumerate(facts.Step._fields)}
FIRST = 32  # shapes of a number of accelerators that are looked at first, then four times as many, and so on
PARTS = ("compute_s", "tp_s", "pp_s", "dp_s", "cp_s", "ep_s", "bubble_s", "optimizer_s")  # what a step adds up
SHARED_OUT = ("dp_s", "optimizer_s")  # parts of a step that depend on the kind of sharding
RANKED_ALIKE = 1e-9  # relative: times that differ by less are one, and the plan that needs less memory goes first


@dataclass(frozen=True)
class Found:
    """What a search found: the best plans first, and how much was looked at.

    `plans` has rows of `facts.Plan`, `results` rows of `facts.Step`; `evaluated` counts legal plans, `fitting` those
    that fit into `available_b` bytes a device. `smallest` is the plan that needs least memory, with its result.
    """

    plans: Floats
    results: Floats
    evaluated: int
    fitting: int
    available_b: float
    smallest: tuple[facts.Plan, facts.Step] | None

    def __len__(self) -> int:
        return len(self.plans)

    def plan(self, rank: int) -> facts.Plan:
        """The plan of one rank, 0 for the best."""
        return facts.Plan(*self.plans[rank])

    def step(self, rank: int) -> facts.Step:
        """The result of one rank, 0 for the best."""
        return facts.Step(*self.results[rank])


@dataclass(frozen=True)
class Question:
    """A setting with the device it runs on and the bytes of its memory that a step may use.

    `choices` are the values that searched columns may have, where not all are wanted; `like` gives the columns that
    are not searched (precision, schedule); `as_run` makes of plans what the framework does, and leaves out those that
    it cannot run. It makes none faster, but for what depends on the kind of sharding.
    """

    setting: Setting
    device: facts.Device
    available_b: float
    choices: Mapping[str, Iterable[float]] | None = None
    like: facts.Plan | None = None
    as_run: Callable[[Floats], Floats] | None = None


def search(question: Question, top: int = 5, apart: Sequence[str] = ()) -> Found:
    """The `top` fastest plans that fit, of each number of accelerators that the setting allows.

    With `apart`, plans that agree in these columns count as one, and the best of them stands for all. Ties (relative
    1e-9) go to the plan that needs less memory, then to the one that comes first in `legal_plans`. Rows are sorted
    by number of accelerators, then by rank.
    """
    return _looked_at(question, legal_plans(question.setting, question.choices, question.like), top, apart)


def fastest(question: Question, within_s: float = math.inf) -> Found:
    """The fastest plan that fits, of each number of accelerators that the setting allows, if a step takes at most so
    long: what `search(question, top=1)` finds, without a look at plans that cannot be it. Plans that are equal in
    time and in memory are one and the same here.

    `evaluated`, `fitting` and `smallest` speak of the plans that were looked at.
    """
    shapes = legal_shapes(question.setting, question.choices)
    least_s = _least_s(question, shapes)
    soon = least_s <= within_s * (1 + RANKED_ALIKE)
    shapes, least_s = {name: values[soon] for name, values in shapes.items()}, least_s[soon]
    number, place = np.unique(math.prod(shapes[name] for name in DEGREES), return_inverse=True)
    order = np.lexsort((least_s, place))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(place[order], place[order])
    known_s = np.full(len(number), within_s)
    best, first, last = Found(*_empty(), 0, 0, question.available_b, None), 0, FIRST
    while np.any(left := (rank >= first) & (least_s <= known_s[place] * (1 + RANKED_ALIKE))):
        looked = {name: values[left & (rank < last)] for name, values in shapes.items()}
        blocks = plans_of(looked, question.setting, question.choices, question.like)
        best = _better(best, _looked_at(question, [np.vstack(list(blocks))]))  # at once: waking threads takes longer
        at = np.searchsorted(number, ranks(best.plans))
        known_s[at] = np.minimum(known_s[at], best.results[:, STEP["step_s"]])
        first, last = last, 4 * last
    in_time = best.results[:, STEP["step_s"]] <= within_s
    return replace(best, plans=best.plans[in_time], results=best.results[in_time])


def _least_s(question: Question, shapes: Table) -> Floats:
    """A lower bound of the step time of each shape, s, shape (n,): nothing is computed again, and what depends on the
    kind of sharding takes no time."""
    if not len(shapes["tp"]):
        return np.empty(0)
    plans = rows_of(shapes, question.setting, question.like)
    results = steps(np.array([question.setting.model]), plans, np.array([question.device]))
    parts = [results[:, number] for name, number in STEP.items() if name in PARTS]
    shared = [results[:, STEP[name]] for name in SHARED_OUT]
    bound: Floats = results[:, STEP["step_s"]] * (1.0 - sum(shared) / sum(parts))
    return bound


def _looked_at(question: Question, blocks: Iterable[Floats], top: int = 1, apart: Sequence[str] = ()) -> Found:
    """The `top` fastest plans of these blocks."""
    best, evaluated, fitting = _empty(), 0, 0
    smallest: tuple[facts.Plan, facts.Step] | None = None
    for plans in blocks:
        if question.as_run is not None and len(plans):
            plans = question.as_run(plans)
        if not len(plans):
            continue
        results = steps(np.array([question.setting.model]), plans, np.array([question.device]))
        evaluated += len(plans)
        fits = np.flatnonzero(results[:, STEP["memory_b"]] <= question.available_b)
        fitting += len(fits)
        smallest = _smaller(smallest, plans, results)
        both = np.vstack((best[0], plans[fits])), np.vstack((best[1], results[fits]))
        best = _ranked(*both, top, [PLAN[name] for name in apart])
    return Found(*best, evaluated, fitting, question.available_b, smallest)


def ranks(plans: Floats) -> Floats:
    """Number of accelerators of each plan, shape (n,)."""
    product: Floats = np.prod(plans[:, [PLAN[name] for name in DEGREES]], axis=1)
    return product


def _empty() -> tuple[Floats, Floats]:
    return np.empty((0, len(PLAN))), np.empty((0, len(STEP)))


def _better(one: Found, other: Found) -> Found:
    """The best plan of each number of accelerators in either."""
    best = np.vstack((one.plans, other.plans)), np.vstack((one.results, other.results))
    evaluated, fitting = one.evaluated + other.evaluated, one.fitting + other.fitting
    smallest = min((f.smallest for f in (one, other) if f.smallest), key=lambda pair: pair[1].memory_b, default=None)
    return Found(*_ranked(*best, 1, []), evaluated, fitting, one.available_b, smallest)


def _smaller(
    known: tuple[facts.Plan, facts.Step] | None, plans: Floats, results: Floats
) -> tuple[facts.Plan, facts.Step] | None:
    """The plan that needs least memory, of the known one and these."""
    row = int(np.argmin(results[:, STEP["memory_b"]]))
    if known is not None and known[1].memory_b <= results[row, STEP["memory_b"]]:
        return known
    return facts.Plan(*plans[row]), facts.Step(*results[row])


def _ranked(plans: Floats, results: Floats, top: int, apart: list[int]) -> tuple[Floats, Floats]:
    """The first `top` rows of each number of accelerators, in order, that differ in the columns `apart`."""
    if not len(plans):
        return plans, results
    count = ranks(plans)
    level = np.round(np.log(results[:, STEP["step_s"]]) / RANKED_ALIKE)
    order = np.lexsort((results[:, STEP["memory_b"]], level, count))
    if apart:
        alike = np.column_stack((count, plans[:, apart]))[order]
        order = order[np.sort(np.unique(alike, axis=0, return_index=True)[1])]
    count = count[order]
    order = order[np.arange(len(order)) - np.searchsorted(count, count) < top]
    return plans[order], results[order]
