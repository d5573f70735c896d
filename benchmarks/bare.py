"""The yardstick: the same jobs in bare SimPy, without nodes, log, metrics or results.

One departure event a job and arrivals merged from the sorted trace, strict FIFO on one pool, eight columns recorded:
the form named `callback` of the published yardstick (one million multi-GPU jobs), which this file repeats step by step.
"""

from __future__ import annotations

from array import array
from collections import deque
from heapq import heappush
from typing import Any

import simpy


class _Done(simpy.events.Event):
    __slots__ = ("job",)

    def __init__(self, env: simpy.Environment, job: Any, callbacks: Any) -> None:
        self.env = env
        self.callbacks = callbacks
        self._ok = True
        self._value = None
        self.job = job


def bare_fifo(submit_s: list[float], service_s: list[float], accelerators: list[int], capacity: int) -> float:
    """Run the jobs; the mean wait, s, for comparison with dcsim under `pool` placement."""
    env = simpy.Environment()
    columns = [array("d") for _ in range(8)]
    put = [column.append for column in columns]
    free = capacity
    fifo: deque[tuple[int, float, float, int, int]] = deque()
    queue: list[Any] = env._queue
    ids = env._eid

    def row(
        number: int, submitted: float, started: float, at: float, size: int, energy: float, restarts: int, line: int
    ) -> None:
        p = put
        p[0](number), p[1](submitted), p[2](started), p[3](at), p[4](size), p[5](energy), p[6](restarts), p[7](line)

    def start(job: tuple[int, float, float, int, int], at: float) -> None:
        nonlocal free
        free -= job[3]
        heappush(queue, (at + job[2], 1, next(ids), _Done(env, (job, at), [done])))

    def drain(at: float) -> None:
        while fifo and fifo[0][3] <= free:
            start(fifo.popleft(), at)

    def done(event: Any) -> None:
        nonlocal free
        (number, submitted, service, size, restarts), started = event.job
        at = env._now
        free += size
        drain(at)
        row(number, submitted, started, at, size, size * service * 700.0, restarts, len(fifo))

    step = env.step
    for i, at in enumerate(submit_s):
        while queue and queue[0][0] <= at:
            step()
        env._now = at
        job = (i, at, service_s[i], accelerators[i], 0)
        if fifo or free < accelerators[i]:
            fifo.append(job)
        else:
            start(job, at)
    env.run()
    return sum(s - t for t, s in zip(columns[1], columns[2], strict=True)) / len(submit_s)
