"""Who waited, and for how long in all: before the first start and after each preemption or interruption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcsim.metrics.jobs import REJECTED
from dcsim.report.figure import Floats

if TYPE_CHECKING:
    from dcsim.run import Run


ROUNDING_S = 1e-6  # waits are differences of times, which rounding makes other than zero


def waiting_s(run: Run) -> Floats:
    """Time for which each job waited in all, s, shape (jobs,): up to the end of the run for one that has not ended.

    Jobs that were rejected, or would have been submitted after the end of the run, did not wait.
    """
    results, end_s = run.results, run.end_s
    first = np.where(np.isnan(results.start_s), end_s, results.start_s) - results.submit_s
    over = np.where(np.isnan(results.end_s), end_s, results.end_s)
    total = np.where(results.preemptions + results.interruptions > 0, over - results.submit_s - results.run_s, first)
    return np.where((results.state == REJECTED) | (total < ROUNDING_S), 0.0, total)


def longest_waiters(wait_s: Floats) -> NDArray[np.intp]:
    """Jobs that waited, longest first, ties by submission; `wait_s`: see `waiting_s`."""
    order = np.argsort(-wait_s, kind="stable")
    return order[wait_s[order] > 0.0]
