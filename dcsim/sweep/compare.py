"""Variants against one another: means over seeds, and paired differences from a baseline."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.mistakes import hint, quoted
from dcsim.sweep.statistics import Mean, interval, paired

Point = tuple[Any, ...]

DIGITS = 4
NOT_MEASURED = ("seed", "status", "error")


class Runs(Protocol):
    """A table of runs; see `sweep.table.Table`."""

    @property
    def axes(self) -> tuple[str, ...]:
        """Columns that were swept."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """Columns that matter."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns."""
        ...

    def __iter__(self) -> Iterator[dict[str, Any]]: ...


@dataclass(frozen=True)
class Row:
    """One output of one variant. `against`: the difference from the baseline on the same seeds; None for itself, and
    where there is no baseline. `relative`: that difference over the baseline's mean on those seeds."""

    variant: Point
    output: str
    mean: Mean
    against: Mean | None
    relative: float


@dataclass(frozen=True)
class Comparison:
    """`axes`: names of what variants differ in; `baseline`: its values, with None for what each variant has of its own;
    None if there is no baseline."""

    axes: tuple[str, ...]
    baseline: Point | None
    confidence: float
    rows: tuple[Row, ...]

    @property
    def seeds_change_nothing(self) -> bool:
        """Whether the runs of every variant are all alike: then differences are exact, and intervals say nothing."""
        return all(row.mean.count > 1 and row.mean.half == 0.0 for row in self.rows)

    def baseline_of(self, variant: Point) -> Point | None:
        """What is subtracted from a variant: itself if it is a baseline, None where there is none."""
        if self.baseline is None:
            return None
        return tuple(v if b is None else b for b, v in zip(self.baseline, variant, strict=True))

    def csv(self) -> str:
        """All numbers in full."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        ends = ("output", "seeds", "mean", "half_width", "difference", "difference_half_width", "relative_difference")
        writer.writerow([*self.axes, *ends, "excludes_zero"])
        for row in self.rows:
            numbers: list[Any] = [row.mean.count, row.mean.value, row.mean.half]
            if row.against is not None:
                numbers += [row.against.value, row.against.half, row.relative, row.against.excludes_zero]
            writer.writerow([*row.variant, row.output, *map(_full, numbers)])
        return out.getvalue()

    def cells(self) -> list[list[str]]:
        """A header and a line a variant: for each output the mean with its interval, and the difference in percent,
        with a star where the interval excludes zero."""
        outputs = list(dict.fromkeys(row.output for row in self.rows))
        variants: dict[Point, dict[str, Row]] = {}
        for row in self.rows:
            variants.setdefault(row.variant, {})[row.output] = row
        header = [*self.axes]
        for output in outputs:
            header += [output, "difference"] if self.baseline is not None else [output]
        lines = [header]
        for variant, of in variants.items():
            line = [str(value) for value in variant]
            for output in outputs:
                line.append(_with_interval(of[output].mean))
                line += [self._difference(of[output])] if self.baseline is not None else []
            lines.append(line)
        return lines

    def _difference(self, row: Row) -> str:
        if row.variant == self.baseline_of(row.variant):
            return "baseline"
        if row.against is None or math.isnan(row.against.value):
            return "-"
        star = " *" if row.against.excludes_zero else ""
        if not math.isfinite(row.relative):
            return _with_interval(row.against) + star
        half = abs(row.relative / row.against.value * row.against.half) if row.against.value else math.nan
        wide = "" if math.isnan(half) else f" ± {_short(100 * half, 3)}"
        return f"{_short(100 * row.relative, 3, '+')}{wide} %{star}"

    def markdown(self) -> str:
        """The same as a Markdown table."""
        header, *lines = self.cells()
        rows = [header, ["---"] * len(header), *lines]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows) + "\n"

    def latex(self) -> str:
        """The same as a LaTeX table of the package booktabs."""
        header, *lines = self.cells()
        sides = "l" * len(self.axes) + "r" * (len(header) - len(self.axes))
        body = [_latex_row(line) for line in lines]
        top = [rf"\begin{{tabular}}{{{sides}}}", r"\toprule", _latex_row(header), r"\midrule"]
        return "\n".join([*top, *body, r"\bottomrule", r"\end{tabular}", ""])


def compare(
    table: Runs,
    baseline: str | Mapping[str, Any] | None = None,
    outputs: Sequence[str] = (),
    confidence: float = 0.95,
) -> Comparison:
    """The variants of a sweep, over the seeds that ended well.

    `baseline`: what to subtract, by its settings, `{"scheduler.use": "fifo"}` or `"scheduler.use=fifo"` (several with
    commas); a value of the first axis alone will do. Settings that single out a variant mean that one; others mean, for
    each variant, the one that has these and is alike otherwise. `outputs`: columns, by default those of the experiment.
    ScenarioError for names that the table does not have.
    """
    chosen = tuple(outputs) or table.outputs
    known = measures(table)
    unknown = [output for output in chosen if output not in known]
    if unknown:
        raise _fault("outputs", "no such column", unknown[0], hint(unknown[0], known))
    points: dict[Point, list[dict[str, Any]]] = {}
    for row in table:
        points.setdefault(tuple(row[axis] for axis in table.axes), []).append(row)
    base = None if baseline is None else _baseline(baseline, table.axes, list(points))
    found = Comparison(table.axes, base, confidence, ())
    rows = []
    for point, runs in points.items():
        for output in chosen:
            mine = _by_seed(runs, output)
            mean = interval(list(mine.values()), confidence)
            other = found.baseline_of(point)
            theirs = {} if other is None or other == point else _by_seed(points.get(other, []), output)
            common = [seed for seed in mine if seed in theirs]
            against, relative = None, math.nan
            if common:
                ours, those = [mine[s] for s in common], [theirs[s] for s in common]
                against = paired(ours, those, confidence)
                reference = sum(those) / len(those)
                relative = against.value / reference if reference else math.nan
            rows.append(Row(point, output, mean, against, relative))
    return replace(found, rows=tuple(rows))


def measures(table: Runs) -> tuple[str, ...]:
    """Columns that hold what runs gave: neither what was swept nor how a run ended."""
    return tuple(column for column in table.columns if column not in (*table.axes, *NOT_MEASURED))


def as_json(found: Comparison) -> dict[str, Any]:
    """All numbers as a JSON object; None where there is none."""
    rows = list(csv.DictReader(io.StringIO(found.csv())))
    return {
        "axes": list(found.axes),
        "baseline": None if found.baseline is None else list(found.baseline),
        "confidence": found.confidence,
        "rows": [{key: _number(value, key in found.axes) for key, value in row.items()} for row in rows],
    }


def _number(text: str, is_axis: bool) -> Any:
    if not text or is_axis:
        return text or None
    try:
        return json.loads(text)
    except ValueError:
        return text


def pareto(table: Runs, first: str, second: str, *, maximize: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The points that no other beats in both outputs, means over seeds, smaller being better unless in `maximize`;
    sorted by the first. Each is a dict of the axes and both means."""
    found = compare(table, outputs=(first, second)).rows
    means = {(row.variant, row.output): row.mean.value for row in found}
    points = [(p, means[p, first], means[p, second]) for p in dict.fromkeys(row.variant for row in found)]
    signs = [-1.0 if name in maximize else 1.0 for name in (first, second)]
    known = [(p, a, b) for p, a, b in points if not (math.isnan(a) or math.isnan(b))]
    ordered = sorted(known, key=lambda point: (signs[0] * point[1], signs[1] * point[2]))
    front, best = [], math.inf
    for point, a, b in ordered:
        if signs[1] * b < best:
            best = signs[1] * b
            front.append(dict(zip(table.axes, point, strict=True)) | {first: a, second: b})
    return front


