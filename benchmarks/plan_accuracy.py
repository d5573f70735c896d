"""How fast published runs were beside best plans: `python -m benchmarks.accuracy plans --rows FILE.csv`.

A primary row of pre-training whose model is a preset asks what a planner asks: this model on so many accelerators, with
this batch, sequence and precision. Its measured speed is held against that of the best plan that `estimate` finds, with
the server and the network of the accelerator's preset; a question of several rows is searched once. Sources publish
anything from one run to a hundred, so percentiles are told with each row, each question and each source the same.

Where a row gives its plan, measured over best is measured over predicted, both under that plan, times its prediction
over the best plan's: the first is the step model's error, the second what the row's plan is behind the best, or ahead
of it where the search does not look at such plans, refuses them for memory, or takes another network or framework.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcsim.errors import Problem, ScenarioError
from dcsim.kernels.facts import Model
from dcsim.performance.answers import Proposal
from dcsim.performance.ask import read as read_question
from dcsim.performance.calibrate import predict, weights
from dcsim.performance.models import model_row
from dcsim.performance.planner import NEEDS
from dcsim.performance.request import Request
from dcsim.performance.row_cells import Row, Unusable
from dcsim.performance.rows import Configuration, Configurations, configurations, read
from dcsim.performance.transformer_run import TransformerRun
from dcsim.scenario import presets
from dcsim.scenario.model import Transformer

Floats = NDArray[np.float64]

WIDTHS = (
    *("layers", "hidden", "heads", "kv_heads", "head_dim", "gated", "kv_rank"),
    *("experts", "top_k", "expert_hidden", "shared_hidden", "dense_layers"),
)
PADDING = 0.05
"""Share by which the vocabulary of a row may differ from the preset's: frameworks pad it to whole tiles."""
PERCENTILES = (5, 25, 50, 75, 95)
MARGIN = 0.05
"""A row is clearly faster than the best plan by more than this share."""
SHOWN = 25
"""Rows that beat their best plan which are named."""


@dataclass(frozen=True)
class Question:
    """What a planner asks; names are those of presets, the batch counts sequences."""

    model: str
    accelerator: str
    count: int
    global_batch: int
    seq_len: int
    precision: str


@dataclass(frozen=True)
class Compared:
    """Runs that can be held against a best plan: speeds in tokens/s an accelerator, shape (n,), and rows left out.

    `best` has the best plan of each question; `own` are predictions of the rows' plans, NaN where a row gives none.
    """

    rows: list[Configuration]
    questions: list[Question]
    best: dict[Question, Proposal]
    own: Floats
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def measured(self) -> Floats:
        """Measured speeds."""
        return np.array([row.measured for row in self.rows])

    @property
    def found(self) -> Floats:
        """Speeds of the best plans."""
        return np.array([self.best[question].tokens_per_s_per_accelerator for question in self.questions], np.float64)

    @property
    def ratio(self) -> Floats:
        """Measured speed over that of the best plan."""
        return np.asarray(self.measured / self.found)

    @property
    def sources(self) -> NDArray[np.str_]:
        """Where each row was published."""
        return np.array([row.source for row in self.rows], dtype=np.str_)

    @property
    def asked(self) -> NDArray[np.str_]:
        """The question of each row, as text."""
        return np.array([str(question) for question in self.questions], dtype=np.str_)


def same(model: Model, preset: Model) -> bool:
    """Whether a row's transformer is that of a preset: equal widths, and the vocabulary but for padding.

    The width of dense layers counts where there are any; attention that a row cannot tell is the preset's own.
    """
    dense = not model.experts or model.dense_layers > 0.0
    widths = (*WIDTHS, "ffn_hidden") if dense else WIDTHS
    padding = abs(model.vocab / preset.vocab - 1.0)
    return padding <= PADDING and all(getattr(model, name) == getattr(preset, name) for name in widths)


def preset_of(one: Configuration) -> str:
    """The first preset by name of a row's transformer, with positions for its sequence; Unusable if none is."""
    alike = [
        preset
        for name in presets.names("models")
        if isinstance(preset := presets.model(name), Transformer)
        and preset.arrangement == "decoder"
        and same(one.model, model_row(preset))
    ]
    if not alike:
        raise Unusable("the model is no preset")
    limits = [[limit for limit in (preset.max_sequence, preset.positions) if limit] for preset in alike]
    for preset, longest in zip(alike, limits, strict=True):
        if one.plan.seq_len <= min(longest, default=np.inf):
            return preset.name
    raise Unusable("longer sequences than the preset has positions for")


def question_of(one: Configuration) -> Question:
    """What a row asks; Unusable where it leaves open what a question must say."""
    for name, rule in (("global_batch", "no global batch"), ("precision", "a precision that the device lacks")):
        if name in one.assumed:
            raise Unusable(rule)
    model, sizes = preset_of(one), (int(one.accelerators), int(one.plan.global_batch), int(one.plan.seq_len))
    if one.plan.flash == 0.0:
        raise Unusable("attention without a fused kernel, which no plan of a search has")
    return Question(model, one.accelerator.name, *sizes, one.precision)


def best_plan(question: Question) -> Proposal | None:
    """The best plan by `estimate`, None where no legal plan fits."""
    asked = asdict(question)
    request = read_question(asked.pop("model"), asked.pop("accelerator"), asked, "plan", NEEDS)
    assert isinstance(request, Request)
    try:
        return TransformerRun(request).best(question.count)
    except ScenarioError:
        return None


