"""More seeds until the mean of an output is known closely enough."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dcsim.errors import Problem, ScenarioError
from dcsim.sweep.prepared import Prepared
from dcsim.sweep.statistics import interval
from dcsim.sweep.work import Outcome

FEWEST = 5  # seeds before an interval is believed
MOST_SEEDS = 1000


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
        seeds: dict[int, list[int]] = {}
        values: dict[int, list[float]] = {}
        for number, (point, seed) in enumerate(prepared.runs):
            seeds.setdefault(id(point), []).append(seed)
            summary = known[prepared.keys[number]].summary or {}
            if summary.get(self.output) is not None:
                values.setdefault(id(point), []).append(float(summary[self.output]))
        runs, grown = [], False
        for point in prepared.points:
            have = seeds[id(point)]
            wanted = min(self.wanted(values.get(id(point), []), len(have)), self.most)
            grown |= wanted > len(have)
            extra = range(max(have) + 1, max(have) + 1 + max(wanted - len(have), 0))
            runs += [(point, seed) for seed in (*have, *extra)]
        return replace(prepared, runs=runs) if grown else None

    def too_wide(self, prepared: Prepared, known: Mapping[str, Outcome]) -> int:
        """How many points have a wider interval than asked for."""
        values: dict[int, list[float]] = {}
        for number, (point, _) in enumerate(prepared.runs):
            summary = known[prepared.keys[number]].summary or {}
            if summary.get(self.output) is not None:
                values.setdefault(id(point), []).append(float(summary[self.output]))
        means = [interval(found) for found in values.values()]
        return sum(not mean.half <= self.target * abs(mean.value) for mean in means)

    def wanted(self, values: list[float], have: int) -> int:
        """How many seeds of a point to have next: as many as would do if the spread stayed as it is, at most twice as
        many as there are; no more where the interval is narrow enough."""
        if have < FEWEST:
            return FEWEST
        mean = interval(values)
        if len(values) < 2 or mean.value == 0.0 or mean.half <= self.target * abs(mean.value):
            return have  # nothing to narrow down, or narrow enough
        needed = math.ceil(have * (mean.half / (self.target * abs(mean.value))) ** 2)
        return min(max(needed, have + 1), 2 * have)
