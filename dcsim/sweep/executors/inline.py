"""Runs in this process, one after another: for debugging."""

from __future__ import annotations

from collections.abc import Sequence
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
        """See `Executor.run`."""
        traces = Traces(self.traces)
        for task in tasks:
            done(task, work(task, traces))
