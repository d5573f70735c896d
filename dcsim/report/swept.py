"""What kind of axis each swept key is: numbers or names, a full grid or drawn points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dcsim.report.figure import SCALES
from dcsim.sweep.columns import brief
from dcsim.sweep.table import Table
from dcsim.units import (
    BANDWIDTH,
    COMPUTE,
    ENERGY,
    MONEY,
    OPERATIONS,
    POWER,
    PRICE_RATE,
    RATE,
    SIZE,
    TIME,
    Dimension,
)

DIMENSIONS = (TIME, SIZE, BANDWIDTH, COMPUTE, OPERATIONS, POWER, ENERGY, MONEY, PRICE_RATE, RATE)
FILLED = 0.5  # of all combinations of numbers: above this share they are a grid


@dataclass(frozen=True)
class Key:
    """A swept key that differs between variants.

    `values`: as the table has them, numbers rising, names in the experiment's order; `numbers`: of each value, in the
    base unit where it has one; None for a key of names. `unit`: the unit in which they are shown, in the base unit, and
    `unit_name`. `drawn`: whether its numbers are drawn points, not a grid.
    """

    name: str
    values: tuple[Any, ...]
    numbers: dict[Any, float] | None = None
    unit: float = 1.0
    unit_name: str = ""
    drawn: bool = False

    @property
    def title(self) -> str:
        """Of an axis or a column, with the unit."""
        return f"{self.name} ({self.unit_name})" if self.unit_name else self.name

    @property
    def names(self) -> tuple[str, ...]:
        """Texts of all values, with units."""
        return tuple(self.text(value) for value in self.values)

    def bare(self, value: Any) -> str:
        """A value as it stands under the title."""
        return brief(value) if self.numbers is None else f"{self.numbers[value] / self.unit:.6g}"

    def text(self, value: Any) -> str:
        """A value as it stands alone."""
        return f"{self.bare(value)} {self.unit_name}".strip()


def keys_of(table: Table) -> list[Key]:
    """The keys that take more than one value, in the order of the experiment."""
    seen = {axis: list(dict.fromkeys(row[axis] for row in table)) for axis in table.axes}
    keys = [_key(axis, values) for axis, values in seen.items() if len(values) > 1]
    numeric = [key for key in keys if key.numbers is not None]
    points = {tuple(row[key.name] for key in numeric) for row in table}
    if len(numeric) < 2 or len(points) > FILLED * math.prod(len(key.values) for key in numeric):
        return keys
    return [replace(key, drawn=key.numbers is not None) for key in keys]


def label(keys: Sequence[Key], point: Sequence[Any]) -> str:
    """Settings of these keys in words: `scheduler.use = fifo, pools.0.nodes = 8`."""
    return ", ".join(f"{key.name} = {key.text(value)}" for key, value in zip(keys, point, strict=True))


def name(keys: Sequence[Key], point: Sequence[Any]) -> str:
    """Settings of these keys without their names: `fifo, 8`; what has a unit stays on one line with it."""
    texts = [(key, key.text(value)) for key, value in zip(keys, point, strict=True)]
    return ", ".join(text.replace(" ", "\u00a0") if key.unit_name else text for key, text in texts)


def _key(axis: str, values: list[Any]) -> Key:
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return _numeric(axis, {value: float(value) for value in values})
    for dimension in DIMENSIONS:
        numbers = _in_base_units(dimension, values)
        if numbers is not None:
            return _numeric(axis, numbers, *_shown_unit(dimension, values, numbers))
    return Key(axis, tuple(values))


def _numeric(axis: str, numbers: dict[Any, float], unit_name: str = "", unit: float = 1.0) -> Key:
    return Key(axis, tuple(sorted(numbers, key=numbers.__getitem__)), numbers, unit, unit_name)


def _in_base_units(dimension: Dimension, values: list[Any]) -> dict[Any, float] | None:
    try:
        return {value: dimension.parse(value) for value in values}
    except ValueError:
        return None


def _shown_unit(dimension: Dimension, values: list[Any], numbers: dict[Any, float]) -> tuple[str, float]:
    """The unit that all values are written in; of several, one that suits times, else the dimension's usual one."""
    units = {value.strip().lstrip("+-.0123456789_eE").strip() for value in values}
    if len(units) == 1 and (unit := units.pop()) in dimension.symbols():
        return unit, dimension.factor(unit)
    if dimension is TIME:
        return next(((n, u) for n, least, u in SCALES if max(numbers.values()) >= least), ("s", 1.0))
    return dimension.usual, dimension.factor(dimension.usual)
