"""Means of an output by some of the swept keys, over seeds and over what else was swept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dcsim.sweep.columns import Point
from dcsim.sweep.compare import RunTable
from dcsim.sweep.statistics import Mean, interval


@dataclass(frozen=True)
class Margin:
    """The mean of an output where the kept keys have these values. `variants`: numbers of the variants behind it, in
    the order of the table."""

    point: Point
    mean: Mean
    variants: tuple[int, ...]


def margins(table: RunTable, kept: Sequence[str], output: str, confidence: float = 0.95) -> list[Margin]:
    """The output by the values of the kept axes, in the order of the table.

    Each seed's value is its mean over the variants that share those values, and counts only where all of them ended
    well on that seed, so that one that failed does not pass for a change. With all axes kept, these are the means
    and intervals of `compare`.
    """
    numbers: dict[Point, int] = {}
    variants: dict[Point, dict[int, None]] = {}
    values: dict[Point, dict[int, dict[int, float]]] = {}
    for row in table:
        number = numbers.setdefault(tuple(row[axis] for axis in table.axes), len(numbers))
        point = tuple(row[axis] for axis in kept)
        variants.setdefault(point, {})[number] = None
        of_seed = values.setdefault(point, {}).setdefault(row["seed"], {})
        if row.get(output) is not None:
            of_seed[number] = float(row[output])  # points that were drawn twice have the same run twice
    return [
        Margin(point, interval(_whole(values[point], len(among)), confidence), tuple(among))
        for point, among in variants.items()
    ]


def _whole(by_seed: dict[int, dict[int, float]], count: int) -> list[float]:
    return [sum(found.values()) / count for found in by_seed.values() if len(found) == count]
