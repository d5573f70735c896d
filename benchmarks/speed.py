"""How fast: `python -m benchmarks.speed replay --data DIR`, and `flow`, `scale`, `commands`.

CPU seconds, interleaved in one process or one call, best of several rounds: other work on the machine disturbs the
absolute figures, so trust the ratios. The last line of each command is one JSON object.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bare import bare_fifo
from dcsim import plugins, results
from dcsim.run import Run, capacity
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.spec import Accelerator, PluginTable, Pool, Scenario
from dcsim.sim.engine import Engine

ROOT = Path(__file__).resolve().parent.parent
POLICIES = ("fifo", "easy", "sjf", "srtf", "least_attained_service")


def cpu_s(work: Callable[[], Any]) -> float:
    """CPU seconds of one call."""
    gc.collect()
    begun = time.process_time()
    work()
    return time.process_time() - begun


def cluster(nodes: int, width: int, scheduler: str) -> Scenario:
    """A pool of nodes under `pack`."""
    pool = Pool(name="pool", accelerator=Accelerator(name="any"), nodes=nodes, accelerators_per_node=width)
    return Scenario(
        name=f"speed-{scheduler}", pools=(pool,), workload=PluginTable(use="csv"), scheduler=PluginTable(use=scheduler)
    )


def simulate(scenario: Scenario, jobs: JobTable, out: Path | None) -> Run:
    """Engine, event log, metrics, and results written to `out`."""
    scheduler = plugins.find("scheduler", scenario.scheduler.use)()
    placement = plugins.find("placement", scenario.placement.use)()
    outcome = Engine(scenario, jobs, scheduler, placement).run()
    run = Run(scenario, jobs, outcome.log, outcome.end_s, outcome.events, 0.0)
    del outcome  # the world is not needed any more, as in `dcsim.run`
    if out is not None:
        results.save(run, out)
    return run


def bare(jobs: JobTable, accelerators: int) -> Callable[[], float]:
    """The yardstick on the same jobs, lists made beforehand."""
    columns = jobs.submit_s.tolist(), jobs.service_s.tolist(), jobs.accelerators.tolist()
    return lambda: bare_fifo(*columns, accelerators)


def race(jobs: JobTable, nodes: int, width: int, policies: tuple[str, ...], rounds: int) -> dict[str, Any]:
    """Yardstick and policies by turns on the same jobs; best CPU seconds of each, and ratios."""
    scenarios = {policy: cluster(nodes, width, policy) for policy in policies}
    best: dict[str, float] = {}
    last: dict[str, Run] = {}
    yardstick = bare(jobs, capacity(next(iter(scenarios.values()))))
    with tempfile.TemporaryDirectory() as out:
        for _ in range(rounds):
            best["bare"] = min(best.get("bare", np.inf), cpu_s(yardstick))
            for policy, scenario in scenarios.items():

                def work(scenario: Scenario = scenario, policy: str = policy) -> None:
                    last[policy] = simulate(scenario, jobs, Path(out))

                best[policy] = min(best.get(policy, np.inf), cpu_s(work))
    titles = f"{'':24}{'CPU s':>8}{'jobs/s':>10}{'time/bare':>11}{'speed/bare':>12}"
    print(f"{titles}{'SimPy events/job':>18}{'mean wait s':>14}")
    for name, seconds in best.items():
        run = last.get(name)
        tail = "" if run is None else f"{run.simpy_events / len(jobs):>18.3f}{run.summary['wait_s_mean']:>14,.1f}"
        over = seconds / best["bare"]
        print(f"{name:24}{seconds:>8.2f}{len(jobs) / seconds:>10,.0f}{over:>11.2f}{1 / over:>12.2f}{tail}")
    row: dict[str, Any] = {"jobs": len(jobs), "bare_simpy_jobs_per_s": round(len(jobs) / best["bare"])}
    for policy in policies:
        row[f"{policy}_jobs_per_s"] = round(len(jobs) / best[policy])
        row[f"{policy}_time_over_bare"] = round(best[policy] / best["bare"], 3)
    row["events_per_job"] = last[policies[0]].simpy_events / len(jobs)
    row["peak_rss_mib"] = round(peak_rss_mib(), 1)
    return row


def replay(arguments: argparse.Namespace) -> dict[str, Any]:
    """helios_trace on 96 nodes x 8: every job simulated, logged, measured and written, against bare SimPy."""
    from dcsim.workloads.base import WorkloadContext
    from dcsim.workloads.helios import Helios

    path = Path(arguments.data) / "helios" / "helios_trace.csv.gz"
    context = WorkloadContext(resolve=Path, stream=lambda _: np.random.default_rng(0), capacity=768)
    return race(Helios(path=str(path)).load(context), 96, 8, POLICIES, arguments.rounds)


def flow(arguments: argparse.Namespace) -> dict[str, Any]:
    """Synthetic gangs of 1 to 64 on 8,192 accelerators at load 0.97 of a pool (lower on nodes)."""
    return race(gangs(arguments.jobs, 8192, 0.9), 1024, 8, POLICIES, arguments.rounds)


def gangs(count: int, accelerators: int, load: float, seed: int = 1) -> JobTable:
    """Poisson arrivals, log-normal service, gangs of 1 to 64 accelerators."""
    random = np.random.default_rng(seed)
    size = random.choice([1, 2, 4, 8, 16, 32, 64], count, p=[0.4, 0.15, 0.15, 0.2, 0.05, 0.03, 0.02]).astype(np.int32)
    service = random.lognormal(6.0, 1.2, count)
    gap = float((size * service).mean()) / (load * accelerators)
    return JobTable(np.cumsum(random.exponential(gap, count)), service, size, service)


def scale(arguments: argparse.Namespace) -> dict[str, Any]:
    """How time and memory grow: each case in a process of its own."""
    cases = {
        "jobs_1m": ("--jobs", "1000000", "--nodes", "1250", "--write"),
        "jobs_100k": ("--jobs", "100000", "--nodes", "1250", "--write"),
        "queued_100k": ("--jobs", "100000", "--nodes", "1250", "--at-once"),
        "queued_10k": ("--jobs", "10000", "--nodes", "1250", "--at-once"),
        "nodes_10k": ("--jobs", "200000", "--nodes", "10000", "--fixed-load", "1000"),
        "nodes_1k": ("--jobs", "200000", "--nodes", "1000", "--fixed-load", "1000"),
    }
    row: dict[str, Any] = {}
    for name, options in cases.items():
        best: dict[str, float] = {}
        for _ in range(arguments.rounds if "1m" not in name else 1):
            command = [sys.executable, "-m", "benchmarks.speed", "one", *options, "--scheduler", arguments.scheduler]
            out = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
            best = out if not best or out["cpu_s"] < best["cpu_s"] else best
        print(
            f"{name:14}{best['cpu_s']:>9.2f} CPU s{best['us_per_job']:>9.2f} us/job{best['peak_rss_mib']:>9.0f} MiB",
            flush=True,
        )
        row |= {f"{name}_{key}": value for key, value in best.items()}
    for key, (a, b) in {
        "time_per_job_1m_over_100k": ("jobs_1m", "jobs_100k"),
        "time_per_job_queued_100k_over_10k": ("queued_100k", "queued_10k"),
        "time_per_job_nodes_10k_over_1k": ("nodes_10k", "nodes_1k"),
    }.items():
        row[key] = round(row[f"{a}_us_per_job"] / row[f"{b}_us_per_job"], 3)
        print(f"{key:40}{row[key]:>8.2f}")
    return row


def one(arguments: argparse.Namespace) -> dict[str, Any]:
    """One case of `scale`: jobs made outside the measured time, results written inside it."""
    jobs = gangs(arguments.jobs, 8 * (arguments.fixed_load or arguments.nodes), 0.85)
    if arguments.at_once:
        jobs = JobTable(np.zeros(len(jobs)), jobs.service_s, jobs.accelerators, jobs.service_s)
    scenario = cluster(arguments.nodes, 8, arguments.scheduler)
    with tempfile.TemporaryDirectory() as out:
        seconds = cpu_s(lambda: simulate(scenario, jobs, Path(out) if arguments.write else None))
    micro = 1e6 * seconds / len(jobs)
    return {"cpu_s": round(seconds, 3), "us_per_job": round(micro, 3), "peak_rss_mib": round(peak_rss_mib(), 1)}


def commands(arguments: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds of whole commands, from shell to written results."""
    small = ROOT / "scenarios" / "quickstart.toml"
    helios = ROOT / "scenarios" / "venus.toml"
    with tempfile.TemporaryDirectory() as out:
        run = ["run", "--out", out, "--quiet"]
        cases = {
            "help": ["--help"],
            "validate": ["validate", str(small)],
            "run_100_jobs": [*run, str(small), "--set", "workload.limit=100"],
            "quickstart": [*run, str(small)],
        }
        if arguments.data:
            for policy in ("fifo", "easy", "srtf", "least_attained_service"):
                change = ["--data", arguments.data, "--set", f"scheduler.use={policy}"]
                cases[f"helios_{policy}"] = [*run, str(helios), *change]
        row = {name: min(_command_s(words) for _ in range(arguments.rounds)) for name, words in cases.items()}
    for name, seconds in row.items():
        print(f"{name:32}{seconds:>8.2f} CPU s")
    return {f"{name}_cpu_s": round(seconds, 3) for name, seconds in row.items()}


