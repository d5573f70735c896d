"""One run of a sweep: a pure function of scenario and seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcsim.errors import DcsimError, EnvironmentFault
from dcsim.results import folder_of, save, write
from dcsim.run import Run, run
from dcsim.scenario import digest
from dcsim.scenario.loaded import Loaded
from dcsim.sweep.traces import Traces

DONE = "done"
FAILED = "failed"


@dataclass(frozen=True)
class Task:
    """A run to make. `number`: its row; `keep`: the folder for its results, None to leave the summary only."""

    number: int
    loaded: Loaded
    keep: Path | None = None
    tries: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of a run: its summary, or why there is none. `final`: trying again would end the same way;
    `again`: it may well be tried again at once, not only by the next sweep. `fault`:
    why its folder could not be kept."""

    summary: dict[str, Any] | None = None
    error: str | None = None
    final: bool = True
    again: bool = False
    fault: str | None = None

    @property
    def status(self) -> str:
        """`done` or `failed`."""
        return DONE if self.summary is not None else FAILED


def work(task: Task, traces: Traces) -> Outcome:
    """Simulate; whatever goes wrong becomes the outcome's error."""
    try:
        made = run(task.loaded, traces=traces)
        return Outcome(made.summary, fault=_unkept(made, task.keep))
    except MemoryError:
        return Outcome(error="out of memory", final=False, again=True)
    except OSError as error:
        return Outcome(error=f"{error.filename or 'file system'}: {error.strerror or error}", final=False, again=True)
    except DcsimError as error:
        return Outcome(error="; ".join(error.lines()), final=error.exit_code == 2)
    except (Exception, SystemExit) as error:  # a mistake in a plug-in or in dcsim costs this run alone
        return _mistake(error)


def work_apart(task: Task, traces: Traces) -> Outcome:
    """The same where Ctrl-C never comes to, in a worker: only a plug-in can have raised what looks like it."""
    try:
        return work(task, traces)
    except KeyboardInterrupt as error:
        return _mistake(error)


def _mistake(error: BaseException) -> Outcome:
    return Outcome(error=f"{type(error).__name__}: {error}".removesuffix(": "), final=False)


def _unkept(made: Run, keep: Path | None) -> str | None:
    """Keep a run's folder where that is asked for; why it could not be. The summary is not lost with it."""
    try:
        if keep is not None:
            place = folder_of(made.scenario.name, digest(made.scenario), keep)
            if place.is_dir():  # what lacks a file is the sweep's own: made anew, as is a whole one
                write(made, place)
            else:
                save(made, keep)
    except EnvironmentFault as error:
        return "; ".join(error.lines())
    return None
