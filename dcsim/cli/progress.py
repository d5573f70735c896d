"""Progress while a run goes: a live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections import deque
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from dcsim.units import human_count, human_si, human_time

if TYPE_CHECKING:
    import argparse

    from dcsim.sim.engine import Progress
    from dcsim.sweep.maker import Progress as SweepProgress

EVERY_S = 0.2  # wall time between two updates on a terminal
PLAIN_EVERY_S = 10.0  # and elsewhere
KEPT = "all finished runs are kept, and the same command goes on"
RECENT_S = 10.0  # wall time whose speed tells the time left: simulations slow down as queues grow


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

    def __exit__(self, *_: Any) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the text away that is shown."""
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
            self._width = 0

    def wall_s(self) -> float:
        """Wall time since the beginning, s."""
        return time.monotonic() - self._begun

    def due(self) -> bool:
        """Whether the next line is due: the last one was not shown a moment ago."""
        now = time.monotonic()
        if self._quiet or now - self._shown < (EVERY_S if self._terminal else PLAIN_EVERY_S):
            return False
        self._shown = now
        return True

    def say(self, text: str) -> None:
        """Show a text in the place of the last one; on a terminal only, or when it is a line of progress."""
        if self._quiet:
            return
        if self._terminal:
            text = text[: shutil.get_terminal_size().columns - 1]  # a line that wraps could not be written over
            sys.stderr.write("\r" + text.ljust(self._width))
            self._width = len(text)
        elif self.wall_s() >= PLAIN_EVERY_S:
            sys.stderr.write(f"dcsim: {text}\n")
        sys.stderr.flush()


class Moment(NamedTuple):
    """How many jobs had ended, and how many events had happened, after so much wall time, s."""

    wall_s: float
    ended: int
    events: int


class Reporter(Shown):
    """Shows the share of jobs done, time left, jobs waiting, simulated time and events/s. Call it with a `Progress`."""

    def __init__(self, quiet: bool) -> None:
        super().__init__(quiet)
        self._recent = deque([Moment(0.0, 0, 0)])

    def __call__(self, progress: Progress) -> None:
        """Show it, unless the last one was shown a moment ago."""
        wall_s, recent = self.wall_s(), self._recent
        recent.append(Moment(wall_s, progress.ended, progress.events))
        while len(recent) > 2 and recent[1].wall_s <= wall_s - RECENT_S:
            recent.popleft()
        if self.due():
            self.say(line(progress, wall_s, recent[0]))


class SweepReporter(Shown):
    """Shows how many runs, or `things`, are done, failed and left, and until when."""

    def __init__(self, arguments: argparse.Namespace, things: str = "runs") -> None:
        """`arguments`: with `quiet`, nothing is shown; with `json`, notes alone."""
        super().__init__(arguments.quiet or arguments.json)
        self._things, self._notes = things, not arguments.quiet
        self._elsewhere = redirect_stdout(sys.stderr)  # stdout is for the answer, not for what plug-ins print

    def __enter__(self) -> Self:
        self._elsewhere.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        self._elsewhere.__exit__(kind, None, None)
        self.clear()
        if kind is KeyboardInterrupt:
            raise KeyboardInterrupt(KEPT)

    def __call__(self, progress: SweepProgress) -> None:
        """Show it, unless the last one was shown a moment ago."""
        if self.due():
            self.say(sweep_line(progress, self._things))

    def read(self, points: int, of: int) -> None:
        """Show how many points have been read, unless the last ones were shown a moment ago."""
        self._points("read", points, of)

    def checked(self, points: int, of: int) -> None:
        """The same for those that have been looked at as a run would begin them."""
        self._points("checked", points, of)

    def _points(self, what: str, points: int, of: int) -> None:
        if self.due():
            self.say(f"{human_count(points)} of {human_count(of)} points {what}")

    def note(self, text: str) -> None:
        """Something that the user should know."""
        if self._notes:
            self.clear()
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


def line(progress: Progress, wall_s: float, since: Moment) -> str:
    """`36% of 125,303 jobs, 2.8 s left, 17 waiting, at 12.3 d, 110 k events/s`: at most 79 letters in a usual run.

    Speed and time left follow from what happened since an earlier moment, up to now, `wall_s`.
    """
    parts = [f"{progress.ended / progress.jobs:.0%} of {human_count(progress.jobs)} jobs"]
    passed_s, ended = wall_s - since.wall_s, progress.ended - since.ended
    if ended:
        parts.append(f"{human_time(passed_s * (progress.jobs - progress.ended) / ended)} left")
    parts += [f"{_short(progress.waiting)} waiting", f"at {human_time(progress.time_s)}"]
    if passed_s > 0.0:
        parts.append(f"{_short((progress.events - since.events) / passed_s)} events/s")
    return ", ".join(parts)


def _short(count: float) -> str:
    return human_si(count, "").rstrip()
