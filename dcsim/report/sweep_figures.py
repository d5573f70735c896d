"""All figures of a sweep, in the order in which they are shown: the same for the page and for papers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dcsim.errors import Problem, ScenarioError
from dcsim.report.chart import Exhibit
from dcsim.report.sweep_charts import exhibits
from dcsim.report.sweep_front import Chosen, Front, differences, front
from dcsim.report.sweep_output import Output
from dcsim.report.swept import Key, keys_of, label, name
from dcsim.scenario.mistakes import hint, quoted
from dcsim.sweep.columns import Point
from dcsim.sweep.compare import compare, measures
from dcsim.sweep.comparison import Comparison
from dcsim.sweep.front import pareto
from dcsim.sweep.table import Table

LARGER_IS_BETTER = ("utilization_allocated", "jobs_completed", "jain_fairness_tenants")
COSTS = ("accelerators", "accelerator_hours")  # what good outputs are usually paid with
SAME = 6  # digits in which means differ, or are the same


@dataclass(frozen=True)
class Asked:
    """What a user wants to see: `outputs` other than the experiment's, the two of the front, which of them are better
    when larger, and the variant to subtract."""

    outputs: tuple[str, ...] = ()
    pareto: tuple[str, ...] = ()
    maximize: tuple[str, ...] = ()
    baseline: str | None = None


@dataclass(frozen=True)
class Figures:
    """`labels`: the variants in words, in the order of the table; `found`: their means."""

    table: Table
    keys: tuple[Key, ...]
    labels: tuple[str, ...]
    found: Comparison
    of_outputs: tuple[tuple[Output, tuple[Exhibit, ...]], ...]
    front: Front | None

    def all(self) -> Iterator[Exhibit]:
        """Every one."""
        for _, shown in self.of_outputs:
            yield from shown
        if self.front is not None:
            yield self.front.exhibit


def sweep_figures(table: Table, asked: Asked) -> Figures:
    """What there is to see; ScenarioError for names that the table does not have, all at once."""
    _refuse_unknown(table, asked)
    found = compare(table, asked.baseline, asked.outputs)
    keys = tuple(keys_of(table))
    where = [table.axes.index(key.name) for key in keys]
    points = list(dict.fromkeys(row.variant for row in found.rows))
    varied = [[point[i] for i in where] for point in points]
    names = [name(keys, values) for values in varied]
    labels = tuple(label(keys, values) for values in varied)
    of_outputs = []
    for output in map(Output, asked.outputs or table.outputs):
        shown = exhibits(table, keys, output)
        if found.baseline is not None and shown:
            mine = [row for row in found.rows if row.output == output.name]
            base = _in_words(found.axes, found.baseline, labels, points)
            shown.append(differences(mine, keys, names, base, output))
        of_outputs.append((output, tuple(shown)))
    return Figures(table, keys, labels, found, tuple(of_outputs), _front(table, asked))


def _in_words(axes: Sequence[str], baseline: Point, labels: Sequence[str], points: Sequence[Point]) -> str:
    """A baseline: its label, or its settings where each variant has one that is alike otherwise."""
    if baseline in points:
        return labels[points.index(baseline)]
    said = ", ".join(f"{axis} = {value}" for axis, value in zip(axes, baseline, strict=True) if value is not None)
    return f"{said} at the same other settings"


def _front(table: Table, asked: Asked) -> Front | None:
    """None where there is nothing to choose from."""
    pair = asked.pareto or _usual_pair(table, (asked.outputs or table.outputs))
    if len(pair) < 2:
        return None
    stray = [name for name in asked.maximize if name not in pair]
    if stray:
        fix = f"the front is of {pair[0]} and {pair[1]}; --pareto chooses others"
        raise ScenarioError(Problem("--maximize", "", "is none of the two outputs", quoted(stray[0]), fix=fix))
    maximize = {name for name in (*asked.maximize, *LARGER_IS_BETTER) if name in pair}
    found = compare(table, None, pair)
    numbers = {point: n for n, point in enumerate(dict.fromkeys(row.variant for row in found.rows))}
    if len(numbers) < 2:
        return None
    chosen = pareto(table, *pair, maximize=tuple(maximize))
    best, left_out = ([numbers[tuple(p[a] for a in table.axes)] for p in of] for of in (chosen, chosen.left_out))
    return front(found, Chosen(best, left_out), (pair[0], pair[1]), maximize) if best else None


def _usual_pair(table: Table, outputs: tuple[str, ...]) -> tuple[str, ...]:
    """The first output, and the first cost or output that is not the same for all variants."""
    others = [other for other in (*COSTS, *outputs) if other in measures(table) and other != outputs[0]]
    for other in dict.fromkeys(others):
        means = [row.mean.value for row in compare(table, None, (other,)).rows]
        if len({f"{mean:.{SAME}g}" for mean in means if not math.isnan(mean)}) > 1:
            return outputs[0], other
    return ()


def _refuse_unknown(table: Table, asked: Asked) -> None:
    known = measures(table)
    problems = []
    if asked.pareto and (len(asked.pareto) != 2 or asked.pareto[0] == asked.pareto[1]):
        got = quoted(",".join(asked.pareto))
        problems.append(Problem("--pareto", "", "not two outputs", got, fix="such as wait_s_mean,accelerators"))
    for option in ("outputs", "pareto", "maximize"):
        problems += [
            Problem(f"--{option}", "", "no such output", quoted(output), fix=hint(output, known))
            for output in getattr(asked, option)
            if output not in known
        ]
    if problems:
        raise ScenarioError(problems)
