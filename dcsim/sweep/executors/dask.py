"""Runs on the workers of a Dask scheduler, by its address; needs the extra `dask`.

The workers must see dcsim, the scenario's files and the data folder under the same paths.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dcsim.errors import EnvironmentFault, Problem
from dcsim.sweep.executors.base import Done
from dcsim.sweep.traces import traces_of_process
from dcsim.sweep.work import Outcome, Task, work

TIMEOUT_S = 10.0
OPTION = "--dask"


@dataclass(frozen=True)
class Dask:
    """An executor on the workers of the scheduler at `address`, such as tcp://head:8786. `traces`: folder of parsed
    traces; a worker on a machine that does not see it parses each once."""

    address: str
    traces: Path

    def run(self, tasks: Sequence[Task], done: Done) -> None:
        """See `Executor.run`. EnvironmentFault where nobody answers within 10 s, or Dask is not installed.

        Dask itself tries again what a dead worker left (`distributed.scheduler.allowed-failures`, 3).
        """
        try:
            from distributed import Client, as_completed
        except ImportError:
            raise _fault("Dask is not installed", self.address, "pip install 'dcsim[dask]'") from None
        if not re.fullmatch(r"\w+://\S+:\d+", self.address):
            raise _fault("is no address of a Dask scheduler", self.address, "such as tcp://head:8786")
        try:
            client = Client(self.address, timeout=TIMEOUT_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise _fault("no Dask scheduler answers", self.address, f"{type(error).__name__}: {error}") from None
        with client:
            traces = self.traces.absolute()
            task_of = {client.submit(_work, task, traces, pure=False): task for task in tasks}
            for future in as_completed(task_of, loop=client.loop):
                if future.status in ("lost", "cancelled"):
                    raise _fault("the Dask scheduler is gone", self.address, "the same command makes what is left")
                failed = future.status != "finished"
                outcome = Outcome(error=_why(future), final=False) if failed else future.result()
                done(task_of.pop(future), outcome)


def _work(task: Task, traces: Path) -> Outcome:
    """On a worker: the run."""
    return work(task, traces_of_process(traces))


def _why(future: object) -> str:
    error = future.exception()  # type: ignore[attr-defined]
    return f"{type(error).__name__}: {error}"


def _fault(what: str, address: str, fix: str) -> EnvironmentFault:
    return EnvironmentFault(Problem(OPTION, "", what, got=f"'{address}'", fix=fix))
