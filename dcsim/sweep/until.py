"""More seeds until the mean of an output is known closely enough."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dcsim.errors import Problem, ScenarioError
from dcsim.sweep.prepared import Prepared
from dcsim.sweep.statistics import interval
from dcsim.sweep.work import Outcome

FEWEST = 5  # seeds before an interval is believed
MOST_SEEDS = 1000
RARE = 0.05
"""Chance of nothing but zeros, below which exceptions are taken to be no more frequent: (1 - p)^n = 0.05, about the
rule of three, p = 3 / n (Hanley and Lippman-Hand, JAMA 249, 1983)."""


@dataclass(frozen=True)
class Until:
    """`target`: half-width of the 95 % interval over the mean; `output`: key of the summary."""

    target: float
    output: str
    most: int = MOST_SEEDS

    @staticmethod
    def of(text: str, output: str) -> Until:
        """`2%` or `0.02`; ScenarioError for what is no share between 0 and 1."""
        number = text.strip().removesuffix("%")
        try:
            target = float(number) / (100.0 if text.strip().endswith("%") else 1.0)
        except ValueError:
            target = math.nan
        if not 0.0 < target < 1.0:
            raise ScenarioError(Problem("--until-ci", "", "not a share of the mean", f"'{text}'", "such as 2%"))
        return Until(target, output)

    def more(self, prepared: Prepared, known: Mapping[str, Outcome]) -> Prepared | None:
        """The experiment with more seeds where the interval is too wide; None where none is."""
        found = self._found(prepared, known)
        runs, grown = [], False
        for point in prepared.points:
            of = found[id(point)]
            have = len(of.seeds)
            wanted = have if of.changes_nothing and have >= FEWEST else min(self.wanted(of.values, have), self.most)
            grown |= wanted > have
            extra = range(max(of.seeds) + 1, max(of.seeds) + 1 + max(wanted - have, 0))
            runs += [(point, seed) for seed in (*of.seeds, *extra)]
        return replace(prepared, runs=runs) if grown else None

    def notes(self, prepared: Prepared, known: Mapping[str, Outcome]) -> list[str]:
        """How many points have no interval as narrow as asked for, and why no more seeds would tell."""
        points = [of for of in self._found(prepared, known).values() if of.values and not of.changes_nothing]
        zeros = [len(of.values) for of in points if not any(of.values)]
        wide = sum(any(of.values) and not self._reached(of.values) for of in points)
        every = len(prepared.points)
        told = [f"{wide} of {every} points have a wider interval than asked for: no more seeds"] if wide else []
        if zeros:
            share = 1.0 - RARE ** (1.0 / min(zeros))
            told.append(
                f"{len(zeros)} of {every} points have {self.output} = 0 on every seed, of which no share can be taken; "
                f"up to {100 * share:.2g} % of seeds may give more (95 % sure, of {min(zeros)} seeds)"
            )
        return told

    def wanted(self, values: list[float], have: int) -> int:
        """How many seeds of a point to have next: as many as would do if the spread stayed as it is, at most twice as
        many as there are; no more where the interval is narrow enough.

        Zeros alone are no proof of zero: the interval of no width would end at five of them. They are taken to be what
        they look like once it is 95 % sure that less than the target's share of seeds gives anything else.
        """
        if have < FEWEST:
            return FEWEST
        if len(values) < 2 or self._reached(values):
            return have  # nothing to narrow down, or narrow enough
        if not any(values):
            return max(have, min(math.ceil(math.log(RARE) / math.log1p(-self.target)), 2 * have))
        mean = interval(values)
        if mean.value == 0.0:
            return have  # of values that cancel no share can be taken
        needed = math.ceil(have * (mean.half / (self.target * abs(mean.value))) ** 2)
        return min(max(needed, have + 1), 2 * have)

    def _reached(self, values: list[float]) -> bool:
        mean = interval(values)
        return any(values) and mean.half <= self.target * abs(mean.value)

    def _found(self, prepared: Prepared, known: Mapping[str, Outcome]) -> dict[int, _Seeds]:
        """What there is of each point, by its id."""
        found = {id(point): _Seeds([], [], []) for point in prepared.points}
        for number, (point, seed) in enumerate(prepared.runs):
            of, summary = found[id(point)], known[prepared.keys[number]].summary
            of.seeds.append(seed)
            if summary is not None:
                of.summaries.append(summary)
                if summary.get(self.output) is not None:
                    of.values.append(float(summary[self.output]))
        return found


@dataclass(frozen=True)
class _Seeds:
    """The runs of one point: their seeds, summaries, and values of the output."""

    seeds: list[int]
    summaries: list[dict[str, Any]]
    values: list[float]

    @property
    def changes_nothing(self) -> bool:
        """Whether all runs are alike in all they gave, so that nothing is drawn."""
        return len(self.summaries) > 1 and all(summary == self.summaries[0] for summary in self.summaries)