def compare(rows: Iterable[Row]) -> Compared:
    """Every primary row of pre-training that can be, against the best plan for its question."""
    found = configurations(row for row in rows if (row.get("task") or "pretrain") == "pretrain")
    left_out = Counter(found.excluded)
    kept: list[tuple[Configuration, Question]] = []
    best: dict[Question, Proposal | None] = {}
    for one in found.rows:
        try:
            question = question_of(one)
            if question not in best:
                best[question] = best_plan(question)
            if best[question] is None:
                raise Unusable("no plan fits, by the model")
            kept.append((one, question))
        except Unusable as rule:
            left_out[str(rule)] += 1
    alone = [one for one, _ in kept]
    own = np.where(["plan" in one.assumed for one in alone], np.nan, predict(Configurations(alone)))
    plans = {question: plan for question, plan in best.items() if plan is not None}
    return Compared(alone, [question for _, question in kept], plans, own, left_out)


def percentiles(values: Floats, weight: Floats | None = None) -> Floats:
    """The least value, `PERCENTILES` and the largest: the least values with so much of the weight at or below them."""
    shares = np.array([0, *PERCENTILES, 100]) / 100
    each = np.ones(len(values)) if weight is None else weight
    return np.asarray(np.quantile(values, shares, weights=each, method="inverted_cdf"))


def line(name: str, values: Floats, weight: Floats | None = None) -> str:
    """A line of a table: rows, percentiles, share of the weight above 1, %."""
    above = 100.0 * float(np.average(values > 1.0, weights=weight))
    numbers = "".join(f"{value:7.2f}" for value in percentiles(values, weight))
    return f"{name[:40]:40}{len(values):>6}{numbers}{above:>9.0f}"


def fastest_of(asked: NDArray[np.str_], values: Floats) -> Floats:
    """The largest value of each question."""
    return np.array([values[asked == question].max() for question in np.unique(asked)])


GROUPS: dict[str, Callable[[Configuration], str]] = {
    "source": lambda row: row.source,
    "precision": lambda row: row.precision,
    "accelerator": lambda row: row.accelerator.name,
    "kind of model": lambda row: "experts" if row.model.experts else "dense",
}


def tables(found: Compared) -> Iterator[str]:
    """Percentiles of measured over best, by weight and by group."""
    ratio = found.ratio
    head = "".join(f"{text:>7}" for text in ("least", *(f"{n} %" for n in PERCENTILES), "most"))
    yield f"{'measured over the best plan':40}{'rows':>6}{head}{'above 1, %':>11}"
    yield line("each row the same", ratio)
    yield line("each question the same", ratio, weights(found.asked))
    yield line("each source the same", ratio, weights(found.sources))
    yield line("the fastest run of each question", fastest_of(found.asked, ratio))
    told = np.isfinite(found.own)
    yield ""
    yield "rows that give their plan, measured over best = the product of"
    yield line("  measured over predicted, own plan", (found.measured / found.own)[told])
    yield line("  predicted, own plan over the best one", (found.own / found.found)[told])
    for title, key in GROUPS.items():
        names = np.array([key(row) for row in found.rows])
        yield f"\nby {title}"
        yield from (line(f"  {name}", ratio[names == name]) for name in sorted(set(names)))


def winners(found: Compared) -> Iterator[str]:
    """The rows that beat their best plan by most: speeds measured, of the best plan, and predicted for their own."""
    ratio = found.ratio
    faster = ratio > 1.0 + MARGIN
    ahead = faster & (found.own > found.found)
    yield f"{faster.sum()} rows are more than {MARGIN:.0%} faster than the best plan;"
    yield f"  plans of {ahead.sum()} of them are predicted to be faster: not searched, or refused for memory"
    yield f"{'faster than the best plan':26}{'ratio':>7}{'measured':>10}{'best':>9}{'own plan':>10}  question"
    for place in np.argsort(-ratio, kind="stable")[:SHOWN]:
        if ratio[place] <= 1.0:
            return
        row, question, own = found.rows[place], found.questions[place], found.own[place]
        predicted = f"{own:10,.0f}" if np.isfinite(own) else f"{'-':>10}"
        speeds = f"{row.measured:10,.0f}{found.found[place]:9,.0f}{predicted}"
        yield f"{row.id[:25]:26}{ratio[place]:7.2f}{speeds}  {' '.join(str(part) for part in astuple(question))}"


def summary(found: Compared) -> dict[str, object]:
    """The figures of the last line."""
    ratio, names = found.ratio, ("least", *(f"p{number}" for number in PERCENTILES), "most")
    sources = weights(found.sources)
    by = {"rows": None, "sources": sources}
    return {
        "rows": len(found.rows),
        "questions": len(set(found.questions)),
        "sources": len(set(found.sources.tolist())),
        "left_out": sum(found.left_out.values()),
        "above_best": round(float(np.mean(ratio > 1.0)), 4),
        "above_best_by_source": round(float(np.average(ratio > 1.0, weights=sources)), 4),
    } | {
        f"each_{what[:-1]}_the_same": dict(zip(names, percentiles(ratio, weight).round(3).tolist(), strict=True))
        for what, weight in by.items()
    }


def report(path: Path) -> None:
    """Prints all, and one JSON object as the last line; ScenarioError where no row can be compared."""
    found = compare(read(path))
    if not found.rows:
        raise ScenarioError(Problem(str(path), "model", "no row can be held against a best plan"))
    sources = len(set(found.sources.tolist()))
    total = len(found.rows) + sum(found.left_out.values())
    asked = len(set(found.questions))
    print(f"{len(found.rows)} of {total} primary rows of pre-training: {asked} questions, {sources} sources")
    print("\n".join(f"  {count} left out: {rule}" for rule, count in found.left_out.most_common()))
    print("\n".join(["", *tables(found), "", *winners(found)]))
    print(json.dumps(summary(found)))
