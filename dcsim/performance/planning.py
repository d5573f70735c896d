"""What follows from a training run's length and size: data, checkpoints, storage, power, money; and what is usual."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from dcsim.scenario import presets
from dcsim.scenario.spec import Accelerator
from dcsim.units import TIME, human_count, human_time

NODES_OF = "H100"  # accelerators whose nodes gave the usual power and failure rate; on others they are an analogy
SHORT_IDS = 65_536  # token ids below this number take two bytes in a file, others four
MOST_SEQUENCES = 1 << 20


@dataclass(frozen=True)
class Assumption:
    """Something that an estimate took for granted: what, who says so, and how far to trust it."""

    what: str
    source: str
    grade: str
    about: str
    """training, speed, memory, failures or cost."""


def noted(notes: Sequence[str]) -> list[Assumption]:
    """What a device's preset and its calibration leave open, as assumptions."""
    about = ("memory" if note.startswith("memory ") else "speed" for note in notes)
    return [Assumption(note, "calibration", "assumed", what) for note, what in zip(notes, about, strict=True)]


def finite(value: float) -> float | None:
    """None instead of infinity, which JSON has no word for."""
    return value if value < math.inf else None


class Reached(NamedTuple):
    """What published runs reached of the speed of the best plan: 5th and 95th percentile, each source the same."""

    low: float
    high: float
    runs: int
    sources: int

    def __str__(self) -> str:
        return f"nine in ten of {human_count(self.runs)} published runs reached {self.low:g} to {self.high:g} of it"


@dataclass(frozen=True)
class Usual:
    """What is assumed where the user says nothing; `presets/planning/usual.toml` has sources and grades."""

    batch_tokens: tuple[tuple[float, float], ...]
    server_power_factor: float
    pue: float
    accelerator_mtbf_s: float
    checkpoint_share: float
    checkpoint_interval_most_s: float
    published_over_best_plan: Reached

    def assumption(self, key: str, what: str, about: str) -> Assumption:
        """An assumption that rests on one preset value."""
        origin = presets.table("planning", "usual")["provenance"][key]
        return Assumption(what, origin["source"], origin["grade"], about)

    def of_nodes(self, key: str, what: str, accelerator: Accelerator, about: str) -> Assumption:
        """An assumption that rests on nodes of `NODES_OF`: weak for other accelerators."""
        found = self.assumption(key, what, about)
        if accelerator.name.startswith(NODES_OF):
            return found
        return replace(found, what=f"{what}, as nodes of {NODES_OF} do", grade="weak")


@cache
def usual() -> Usual:
    """The preset of usual assumptions."""
    table = presets.table("planning", "usual")
    return Usual(
        batch_tokens=tuple((float(row["from_flop"]), float(row["tokens"])) for row in table["batch_tokens"]),
        server_power_factor=float(table["server_power_factor"]),
        pue=float(table["pue"]),
        accelerator_mtbf_s=TIME.parse(table["accelerator_mtbf"]),
        checkpoint_share=float(table["checkpoint_share"]),
        checkpoint_interval_most_s=TIME.parse(table["checkpoint_interval_most"]),
        published_over_best_plan=Reached(**table["published_over_best_plan"]),
    )


def usual_batch(flop: float, seq_len: int) -> int:
    """Sequences a step that are usual for a training run of so many FLOP: a power of two."""
    tokens = max(size for least, size in usual().batch_tokens if flop >= least)
    return int(2 ** math.floor(math.log2(min(max(tokens / seq_len, 1.0), MOST_SEQUENCES))))


def token_bytes(vocab: float) -> float:
    """Bytes of one stored token id."""
    return 2.0 if vocab <= SHORT_IDS else 4.0


@dataclass(frozen=True)
class Checkpoints:
    """How often to write checkpoints, and how fast storage takes them; `share`: of the time that it stops training."""

    size_b: float
    interval_s: float
    write_s: float
    bandwidth_b_per_s: float
    share: float


class Saved(NamedTuple):
    """What a checkpoint holds: bytes, and in words how many of each parameter."""

    size_b: float
    words: str


def saved_b(optimizer_b: float, element_b: float) -> float:
    """Bytes a parameter in a checkpoint: optimiser states with fp32 master weights, and weights in 16 bits if training
    has them (Rajbhandari 2020, arXiv 1910.02054, section 3.1)."""
    return optimizer_b + (2.0 if element_b < 4.0 else 0.0)


