"""Makes runs of an experiment in its folder, each once: what is known already is not made again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dcsim.errors import EnvironmentFault, Problem, ScenarioError
from dcsim.results import folder_of, is_run
from dcsim.scenario import digest
from dcsim.sweep.checks import Checked, Kinds, faults, seeds_count
from dcsim.sweep.executors.base import Executor
from dcsim.sweep.executors.inline import Inline
from dcsim.sweep.executors.processes import Processes
from dcsim.sweep.experiment import Experiment
from dcsim.sweep.folder import Folder
from dcsim.sweep.prepared import Prepared
from dcsim.sweep.store import held
from dcsim.sweep.work import FAILED, Outcome, Task

MOST_WORKERS = 4096


@dataclass(frozen=True)
class Progress:
    """How far a sweep is. `kept`: runs that were done before; `wall_s`: since it began."""

    runs: int
    done: int
    failed: int
    kept: int
    wall_s: float


@dataclass(frozen=True)
class Making:
    """How runs are made.

    `workers`: None for one a core, 0 for none; `dask`: address of a scheduler; `keep_runs`: leave each run's folder;
    `progress`, `checked`: told how many runs are done, and how many points of how many have been looked at;
    `told`: takes notes for the user.
    """

    workers: int | None = None
    dask: str | None = None
    keep_runs: bool = False
    progress: Callable[[Progress], None] = field(default=lambda _: None)
    checked: Checked = field(default=lambda *_: None)
    told: Callable[[str], None] = field(default=lambda _: None)

    def __post_init__(self) -> None:
        if self.workers is not None and not (isinstance(self.workers, int) and 0 <= self.workers <= MOST_WORKERS):
            raise ScenarioError(Problem("--workers", "", "out of range", f"{self.workers!r}", f"0 to {MOST_WORKERS}"))
        if self.workers and self.dask is not None:
            raise ScenarioError(Problem("--dask", "", "does not go with --workers"))


@dataclass(frozen=True)
class Maker:
    """Makes runs in a folder that is held. `known`: outcomes by key; `put`: keeps one in the store."""

    folder: Folder
    making: Making
    known: dict[str, Outcome]
    put: Callable[[str, Outcome], None]

    def check(self, prepared: Prepared, mine: Sequence[int] | None = None, more_seeds: bool = False) -> None:
        """Look at the points of the runs that are not known; ScenarioError with all that their runs would refuse.

        `mine`: see `make`. Tells where seeds change nothing, if there are several, or are to be more.
        """
        numbers = self._missing(prepared, range(len(prepared.runs)) if mine is None else mine)
        first_of: dict[int, int] = {}
        for number in numbers:
            first_of.setdefault(id(prepared.runs[number][0]), number)
        points = [(prepared.runs[number][0], prepared.loaded(number)) for number in first_of.values()]
        traces = Kinds(self.folder.traces)
        if found := faults(points, traces, self.making.checked):
            raise ScenarioError(found)
        more_seeds |= len(prepared.runs) > len(prepared.points)
        if more_seeds and points and not seeds_count((loaded for _, loaded in points), traces):
            self.making.told("nothing here is drawn: every seed of a point makes the same run again")

    @property
    def _keep(self) -> Path | None:
        """The folder of whole runs, where they are to be kept."""
        return self.folder.runs if self.making.keep_runs else None

    def _missing(self, prepared: Prepared, numbers: Sequence[int]) -> list[int]:
        """The first of the runs with each key that is not known, or whose folder is to be kept and is not there."""
        first_of: dict[str, int] = {}
        for number in numbers:
            known = self.known.get(prepared.keys[number])
            if known is None or (
                self._keep is not None and known.summary is not None and not _is_kept(prepared, number, self._keep)
            ):
                first_of.setdefault(prepared.keys[number], number)
        return list(first_of.values())

    def make(self, prepared: Prepared, mine: Sequence[int] | None = None) -> list[Outcome]:
        """Make the runs that are not known, each once; the outcomes of all those asked for, in order.

        `mine`: numbers of the runs, by default all.
        """
        begun = time.monotonic()
        numbers = range(len(prepared.runs)) if mine is None else mine
        keep = self._keep
        tasks = [Task(number, prepared.loaded(number), keep) for number in self._missing(prepared, numbers)]
        kept, done, failed = len({prepared.keys[n] for n in numbers}) - len(tasks), 0, 0

        def settle(task: Task, outcome: Outcome) -> None:
            """Keep an outcome and tell how far the sweep is."""
            nonlocal done, failed
            key = prepared.keys[task.number]
            if outcome.summary is not None or key not in self.known:  # a run made again to be kept may fail
                self.put(key, outcome)
                self.known[key] = outcome
            done, failed = done + 1, failed + (outcome.status == FAILED)
            self.making.progress(Progress(len(tasks), done, failed, kept, time.monotonic() - begun))
            if outcome.fault is not None:  # the next ones would fare alike, and what is done is in the store
                raise EnvironmentFault(Problem(str(keep), "--keep-runs", outcome.fault))

        self.making.progress(Progress(len(tasks), 0, 0, kept, 0.0))
        if tasks:
            _executor(self.making, self.folder.traces).run(tasks, settle)
        return [self.known[prepared.keys[number]] for number in numbers]


@contextmanager
def maker(experiment: Experiment, folder: Folder, making: Making) -> Iterator[Maker]:
    """Make the experiment's folder if it is not there, and hold it; see `Folder.make` and `held` for what it raises."""
    folder.make(experiment)
    with held(folder.lock), folder.store() as store:
        known = folder.elsewhere(making.told) | store.all()
        for note in store.notes:
            making.told(note)
        yield Maker(folder, making, known, store.put)


def _is_kept(prepared: Prepared, number: int, keep: Path) -> bool:
    """Whether the whole folder of a run is there."""
    scenario = prepared.loaded(number).scenario
    return is_run(folder_of(scenario.name, digest(scenario), keep))


def _executor(making: Making, traces: Path) -> Executor:
    if making.dask is not None:
        from dcsim.sweep.executors.dask import Dask  # the extra `dask`

        return Dask(making.dask, traces)
    workers = len(os.sched_getaffinity(0)) if making.workers is None else making.workers
    return Processes(workers, traces) if workers else Inline(traces)
