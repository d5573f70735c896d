"""Step-time evaluations a second: a batch of random legal plans of a 175B model on 3,072 accelerators.

Beside it what a planner waits for: the search of all legal plans for that model, and a whole `estimate` command.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels.facts import Model, Plan
from dcsim.performance.devices import device_row
from dcsim.performance.models import model_row
from dcsim.performance.request import Request
from dcsim.scenario import presets

ROOT = Path(__file__).resolve().parent.parent
COUNT = 3072
BATCH = 1536.0


def random_plans(count: int, seed: int = 0) -> NDArray[np.float64]:
    """Legal plans of GPT-3 175B (96 heads, 96 layers) on 3,072 accelerators, shape (count, fields of Plan)."""
    random = np.random.default_rng(seed)
    plans = np.tile(np.array(Plan(1, 1, 1, 1, 1, 1, 1, BATCH, 2048.0)), (count, 1))
    column = {name: number for number, name in enumerate(Plan._fields)}
    tp, pp = (
        random.choice([1.0, 2.0, 4.0, 8.0], count),
        random.choice([1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0], count),
    )
    pp = np.where((COUNT / (tp * pp)) > BATCH, 16.0, pp)
    dp = COUNT / (tp * pp)
    each = BATCH / dp  # samples a replica: 1536 / dp is a whole number for all of these
    micro = np.where(each % 4 == 0, random.choice([1.0, 2.0, 4.0], count), 1.0)
    deep = np.where(96 % (pp * 2) == 0, random.choice([1.0, 2.0], count), 1.0)
    for name, values in (
        ("tp", tp),
        ("pp", pp),
        ("dp", dp),
        ("micro_batch", micro),
        ("vpp", np.where(pp > 1, deep, 1.0)),
        ("recompute", random.integers(0, 3, count)),
        ("sharding", random.integers(0, 4, count)),
        ("sequence_parallel", (tp > 1) & (random.random(count) < 0.5)),
        ("flash", random.integers(0, 2, count)),
    ):
        plans[:, column[name]] = values
    return plans


def measure(count: int, rounds: int) -> dict[str, float]:
    """Compile, then the best of several rounds, in this process with its number of threads."""
    from dcsim.kernels.step import steps

    found = presets.model("gpt-3-175b")
    models = np.array([model_row(found)]).reshape(1, len(Model._fields))  # type: ignore[arg-type]
    devices = device_row(presets.accelerator("A100-SXM4-80GB"), "bf16").row
    plans = random_plans(count)
    begun = time.perf_counter()
    steps(models, plans[:8], devices)
    compile_s = time.perf_counter() - begun
    best_s, best_cpu_s = np.inf, np.inf
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        steps(models, plans, devices)
        best_s, best_cpu_s = min(best_s, time.perf_counter() - wall), min(best_cpu_s, time.process_time() - cpu)
    return {"per_s": count / best_s, "per_cpu_s": count / best_cpu_s, "compile_s": compile_s}


def plan_search_s(rounds: int) -> float:
    """The whole search for GPT-3 175B on 3,072 H100, as `plan` does it: best of several rounds, s."""
    from dcsim.performance.ask import read
    from dcsim.performance.planner import LAYOUT, best

    request = read("gpt-3-175b", "H100-SXM", {"count": COUNT, "global_batch": int(BATCH)})
    assert isinstance(request, Request)
    return _best_s(lambda: best(request, COUNT, 5, LAYOUT), rounds)


def estimate_s(rounds: int) -> float:
    """The README's `estimate` command, start to end, kernels compiled: best of several rounds, s."""
    words = ["llama-3.1-405b", "--tokens", "15.6e12", "--accelerator", "H100-SXM", "--deadline", "60 d"]
    command = [sys.executable, "-m", "dcsim", "estimate", *words]
    return _best_s(lambda: subprocess.run(command, cwd=ROOT, capture_output=True, check=True), rounds)


def _best_s(do: Callable[[], object], rounds: int) -> float:
    """Shortest of several times, s, after one that may compile."""
    do()
    best_s = np.inf
    for _ in range(rounds):
        begun = time.perf_counter()
        do()
        best_s = min(best_s, time.perf_counter() - begun)
    return float(best_s)


def _measured(threads: int, count: int, rounds: int, settings: dict[str, str] | None = None) -> dict[str, float]:
    """`measure` in a process of its own."""
    words = ["step-time", "--threads", str(threads), "--count", str(count), "--rounds", str(rounds)]
    environment = os.environ | {"NUMBA_NUM_THREADS": str(threads)} | (settings or {})
    command = [sys.executable, "-m", "benchmarks.speed", *words]
    out = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    told: dict[str, float] = json.loads(out.splitlines()[-1])
    return told


def step_time(arguments: argparse.Namespace) -> dict[str, Any]:
    """Step-time evaluations a second on one core and on two, a process each; plan search and `estimate`."""
    if arguments.threads:
        return measure(arguments.count, arguments.rounds)
    found = {}
    with tempfile.TemporaryDirectory() as empty:
        cold = _measured(1, 8, 1, {"NUMBA_CACHE_DIR": empty})
    print(f"compilation {cold['compile_s']:.1f} s, with nothing in the cache", flush=True)
    for threads in (1, 2):
        found[threads] = _measured(threads, arguments.count, arguments.rounds)
        print(f"{threads} core(s): {found[threads]['per_s'] / 1e6:.2f} million evaluations a second", flush=True)
    planner = {"plan_search_s": plan_search_s(arguments.rounds), "estimate_s": estimate_s(arguments.rounds)}
    print(f"plan search {planner['plan_search_s']:.2f} s, estimate {planner['estimate_s']:.2f} s", flush=True)
    return {
        "evaluations_per_s_one_core": round(found[1]["per_s"]),
        "evaluations_per_s_two_cores": round(found[2]["per_s"]),
        "evaluations_per_cpu_s": round(found[1]["per_cpu_s"]),
        "compile_s": round(cold["compile_s"], 3),
        "plans": arguments.count,
    } | {name: round(value, 3) for name, value in planner.items()}