def _by_seed(runs: Sequence[dict[str, Any]], output: str) -> dict[int, float]:
    return {run["seed"]: float(run[output]) for run in runs if run.get(output) is not None}


def _baseline(given: str | Mapping[str, Any], axes: Sequence[str], points: Sequence[Point]) -> Point:
    """The one point that has these settings; if there are several, their settings, None for what is left open."""
    wanted = {str(k): str(v) for k, v in given.items()} if isinstance(given, Mapping) else _settings(given, axes)
    for key in wanted:
        if key not in axes:
            raise _fault("baseline", "is not swept", key, hint(key, axes))
    where = [axes.index(key) for key in wanted]
    fits = [p for p in points if all(str(p[i]) == v for i, v in zip(where, wanted.values(), strict=True))]
    if not fits:
        known = ", ".join(f"{key}={value}" for key, value in zip(axes, points[0], strict=True))
        text = given if isinstance(given, str) else ", ".join(f"{k}={v}" for k, v in wanted.items())
        raise _fault("baseline", "fits no variant", text, f"such as {known}")
    return fits[0] if len(fits) == 1 else tuple(v if i in where else None for i, v in enumerate(fits[0]))


def _settings(text: str, axes: Sequence[str]) -> dict[str, str]:
    """`a=1,b=x` as a dict; a text without `=` is a value of the first axis."""
    if "=" not in text:
        return {axes[0] if axes else "variant": text.strip()}
    found: dict[str, str] = {}
    names = "|".join(map(re.escape, axes))
    for part in re.split(rf",\s*(?=(?:{names})\s*=)", text):  # values may have commas of their own
        key, _, value = part.partition("=")
        found[key.strip()] = value.strip()
    return found


def _fault(option: str, what: str, got: str, fix: str | None) -> ScenarioError:
    return ScenarioError(Problem(f"--{option}", "", what, quoted(got), fix=fix))


def _full(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if isinstance(value, float) and math.isnan(value) else repr(value)


def _with_interval(mean: Mean) -> str:
    if math.isnan(mean.value):
        return "-"
    text = _short(mean.value, DIGITS)
    return text if math.isnan(mean.half) else f"{text} ± {_short(mean.half, 2)}"


def _short(value: float, digits: int, sign: str = "") -> str:
    """So many digits, and whole numbers in full."""
    return f"{value:{sign},.{digits}g}" if abs(value) < 10**digits else f"{value:{sign},.0f}"


def _latex_row(cells: Sequence[str]) -> str:
    escaped = [re.sub(r"[&%$#_{}]", r"\\\g<0>", cell.replace("\\", r"\textbackslash ")) for cell in cells]
    return " & ".join(cell.replace("±", r"$\pm$") for cell in escaped) + r" \\"
