"""What can be read of a scenario with mistakes, so that what else is wrong with its jobs is told with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from dcsim.errors import Problem
from dcsim.scenario.facts import Facts
from dcsim.scenario.keys import keys_of
from dcsim.scenario.mistakes import Mistakes
from dcsim.scenario.positions import KeyPath
from dcsim.scenario.spec import Pool
from dcsim.scenario.training import Plan, TrainingJob, contradictions

F = TypeVar("F", bound=Facts)


@dataclass(frozen=True)
class Drafts:
    """Pools and jobs by number in the scenario: keys with mistakes, and required ones that are missing, are None.

    `whole`: paths of those with neither.
    """

    pools: Mapping[int, Pool]
    jobs: Mapping[int, TrainingJob]
    whole: Collection[KeyPath]

    def pools_of(self, job: TrainingJob) -> dict[int, Pool]:
        """The pools that a job may use, those among them whose names cannot be read."""
        return {n: pool for n, pool in self.pools.items() if None in (job.pool, pool.name) or job.pool == pool.name}


Look = Callable[[Drafts], Iterable[Problem]]
"""What another room finds wrong with jobs; the `file` of a problem is the path of a job, such as "jobs.0"."""


def rows_of(tree: Mapping[str, Any], array: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The tables of an array of tables, with their numbers."""
    rows = tree.get(array)
    for number, row in enumerate(rows if isinstance(rows, tuple) else ()):
        if isinstance(row, dict):
            yield number, row


def look_further(tree: Mapping[str, Any], mistakes: Mistakes, look: Look) -> None:
    """Note what else is wrong with jobs of a tree with mistakes: rules about several keys, and what `look` finds."""
    pools = {n: _draft(Pool, ("pools", n), row, mistakes) for n, row in rows_of(tree, "pools")}
    jobs = {n: _draft(TrainingJob, ("jobs", n), row, mistakes) for n, row in rows_of(tree, "jobs")}
    paths: list[KeyPath] = [*(("pools", n) for n in pools), *(("jobs", n) for n in jobs)]
    found = Drafts(pools, jobs, [path for path in paths if not mistakes.below(path)])
    for number, row in rows_of(tree, "jobs"):
        unread = [name for name in row if getattr(jobs[number], name, None) is None]
        for key, text in contradictions(jobs[number], unread):
            what, _, fix = text.partition("; ")
            mistakes.add(("jobs", number, *key.split(".")), what, fix=fix)
    for problem in look(found):
        path = (*problem.file.split("."), *problem.key.split("."))
        mistakes.add((path[0], int(path[1]), *path[2:]), problem.what, problem.got, problem.expected, problem.fix)


def _draft(kind: type[F], path: KeyPath, table: Mapping[str, Any], mistakes: Mistakes) -> F:
    """The facts of a table, None where they cannot be read."""
    values: dict[str, Any] = {key.name: None for key in keys_of(kind) if key.required}
    for key in keys_of(kind):
        given, inner = table.get(key.name), (*path, key.name)
        if given is None:
            continue
        if key.name == "plan" and isinstance(given, dict):
            values["plan"] = _draft(Plan, inner, given, mistakes)
        else:
            values[key.name] = None if mistakes.below(inner) else key.adapter.validate_python(given)
    return kind.model_construct(**values)


def oversize(job: TrainingJob, pools: Iterable[Pool]) -> str | None:
    """Says that none of the pools has as many accelerators as a job needs; None if one has, or may have."""
    least = job.min_accelerators if job.accelerators is None else job.accelerators
    sizes = [(pool.nodes or 0) * (pool.accelerators_per_node or 0) for pool in pools]
    if least is None or not sizes or min(sizes) == 0 or max(sizes) >= least:
        return None
    return f"no pool that it may use has so many: the largest has {max(sizes)}"


def size_key(job: TrainingJob) -> str:
    """The key that says how many accelerators a job needs."""
    return "min_accelerators" if job.accelerators is None else "accelerators"
