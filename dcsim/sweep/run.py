"""sweep(experiment): from a file to a table, whatever interrupts it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dcsim import results
from dcsim.errors import Problem, ScenarioError
from dcsim.metrics.summary import NAMES
from dcsim.sweep.executors.base import Executor
from dcsim.sweep.executors.inline import Inline
from dcsim.sweep.executors.processes import Processes
from dcsim.sweep.folder import Folder, Shard
from dcsim.sweep.prepared import Prepared, prepare
from dcsim.sweep.store import held
from dcsim.sweep.table import Table, plain_value
from dcsim.sweep.until import Until
from dcsim.sweep.work import FAILED, Outcome, Task

MISSING = "missing"
SHARD_MISSING = Outcome(error="no shard has made it yet", final=False)


@dataclass(frozen=True)
class Progress:
    """How far a sweep is. `kept`: runs that were done before; `wall_s`: since it began."""

    runs: int
    done: int
    failed: int
    kept: int
    wall_s: float


@dataclass(frozen=True)
class Options:
    """How a sweep is run.

    `workers`: None for one a core, 0 for none; `dask`: address of a scheduler; `shard`: (i, n) to make every n-th run
    only; `merge`: make none, but the table of what shards have made; `keep_runs`: leave each run's folder; `until`:
    add seeds until then; `told`: takes notes for the user.
    """

    workers: int | None = None
    dask: str | None = None
    shard: tuple[int, int] | None = None
    merge: bool = False
    keep_runs: bool = False
    until: Until | None = None
    progress: Callable[[Progress], None] = field(default=lambda _: None)
    told: Callable[[str], None] = field(default=lambda _: None)


def sweep(
    experiment: str | Path | Mapping[str, Any],
    out: str | Path = "results",
    *,
    data: str | Path | None = None,
    overrides: Iterable[str] = (),
    plugins: Iterable[str | Path] = (),
    **options: Any,
) -> Table:
    """Run an experiment, a file or its content as a dict, and return its table; what is done already is not done again.

    `out`: the folder in which a folder of the experiment's name is made; see `Options` for the rest, and `dcsim.load`
    for `data, overrides, plugins`. Raises ScenarioError with every mistake of every point before anything runs, and
    EnvironmentFault where the folder cannot be used.
    """
    prepared = prepare(experiment, data=data, overrides=overrides, plugins=plugins)
    return run_prepared(prepared, Path(out), Options(**options))


def run_prepared(prepared: Prepared, out: Path, options: Options) -> Table:
    """The same for an experiment that is read and checked."""
    folder = Folder(out / prepared.experiment.name, Shard.of(options.shard))
    folder.make(prepared)
    with held(folder.lock), folder.store() as store:
        for note in store.notes:
            options.told(note)
        known = store.all() | (folder.of_shards() if options.merge else {})
        mine = folder.shard.part(prepared.keys)
        if not options.merge:
            _make_missing(prepared, known, mine, folder, options, store.put)
        while options.until is not None and (more := options.until.more(prepared, known)) is not None:
            prepared = more
            _make_missing(prepared, known, folder.shard.part(prepared.keys), folder, options, store.put)
        table = table_of(prepared, [known.get(key, SHARD_MISSING) for key in prepared.keys])
        if options.shard is None:
            _write(table, folder.path, prepared)
    return table


def _make_missing(
    prepared: Prepared,
    known: dict[str, Outcome],
    mine: Sequence[int],
    folder: Folder,
    options: Options,
    put: Callable[[str, Outcome], None],
) -> None:
    """Make the runs that are not known, each once; the outcomes go to the store and among the known."""
    begun = time.monotonic()
    first_of: dict[str, int] = {}
    for number in mine:
        if prepared.keys[number] not in known:
            first_of.setdefault(prepared.keys[number], number)
    keep = folder.runs if options.keep_runs else None
    tasks = [Task(number, prepared.loaded(number), keep) for number in first_of.values()]
    kept, done, failed = len({prepared.keys[n] for n in mine}) - len(tasks), 0, 0

    def settle(task: Task, outcome: Outcome) -> None:
        """Keep an outcome and tell how far the sweep is."""
        nonlocal done, failed
        key = prepared.keys[task.number]
        put(key, outcome)
        known[key] = outcome
        done, failed = done + 1, failed + (outcome.status == FAILED)
        options.progress(Progress(len(tasks), done, failed, kept, time.monotonic() - begun))

    options.progress(Progress(len(tasks), 0, 0, kept, 0.0))
    if tasks:
        _executor(options, folder.traces).run(tasks, settle)


def _executor(options: Options, traces: Path) -> Executor:
    if options.dask is not None:
        from dcsim.sweep.executors.dask import Dask  # the extra `dask`

        return Dask(options.dask)
    workers = len(os.sched_getaffinity(0)) if options.workers is None else options.workers
    return Processes(workers, traces) if workers else Inline(traces)


def table_of(prepared: Prepared, outcomes: Sequence[Outcome]) -> Table:
    """The table, in the experiment's order whatever order the runs ended in."""
    found = {name: None for outcome in outcomes for name in outcome.summary or ()}
    names = [name for name in NAMES if name in found] + [name for name in found if name not in NAMES]
    columns = (*prepared.axes, "seed", *(names or NAMES), "status", "error")
    rows = []
    for (point, seed), outcome in zip(prepared.runs, outcomes, strict=True):
        row = (
            dict.fromkeys(columns) | {name: plain_value(value) for name, value in point.values.items()} | {"seed": seed}
        )
        status = MISSING if outcome is SHARD_MISSING else outcome.status
        rows.append(row | (outcome.summary or {}) | {"status": status, "error": outcome.error})
    experiment = prepared.experiment
    return Table(experiment.name, tuple(prepared.axes), experiment.outputs.summary, columns, tuple(rows))


def _write(table: Table, folder: Path, prepared: Prepared) -> None:
    results.write_text(folder / "table.csv", table.csv())
    results.write_parquet(folder / "table.parquet", table.arrow())
    meta = {
        "name": table.name,
        "base": prepared.experiment.base,
        "axes": list(table.axes),
        "outputs": list(table.outputs),
        "runs": len(table),
        "failed": sum(row["status"] == FAILED for row in table),
        "versions": results.versions(),
    }
    results.write_text(folder / "meta.json", json.dumps(meta, indent=2) + "\n")


def refuse_shard(text: str) -> tuple[int, int]:
    """`i/n` as two numbers, 1 <= i <= n; ScenarioError for anything else."""
    first, slash, second = text.partition("/")
    if slash and first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second) <= 1_000_000:
        return int(first), int(second)
    raise ScenarioError(Problem("--shard", "", "not a shard", f"'{text}'", "i/n with 1 <= i <= n, such as 1/8"))
