"""Sweeps: `python -m benchmarks.speed sweep`: overhead, two workers against one, a thousand runs, and going on."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import dcsim

SCENARIO = """\
name = "thousand"

[[pools]]
name = "a"
accelerator = "T4"
nodes = 8
accelerators_per_node = 8

[workload]
use = "synthetic"
jobs = {jobs}
offered_load = 0.9
accelerators = {{ 1 = 0.5, 4 = 0.3, 8 = 0.2 }}
service = {{ law = "lognormal", mean = "1 h", scv = 4 }}
"""
EXPERIMENT = """\
name = "speed"
base = "scenario.toml"

[sweep]
"pools.0.nodes" = {{ from = 8, to = 17, count = 10 }}
"scheduler.use" = ["fifo", "easy", "sjf", "srtf"]
seeds = {seeds}
"""
POINTS = 40


def written(folder: Path, runs: int, jobs: int) -> Path:
    """An experiment of so many runs of so many jobs."""
    (folder / "scenario.toml").write_text(SCENARIO.format(jobs=jobs), encoding="utf-8")
    (folder / "experiment.toml").write_text(EXPERIMENT.format(seeds=max(runs // POINTS, 1)), encoding="utf-8")
    return folder / "experiment.toml"


def wall_s(experiment: Path, out: Path, workers: int) -> tuple[float, int]:
    """Wall seconds of a sweep, and its runs."""
    begun = time.perf_counter()
    table = dcsim.sweep(experiment, out, workers=workers)
    assert all(row["status"] == "done" for row in table)
    return time.perf_counter() - begun, len(table)


def bare_s(experiment: Path) -> float:
    """Wall seconds of the same runs alone, loaded beforehand, in this process."""
    from dcsim.sweep.prepared import prepare

    prepared = prepare(experiment)
    loaded = [prepared.loaded(number) for number in range(len(prepared.runs))]
    dcsim.run(loaded[0])
    begun = time.perf_counter()
    for one in loaded:
        _ = dcsim.run(one).summary
    return time.perf_counter() - begun


def sweep(arguments: argparse.Namespace) -> dict[str, Any]:
    """All four figures, each the best of `rounds`."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        experiment = written(folder, 200, 1000)
        alone = min(bare_s(experiment) for _ in range(arguments.rounds))
        in_line, one, two = (_best(experiment, folder, workers, arguments.rounds) for workers in (0, 1, 2))
        print(
            f"200 runs alone {alone:.2f} s; in line {in_line:.2f} s; one worker {one:.2f} s; two {two:.2f} s",
            flush=True,
        )
        figures["run_ms"] = round(alone / 200 * 1e3, 2)
        figures["overhead_ms_per_run"] = round((one - alone) / 200 * 1e3, 2)
        longer = written(folder, 120, 20_000)
        one, two = (_best(longer, folder, workers, arguments.rounds) for workers in (1, 2))
        print(f"120 runs of 20,000 jobs: one worker {one:.2f} s; two {two:.2f} s", flush=True)
        figures["two_workers_speedup"] = round(one / two, 3)
        thousand = written(folder, 1000, 1000)
        figures["thousand_runs_s"] = round(wall_s(thousand, folder / "out", 2)[0], 2)
        figures["resume_s"] = round(min(wall_s(thousand, folder / "out", 2)[0] for _ in range(2)), 2)
    return figures


def kills(arguments: argparse.Namespace) -> dict[str, Any]:
    """kill -9 at random moments, workers and parents in turn, in a 200-run sweep that is started again each time."""
    draw = random.Random(arguments.rounds)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        experiment = written(folder, 200, 4000)
        whole, _ = wall_s(experiment, folder / "alone", 2)
        command = [
            sys.executable,
            "-m",
            "dcsim",
            "sweep",
            str(experiment),
            "--out",
            str(folder / "out"),
            "--workers",
            "2",
        ]
        killed = {"worker": 0, "parent": 0}
        while sum(killed.values()) < arguments.kills:
            parent = subprocess.Popen([*command, "--quiet"])
            time.sleep(draw.uniform(0.3, 0.5 * whole))
            found = subprocess.run(["pgrep", "-P", str(parent.pid)], capture_output=True, text=True, check=False).stdout
            for kind, pids in (("worker", [int(pid) for pid in found.split()]), ("parent", [parent.pid])):
                if pids and parent.poll() is None and sum(killed.values()) < arguments.kills:
                    os.kill(draw.choice(pids), signal.SIGKILL)
                    killed[kind] += 1
                    time.sleep(draw.uniform(0.0, 0.5))
            if parent.wait() == 0:
                shutil.rmtree(folder / "out")  # it was done: begin again
        subprocess.run([*command, "--quiet"], check=True)
        same = [
            (folder / "alone" / "speed" / name).read_bytes() == (folder / "out" / "speed" / name).read_bytes()
            for name in ("table.csv", "table.parquet")
        ]
    return {
        "runs": 200,
        "whole_s": round(whole, 2),
        **{f"{k}s_killed": n for k, n in killed.items()},
        "same": all(same),
    }


def _best(experiment: Path, folder: Path, workers: int, rounds: int) -> float:
    found = []
    for _ in range(rounds):
        shutil.rmtree(folder / "out", ignore_errors=True)
        found.append(wall_s(experiment, folder / "out", workers)[0])
    return min(found)
