"""What links and switches of a finished run carried, from its event log: each gang's ring at the rate of its job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcsim.eventlog.log import EventLog
from dcsim.metrics.cells import held_in_cells
from dcsim.metrics.contention import Paces, paces
from dcsim.policies.decisions import Allocation
from dcsim.sim.links import SharedLinks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_LINKS = 1 << 18  # links of paths that are summed at once: some 10 MB


@dataclass(frozen=True)
class Traffic:
    """Bytes that gangs sent over links and through switches.

    `carried_b`: by each directed link, shape (links,). `into_b_per_s`: what comes into each of `switches` (places in
    the graph), mean of each slot, shape (switches, slots). All nodes of a graph without switches are there: each
    passes on what others send. `slots_s`: edges, s, shape (slots + 1,).
    """

    carried_b: Floats
    switches: Ints
    into_b_per_s: Floats
    slots_s: Floats


def traffic(log: EventLog, links: SharedLinks, sent_b: Floats, slots_s: Floats) -> Traffic:
    """Sum what the gangs of a log sent.

    sent_b: shape (jobs,): bytes that an accelerator of each job sends over its NICs in a second of its service.
    slots_s: edges of slots of time, s, from 0 to the end of the run.
    """
    graph = links.graph
    inner = np.setdiff1d(np.arange(len(graph.nodes)), graph.endpoints)
    switches = inner if len(inner) else np.arange(len(graph.nodes))
    row_of = np.full(len(graph.nodes), -1)
    row_of[switches] = np.arange(len(switches))
    carried_b, into = np.zeros(len(graph.neighbour)), np.zeros((len(switches), len(slots_s) - 1))
    for start_s, end_s, flow_b_per_s, link in _pieces(log, links, sent_b, float(slots_s[-1])):
        carried_b += np.bincount(link, (end_s - start_s) * flow_b_per_s, len(carried_b))
        row = row_of[graph.neighbour[link]]
        at = row >= 0
        into += held_in_cells(start_s[at], end_s[at], flow_b_per_s[at], row[at], len(switches), slots_s)
    return Traffic(carried_b, switches, np.maximum(into, 0.0), slots_s)


def _pieces(
    log: EventLog, links: SharedLinks, sent_b: Floats, until_s: float
) -> Iterator[tuple[Floats, Floats, Floats, Ints]]:
    """When flows begin and end to carry evenly, s, how much, B/s, and over which link: arrays of one shape, as many
    pieces at once as memory should hold."""
    kept = paces(log, until_s)
    begin = np.flatnonzero(kept.row == kept.start)
    batch: list[tuple[int, int, float, Ints]] = []
    held = 0
    for first, after in zip(begin.tolist(), [*begin[1:].tolist(), len(kept.row)], strict=True):
        row = int(kept.row[first])
        job = int(log.job[row])
        if not sent_b[job] or log.pool[row] < 0:
            continue
        _, path, senders = links.ways(job, Allocation(*log.place(row)))
        batch.append((first, after, senders * float(sent_b[job]), path))
        held += (after - first) * len(path)
        if held > MOST_LINKS:
            yield _expanded(kept, batch)
            batch, held = [], 0
    if batch:
        yield _expanded(kept, batch)


def _expanded(kept: Paces, batch: Sequence[tuple[int, int, float, Ints]]) -> tuple[Floats, Floats, Floats, Ints]:
    """Paces `first` to `after` of some runs, once for each link of the paths of their flows. Each flow sends so many
    bytes in a second of service."""
    pace = np.concatenate([np.repeat(np.arange(first, after), len(path)) for first, after, _, path in batch])
    link = np.concatenate([np.tile(path, after - first) for first, after, _, path in batch])
    flow_b = np.repeat(
        [flow_b for *_, flow_b, _ in batch], [(after - first) * len(path) for first, after, _, path in batch]
    )
    return kept.start_s[pace], kept.end_s[pace], flow_b * kept.rate[pace], link
