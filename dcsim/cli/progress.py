"""Progress while a run goes: a live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Self

from dcsim.units import human_count, human_time

if TYPE_CHECKING:
    from dcsim.sim.engine import Progress
    from dcsim.sweep.maker import Progress as SweepProgress

EVERY_S = 0.2  # wall time between two updates on a terminal
PLAIN_EVERY_S = 10.0  # and elsewhere


class Shown:
    """One line on stderr that is written over on a terminal; elsewhere a plain line now and then."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._begun = time.monotonic()
        self._shown = self._begun
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()

    def due(self) -> float | None:
        """Wall time since the beginning, s, where the next line is due; None where the last one is a moment ago."""
        now = time.monotonic()
        if self._quiet or now - self._shown < (EVERY_S if self._terminal else PLAIN_EVERY_S):
            return None
        self._shown = now
        return now - self._begun

    def say(self, text: str) -> None:
        """Show a text in the place of the last one; on a terminal only, or when it is a line of progress."""
        if self._quiet:
            return
        if self._terminal:
            text = text[: shutil.get_terminal_size().columns - 1]  # a line that wraps could not be written over
            sys.stderr.write("\r" + text.ljust(self._width))
            self._width = len(text)
        elif time.monotonic() - self._begun >= PLAIN_EVERY_S:
            sys.stderr.write(f"dcsim: {text}\n")
        sys.stderr.flush()


class Reporter(Shown):
    """Shows simulated time, jobs done, events/s and time left. Call it with a `Progress`."""

    def __call__(self, progress: Progress) -> None:
        """Show it, unless the last one was shown a moment ago."""
        elapsed_s = self.due()
        if elapsed_s is not None:
            self.say(line(progress, elapsed_s))


class SweepReporter(Shown):
    """Shows how many runs, or `things`, are done, failed and left, and until when."""

    def __init__(self, quiet: bool, things: str = "runs") -> None:
        super().__init__(quiet)
        self._things = things

    def __call__(self, progress: SweepProgress) -> None:
        """Show it, unless the last one was shown a moment ago."""
        if self.due() is not None:
            self.say(sweep_line(progress, self._things))

    def note(self, text: str) -> None:
        """Something that the user should know."""
        sys.stderr.write(f"dcsim: note: {text}\n")


def sweep_line(progress: SweepProgress, things: str) -> str:
    """`120 done, 2 failed, 380 left | 11.8 runs/s | 32 s left | 500 were done before`."""
    left = progress.runs - progress.done
    failed = f", {progress.failed} failed" if progress.failed else ""
    parts = [f"{human_count(progress.done)} done{failed}, {human_count(left)} left"]
    if progress.done and progress.wall_s > 0.0:
        rate = progress.done / progress.wall_s
        parts += [f"{rate:.3g} {things}/s", f"{human_time(left / rate)} left"]
    if progress.kept:
        parts.append(f"{human_count(progress.kept)} were done before")
    return " | ".join(parts)


def line(progress: Progress, elapsed_s: float) -> str:
    """`day 12.3 | 45,000 of 125,303 jobs done (36 %), 17 waiting | 110,000 events/s | 2 s left`."""
    share = progress.ended / progress.jobs
    rate = progress.events / elapsed_s if elapsed_s > 0.0 else 0.0
    left = f" | {human_time(elapsed_s * (1 - share) / share)} left" if share > 0.0 else ""
    return (
        f"{human_time(progress.time_s)} simulated | {human_count(progress.ended)} of {human_count(progress.jobs)} "
        f"jobs done ({share:.0%}), {human_count(progress.waiting)} waiting | {human_count(rate)} events/s{left}"
    )
