"""What a comparison found: its numbers as rows, and as tables for people, papers and programs."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dcsim.sweep.columns import brief, shown
from dcsim.sweep.statistics import Mean

Point = tuple[Any, ...]

DIGITS = 4
NUMBERS = (
    *("output", "seeds", "mean", "half_width"),
    *("difference", "difference_half_width", "relative_difference", "excludes_zero"),
)


@dataclass(frozen=True)
class Row:
    """One output of one variant. `against`: the difference from the baseline on the same seeds; None for itself, and
    where there is no baseline. `reference`: the baseline's mean on those seeds."""

    variant: Point
    output: str
    mean: Mean
    against: Mean | None = None
    reference: float = math.nan

    @property
    def relative(self) -> float:
        """The difference over the baseline's mean; NaN where there is none, or that is zero."""
        return self.against.value / self.reference if self.against is not None and self.reference else math.nan

    @property
    def relative_half(self) -> float:
        """Half the width of its interval."""
        return self.against.half / abs(self.reference) if self.against is not None and self.reference else math.nan


@dataclass(frozen=True)
class Comparison:
    """`axes`: names of what variants differ in; `baseline`: its values, with None for what each variant has of its own;
    None if there is no baseline."""

    axes: tuple[str, ...]
    baseline: Point | None
    confidence: float
    rows: tuple[Row, ...]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Columns that are compared."""
        return tuple(dict.fromkeys(row.output for row in self.rows))

    @property
    def seeds_change_nothing(self) -> bool:
        """Whether the runs of every variant are all alike: then differences are exact, and intervals say nothing."""
        return all(row.mean.count > 1 and row.mean.half == 0.0 for row in self.rows)

    def baseline_of(self, variant: Point) -> Point | None:
        """What is subtracted from a variant: itself if it is a baseline, None where there is none."""
        if self.baseline is None:
            return None
        return tuple(v if b is None else b for b, v in zip(self.baseline, variant, strict=True))

    def records(self) -> list[dict[str, Any]]:
        """All numbers in full, a dict for each output of each variant: the axes, then `NUMBERS`; None where there is no
        number."""
        return [dict(zip(self.axes, row.variant, strict=True)) | _numbers(row) for row in self.rows]

    def frame(self) -> Any:
        """The records as a pandas DataFrame; needs pandas."""
        import pandas

        return pandas.DataFrame(self.records(), columns=[*self.axes, *NUMBERS])

    def csv(self) -> str:
        """The records as CSV text, nothing where there is no number."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*self.axes, *NUMBERS])
        writer.writerows(map(shown, record.values()) for record in self.records())
        return out.getvalue()

    def as_json(self) -> dict[str, Any]:
        """The records with what they were made for, as a JSON object."""
        baseline = None if self.baseline is None else list(self.baseline)
        return {
            "axes": list(self.axes),
            "baseline": baseline,
            "confidence": self.confidence,
            "rows": self.records(),
        }

    def cells(self) -> list[list[str]]:
        """A header and a line a variant: for each output the mean with its interval, and the difference in percent,
        with a star where the interval excludes zero."""
        variants: dict[Point, dict[str, Row]] = {}
        for row in self.rows:
            variants.setdefault(row.variant, {})[row.output] = row
        per_output = ["difference"] if self.baseline is not None else []
        lines = [[*self.axes, *(head for output in self.outputs for head in (output, *per_output))]]
        for variant, of in variants.items():
            line = [brief(value) for value in variant]
            for output in self.outputs:
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
        known = not math.isnan(row.relative_half) and (row.relative, row.relative_half) != (0.0, 0.0)
        wide = f" ± {_short(100 * row.relative_half, 3)}" if known else ""
        return f"{_short(100 * row.relative, 3, '+' if row.relative else '')}{wide} %{star}"

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


def _numbers(row: Row) -> dict[str, Any]:
    against = row.against
    numbers: list[Any] = [row.mean.count, row.mean.value, row.mean.half]
    numbers += [against.value, against.half, row.relative] if against is not None else [math.nan] * 3
    known = [None if math.isnan(number) else number for number in numbers]
    return dict(zip(NUMBERS, [row.output, *known, against and against.excludes_zero], strict=True))


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
    signed = [re.sub(r"(?<!\w)-(?=\d)", "$-$", cell).replace("±", r"$\pm$") for cell in escaped]
    return " & ".join(signed) + r" \\"
