"""How fast the gangs of a finished run would have run at their places if no other gang had sent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import START
from dcsim.metrics.contention import fastest
from dcsim.performance.shares import WHOLE
from dcsim.policies.decisions import Allocation
from dcsim.sim.speeds import Contention, Neighbours, Speeds


def rates_alone(
    log: EventLog, counts: NDArray[np.bool_], speeds: Speeds, clocks: list[float], links: Contention
) -> NDArray[np.float64]:
    """Rate of each start's gang with nobody else on its links and NICs, shape (rows,); NaN elsewhere.

    counts: shape (jobs,): whether a job's runs count. clocks: of the pools, as shares of the nominal ones. links: on
    which nobody sends.
    """
    starts = log.of_kind(START)
    starts = starts[counts[log.job[starts]] & (log.pool[starts] >= 0)]
    alone = np.full(len(log), np.nan)
    alone[starts] = log.value[starts]  # whoever sends nothing is slowed down by nobody
    best, neighbours = fastest(log), Neighbours(speeds.shared_nics, links)
    for row in starts[np.diff(log.offsets)[starts] > 1].tolist():
        job, allocation = int(log.job[row]), Allocation(*log.place(row))
        clock, crowd = clocks[allocation.pool], neighbours.there(allocation)[0]
        rate = speeds.rate(job, allocation, clock, crowd, WHOLE)
        if rate != best[row]:  # it never had all of its NICs: did others take their part, or are the links too slow?
            neighbours.join(job, allocation)
            rate = speeds.rate(job, allocation, clock, *neighbours.around(job, allocation))
            neighbours.leave(job, allocation)
        alone[row] = rate
    return alone
