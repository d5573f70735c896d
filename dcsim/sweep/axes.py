"""The axes of an experiment: what each swept key may be, and how a point of the unit cube becomes values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dcsim.errors import nearest
from dcsim.metrics.summary import NAMES
from dcsim.scenario.layers import Written
from dcsim.scenario.mistakes import Mistakes, quoted, shown, shown_with_type
from dcsim.scenario.overrides import Override, key_path
from dcsim.scenario.positions import KeyPath
from dcsim.scenario.spec import Scenario
from dcsim.sweep.experiment import SAMPLED, Experiment, Swept
from dcsim.units import TomlFloat

VARIANT = "variant"
MOST_RUNS = 1_000_000
SEARCHED = "searched"
"""In the place of a method: whole ranges, whatever their count."""
RANGE_KEYS = ("from", "to", "count", "scale")
COUNT = "a number of values, >= 1"
_WITH_UNIT = re.compile(r"\s*([-+]?[\d_]*\.?\d+(?:[eE][-+]?\d+)?)\s*(\D.*)")


@dataclass(frozen=True)
class Choice:
    """One setting of an axis: how the table shows it, and the changes of the scenario that it means."""

    value: Any
    changes: tuple[Override, ...]


@dataclass(frozen=True)
class Listed:
    """An axis of given settings; a sample takes one of them with equal probability."""

    name: str
    choices: tuple[Choice, ...]

    def at(self, share: float) -> Choice:
        """The setting at a share in [0, 1) of the axis."""
        return self.choices[int(share * len(self.choices))]

    def between(self, share: float) -> Choice:
        """The setting at a share of the way from the first, 0, to the last, 1."""
        return self.choices[round(share * (len(self.choices) - 1))]

    @property
    def ordered(self) -> bool:
        """Whether its settings are numbers, of one unit if any, that only rise or only fall."""
        ends = [_number(choice.value) for choice in self.choices]
        numbers = [end[0] for end in ends if end is not None]
        rising = sorted(set(numbers))
        one_unit = len({end and end[1] for end in ends}) == 1 and None not in ends
        return one_unit and numbers in (rising, rising[::-1])


@dataclass(frozen=True)
class Range:
    """An axis of numbers from `low` to `high`, both included for integers; `unit` stands behind each, if any."""

    name: str
    path: KeyPath
    low: float
    high: float
    whole: bool
    log: bool
    unit: str
    written: Written

    def at(self, share: float) -> Choice:
        """The setting at a share in [0, 1) of the axis."""
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        if self.log and self.whole:
            low = max(low, 0.5)
        return self.set(low * (high / low) ** share if self.log else low + share * (high - low))

    def spaced(self, count: int) -> tuple[Choice, ...]:
        """So many settings in equal distances or ratios, both ends included; equal ones once."""
        shares = [k / (count - 1) for k in range(count)] if count > 1 else [0.0]
        return tuple({choice.value: choice for choice in map(self.between, shares)}.values())

    def between(self, share: float) -> Choice:
        """The setting at a share of the way from one end, 0, to the other, 1."""
        return self.set(
            self.low * (self.high / self.low) ** share if self.log else self.low + share * (self.high - self.low)
        )

    def set(self, number: float) -> Choice:
        """The setting of a number."""
        value: Any = min(max(round(number), int(self.low)), int(self.high)) if self.whole else float(f"{number:.12g}")
        if self.unit:
            value = f"{value} {self.unit}"
        return Choice(value, (Override(self.path, value, self.written),))


Axis = Listed | Range


def axes_of(experiment: Experiment, mistakes: Mistakes, method: str | None = None) -> list[Axis]:
    """The axes in the order of the file, those of variants first; notes what is wrong with them.

    `method`: how they are covered, by default as the experiment says.
    """
    axes: list[Axis] = []
    if experiment.variants:
        axes.append(Listed(VARIANT, tuple(_variant(n, t, mistakes) for n, t in experiment.variants.items())))
    _refuse_too_many_values(experiment, mistakes)
    for key, values in experiment.axes.items():
        axis = _axis(key, values, method or experiment.sweep.method, mistakes)
        if axis is not None:
            axes.append(axis)
            _refuse_variants(experiment, key, axes, mistakes)
    return axes


def _refuse_variants(experiment: Experiment, key: str, axes: list[Axis], mistakes: Mistakes) -> None:
    """Note what variants set that the last of the axes, of this key, sets too."""
    if not experiment.variants:
        return
    variants, swept = axes[0], axes[-1].at(0.0).changes[0]
    assert isinstance(variants, Listed)
    for variant in variants.choices:
        for change in variant.changes:
            if change.overlaps(swept):
                place = ("variants", variant.value, ".".join(map(str, change.path)))
                mistakes.add(place, f"is set by {quoted(key)} of [sweep] too", fix="keep one of them")


def _refuse_too_many_values(experiment: Experiment, mistakes: Mistakes) -> None:
    """Before any value is made: a key with more values than there may be runs."""
    counts = []
    for key, values in experiment.axes.items():
        count = len(values) if isinstance(values, tuple) else values.get("count") if isinstance(values, dict) else 1
        if isinstance(count, int) and count > MOST_RUNS:
            mistakes.add(("sweep", key), "too many values", f"{count:,}", f"at most {MOST_RUNS:,}")
        counts.append(count if isinstance(count, int) and count > 0 else 1)
    runs = math.prod(counts)
    if experiment.sweep.method == "grid" and runs > MOST_RUNS:
        fix = "draw some: samples = 1000"
        mistakes.add(("sweep",), "too many runs", f"{runs:,}", f"at most {MOST_RUNS:,}", fix)
    mistakes.stop_if_any()


def column_of(key: str) -> str:
    """The table's column of a swept key: the key, unless the summary or the table itself has one of that name."""
    return f"scenario.{key}" if key in (*NAMES, "seed", "status", "error") else key


