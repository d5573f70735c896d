"""LAS: least attained service, discretised, in two dimensions (Tiresias)."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import ClassVar, Literal

from dcsim.policies.ordered import Key, OrderedScheduler
from dcsim.policies.view import JobView
from dcsim.units import Seconds


@dataclass(frozen=True)
class LeastAttainedService(OrderedScheduler):
    """Discretised two-dimensional least attained service: needs no run times; preemptive, event driven.

    Attained service is accelerators x run time. `thresholds`, in accelerator-time, cut it into queues; a job sinks
    to the next queue when it passes a threshold. Lower queues go first, within a queue by submission. A waiting
    job stops running jobs of strictly higher queues; jobs that do not fit are passed over. Source: Gu et al.,
    Tiresias, NSDI 2019, section 3.2 (2D-LAS, discretised); the authors' simulator uses thresholds of 3,250, 7,200
    and 18,000 GPU-s.
    """

    overtake: ClassVar[Literal["skip"]] = "skip"
    preempts: ClassVar[bool] = True  # type: ignore[misc]
    thresholds: tuple[Seconds, ...] = (3250.0, 7200.0, 18000.0)
    """Rising limits of attained service, accelerators x run time, between the queues."""

    def __post_init__(self) -> None:
        if list(self.thresholds) != sorted(set(self.thresholds)) or min(self.thresholds, default=1.0) <= 0.0:
            raise ValueError("thresholds: must be positive and rising")

    def key(self, job: JobView) -> Key:
        """Number of the queue."""
        return (float(self._queue(job)),)

    def next_change(self, job: JobView) -> float | None:
        """The next threshold."""
        queue = self._queue(job)
        return self.thresholds[queue] if queue < len(self.thresholds) else None

    def levels(self) -> tuple[float, ...]:
        """The thresholds."""
        return self.thresholds

    def _queue(self, job: JobView) -> int:
        # A job that is woken up at a threshold may miss it by a rounding error: a microsecond is enough.
        return bisect_right(self.thresholds, job.attained_s + 1e-6)
