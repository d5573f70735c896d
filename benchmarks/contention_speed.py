"""Links shared in a run: `python -m benchmarks.speed contention`: `fair` against `none` on 10,000 accelerators."""

from __future__ import annotations

import argparse
import time
from typing import Any, Literal

from dcsim.eventlog.schema import RATE
from dcsim.run import Run, run
from dcsim.scenario import presets
from dcsim.scenario.spec import Interconnect, PluginTable, Pool, Scenario
from dcsim.scenario.training import Plan, TrainingJob

SHAPE = {8: 0.4, 16: 0.25, 32: 0.2, 64: 0.1, 128: 0.05}
"""Shares of jobs by accelerators; those above 8 span nodes."""
NODES, LOAD, STEPS, STEP_S = 1250, 0.9, 4000, 0.35
LEAF_SPINE = {
    "leaves": 50,
    "spines": 2,
    "hosts_per_leaf": 25,
    "bandwidth": "400 GB/s",
    "uplink_bandwidth": "800 GB/s",
    "latency": "1 us",
}
"""Oversubscribed 6.25:1, so that gangs across leaves do slow each other down."""


def scenario(jobs: int, contention: Literal["none", "fair"]) -> Scenario:
    """Trainings of one model in gangs of mixed size, in equal distances, at some 90 % load."""
    mean = sum(size * share for size, share in SHAPE.items())
    every_s = STEPS * STEP_S * mean / (NODES * 8 * LOAD)
    return Scenario(
        name="contention",
        pools=(Pool(name="h100", accelerator=presets.accelerator("H100-SXM"), nodes=NODES, accelerators_per_node=8),),
        network=Interconnect(topology=PluginTable(use="leaf_spine", **LEAF_SPINE), contention=contention),
        scheduler=PluginTable(use="fifo_skip"),
        jobs=tuple(
            TrainingJob(
                name=f"on-{size}",
                model=presets.model("llama-3-8b"),
                submit=float(number),
                count=round(jobs * share),
                every=every_s / share,
                steps=STEPS,
                global_batch=2 * size,
                sequence_length=2048,
                accelerators=size,
                plan=Plan(tp=8, pp=1, micro_batch=8, sharding="none"),
            )
            for number, (size, share) in enumerate(SHAPE.items())
        ),
    )


def timed(facts: Scenario) -> tuple[float, Run]:
    """CPU seconds of a run, and what it leaves."""
    begun = time.process_time()
    made = run(facts)
    return time.process_time() - begun, made


def contention(arguments: argparse.Namespace) -> dict[str, Any]:
    """The same jobs with and without contention; CPU seconds of whole runs, kernels compiled."""
    figures: dict[str, Any] = {"jobs": arguments.jobs}
    kinds: tuple[Literal["none", "fair"], ...] = ("none", "fair")
    for kind in kinds:
        facts = scenario(arguments.jobs, kind)
        timed(scenario(100, kind))
        best, made = min((timed(facts) for _ in range(arguments.rounds)), key=lambda pair: pair[0])
        rates = len(made.log.of_kind(RATE))
        print(f"{kind}: {best:.2f} CPU s, {rates} changes of rates, makespan {made.end_s / 3600:.2f} h", flush=True)
        figures |= {f"{kind}_cpu_s": round(best, 3), f"{kind}_rate_changes": rates}
    return figures | {"ratio": round(figures["fair_cpu_s"] / figures["none_cpu_s"], 2)}
