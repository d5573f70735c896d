"""A worker process: takes runs from a pipe, one at a time, and sends back what came of each, after a None: it is up."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from dcsim.sweep.traces import Traces
from dcsim.sweep.work import work_apart


def serve(pipe: Connection, traces: Traces) -> None:
    """Say that we are up, so that a death from now on is that of a run; then work until the pipe ends."""
    pipe.send(None)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(work_apart(task, traces))


def _end_with_parent() -> None:
    """Stop at once, in the middle of a run too, when the process that started this one is gone."""
    while os.read(sys.stdin.fileno(), 1):  # not by its buffer, whose lock would be missed when a worker ends by itself
        pass
    os._exit(1)


def main(words: list[str]) -> None:
    """Words: number of the pipe's file, folder of parsed traces."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(BrokenPipeError):
        serve(Connection(int(words[0])), Traces(Path(words[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
