"""Links and switches that can fail, and the processes that have them fail and be repaired."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dcsim.scenario.network_failure import NetworkFailure
from dcsim.sim.rng import stream

if TYPE_CHECKING:
    from dcsim.sim.world import World


@dataclass(frozen=True, eq=False)
class Part:
    """A link or switch under one table of failures.

    `links`: numbers of the directed links that fail with it. `table`: number of the table.
    """

    name: str
    links: NDArray[np.int64]
    table: int
    facts: NetworkFailure

    @property
    def left(self) -> float:
        """Share of the bandwidth that is left while it has failed; 0: it is down."""
        return self.facts.bandwidth

    @property
    def stops(self) -> bool:
        """Whether it stops all jobs across it, also those for which there is another way."""
        return self.facts.on_failure == "stop"


def have_fail(world: World, parts: Sequence[Part], seed: int) -> None:
    """Begin a process for each part: it works, fails, is repaired, and so on."""
    for part in parts:
        world.clock.process(_process(world, part, _times(part, seed)))


def _process(world: World, part: Part, times: Iterator[tuple[float, float]]) -> Generator[Any, None, None]:
    for works_s, fails_s in times:
        yield world.clock.timeout(works_s)
        if not world.goes_on():
            return
        world.fail(part)
        yield world.clock.timeout(fails_s)
        world.repair(part)


def _times(part: Part, seed: int) -> Iterator[tuple[float, float]]:
    """For how long it works, and then has failed, s, again and again."""
    facts = part.facts
    if facts.at is not None and facts.duration is not None:
        yield facts.at, facts.duration
    if facts.mtbf is not None and facts.mttr is not None:
        draws = stream(seed, f"network.failures.{part.table}.{part.name}")
        while True:
            yield draws.exponential(facts.mtbf), draws.exponential(facts.mttr)
