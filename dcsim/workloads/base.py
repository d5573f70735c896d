"""What a workload is: a frozen dataclass whose fields are its TOML keys, with `load(context) -> JobTable`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np

from dcsim.scenario.jobs import JobTable


@dataclass(frozen=True)
class WorkloadContext:
    """What a workload may know of the scenario.

    `resolve` turns a path of the scenario into a file inside the scenario's folder or the data folder, or
    raises ScenarioError. `stream` gives the named random stream (`numpy.random.Generator`); a workload may
    ask for several names. `capacity` is the number of accelerators of all pools. `file` names the scenario in
    error texts. `start` is the calendar time of second 0, where the scenario has one.
    """

    resolve: Callable[[str], Path]
    stream: Callable[[str], np.random.Generator]
    capacity: int
    file: str = ""
    start: datetime | None = None


class Workload(Protocol):
    """A source of jobs. Loaders of trace files have at least the field `path: str`."""

    def load(self, context: WorkloadContext) -> JobTable:
        """All jobs, sorted by submission. Raises TraceError with file, row, column and value."""
        ...
