"""Runs on the workers of a Dask scheduler, by its address; needs the extra `dask`.

The workers must see dcsim, the scenario's files and the data folder under the same paths.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from dcsim.errors import EnvironmentFault, Problem
from dcsim.sweep.executors.base import Done
from dcsim.sweep.traces import traces_of_process
from dcsim.sweep.work import Outcome, Task, work_apart

ANSWER_S = 8.0  # of the 10 s that the docs promise; importing Dask takes some
CONNECT_S = 7.0  # of these: who does not let us in is said in Dask's words
CLIENT_S = 10.0  # where there is an answer
LOGGERS = ("distributed", "distributed.client", "distributed.core", "distributed.comm.tcp", "tornado", "asyncio")
OPTION = "--dask"


@dataclass(frozen=True)
class Dask:
    """An executor on the workers of the scheduler at `address`, such as tcp://head:8786. `traces`: folder of parsed
    traces; a worker on a machine that does not see it parses each once."""

    address: str
    traces: Path

    def run(self, tasks: Sequence[Task], done: Done) -> None:
        """See `Executor.run`. EnvironmentFault where no scheduler answers within 10 s, or Dask is not installed.

        Dask itself tries again what a dead worker left (`distributed.scheduler.allowed-failures`, 3).
        """
        try:
            from distributed import Client, as_completed
        except ImportError:
            raise _fault("Dask is not installed", self.address, "pip install 'dcsim[dask]'") from None
        if not re.fullmatch(r"\w+://\S+:\d+", self.address):
            raise _fault("is no address of a Dask scheduler", self.address, "such as tcp://head:8786")
        with _silent():
            if (why := _silence(self.address)) is not None:
                raise _fault("no Dask scheduler answers", self.address, why)
            try:
                client = Client(self.address, timeout=CLIENT_S, set_as_default=False)
            except Exception as error:  # of any sort: it went away, or is of another version
                raise _fault("no Dask scheduler answers", self.address, _in_words(error)) from None
            with client:
                traces = self.traces.absolute()
                task_of = {client.submit(work_there, task, traces, pure=False): task for task in tasks}
                for future in as_completed(task_of, loop=client.loop):
                    done(task_of.pop(future), self._outcome(future))

    def _outcome(self, future: Any) -> Outcome:
        """What came of a run whose future is done; EnvironmentFault where the scheduler took it along.

        A future may be lost behind that: its worker died before the result was fetched, and Dask makes it anew.
        """
        try:
            error = future.exception()  # waits for a run that is made anew
            if future.status == "finished":
                outcome: Outcome = future.result()
                return outcome
            if future.status == "error":
                return Outcome(error=f"{type(error).__name__}: {error}", final=False)
        except (OSError, CancelledError, TimeoutError):  # the scheduler ends while it is asked
            pass
        raise _fault("the Dask scheduler is gone", self.address, "the same command makes what is left")


def work_there(task: Task, traces: Path) -> Outcome:
    """A run on a worker of Dask, with the parsed traces in a folder that it may not see."""
    return work_apart(task, traces_of_process(traces))


def _silence(address: str) -> str | None:
    """Why no scheduler answers at an address; None where one does.

    One question and its answer, before there is a client: Dask bounds the time to connect, but not that of the greeting
    after it, and a client that got none takes long to close and says so in tracebacks. In a thread, which may stay
    behind: that bounds whatever happens, and notebooks have a loop of their own in theirs.
    """
    found: list[str | None] = []

    def ask() -> None:
        """Find what is wrong, or None."""
        try:
            identity = asyncio.run(asyncio.wait_for(_identity(address), ANSWER_S))
            found.append(None if "workers" in identity else "who answers is no scheduler")
        except TimeoutError:
            found.append(f"who listens there says nothing in Dask's protocol within {ANSWER_S:g} s")
        except (OSError, ValueError, TypeError) as error:
            found.append(_in_words(error))
        except Exception as error:  # of any sort: Dask took bytes of something else for lengths, which no memory has
            found.append(f"who listens there speaks another protocol ({_in_words(error)})")

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_S + 1.0)
    return found[0] if found else f"no answer within {ANSWER_S:g} s"


async def _identity(address: str) -> dict[str, Any]:
    from distributed.core import rpc
    from distributed.security import Security

    options = Security().get_connection_args("client")  # certificates of Dask's configuration, as its client has them
    async with rpc(address, timeout=CONNECT_S, connection_args=options) as remote:
        return dict(await remote.identity())


def _in_words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


@contextmanager
def _silent() -> Iterator[None]:
    """Keep from stderr what Dask logs of a scheduler that is gone, or none: tracebacks of what our error says."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _fault(what: str, address: str, fix: str) -> EnvironmentFault:
    return EnvironmentFault(Problem(OPTION, "", what, got=f"'{address}'", fix=fix))
