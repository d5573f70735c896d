"""What a comparison found: its numbers as rows, and as tables for people, papers and programs."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dcsim.sweep.columns import Point, shown, told_apart
from dcsim.sweep.statistics import NO_RELATIVE, Mean, Relative

DIGITS = 4


@dataclass(frozen=True)
class Row:
    """One output of one variant. `against`: the difference from the baseline on the same seeds; None for itself, and
    where there is no baseline. `relative`: that difference over the baseline's mean on those seeds."""

    variant: Point
    output: str
    mean: Mean
    against: Mean | None = None
    relative: Relative = NO_RELATIVE


@dataclass(frozen=True)
class Comparison:
    """`axes`: names of what variants differ in; `baseline`: its values, with None for what each variant has of its own;
    None if there is no baseline. `seeds`: how many the table has; `remarks`: what a reader must know
    beside the numbers; `counted`: what means are over, `seeds`, or `jobs` of one run."""

    axes: tuple[str, ...]
    baseline: Point | None
    confidence: float
    rows: tuple[Row, ...]
    seeds: int = 0
    remarks: tuple[str, ...] = ()
    counted: str = "seeds"

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the columns of `records` behind the axes."""
        own = ("output", self.counted, "mean", "half_width")
        differences = ("difference", "difference_half_width")
        return (*own, *differences, "relative_difference", "relative_low", "relative_high", "excludes_zero")

    @property
    def outputs(self) -> tuple[str, ...]:
        """Columns that are compared."""
        return tuple(dict.fromkeys(row.output for row in self.rows))

    @property
    def seeds_change_nothing(self) -> bool:
        """Whether the runs of every variant are all alike: then differences are exact, and intervals say nothing."""
        return bool(self.rows) and all(row.mean.count > 1 and row.mean.half == 0.0 for row in self.rows)

    def baseline_of(self, variant: Point) -> Point | None:
        """What is subtracted from a variant: itself if it is a baseline, None where there is none."""
        if self.baseline is None:
            return None
        return tuple(v if b is None else b for b, v in zip(self.baseline, variant, strict=True))

    def records(self) -> list[dict[str, Any]]:
        """All numbers in full, a dict for each output of each variant: the axes, then `numbers`; None where there is no
        number."""
        return [
            dict(zip(self.axes, row.variant, strict=True)) | dict(zip(self.numbers, _numbers(row), strict=True))
            for row in self.rows
        ]

    def frame(self) -> Any:
        """The records as a pandas DataFrame; needs pandas."""
        import pandas

        return pandas.DataFrame(self.records(), columns=[*self.axes, *self.numbers])

    def csv(self) -> str:
        """The records as CSV text, nothing where there is no number."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*self.axes, *self.numbers])
        writer.writerows(map(shown, record.values()) for record in self.records())
        return out.getvalue()

    def as_json(self) -> dict[str, Any]:
        """The records with what they were made for, as a JSON object."""
        baseline = None if self.baseline is None else list(self.baseline)
        return {
            "axes": list(self.axes),
            "baseline": baseline,
            "confidence": self.confidence,
            "notes": self.notes(),
            "rows": self.records(),
        }

    def cells(self) -> list[list[str]]:
        """A header and a line a variant: for each output the mean with its interval, and the difference in percent,
        with a star where the interval excludes zero. Numbers of seeds stand where there are fewer than in the table."""
        variants: dict[Point, dict[str, Row]] = {}
        for row in self.rows:
            variants.setdefault(row.variant, {})[row.output] = row
        per_output = ["difference"] if self.baseline is not None else []
        lines = [[*self.axes, *(head for output in self.outputs for head in (output, *per_output))]]
        keys = [told_apart(column) for column in zip(*variants, strict=True)]
        for number, of in enumerate(variants.values()):
            line = [texts[number] for texts in keys]
            for output in self.outputs:
                line.append(_with_interval(of[output].mean) + self._few(of[output].mean))
                line += [self._difference(of[output])] if self.baseline is not None else []
            lines.append(line)
        return lines

    def _few(self, mean: Mean) -> str:
        return f" ({mean.count} of {self.seeds})" if self.is_short(mean) else ""

    def is_short(self, mean: Mean) -> bool:
        """Whether a mean is over fewer seeds than the table has."""
        return self.counted == "seeds" and 0 < mean.count < self.seeds

    def _difference(self, row: Row) -> str:
        if row.variant == self.baseline_of(row.variant):
            return "baseline"
        if row.against is None or math.isnan(row.against.value):
            return "-"
        star = (" *" if row.against.excludes_zero else "") + self._few(row.against)
        of = row.relative
        if not of.bounded:
            return _with_interval(row.against, "+") + star
        known = of.low < of.high
        wide = f" [{_short(100 * of.low, 3)}, {_short(100 * of.high, 3)}]" if known else ""
        return f"{_short(100 * of.value, 3, '+' if of.value else '')}{wide} %{star}"

    def notes(self) -> list[str]:
        """How to read the table, in sentences that stand under it."""
        return [*reading(self), *self.remarks]

    def markdown(self) -> str:
        """The same as a Markdown table."""
        header, *lines = self.cells()
        rows = [header, ["---"] * len(header), *lines]
        table = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        notes = [note.replace("*", "\\*") for note in self.notes()]
        return "\n".join([*table, *(f"\n{note}." for note in notes)]) + "\n"

    def latex(self) -> str:
        """The same as a LaTeX table of the package booktabs."""
        header, *lines = self.cells()
        sides = "l" * len(self.axes) + "r" * (len(header) - len(self.axes))
        body = [_latex_row(line) for line in lines]
        top = [rf"\begin{{tabular}}{{{sides}}}", r"\toprule", _latex_row(header), r"\midrule"]
        notes = [rf"\par\smallskip{{\footnotesize {_latex(note)}.}}" for note in self.notes()]
        return "\n".join([*top, *body, r"\bottomrule", r"\end{tabular}", *notes, ""])


