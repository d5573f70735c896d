"""Closed forms of a job's progress: how long work takes and what is kept when it is cut, with checkpoints.

A job alternates `interval` seconds of useful work with a checkpoint of `cost` seconds during which work stops. The
last stretch ends the job and needs no checkpoint. Without an interval there are no periodic checkpoints and a
preempted job keeps all its work.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, inf


@dataclass(frozen=True)
class Checkpoints:
    """Periodic checkpoints: `interval` s of useful work, then `cost` s; no checkpoints if the interval is infinite
    and all work is safe. At rate 0 a job waits in its place: it does nothing, for ever if nobody changes that."""

    interval: float = inf
    cost: float = 0.0

    def time_for(self, work: float, rate: float = 1.0) -> float:
        """Time, s, that `work` s of service take at `rate`, checkpoints included."""
        if rate == 0.0:
            return inf
        if self.interval == inf or self.cost == 0.0:
            return work / rate
        return work / rate + self.cost * max(0, ceil(work / self.interval) - 1)

    def done_after(self, elapsed: float, rate: float = 1.0) -> float:
        """Useful work, s of service, after `elapsed` s at `rate`; the inverse of `time_for`."""
        if elapsed <= 0.0 or rate == 0.0:
            return 0.0
        if self.interval == inf or self.cost == 0.0:
            return elapsed * rate
        cycle = self.interval / rate + self.cost
        cycles = floor(elapsed / cycle)
        return cycles * self.interval + min((elapsed - cycles * cycle) * rate, self.interval)

    def kept_after(self, elapsed: float, rate: float = 1.0) -> float:
        """Work, s of service, that is safe when the run is cut after `elapsed` s: up to the last checkpoint."""
        if elapsed <= 0.0 or rate == 0.0:
            return 0.0
        if self.interval == inf:
            return elapsed * rate
        return floor(elapsed / (self.interval / rate + self.cost)) * self.interval

    def at_rate(self, elapsed: float, rate: float, new_rate: float) -> tuple[float, float]:
        """Where a run stands after `elapsed` s, if it goes on at another rate: work that is safe, s of service, and how
        long it would have taken at the new rate to come from there to the same point before the next checkpoint."""
        if elapsed <= 0.0 or rate == 0.0:
            return 0.0, 0.0
        safe = self.kept_after(elapsed, rate)
        if self.interval == inf:
            return safe, 0.0
        since = elapsed - safe / self.interval * (self.interval / rate + self.cost)
        working = min(since, self.interval / rate)
        return safe, working * rate / new_rate + (since - working)
