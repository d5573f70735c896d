"""What an executor is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from dcsim.sweep.work import Outcome, Task

MOST_TRIES = 3

Done = Callable[[Task, Outcome], None]


class Executor(Protocol):
    """Makes runs, somewhere."""

    def run(self, tasks: Sequence[Task], done: Done) -> None:
        """Make every run and say what came of each, in any order.

        A run whose worker dies is tried again, `MOST_TRIES` times in all. `done` is called in this process.
        """
        ...
