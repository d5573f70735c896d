"""The best parallel plans: the batched kernel evaluates every legal one, those that fit are ranked by step time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels import facts
from dcsim.kernels.step import steps
from dcsim.performance.plans import DEGREES, Setting, legal_plans

Floats = NDArray[np.float64]

PLAN = {name: number for number, name in enumerate(facts.Plan._fields)}
STEP = {name: number for number, name in enumerate(facts.Step._fields)}
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
    are not searched (precision, schedule).
    """

    setting: Setting
    device: facts.Device
    available_b: float
    choices: Mapping[str, Iterable[float]] | None = None
    like: facts.Plan | None = None


def search(question: Question, top: int = 5, apart: Sequence[str] = ()) -> Found:
    """The `top` fastest plans that fit, of each number of accelerators that the setting allows.

    With `apart`, plans that agree in these columns count as one, and the best of them stands for all. Ties (relative
    1e-9) go to the plan that needs less memory, then to the one that comes first in `legal_plans`. Rows are sorted
    by number of accelerators, then by rank.
    """
    best, evaluated, fitting = _empty(), 0, 0
    smallest: tuple[facts.Plan, facts.Step] | None = None
    for plans in legal_plans(question.setting, question.choices, question.like):
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
