"""Periodic jobs that take turns on links: time shifts at which their sending phases fit together (CASSINI)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, lcm
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STEPS = 72
"""Parts of the shortest period that times are rounded to, phases up: periods within 0.7 % of each other are one."""
LONGEST = 1 << 16
"""Parts of the common circle: jobs whose periods have none so short take no turns."""
ROUNDING = 1e-9


class Phase(NamedTuple):
    """A job that does the same again every `period_s`, and sends for `sending_s` of it, without a pause."""

    period_s: float
    sending_s: float


def shifts_s(phases: Sequence[Phase], links: Sequence[tuple[float, Mapping[int, float]]]) -> list[float] | None:
    """By how much to shift each job so that no link is asked for more than it has at any time, s; None if not found.

    links: capacity, B/s, and what each job, by its place in `phases`, sends over it in its phase, B/s. On a circle as
    long as the least common multiple of the periods, jobs take, one after another, the first shift at which they fit
    beside those before. That finds shifts if there are any for two jobs, and for jobs of one period of which no two fit
    on the one link together; elsewhere it may miss some. Source of the circle: Rajasekaran et al., CASSINI, NSDI 2024.
    """
    step_s = min(phase.period_s for phase in phases) / STEPS
    periods = [round(phase.period_s / step_s) for phase in phases]
    sending = [ceil(phase.sending_s / step_s - ROUNDING) for phase in phases]
    around = lcm(*periods)
    if around > LONGEST:
        return None
    left = np.array([np.full(around, capacity * (1.0 + ROUNDING)) for capacity, _ in links])
    shifts = [0.0] * len(phases)
    for job in sorted(range(len(phases)), key=lambda job: (periods[job], -sending[job], job)):
        over = [(row, loads[job]) for row, (_, loads) in enumerate(links) if job in loads]
        full = np.zeros((around // periods[job], periods[job]), np.bool_)
        for row, load in over:
            full |= left[row].reshape(full.shape) < load
        shift = _first_run(np.logical_or.reduce(full), sending[job])
        if shift < 0:
            return None
        sends = (np.arange(around) - shift) % periods[job] < sending[job]
        for row, load in over:
            left[row, sends] -= load
        shifts[job] = shift * step_s
    return shifts


def _first_run(full: NDArray[np.bool_], length: int) -> int:
    """Where the first run of `length` free places on a circle begins; -1 if there is none."""
    if length > len(full):
        return -1
    taken = np.concatenate(([0], np.cumsum(np.concatenate((full, full)))))
    begins = np.flatnonzero(taken[length : length + len(full)] == taken[: len(full)])
    return int(begins[0]) if len(begins) else -1
