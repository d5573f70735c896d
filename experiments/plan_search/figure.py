"""Plans for a model of 70 billion parameters, by accelerator: python -m experiments.plan_search.figure."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

import dcsim
from experiments.drawing import INK, PALE_BLUE, PALE_GREEN, SMALL, arguments, panels, save

MODEL, COUNT, BATCH, TOKENS = "llama-3-70b", 512, 2048, 15e12
ACCELERATORS = (
    *("A100-SXM4-80GB", "H100-SXM", "H200-SXM", "B200-SXM", "GB200"),
    *("MI300X", "MI355X", "Gaudi3", "TPU-v5p", "TPU-v6e"),
)
DAY_S = 86400.0
USUAL = tomllib.loads((files("dcsim") / "presets" / "planning" / "usual.toml").read_text(encoding="utf-8"))
REACHED = tuple(USUAL["published_over_best_plan"][end] for end in ("low", "high"))
"""Shares of the best plan's speed between which nine in ten published runs lie."""
NO_RUN = ("MI300X", "MI355X", "Gaudi3")
"""Accelerators of which no measured run is behind the constants."""


class Answer(NamedTuple):
    """The best plan on one accelerator; `usd_per_m_tokens` is None where its preset has no rent."""

    accelerator: str
    plan: str
    tokens_per_s: float
    mfu: float
    memory_gb: float
    days: float
    usd_per_m_tokens: float | None


def main() -> None:
    """Ask, print the table, draw."""
    options = arguments(__doc__ or "")
    answers = [answer(name) for name in ACCELERATORS]
    print("| accelerator | best plan | tokens/s each | MFU | memory, GB | days | USD per million tokens |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for a in answers:
        cost = "-" if a.usd_per_m_tokens is None else f"{a.usd_per_m_tokens:.2f}"
        numbers = [f"{a.tokens_per_s:,.0f}", f"{a.mfu:.0%}", f"{a.memory_gb:.0f}", f"{a.days:.0f}", cost]
        print("| " + " | ".join([a.accelerator, a.plan, *numbers]) + " |")
    figure, (speed, cost_axis) = panels(2, 3.0, sharey=True)
    draw_speed(speed, answers)
    draw_cost(cost_axis, answers)
    figure.legend(handles=keys(), loc="outside lower center", ncols=3)
    save(figure, "plan_search", options.figures)


def answer(accelerator: str) -> Answer:
    """The fastest of all legal plans on so many accelerators, and what the whole training takes with it."""
    found = dcsim.estimate(MODEL, accelerator, count=COUNT, global_batch=BATCH, tokens=TOKENS)
    best = found.plan
    degrees = " ".join(f"{name} {getattr(best, name)}" for name in ("tp", "pp", "cp", "dp") if getattr(best, name) > 1)
    assert best.tokens_per_s_per_accelerator is not None
    cost = None if found.cost_usd is None else found.cost_usd / TOKENS * 1e6
    plan = f"{degrees}, {best.sharding}"
    speed = best.tokens_per_s_per_accelerator
    return Answer(accelerator, plan, speed, best.mfu, best.memory_b / 1e9, found.time_s / DAY_S, cost)


def draw_speed(axis: Axes, answers: Sequence[Answer]) -> None:
    """Speed of one accelerator, with the share of its peak, and what of it nine in ten published runs reached."""
    for place, a in enumerate(answers):
        bar(axis, a, a.tokens_per_s, PALE_BLUE)
        low, high = (share * a.tokens_per_s for share in REACHED)
        axis.plot([low, high], [place, place], "|-", color=INK, lw=0.9, ms=5)
        axis.text(REACHED[1] * a.tokens_per_s, place, f"  MFU {a.mfu:.0%}", va="center", size=SMALL)
    axis.set(xlabel="tokens/s of one accelerator", xlim=(0.0, 1.25 * REACHED[1] * max(a.tokens_per_s for a in answers)))
    axis.grid(visible=False, axis="y")
    axis.invert_yaxis()


def draw_cost(axis: Axes, answers: Sequence[Answer]) -> None:
    """Rent, where the preset has one, with the days that the training takes."""
    for place, a in enumerate(answers):
        cost = a.usd_per_m_tokens or 0.0
        bar(axis, a, cost, PALE_GREEN)
        axis.text(cost, place, f" {a.days:.0f} d{'' if cost else '; no rent in the preset'}", va="center", size=SMALL)
    axis.set(xlabel=f"rent, USD per million tokens\n(at the bar: days for {TOKENS / 1e12:.0f} T tokens)")
    axis.set_xlim(0.0, 1.2 * max(a.usd_per_m_tokens or 0.0 for a in answers))
    axis.grid(visible=False, axis="y")


def bar(axis: Axes, answer: Answer, length: float, color: str) -> None:
    """Hatched where no measured run is behind the prediction."""
    hatch = "////" if answer.accelerator in NO_RUN else None
    axis.barh(answer.accelerator, length, color=color, height=0.7, hatch=hatch, edgecolor="white", lw=0.0)


def keys() -> list[Artist]:
    """What bars, lines and hatches mean."""
    reached = f"{REACHED[0]} to {REACHED[1]} of it: nine in ten published runs"
    return [
        Patch(color=PALE_BLUE, label="the best plan, as predicted"),
        Line2D([], [], color=INK, lw=0.9, marker="|", ms=5, label=reached),
        Patch(facecolor=PALE_BLUE, edgecolor="white", hatch="////", lw=0.0, label="no measured run behind it"),
    ]


if __name__ == "__main__":
    main()
