"""How often intervals hold the truth: `python -m benchmarks.interval_coverage`: paired over seeds, batch means of one
long run after MSER-5, and seeds added until the interval is narrow.

All on waits of M/M/1, whose mean is known: rho / (mu - lambda). The queue is Lindley's recursion,
W' = max(W + S - A, 0); the intervals are those of `dcsim.sweep.statistics`. The last line is one JSON object.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator

import numpy as np

from dcsim.sweep.statistics import Floats, Mean, batch_means, independent, interval, paired
from dcsim.sweep.until import Until

BETWEEN_S = 60.0  # mean time between arrivals
SEED = 20261130
PAIRED = 4000  # experiments of each number of seeds
LONG = 1000  # long runs of each load and length
SOUGHT = 20_000  # searches for enough seeds of each target


def waits(services_s: tuple[float, ...], jobs: int, runs: int, seed: int) -> Iterator[Floats]:
    """Waits of one job after the other, s, shape (services, runs): the same arrivals and the same draws for all
    services, as points of a sweep that differ in that."""
    random = np.random.default_rng(seed)
    scale = np.array(services_s)[:, None]
    wait = np.zeros((len(services_s), runs))
    for _ in range(jobs):
        yield wait
        wait = np.maximum(wait + scale * random.exponential(size=runs) - random.exponential(BETWEEN_S, runs), 0.0)


def mean_wait_s(service_s: float) -> float:
    """Mean wait of M/M/1 in the long run, s."""
    load = service_s / BETWEEN_S
    return load / (1.0 / service_s - 1.0 / BETWEEN_S)


def covered(means: list[Mean], truth: float) -> float:
    """Share of intervals that hold the truth."""
    return float(np.mean([abs(mean.value - truth) <= mean.half for mean in means]))


def over_seeds() -> dict[str, float]:
    """Services of 30 and 33 s, runs of 4,000 jobs: the difference and each mean, by number of seeds."""
    exact = mean_wait_s(33.0) - mean_wait_s(30.0)
    found = {}
    for seeds in (5, 8, 30):
        total = np.zeros((2, PAIRED * seeds))
        for wait in waits((30.0, 33.0), 4000, PAIRED * seeds, SEED):
            total += wait
        fast, slow = (total / 4000.0).reshape(2, PAIRED, seeds)
        differences = [paired(b.tolist(), a.tolist()) for a, b in zip(fast, slow, strict=True)]
        singles, others = ([interval(values) for values in of] for of in (slow, fast))
        unpaired = [independent(mean, other) for mean, other in zip(singles, others, strict=True)]
        print(
            f"| {seeds} | {covered(differences, exact):.1%} | {covered(singles, mean_wait_s(33.0)):.1%} "
            f"| {_width(unpaired) / _width(differences):.1f} | {_width(singles) / _width(differences):.1f} |"
        )
        found[f"paired_{seeds}_seeds"] = covered(differences, exact)
    return found


def of_one_run() -> dict[str, float]:
    """Batch means after the warm-up, by load and number of jobs."""
    found = {}
    for load in (0.5, 0.8, 0.9):
        for jobs in (2_000, 10_000, 50_000, 200_000):
            by_run = np.array([wait[0] for wait in waits((load * BETWEEN_S,), jobs, LONG, SEED)]).T
            means = [batch_means(values) for values in by_run]
            exact = mean_wait_s(load * BETWEEN_S)
            bias = float(np.mean([mean.value for mean in means])) / exact - 1.0
            print(
                f"| {load} | {jobs:,} | {covered(means, exact):.1%} | {bias:+.1%} | {_width(means) / exact:.1%} "
                f"| {covered([interval(values) for values in by_run], exact):.1%} |"
            )
            found[f"batch_means_{load}_{jobs}"] = covered(means, exact)
    return found


def until_narrow() -> dict[str, float]:
    """Seeds added until the interval is within a share of the mean, for runs of 400 jobs at rho 0.5."""
    total = np.zeros(1_000_000)
    for wait in waits((30.0,), 400, len(total), SEED):
        total += wait[0]
    pool, random = total / 400.0, np.random.default_rng(SEED)
    truth, found = float(pool.mean()), {}
    for target in (0.25, 0.1, 0.05):
        searches = SOUGHT if target > 0.05 else SOUGHT // 10
        means = [sought(Until(target, ""), lambda count: random.choice(pool, count)) for _ in range(searches)]
        fixed = [interval(random.choice(pool, mean.count)) for mean in means]
        bias = float(np.mean([mean.value for mean in means])) / truth - 1.0
        seeds = sorted(mean.count for mean in means)
        print(
            f"| {target:.0%} | {seeds[len(seeds) // 2]} | {covered(means, truth):.1%} | {bias:+.1%} "
            f"| {covered(fixed, truth):.1%} |"
        )
        found[f"until_{target}"] = covered(means, truth)
    return found


def sought(until: Until, draw: Callable[[int], Floats]) -> Mean:
    """The mean at which the rule of `--until-ci` stops. `draw`: values of so many new seeds."""
    values: list[float] = []
    while (wanted := until.wanted(values, len(values))) > len(values):
        values += draw(wanted - len(values)).tolist()
    return interval(values)


def _width(means: list[Mean]) -> float:
    return float(np.mean([mean.half for mean in means if not math.isnan(mean.half)]))


def main() -> None:
    """Print three tables and their figures."""
    print("| seeds | paired difference covers | mean covers | unpaired over paired width | single over paired width |")
    print("| --- " * 5 + "|")
    found = over_seeds()
    print("\n| load | jobs | batch means cover | bias | half-width | single waits cover |\n" + "| --- " * 6 + "|")
    found |= of_one_run()
    print(
        "\n| target | seeds, median | covers | bias of the mean | as many seeds, fixed before |\n" + "| --- " * 5 + "|"
    )
    found |= until_narrow()
    print(json.dumps({key: round(value, 4) for key, value in found.items()}))


if __name__ == "__main__":
    main()
