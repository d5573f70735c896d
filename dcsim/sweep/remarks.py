"""What a reader of a comparison must know beside its numbers: runs without a value, and runs of different jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dcsim.sweep.columns import Point, differing, told_apart
from dcsim.units import human_count

Runs = Sequence[dict[str, Any]]
Points = Mapping[Point, Runs]

MOST_NAMED = 3
ENDS = ("jobs_completed", "jobs_unfinished", "jobs_rejected")


def remarks(
    points: Points, baseline_of: Callable[[Point], Point | None], axes: Sequence[str], outputs: Sequence[str]
) -> tuple[str, ...]:
    """Sentences on these variants, none where nothing is to be said.

    `baseline_of`: with what a variant is compared; where there is none, all are compared with each other.
    """
    groups: dict[Point | None, list[Runs]] = {}
    for point, runs in points.items():
        groups.setdefault(baseline_of(point), []).append(runs)
    return (*_without_value(points, axes, outputs), *_different_jobs(list(groups.values())))


def labels(points: Sequence[Point], axes: Sequence[str]) -> list[str]:
    """Variants in words: their settings of the keys in which they differ, `fifo, 8`."""
    columns = list(zip(*points, strict=True)) if axes else []
    varied = [differing(told_apart(column)) for column in columns if len(set(map(repr, column))) > 1]
    return [", ".join(texts) for texts in zip(*varied, strict=True)] if varied else ["all"] * len(points)


def listed(names: Sequence[str]) -> str:
    """A few of them, `a; b; c and 4 more`."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return "; ".join(names[:MOST_NAMED]) + more


def _without_value(points: Points, axes: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """Variants whose means leave out seeds on which they gave nothing, by output; those that gave none say so."""
    found: dict[tuple[str, ...], list[str]] = {}
    names = labels(list(points), axes)
    for output in outputs:
        lacking = []
        for name, runs in zip(names, points.values(), strict=True):
            seeds = {run["seed"] for run in runs}
            have = {run["seed"] for run in runs if run.get(output) is not None}
            lacking += [f"{name}: {len(have)} of {len(seeds)} seeds"] if 0 < len(have) < len(seeds) else []
        if lacking:
            found.setdefault(tuple(lacking), []).append(output)
    return [
        f"no {' and '.join(of)} on some seeds, which may be the hard ones ({listed(lacking)}): means of other variants "
        "are over other draws"
        for lacking, of in found.items()
    ]


def _different_jobs(groups: Sequence[Sequence[Runs]]) -> list[str]:
    """Where what is compared did not end the same number of the same jobs on the same seed."""
    spread = {end: [n for runs in groups for n in _unequal(runs, end)] for end in ENDS}
    told = [f"{end} {human_count(min(n))} to {human_count(max(n))}" for end, n in spread.items() if n]
    if not told:
        return []
    return [
        f"different jobs ended in what is compared ({', '.join(told)} a run): means over jobs are of those that did"
    ]


def _unequal(group: Sequence[Runs], end: str) -> list[float]:
    """The counts of the seeds on which variants have different ones. Other numbers of jobs, a key that was swept, do
    not count as such."""
    by_seed: dict[Any, dict[float, None]] = {}
    for run in (run for runs in group for run in runs if run.get(end) is not None):
        jobs = run.get("jobs") if end == "jobs_completed" else None
        by_seed.setdefault((run["seed"], jobs), {})[run[end]] = None
    return [count for counts in by_seed.values() if len(counts) > 1 for count in counts]
