"""Networks: `python -m benchmarks.speed network`: graphs compiled, flows to completion, a ring of 1,024 ranks."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from dcsim.kernels.collectives import ring_s
from dcsim.kernels.fairshare import finish_times_s, flows
from dcsim.performance.collectives import answers, generation_of, group_of, usual_algorithms
from dcsim.scenario import presets
from dcsim.topologies import fat_tree
from dcsim.topologies._routes import Links, compiled
from dcsim.topologies.fat_tree import FatTree

BANDWIDTH_B_PER_S, LATENCY_S = 12.5e9, 1e-6
FLOWS = (4096, 16384)


def built(k: int) -> tuple[Links, float]:
    """A k-ary fat tree compiled, and the CPU seconds of building and compiling it."""
    begun = time.process_time()
    made = compiled(fat_tree.build(FatTree(k, BANDWIDTH_B_PER_S, LATENCY_S)))
    return made, time.process_time() - begun


def completed(made: Links, count: int, mean_b: float, spread: bool) -> tuple[float, int]:
    """CPU seconds of routing and running flows between random hosts, and how many changes there were.

    All start at once; sizes are equal, or exponential (`spread`), when every end is an instant of its own.
    """
    random = np.random.default_rng(count)
    source, target = random.integers(0, len(made.endpoints), (2, count))
    target = np.where(source == target, (target + 1) % len(made.endpoints), target)
    size_b = random.exponential(mean_b, count) if spread else np.full(count, mean_b)
    begun = time.process_time()
    first, link = made.routes(made.endpoints[source], made.endpoints[target], np.arange(count))
    running = flows(made.capacity_b_per_s, first, link)
    finish_times_s(running, size_b, np.zeros(count))
    return time.process_time() - begun, int(running.changes[0])


def network(arguments: argparse.Namespace) -> dict[str, Any]:
    """Graphs, flows and collectives; CPU seconds, compiled kernels."""
    small, _ = built(4)
    completed(small, 8, 1e9, True)
    chip = presets.accelerator("H100-SXM")
    group, tuned = group_of(chip, 1024, 8), generation_of(chip.name).tuned
    answers("all_reduce", [2.0**30], group, tuned, usual_algorithms())
    ring_s(2.0, 2.0**30, 1024.0, 1e-6, 1e10)
    figures: dict[str, Any] = {}
    made, _ = built(16)
    for count in FLOWS:
        for spread in (False, True):
            best = min(completed(made, count, 1e9, spread) for _ in range(arguments.rounds))
            name = f"flows_{count}_{'spread' if spread else 'equal'}"
            figures[f"{name}_s"] = round(best[0], 3)
            print(
                f"{count} flows on {len(made.endpoints)} hosts, {name}: {best[0]:.3f} s, {best[1]} changes", flush=True
            )
    figures["fat_tree_8192_hosts_s"] = round(min(built(32)[1] for _ in range(arguments.rounds)), 3)
    begun = time.process_time()
    ring_s(2.0, 2.0**30, 1024.0, 1e-6, 1e10)
    figures["ring_1024_us"] = round(1e6 * (time.process_time() - begun), 1)
    begun = time.process_time()
    answers("all_reduce", [2.0**30], group, tuned, usual_algorithms())
    figures["all_reduce_1024_all_ways_us"] = round(1e6 * (time.process_time() - begun), 1)
    return figures