def checkpoints(size_b: float, mtbf_s: float) -> Checkpoints:
    """Checkpoints of so many bytes of a run that is interrupted every `mtbf_s` in the mean.

    Young's interval is sqrt(2 x write time x MTBF) (CACM 17(9), 1974). Asking that writing takes the share e of the
    time gives interval = 2 e MTBF and write time = e x interval; no interval is longer than `checkpoint_interval_most`.
    """
    share = usual().checkpoint_share
    interval_s = min(2.0 * share * mtbf_s, usual().checkpoint_interval_most_s)
    return Checkpoints(size_b, interval_s, share * interval_s, size_b / (share * interval_s), share)


def checkpoints_at(bandwidth_b_per_s: float, size_b: float, mtbf_s: float) -> Checkpoints:
    """Checkpoints of so many bytes on storage of a given rate, of a run that is interrupted every `mtbf_s` in the mean.

    They come at Young's interval, sqrt(2 x write time x MTBF) (CACM 17(9), 1974), at least every
    `checkpoint_interval_most`; where a write takes longer than that, one follows the other and training stands still.
    """
    write_s = size_b / bandwidth_b_per_s
    interval_s = max(min(math.sqrt(2.0 * write_s * mtbf_s), usual().checkpoint_interval_most_s), write_s)
    return Checkpoints(size_b, interval_s, write_s, bandwidth_b_per_s, write_s / interval_s)


def power_w(accelerator: Accelerator, count: int) -> float | None:
    """Power drawn from the grid by so many accelerators at work, W: TDP x servers' share x PUE; None without TDP."""
    return None if accelerator.tdp is None else count * accelerator.tdp * usual().server_power_factor * usual().pue


def cost_usd(accelerator: Accelerator, count: int, time_s: float) -> float | None:
    """On-demand rent of so many accelerators for a time, USD; None where the preset has no rent."""
    return None if accelerator.rent is None else count * time_s * accelerator.rent


def storage_b_per_s(read_b_per_s: float | None, kept: Checkpoints) -> float | None:
    """What storage must deliver, B/s: the larger of reading data, while training steps, and of writing a checkpoint,
    while it does not. None where neither is known."""
    rates = [rate for rate in (read_b_per_s, kept.bandwidth_b_per_s) if rate]
    return max(rates, default=None)


def run_assumptions(accelerator: Accelerator, saved: Saved) -> list[Assumption]:
    """What the formulas of this file take for granted."""
    return [*_failures(accelerator, saved), *_power(accelerator), *_price(accelerator)]


def _failures(accelerator: Accelerator, saved: Saved) -> list[Assumption]:
    known, about = usual(), "failures"
    mtbf = f"{human_count(known.accelerator_mtbf_s / TIME.factor('h'))} h"
    found = [
        Assumption("undisturbed stepping: no failures, restarts, evaluation", "definition", "assumed", about),
        known.of_nodes("accelerator_mtbf", f"an accelerator fails every {mtbf}", accelerator, about),
    ]
    if not saved.size_b:
        return found
    share = (
        f"checkpoints may stop training {100 * known.checkpoint_share:g} % of the time, at least every "
        f"{human_time(known.checkpoint_interval_most_s)}; lost work costs as much again at most"
    )
    states = f"they hold {saved.words} (weights, optimiser states, fp32 master weights)"
    return [
        *found,
        known.assumption("checkpoint_share", share, about),
        Assumption(states, "Rajbhandari 2020, arXiv 1910.02054", "paper", about),
    ]


def _power(accelerator: Accelerator) -> list[Assumption]:
    known, about = usual(), "cost"
    if accelerator.tdp is None:
        return []
    return [
        known.of_nodes("server_power_factor", f"servers draw {known.server_power_factor:g} x TDP", accelerator, about),
        Assumption("as much whatever bounds a step", "no model of power under other loads", "assumed", about),
        known.assumption("pue", f"PUE {known.pue:g}", about),
    ]


def _price(accelerator: Accelerator) -> list[Assumption]:
    if accelerator.rent is None:
        return []
    origin = accelerator.provenance.get("rent")
    price = f"{accelerator.rent * TIME.factor('h'):.3g} USD an accelerator-hour, on demand"
    source = ("the user's file", "assumed") if origin is None else (origin.source, str(origin.grade))
    return [Assumption(price, *source, "cost")]