def _variant(name: str, table: dict[str, Any], mistakes: Mistakes) -> Choice:
    changes = []
    for key, value in table.items():
        place = ("variants", name, key)
        path = _path(key, place, mistakes)
        if path is not None:
            changes.append(Override(path, kept_value(value), Written(*mistakes.where(place))))
    return Choice(name, tuple(changes))


def _axis(key: str, values: Any, method: str, mistakes: Mistakes) -> Axis | None:
    place = ("sweep", key)
    path = _path(key, place, mistakes)
    written = Written(*mistakes.where(place))
    if path is None:
        return None
    if _is_range(values):
        return _range(key, path, values, method, mistakes)
    if not isinstance(values, tuple):
        expected = "array of values, or { from = ..., to = ... }"
        mistakes.add(place, "wrong type", shown_with_type(values), expected, _meant(key, values))
        return None
    if not values:
        mistakes.add(place, "has no values: nothing would be run")
        return None
    kept = [kept_value(v) for v in values]
    twice = next((v for number, v in enumerate(kept) if any(same(v, w) for w in kept[:number])), None)
    if twice is not None:
        mistakes.add(place, "has a value twice", shown(twice))
        return None
    return Listed(column_of(key), tuple(Choice(v, (Override(path, v, written),)) for v in kept))


def _is_range(values: Any) -> bool:
    return isinstance(values, dict) and bool({"from", "to"} & set(values))


def _meant(key: str, values: Any) -> str | None:
    """What to write in the place of a key that has neither values nor a range; None where nothing is near."""
    if isinstance(values, dict):
        keys = list(_inside(key, values))
        return f"write the key in quotes: {', '.join(map(quoted, keys))}" if keys else None
    return None if key in Scenario.model_fields else nearest(key, Swept.model_fields)


def _inside(key: str, table: dict[str, Any]) -> Iterator[str]:
    """Dotted keys of the arrays and ranges in a table, as which TOML reads a dotted key without quotes."""
    for name, value in table.items():
        if isinstance(value, tuple) or _is_range(value):
            yield f"{key}.{name}"
        elif isinstance(value, dict):
            yield from _inside(f"{key}.{name}", value)


def _range(key: str, path: KeyPath, table: dict[str, Any], method: str, mistakes: Mistakes) -> Axis | None:
    place = ("sweep", key)
    for name in table:
        if name not in RANGE_KEYS:
            mistakes.unknown_key((*place, name), RANGE_KEYS)
    ends = [_end(table.get(name), (*place, name), mistakes) for name in ("from", "to")]
    scale, count = table.get("scale", "linear"), table.get("count")
    if scale not in ("linear", "log"):
        mistakes.add((*place, "scale"), "not one of the known values", shown(scale), "'linear' or 'log'")
    if count is not None and method in SAMPLED:
        mistakes.add((*place, "count"), f"has no effect with method {quoted(method)}")
    elif count is None and method not in (*SAMPLED, SEARCHED):
        mistakes.add((*place, "count"), "required key is missing", None, COUNT)
    elif count is not None and not _is_count(count):
        mistakes.add((*place, "count"), "out of range", shown(count), COUNT)
    if None in ends or mistakes.below(place):
        return None
    (low, unit), (high, other) = ends  # type: ignore[misc]
    if unit != other:
        mistakes.add(place, "both ends must have the same unit", f"{quoted(unit)} and {quoted(other)}")
    elif not low < high or (scale == "log" and low <= 0):
        mistakes.add(place, "from must be below to" + (", and above 0 on a log scale" if scale == "log" else ""))
    else:
        whole = all(isinstance(end, int) for end in (low, high)) and not unit
        made = Range(column_of(key), path, low, high, whole, scale == "log", unit, Written(*mistakes.where(place)))
        return made if method in (*SAMPLED, SEARCHED) else Listed(made.name, made.spaced(int(count or 1)))
    return None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000


def _end(value: Any, place: KeyPath, mistakes: Mistakes) -> tuple[float, str] | None:
    """The number and the unit of one end of a range."""
    number = _number(value)
    if number is None:
        missing = value is None
        what = "required key is missing" if missing else "wrong type"
        got = None if missing else shown_with_type(value)
        mistakes.add(place, what, got, 'a number, or one with a unit, such as "1 h"')
    return number


def _number(value: Any) -> tuple[float, str] | None:
    """The number and the unit of a value; None where it is no number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return kept_value(value), ""
    match = _WITH_UNIT.fullmatch(value) if isinstance(value, str) else None
    if match and math.isfinite(number := float(match[1])):
        return number, match[2].strip()
    return None


def same(one: Any, other: Any) -> bool:
    """Whether two values of points are equal and of the same types throughout: 1 is neither true nor 1.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _path(key: str, place: KeyPath, mistakes: Mistakes) -> KeyPath | None:
    path = key_path(key)
    if path is None or path[0] in ("base", "seed"):
        fix = "use seeds" if path and path[0] == "seed" else None
        mistakes.add(place, "cannot be swept", quoted(key), 'a key of the scenario, such as "pools.0.nodes"', fix)
        return None
    return path


def kept_value(value: Any) -> Any:
    """A value of TOML as points keep it: plain floats and lists."""
    if isinstance(value, dict):
        return {k: kept_value(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [kept_value(v) for v in value]
    return float(value) if isinstance(value, TomlFloat) else value
