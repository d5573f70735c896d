"""Runs on the workers of a Dask scheduler, by its address; needs the extra `dask`.

The workers must see dcsim, the scenario's files and the data folder under the same paths.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcsim.errors import EnvironmentFault, Problem
from dcsim.sweep.executors.base import Done
from dcsim.sweep.traces import traces_of_process
from dcsim.sweep.work import Outcome, Task, work_apart

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
        with _silent():
            try:
                client = Client(self.address, timeout=TIMEOUT_S, set_as_default=False)
            except (OSError, TimeoutError, ValueError) as error:
                raise _fault("no Dask scheduler answers", self.address, f"{type(error).__name__}: {error}") from None
            with client:
                traces = self.traces.absolute()
                task_of = {client.submit(work_there, task, traces, pure=False): task for task in tasks}
                for future in as_completed(task_of, loop=client.loop):
                    done(task_of.pop(future), self._outcome(future))

    def _outcome(self, future: Any) -> Outcome:
        """What came of a run whose future is done; EnvironmentFault where the scheduler took it along."""
        try:
            if future.status == "finished":
                outcome: Outcome = future.result()
                return outcome
            if future.status not in ("lost", "cancelled"):
                error = future.exception()
                return Outcome(error=f"{type(error).__name__}: {error}", final=False)
        except (OSError, CancelledError, TimeoutError):  # the scheduler ends while it is asked
            pass
        raise _fault("the Dask scheduler is gone", self.address, "the same command makes what is left")


def work_there(task: Task, traces: Path) -> Outcome:
    """A run on a worker of Dask, with the parsed traces in a folder that it may not see."""
    return work_apart(task, traces_of_process(traces))


@contextmanager
def _silent() -> Iterator[None]:
    """Keep from stderr what Dask's client logs of a scheduler that is gone: tracebacks of what our error says."""
    logger = logging.getLogger("distributed.client")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _fault(what: str, address: str, fix: str) -> EnvironmentFault:
    return EnvironmentFault(Problem(OPTION, "", what, got=f"'{address}'", fix=fix))
