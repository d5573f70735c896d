"""Worker processes on this machine; what a dead one left is tried again.

`multiprocessing.Pool` hangs when a worker dies and `concurrent.futures` gives up all that is left. Workers are started
as commands of their own, so that scripts and notebooks need no `if __name__ == "__main__"`, and each has one run at a
time, so that a death costs no other.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path

from dcsim.errors import EnvironmentFault, Problem
from dcsim.sweep.executors.base import MOST_TRIES, Done
from dcsim.sweep.work import Outcome, Task

MOST_STILLBORN = 3  # workers in a row, for each wanted, that die before they can take a run
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Processes:
    """An executor with so many worker processes. `traces`: folder of parsed traces."""

    workers: int
    traces: Path

    def run(self, tasks: Sequence[Task], done: Done) -> None:
        """See `Executor.run`."""
        _Crew(self, tasks, done).work()


class _Worker:
    """One process, and the run that it has now."""

    def __init__(self, traces: Path) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "dcsim.sweep.worker", str(theirs.fileno()), str(traces)]
        paths = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
        # Workers are as many as cores: threads of their own would only wait for each other.
        environment = os.environ | dict.fromkeys(THREADS, "1") | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # never written to: its end tells the worker that we are gone
            stdout=2,  # what plug-ins print is no part of the answer on our stdout
            pass_fds=[theirs.fileno()],
            env=environment,
            start_new_session=True,  # Ctrl-C is for us alone
        )
        theirs.close()
        self.pipe = Connection(ours.detach())
        self.task: Task | None = None
        self.ready = False

    def give(self, task: Task) -> None:
        """Hand over a run; a worker that is gone says so by the end of its pipe."""
        self.task = task
        with contextlib.suppress(OSError):
            self.pipe.send(task)

    def last_words(self) -> str:
        """How a process that has closed its pipe ended."""
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            return "worker closed its pipe"
        if code >= 0:
            return f"worker ended with exit code {code}"
        hint = " (out of memory?)" if -code == signal.SIGKILL else ""
        return f"worker was killed by {signal.Signals(-code).name}{hint}"

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        self.pipe.close()
        if self._process.stdin is not None:
            self._process.stdin.close()


class _Crew:
    """Workers, the runs that wait for one, and what to do when one dies."""

    def __init__(self, facts: Processes, tasks: Sequence[Task], done: Done) -> None:
        self._traces, self._done = facts.traces, done
        self._waiting = deque(tasks)
        self._count = min(facts.workers, len(tasks))
        self._workers: list[_Worker] = []
        self._stillborn = 0

    def work(self) -> None:
        """Until every run has an outcome; workers are ended however this ends."""
        try:
            while self._waiting or any(worker.task for worker in self._workers):
                while len(self._workers) < self._count and self._waiting:
                    self._workers.append(_Worker(self._traces))
                for worker in self._workers:
                    if worker.ready and worker.task is None and self._waiting:
                        worker.give(self._waiting.popleft())
                by_pipe = {worker.pipe: worker for worker in self._workers}
                for pipe in wait(list(by_pipe)):
                    self._hear(by_pipe[pipe])  # type: ignore[index]
        finally:
            for worker in self._workers:
                worker.stop()

    def _hear(self, worker: _Worker) -> None:
        """A worker has come up, has an outcome, or is gone."""
        try:
            outcome: Outcome | None = worker.pipe.recv()
        except (EOFError, OSError):
            self._mourn(worker)
            return
        if outcome is None:
            worker.ready, self._stillborn = True, 0
            return
        task, worker.task = worker.task, None
        assert task is not None
        self._settle(task, outcome)

    def _mourn(self, worker: _Worker) -> None:
        words = worker.last_words()
        worker.stop()
        self._workers.remove(worker)
        if not worker.ready:
            self._stillborn += 1
        if worker.task is not None:
            self._settle(worker.task, Outcome(error=words, final=False, again=True))
        if self._stillborn >= MOST_STILLBORN * max(self._count, 1):
            what = f"no worker comes up: {words}"
            raise EnvironmentFault(Problem("sweep", "--workers", what, fix="--workers 0 runs without any"))

    def _settle(self, task: Task, outcome: Outcome) -> None:
        """Tell, or try again."""
        tried = task.tries + 1
        if not outcome.again or tried >= MOST_TRIES:
            self._done(task, outcome)
        else:
            self._waiting.append(replace(task, tries=tried))
