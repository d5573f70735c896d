"""Runs in this process, one after another: for debugging."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from dcsim.sweep.executors.base import Done
from dcsim.sweep.traces import Traces
from dcsim.sweep.work import Task, work


@dataclass(frozen=True)
class Inline:
    """An executor without workers. `traces`: folder of parsed traces."""

    traces: Path

    def run(self, tasks: Sequence[Task], done: Done) -> None:
        """See `Executor.run`. What plug-ins print goes to stderr, as with workers."""
        traces = Traces(self.traces)
        for task in tasks:
            with redirect_stdout(sys.stderr):
                outcome = work(task, traces)
            done(task, outcome)
