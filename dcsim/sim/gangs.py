"""Elastic jobs: they start on the largest gang that fits, and keep its size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dcsim.policies.decisions import Allocation
from dcsim.policies.view import Request
from dcsim.sim.facts import JobFacts


class Gangs:
    """The sizes of elastic jobs. While one waits for the first time, its accelerators are the fewest that it may have.

    `sizes`: gang sizes by number of the job, largest first. Gives these jobs needs of their own in `facts`.
    """

    def __init__(self, facts: JobFacts, sizes: Mapping[int, tuple[int, ...]]) -> None:
        self._facts = facts
        self._known = {request: number for number, request in enumerate(facts.requests)}
        self._fixed: dict[tuple[int, int], int] = {}  # needs of a job that keeps a size, by (needs, size)
        for job, gangs in sizes.items():
            base = facts.requests[facts.request_class[job]]
            kind = self._number_of(replace(base, accelerators=gangs[-1], sizes=gangs))
            facts.request_class[job] = kind
            for size in gangs:
                self._fixed[kind, size] = self._number_of(replace(base, accelerators=size))

    def _number_of(self, request: Request) -> int:
        """Number of needs, which are listed if they are new."""
        if request not in self._known:
            self._known[request] = len(self._facts.requests)
            self._facts.requests.append(request)
        return self._known[request]

    def start(self, job: int, allocation: Allocation, needs: list[Any]) -> None:
        """A job starts: it has the size of its allocation from now on, also in `needs`, if it is elastic.

        Raises ValueError for a size that it may not have.
        """
        facts = self._facts
        kind = facts.request_class[job]
        sizes = facts.requests[kind].sizes
        if not sizes:
            return
        size = sum(allocation.counts)
        if size not in sizes:
            raise ValueError(f"{size} accelerators allocated, the job takes one of {', '.join(map(str, sizes))}")
        facts.accelerators[job] = size
        if needs is not facts.accelerators:  # nodes are shared in parts: there needs are whole requests
            needs[job] = facts.requests[self._fixed[kind, size]]

    def wait_again(self, job: int) -> None:
        """A preempted job waits for as many accelerators as it had."""
        key = self._facts.request_class[job], self._facts.accelerators[job]
        if key in self._fixed:
            self._facts.request_class[job] = self._fixed[key]
