"""The facts of links and switches that fail: `[[network.failures]]` of a scenario."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dcsim.scenario.facts import Facts
from dcsim.units import Seconds

PAIRS = (("mtbf", "mttr"), ("at", "duration"))
TIMES = ("mtbf", "mttr", "duration")


class NetworkFailure(Facts):
    """Links and switches that fail and are repaired: each by itself at random, or all at one time."""

    parts: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(min_length=1)]
    """Which: `links` (every cable), `switches`, a level of the topology (`spine`), a node (`spine-1`), or the cables
    between two of these (`leaf -- spine-1`)."""
    mtbf: Seconds | None = None
    """Mean time from each one's repair, or the scenario's start, to its next failure; exponential."""
    mttr: Seconds | None = None
    """Mean time from a failure to its repair; exponential."""
    at: Seconds | None = None
    """Instead of both: when they fail, from the scenario's start."""
    duration: Seconds | None = None
    """How long they have failed then."""
    on_failure: Literal["slow", "reroute", "stop"] = "reroute"
    """What becomes of jobs whose traffic crosses it. `slow`: they share what bandwidth is left. `reroute`: it is down,
    and they take other ways; who has none stops. `stop`: it is down, and they stop. Who stops waits again, with the
    work of its last periodic checkpoint."""
    bandwidth: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    """Share of the bandwidth that is left while it has failed, with `slow`; else it is down, which is 0."""

    @model_validator(mode="after")
    def _fits_together(self) -> NetworkFailure:
        given = [name for pair in PAIRS for name in pair if getattr(self, name) is not None]
        if tuple(given) not in PAIRS:
            said = f"{' and '.join(given)} {'is' if len(given) == 1 else 'are'} given" if given else "none is given"
            raise ValueError(f"it fails by mtbf and mttr, or by at and duration, but {said}; write one pair")
        for name in TIMES:
            if getattr(self, name) == 0.0:
                raise ValueError(f'{name} must be above 0 s; write a time such as "4 h"')
        if self.on_failure == "slow" and not self.bandwidth:
            raise ValueError("slow needs bandwidth above 0, since jobs without any stand still; write reroute or stop")
        if self.on_failure != "slow" and self.bandwidth:
            raise ValueError(f"bandwidth has no effect with {self.on_failure}; leave it out, or write slow")
        return self