def reading(found: Comparison) -> list[str]:
    """What signs and intervals of a comparison mean, as far as it has them."""
    told = []
    if found.seeds_change_nothing:
        told.append("seeds change nothing here: the runs of each variant are alike, and differences are exact")
    elif all(math.isnan(row.mean.half) for row in found.rows):
        single = found.counted == "seeds" and any(row.mean.count for row in found.rows)
        told.append("one run each: there are no intervals" if single else "there are no intervals")
    else:
        by_jobs = "batch means of each run after its warm-up (MSER-5)"
        source = "Student's t over seeds" if found.counted == "seeds" else by_jobs
        told.append(f"± half of the {100 * found.confidence:g} % interval, {source}")
    if found.baseline is not None:
        told.append(_differences(found))
    means = [mean for row in found.rows for mean in (row.mean, row.against) if mean is not None]
    if few := [mean.count for mean in means if found.is_short(mean)]:
        told.append(f"({min(few)} of {found.seeds}): over so many seeds, where others have more")
    return ["; ".join(told)] if told else []


def _differences(found: Comparison) -> str:
    text = f"difference from the baseline, {'paired by seed' if found.counted == 'seeds' else 'independent runs'}"
    against = [row for row in found.rows if row.against is not None]
    if any(row.relative.low < row.relative.high and row.relative.bounded for row in against):
        text += ", [its interval, Fieller's]"
    if any(not row.relative.bounded for row in against):
        text += "; without %: the difference itself, where the baseline's mean may be zero"
    starred = any(not math.isnan(row.against.half) for row in against if row.against is not None)
    return f"{text}; * its interval excludes 0" if starred else text


def _numbers(row: Row) -> list[Any]:
    against, of = row.against, row.relative
    numbers: list[Any] = [row.mean.count, row.mean.value, row.mean.half]
    numbers += [math.nan] * 5 if against is None else [against.value, against.half, of.value, of.low, of.high]
    known = [number if math.isfinite(number) else None for number in numbers]
    return [row.output, *known, against and against.excludes_zero]


def _with_interval(mean: Mean, sign: str = "") -> str:
    if math.isnan(mean.value):
        return "-"
    text = _short(mean.value, DIGITS, sign if mean.value else "")
    return text if math.isnan(mean.half) else f"{text} ± {_short(mean.half, 2)}"


def _short(value: float, digits: int, sign: str = "") -> str:
    """So many digits, and whole numbers in full."""
    return f"{value:{sign},.{digits}g}" if abs(value) < 10**digits else f"{value:{sign},.0f}"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(_latex, cells)) + r" \\"


def _latex(text: str) -> str:
    escaped = re.sub(r"[&%$#_{}]", r"\\\g<0>", text.replace("\\", r"\textbackslash "))
    signed = re.sub(r"(?<!\w)-(?=\d)", "$-$", escaped).replace("±", r"$\pm$")
    return re.sub(r"^\[", "{[}", signed)  # an array at the start of a row would be an option of the row before