def step_time(arguments: argparse.Namespace) -> dict[str, Any]:
    """Step-time evaluations a second on one core and on two (`benchmarks/step_time.py`)."""
    from benchmarks.step_time import step_time  # numba would count in the memory of the other measurements

    return step_time(arguments)


def network(arguments: argparse.Namespace) -> dict[str, Any]:
    """Graphs, flows to completion and collectives (`benchmarks/network_speed.py`)."""
    from benchmarks.network_speed import network  # as above

    return network(arguments)


def contention(arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs in which training jobs share links against runs in which they do not (`benchmarks/contention_speed.py`)."""
    from benchmarks.contention_speed import contention  # as above

    return contention(arguments)


def sweep(arguments: argparse.Namespace) -> dict[str, Any]:
    """Sweeps: overhead, workers, a thousand runs, going on (`benchmarks/sweep_speed.py`); wall time."""
    from benchmarks.sweep_speed import sweep  # as above

    return sweep(arguments)


def kills(arguments: argparse.Namespace) -> dict[str, Any]:
    """A sweep whose workers and parents are killed at random moments (`benchmarks/sweep_speed.py`)."""
    from benchmarks.sweep_speed import kills  # as above

    return kills(arguments)


def _command_s(words: list[str]) -> float:
    before = os.times()
    subprocess.run([sys.executable, "-m", "dcsim", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def peak_rss_mib() -> float:
    """Largest memory this process has had, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Parse, measure, print; the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for work in (replay, flow, scale, commands, one, step_time, network, contention, sweep, kills):
        sub = kinds.add_parser(work.__name__.replace("_", "-"), help=(work.__doc__ or "").splitlines()[0])
        sub.set_defaults(work=work)
        sub.add_argument("--rounds", type=int, default=3)
        if work in (replay, commands):
            sub.add_argument("--data", required=work is replay, help="folder of the traces")
        if work in (flow, one):
            sub.add_argument("--jobs", type=int, default=200_000)
        if work is kills:
            sub.add_argument("--kills", type=int, default=20)
        if work is contention:
            sub.add_argument("--jobs", type=int, default=10_000)
        if work in (scale, one):
            sub.add_argument("--scheduler", default="fifo")
        if work is one:
            sub.add_argument("--nodes", type=int, default=1250)
            sub.add_argument("--fixed-load", type=int, help="nodes that the load is made for")
            sub.add_argument("--at-once", action="store_true", help="all jobs are submitted at second 0")
            sub.add_argument("--write", action="store_true", help="write results")
        if work is step_time:
            sub.add_argument("--count", type=int, default=1_000_000, help="plans in the batch")
            sub.add_argument("--threads", type=int, default=0, help="measure in this process (used by itself)")
    arguments = parser.parse_args()
    print(json.dumps(arguments.work(arguments)))


if __name__ == "__main__":
    main()
