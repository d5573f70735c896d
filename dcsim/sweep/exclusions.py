"""Which points of an experiment are left out: its tables `[[exclude]]`."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dcsim.scenario.mistakes import Mistakes, hint, quoted, shown_with_type
from dcsim.sweep.axes import kept_value, same
from dcsim.sweep.experiment import Experiment

CONDITION_KEYS = ("above", "below")

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Condition:
    """What one key of a table wants: `holds` for the key's value at a point. `table`: the number of its table."""

    table: int
    key: str
    wanted: Any
    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class Exclusions:
    """The tables, each a list of conditions that all must hold for a point to be left out."""

    tables: tuple[tuple[Condition, ...], ...]

    def leave_out(self, values: Values) -> bool:
        """Whether a point with these values by axis is left out."""
        return any(all(c.holds(values[c.key]) for c in table) for table in self.tables)

    def note_idle(self, points: Sequence[Values], mistakes: Mistakes, keys: Container[str] | None = None) -> None:
        """Note conditions, on these keys alone if they are given, that hold at none of these points."""
        for condition in (c for table in self.tables for c in table):
            if (keys is None or condition.key in keys) and not any(
                condition.holds(values[condition.key]) for values in points
            ):
                place = ("exclude", condition.table, condition.key)
                got, usual = (shown_with_type(value) for value in (condition.wanted, points[0][condition.key]))
                mistakes.add(place, "no point has such a value", got, f"one that is swept, such as {usual}")


def exclusions_of(experiment: Experiment, names: Sequence[str], mistakes: Mistakes) -> Exclusions:
    """The exclusions of an experiment over axes of these names; notes what is wrong with them."""
    tables = []
    for number, table in enumerate(experiment.exclude):
        made = [_condition(number, key, wanted, names, mistakes) for key, wanted in table.items()]
        tables.append(tuple(condition for condition in made if condition is not None))
        if not table:
            mistakes.add(("exclude", number), "has no condition, and would leave out every point")
    return Exclusions(tuple(tables))


def _condition(number: int, key: str, wanted: Any, names: Sequence[str], mistakes: Mistakes) -> Condition | None:
    place = ("exclude", number, key)
    if key not in names:
        mistakes.add(place, "is not swept", quoted(key), fix=hint(key, names))
    elif not isinstance(wanted, dict) or not wanted or not set(wanted) <= set(CONDITION_KEYS):
        return Condition(number, key, wanted, _one_of(wanted if isinstance(wanted, tuple) else (wanted,)))
    elif all(_is_number(bound) for bound in wanted.values()):
        between = _between(wanted.get("above", -math.inf), wanted.get("below", math.inf))
        return Condition(number, key, wanted, between)
    else:
        mistakes.add(place, "wrong type", shown_with_type(wanted), "numbers for above and below")
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _between(above: float, below: float) -> Callable[[Any], bool]:
    return lambda value: _is_number(value) and above < value < below


def _one_of(wanted: tuple[Any, ...]) -> Callable[[Any], bool]:
    kept = [kept_value(value) for value in wanted]
    return lambda value: any(same(value, one) for one in kept)
