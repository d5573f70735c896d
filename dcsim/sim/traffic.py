"""What links and switches of a finished run carried: the gangs of its event log send once more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import BREAK, END_KINDS, INTERRUPT, PREEMPT, RATE, REPAIR, SAVE, START
from dcsim.metrics.cells import held_in_cells
from dcsim.policies.decisions import Allocation
from dcsim.scenario.network_failure import NetworkFailure
from dcsim.sim.links import SharedLinks
from dcsim.sim.parts import Part
from dcsim.topologies._parts import parts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NOTHING = np.empty(0)
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


def traffic(log: EventLog, links: SharedLinks, steps_per_s: Floats, slots_s: Floats) -> Traffic:
    """Sum what the gangs of a log sent.

    links: of the run, on which nobody sends; they are used up. steps_per_s: shape (jobs,): steps of each training job
    in a second of its service, NaN of others, which send what they can. slots_s: edges of slots of time, s, from 0 to
    the end of the run.
    """
    graph = links.graph
    inner = np.setdiff1d(np.arange(len(graph.nodes)), graph.endpoints)
    switches = inner if len(inner) else np.arange(len(graph.nodes))
    row_of = np.full(len(graph.nodes), -1)
    row_of[switches] = np.arange(len(switches))
    carried_b, into = np.zeros(len(graph.neighbour)), np.zeros((len(switches), len(slots_s) - 1))
    for pieces in _in_batches(_pieces(log, links, steps_per_s, float(slots_s[-1]))):
        counts = [len(piece.link) for piece in pieces]
        link = np.concatenate([piece.link for piece in pieces])
        flow_b_per_s = np.concatenate([piece.flow_b_per_s for piece in pieces])
        start_s, end_s = (np.repeat(column, counts) for column in list(zip(*pieces, strict=True))[:2])
        carried_b += np.bincount(link, (end_s - start_s) * flow_b_per_s, len(carried_b))
        row = row_of[graph.neighbour[link]]
        at = row >= 0
        into += held_in_cells(start_s[at], end_s[at], flow_b_per_s[at], row[at], len(switches), slots_s)
    return Traffic(carried_b, switches, np.maximum(into, 0.0), slots_s)


class Piece(NamedTuple):
    """Flows of a gang that carry evenly from `start_s` to `end_s`: the links that they cross, each as often as they do,
    and what each flow carries there."""

    start_s: float
    end_s: float
    flow_b_per_s: Floats
    link: Ints


def _in_batches(pieces: Iterator[Piece]) -> Iterator[Sequence[Piece]]:
    """As many at once as memory should hold."""
    batch: list[Piece] = []
    held = 0
    for piece in pieces:
        batch.append(piece)
        held += len(piece.link)
        if held > MOST_LINKS:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _pieces(log: EventLog, links: SharedLinks, steps_per_s: Floats, until_s: float) -> Iterator[Piece]:
    """All that gangs sent, in the order in which it ends."""
    gangs = _Gangs(links, steps_per_s)
    rows = log.of_kind(START, RATE, PREEMPT, SAVE, INTERRUPT, *END_KINDS, BREAK, REPAIR)
    for row in rows.tolist():
        now_s = float(log.time_s[row])
        for job in gangs.changed(log, row):
            yield from gangs.until(job, now_s)
    for job in list(gangs.rate):
        yield from gangs.until(job, until_s)


class _Gangs:
    """Gangs that send, as the rows of a log have them start, stop and change. `rate`: service per second, by job."""

    def __init__(self, links: SharedLinks, steps_per_s: Floats) -> None:
        self.rate: dict[int, float] = {}
        self._links, self._steps_per_s = links, steps_per_s
        self._now: dict[int, tuple[float, Floats, Ints]] = {}  # since when, s, what a flow carries, B/s, over what
        self._failed: dict[tuple[str, float], list[Part]] = {}

    def until(self, job: int, now_s: float) -> Iterator[Piece]:
        """What a job has sent evenly until now; from now on, it sends what it does after the last change."""
        since_s, flow_b_per_s, link = self._now.pop(job, (now_s, NOTHING, None))
        if link is not None and now_s > since_s:
            yield Piece(since_s, now_s, flow_b_per_s, link)
        sending = self._links.sending(job)
        if sending is not None and job in self.rate:
            steps_per_s = float(self._steps_per_s[job]) * self.rate[job]
            b_per_s = sending.b_per_s if isnan(steps_per_s) else sending.sent_b * steps_per_s
            self._now[job] = (now_s, b_per_s, sending.link)

    def changed(self, log: EventLog, row: int) -> list[int]:
        """What a row tells happens; the jobs that may send something else from then on."""
        kind, job, value = int(log.kind[row]), int(log.job[row]), float(log.value[row])
        if kind in (BREAK, REPAIR):
            self._fail(kind, log.reasons[log.reason[row]], value)
            return list(self.rate)
        if kind == START and log.pool[row] >= 0:
            self.rate[job] = value
            return [job, *self._links.join(job, Allocation(*log.place(row)))]
        if job not in self.rate:
            return []
        if kind == RATE:
            self.rate[job] = value
            return [job]
        del self.rate[job]
        return [job, *self._links.leave(job)]

    def _fail(self, kind: int, name: str, left: float) -> None:
        """A link or switch fails, or is repaired. Who stops has a row that says so: until then it looks for a way."""
        same = self._failed.setdefault((name, left), [])
        if kind == REPAIR:
            self._links.repair(same.pop())
            return
        facts = NetworkFailure(
            parts=(name,), at=0.0, duration=1.0, on_failure="slow" if left else "reroute", bandwidth=left
        )
        same.append(Part(name, parts(self._links.graph, name)[name], 0, facts))
        self._links.fail(same[-1])
