"""Which accelerators a job's bar is drawn on: the log knows nodes and counts, a drawing needs lanes."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from dcsim.eventlog.log import EventLog
from dcsim.metrics.runs import Stretches
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.spec import Scenario


class Bar(NamedTuple):
    """One rectangle of a stretch: lanes `low <= lane < low + height`, counted over all accelerators of the pools."""

    stretch: int
    low: int
    height: int


def job_bars(scenario: Scenario, jobs: JobTable, log: EventLog, held: Stretches) -> list[Bar] | None:
    """Bars of all stretches: the lowest free lanes of a job's node, or of its pool without node walls.

    None where jobs share accelerators by time or in parts: they have no place to be drawn.
    """
    if (log.pool[held.row] < 0).any() or (jobs.share is not None and (jobs.share < 1.0).any()):
        return None
    free: dict[tuple[int, int], list[int]] = {}
    first = _first_lanes(scenario)
    ends: list[tuple[int, int]] = []  # row that ends a stretch, stretch
    taken: dict[int, list[tuple[tuple[int, int], int]]] = {}
    bars: list[Bar] = []
    for stretch, row in enumerate(held.row.tolist()):
        while ends and ends[0][0] < row:
            for place, lane in taken.pop(heappop(ends)[1]):
                heappush(free[place], lane)
        pool = int(log.pool[row])
        taken[stretch] = []
        for node, count in _pieces(log, row, int(jobs.accelerators[held.job[stretch]])):
            place = (pool, node)
            if place not in free:
                free[place] = _lanes(scenario, first, pool, node)
            lanes = [heappop(free[place]) for _ in range(count)]
            taken[stretch] += [(place, lane) for lane in lanes]
            bars += [Bar(stretch, low, height) for low, height in _together(lanes)]
        heappush(ends, (int(held.end_row[stretch]), stretch))
    return bars


def _pieces(log: EventLog, row: int, accelerators: int) -> list[tuple[int, int]]:
    """Node and count of each piece of a start; the pool as a whole, as node -1, without node walls."""
    _, nodes, counts = log.place(row)
    return list(zip(nodes, counts, strict=True)) or [(-1, accelerators)]


def _first_lanes(scenario: Scenario) -> list[int]:
    first = [0]
    for pool in scenario.pools:
        first.append(first[-1] + pool.nodes * pool.accelerators_per_node)
    return first


def _lanes(scenario: Scenario, first: list[int], pool: int, node: int) -> list[int]:
    """Lanes of a node, or of the whole pool, rising: a heap."""
    if node < 0:
        return list(range(first[pool], first[pool + 1]))
    width = scenario.pools[pool].accelerators_per_node
    low = first[pool] + node * width
    return list(range(low, low + width))


def _together(lanes: list[int]) -> Iterator[tuple[int, int]]:
    """Runs of neighbouring lanes: first lane and how many."""
    low = 0
    for i in range(1, len(lanes) + 1):
        if i == len(lanes) or lanes[i] != lanes[i - 1] + 1:
            yield lanes[low], i - low
            low = i
