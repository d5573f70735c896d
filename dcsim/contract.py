"""The contract of plug-ins, as checks: the same for a user's file and for every built-in one.

A plug-in is run on small random workloads: it must decide only what is legal, end all jobs, and decide the same
again when everything is the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dcsim import plugins
from dcsim.errors import DcsimError, PolicyError, Problem
from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import COMPLETE, REJECT
from dcsim.policies.ordered import OrderedScheduler
from dcsim.policies.placements import Placement
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.spec import Accelerator, PluginTable, Pool, Scenario
from dcsim.sim.engine import Engine, Outcome

SEEDS = range(4)
JOBS = 60


def kind_of(cls: type[Any]) -> str:
    """What a plug-in class is: "scheduler", "placement", "workload" or "speeds"; "" if it is none."""
    if hasattr(cls, "place"):
        return "placement"
    if issubclass(cls, OrderedScheduler) or hasattr(cls, "decide"):
        return "scheduler"
    if hasattr(cls, "load"):
        return "workload"
    return "speeds" if hasattr(cls, "speeds") else ""


def broken_rules(path: Path) -> list[Problem]:
    """What a plug-in file breaks of its contract; an empty list if nothing.

    Raises PolicyError where the file cannot be loaded or holds no plug-in at all.
    """
    cls = plugins.load_file(path)
    kind = kind_of(cls)
    if not kind:
        expected = "a scheduler (key or decide), a placement (place), a workload (load) or speeds (speeds)"
        raise PolicyError(Problem(str(path), cls.__name__, "is no kind of plug-in", expected=expected))
    return list(_check(cls, kind, str(path)))


def _check(cls: type[Any], kind: str, file: str) -> Iterator[Problem]:
    if not (cls.__doc__ or "").strip() or (cls.__doc__ or "").startswith(f"{cls.__name__}("):
        yield Problem(file, cls.__name__, "has no docstring", fix="say in a sentence what it does")
    missing = [f.name for f in dataclasses.fields(cls) if _required(f)]
    if kind in ("workload", "speeds"):
        return  # what they yield depends on files
    if missing:
        yield Problem(file, cls.__name__, f"fields without a default: {', '.join(missing)}", fix="give each one")
        return
    for placement in (None,) if kind == "placement" else ("pool", "pack"):
        for seed in SEEDS:
            yield from _trial(cls, kind, placement, seed, file)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _trial(cls: type[Any], kind: str, placement: str | None, seed: int, file: str) -> Iterator[Problem]:
    """One random workload, twice."""
    jobs = random_jobs(seed)
    where = f"{JOBS} random jobs, seed {seed}" + (f", placement {placement}" if placement else "")
    try:
        first, second = (_run(cls, kind, placement, jobs) for _ in range(2))
    except DcsimError as error:
        yield from (Problem(file, where, str(problem)) for problem in error.problems)
        return
    except Exception as error:  # whatever a user's code raises is the finding
        yield Problem(file, where, f"raises {type(error).__name__}: {error}")
        return
    ended = len(first.log.of_kind(COMPLETE, REJECT))
    if ended != len(jobs):
        yield Problem(file, where, f"jobs that never end: {len(jobs) - ended}")
    if not same(first.log, second.log):
        yield Problem(
            file, where, "decides otherwise when run again", fix="draw only from view.random, never iterate over sets"
        )


def _run(cls: type[Any], kind: str, placement: str | None, jobs: JobTable) -> Outcome:
    where = placement or "custom"
    policy = cls() if kind == "placement" else plugins.find("placement", where)()
    scheduler = plugins.find("scheduler", "fifo")() if kind == "placement" else cls()
    pools = tuple(
        Pool(name=name, accelerator=Accelerator(name=name, fp16=rate), nodes=nodes, accelerators_per_node=4)
        for name, rate, nodes in (("slow", 1e14, 3), ("fast", 3e14, 2))
    )
    scenario = Scenario(
        name="contract", pools=pools, workload=PluginTable(use="csv"),
        scheduler=PluginTable(use=cls.__name__ if kind == "scheduler" else "fifo"), placement=PluginTable(use=where),
    )  # fmt: skip
    assert isinstance(policy, Placement), "kind_of has looked for `place`"
    return Engine(scenario, jobs, scheduler, policy).run()


def random_jobs(seed: int, count: int = JOBS) -> JobTable:
    """Small gangs with ties, priorities, tenants, zero-length jobs and inexact requests."""
    random = np.random.default_rng(seed)
    service = random.integers(0, 50, count).astype(float)
    return JobTable(
        submit_s=np.sort(random.integers(0, 200, count)).astype(float),
        service_s=service,
        accelerators=random.choice(np.array([1, 1, 2, 3, 4, 5, 8], np.int32), count),
        requested_s=np.maximum(1.0, service * random.choice([0.5, 1.0, 1.0, 2.0], count)),
        priority=random.integers(0, 3, count).astype(np.int32),
    )


def same(one: EventLog, other: EventLog) -> bool:
    """Whether two logs are equal to the last bit."""
    columns = ("time_s", "kind", "job", "value", "pool", "nodes", "counts")
    return all(np.array_equal(getattr(one, c), getattr(other, c)) for c in columns)
