"""How many accelerators and how long: laws over whole numbers, size classes, and the mix of all jobs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from dcsim.scenario.jobs import Floats, Ints
from dcsim.workloads._durations import Positive, Service, pick

LARGEST = 1_000_000
"""Largest whole number in a law: accelerators of a job, jobs of a batch."""

_WHOLE = re.compile(r"0|[1-9][0-9]{0,6}")
_RANGE = re.compile(r"([1-9][0-9]{0,6})-([1-9][0-9]{0,6})")


@dataclass(frozen=True)
class WholeLaw:
    """A law over whole numbers: `values`, shape (k,), come with `chances`, shape (k,), that add up to 1."""

    values: NDArray[np.int64]
    chances: Floats

    @staticmethod
    def of(key: str, table: Mapping[str, float], ranges: bool = False, least: int = 1) -> WholeLaw:
        """The law of a TOML table {number = weight}; weights count in proportion.

        With `ranges`, a key may be such as "5-8": its weight goes to each number in it by its inverse, so
        that a heavy tail stays one inside a range. Raises ValueError, with `key`, for anything else.
        """
        weights: dict[int, float] = {}
        for name, weight in table.items():
            values = _numbers(key, name, ranges)
            if values[0] < least or values[-1] > LARGEST:
                raise ValueError(f"{key}.{name}: must be from {least} to {LARGEST}")
            inverses = 1.0 / np.maximum(values, 1)
            for value, share in zip(values.tolist(), (weight * inverses / inverses.sum()).tolist(), strict=True):
                weights[value] = weights.get(value, 0.0) + share
        if not weights:
            raise ValueError(f"{key}: is empty; expected at least one number and its weight")
        ordered = sorted(weights.items())
        chances = np.array([w for _, w in ordered])
        return WholeLaw(np.array([v for v, _ in ordered]), chances / chances.sum())

    def at(self, uniforms: Floats) -> NDArray[np.int64]:
        """One number for each of `uniforms` in [0, 1), shape (n,)."""
        drawn: NDArray[np.int64] = self.values[pick(self.chances.tolist(), uniforms)]
        return drawn

    @property
    def mean(self) -> float:
        """Mean of the law."""
        return float(self.values @ self.chances)


def _numbers(key: str, name: str, ranges: bool) -> NDArray[np.int64]:
    if _WHOLE.fullmatch(name):
        return np.array([int(name)])
    match = _RANGE.fullmatch(name) if ranges else None
    if match is None:
        expected = 'a whole number or a range such as "5-8"' if ranges else "a whole number"
        raise ValueError(f"{key}.{name}: expected {expected}")
    low, high = int(match[1]), int(match[2])
    if low > high:
        raise ValueError(f"{key}.{name}: the range is empty")
    return np.arange(low, min(high, LARGEST + 1) + 1)


@dataclass(frozen=True)
class SizeClass:
    """Jobs of one size class: how often they come, how many accelerators they take, how long they run."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    share: Positive
    """How many of all jobs are of this class, in proportion."""
    accelerators: dict[str, Positive]
    """How often each number of accelerators comes within the class, in proportion."""
    service: Service
    """The law of run times."""

    def __post_init__(self) -> None:
        _ = self.sizes

    @cached_property
    def sizes(self) -> WholeLaw:
        """The law of the number of accelerators."""
        return WholeLaw.of("accelerators", self.accelerators)


@dataclass(frozen=True)
class Mix:
    """All size classes of a workload, by name."""

    classes: Mapping[str, SizeClass]

    @property
    def mean_work(self) -> float:
        """Mean accelerator-seconds of a job: within a class, size and run time are independent."""
        total = math.fsum(c.share for c in self.classes.values())
        return math.fsum(c.share * c.sizes.mean * c.service.expected for c in self.classes.values()) / total

    def draw(self, stream: Callable[[str], np.random.Generator], count: int) -> tuple[Ints, Floats]:
        """Accelerators and run times, s, of `count` jobs, each shape (count,).

        Each class draws its run times from a stream of its own name: another law for one class leaves all
        other classes as they are.
        """
        accelerators = np.empty(count, dtype=np.int32)
        service_s = np.empty(count)
        code = pick([c.share for c in self.classes.values()], stream("workload.classes").random(count))
        within = stream("workload.accelerators").random(count)
        for number, (name, size_class) in enumerate(self.classes.items()):
            rows = np.flatnonzero(code == number)
            accelerators[rows] = size_class.sizes.at(within[rows])
            service_s[rows] = size_class.service.draw(stream(f"workload.durations.{name}"), len(rows))
        return accelerators, service_s
