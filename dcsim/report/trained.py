"""The training jobs of a run in words: plan, step, utilisation, memory, and what each was bound by."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dcsim.report.markup import counted, section, table
from dcsim.report.slowdown import slowdown_of
from dcsim.report.tables import DASH
from dcsim.units import human_count, human_si, human_step

if TYPE_CHECKING:
    from dcsim.run import Run
    from dcsim.training.told import Trained

MOST_ROWS = 100
UNBROKEN = "\u00a0"  # a value and its unit stay on one line
COLUMNS = ("Job", "Bound by", "Model", "Accelerators", "Plan", "Step", "Throughput", "MFU", "Memory a device")

SLOWDOWN = ("Slow-down by contention",)


def training_jobs(run: Run) -> str:
    """The table of training jobs as HTML; empty where the scenario has none."""
    if not run.trained:
        return ""
    caption = (
        f"{bounds(run)}. Each where it ran last, at its last rate. MFU counts the model's FLOPs against the dense "
        "peak; memory is that of the fullest device."
    )
    if ways := run_ways(run):
        caption += f" Transformers: {ways}."
    if run.slowdown is not None:
        caption += " Slow-down: the time for which it ran over that which it takes alone at its places."
    columns = (*COLUMNS, *(SLOWDOWN if run.slowdown is not None else ()))
    shown = [_row(run, told)[: len(columns)] for told in run.trained[:MOST_ROWS]]
    if len(run.trained) > MOST_ROWS:
        caption += f" The first {MOST_ROWS} of {human_count(len(run.trained))}; jobs.parquet has all."
    return section("Training jobs", caption, table(columns, shown, "words"))


def bounds(run: Run) -> str:
    """How many training jobs each bound has, most first, and how many never started: `9 bound by compute, 1 by data
    loading`."""
    ran = Counter(told.bound for told in run.trained if told.started).most_common()
    words = [f"{human_count(n)} {'' if rank else 'bound '}by {bound}" for rank, (bound, n) in enumerate(ran)]
    never = sum(not told.started for told in run.trained)
    return ", ".join([*words, *([f"{human_count(never)} never started"] if never else [])])


def run_ways(run: Run) -> str:
    """By whom and how transformers are run, most first, counted where they differ; empty where there are none."""
    ways = Counter(told.run_as for told in run.trained if told.run_as).most_common()
    return "; ".join(way if len(ways) == 1 else f"{human_count(n)} {way}" for way, n in ways)


def throughput(told: Trained) -> str:
    """Tokens or samples in a second, of the whole gang."""
    if told.tokens_per_s is not None:
        return f"{human_count(told.tokens_per_s)} tokens/s"
    return f"{human_count(told.samples_per_s)} samples/s"


def sentences(told: Trained) -> list[str]:
    """What `explain` says of a training job."""
    place = f"in {told.pool}" if told.pool else "in no pool, told for its best place"
    size, verb = human_si(told.device_memory_b, "B"), "trains" if told.started else "would train"
    return [
        f"it {verb} {told.model} for {human_count(told.steps)} steps, bound by {told.bound}",
        f"  {place}, {counted(told.accelerators, 'accelerator')}: {told.plan}",
        f"  step {human_step(told.step_time_s)}, {throughput(told)}, MFU {100 * told.mfu:.1f} %, {size} a device",
        *([f"  {told.run_as}"] if told.run_as else []),
    ]


def _row(run: Run, told: Trained) -> tuple[str, ...]:
    place = f"in {told.pool or 'no pool'}" if told.started else "that it never had"
    return (
        run.jobs.job_id(told.job),
        told.bound,
        told.model,
        f"{human_count(told.accelerators)} {place}",
        told.plan,
        human_step(told.step_time_s).replace(" ", UNBROKEN),
        throughput(told),
        f"{100 * told.mfu:.1f}{UNBROKEN}%",
        human_si(told.device_memory_b, "B").replace(" ", UNBROKEN),
        _slowdown(run, told),
    )


def _slowdown(run: Run, told: Trained) -> str:
    """Slow-down by contention, a dash where there is none to tell."""
    value = slowdown_of(run, told.job)
    return DASH if value is None else f"{value:.2f}"
