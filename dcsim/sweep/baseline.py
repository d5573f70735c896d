"""Which variants a baseline means, as people write it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.mistakes import hint, quoted
from dcsim.sweep.columns import Point, number_in, plain_value, rounded, shown

Baseline = str | int | float | Mapping[str, Any]

FEWEST_DIGITS = 3
"""Of a number that may stand for a longer one: tables show at least as many."""


def baseline_point(given: Baseline, axes: Sequence[str], points: Sequence[Point]) -> Point:
    """The one point that has these settings; if there are several, their settings, None for what is left open.

    ScenarioError where there is none.
    """
    wanted = _settings(given, axes, points)
    for key in wanted:
        if key not in axes:
            raise fault("baseline", "is not swept", key, hint(key, axes))
    where = {axes.index(key): value for key, value in wanted.items()}
    meant = {i: _meant(value, [shown(point[i]) for point in points]) for i, value in where.items()}
    fits = [point for point in points if all(shown(point[i]) in values for i, values in meant.items())]
    if fits:
        return fits[0] if len(fits) == 1 else tuple(v if i in where else None for i, v in enumerate(fits[0]))
    for i, value in where.items():
        if not meant[i]:
            known = {shown(point[i]) for point in points}
            others = [
                f"{axis}={value}" for j, axis in enumerate(axes) if value in {shown(point[j]) for point in points}
            ]
            fix = f"did you mean '{others[0]}'?" if others else hint(value, known)
            raise fault("baseline", "fits no variant", f"{axes[i]}={value}", fix)
    said = ",".join(f"{key}={value}" for key, value in wanted.items())
    raise fault("baseline", "fits no variant", said, "no variant has all of these at once")


def _meant(given: str, values: Sequence[str]) -> set[str]:
    """The values that a text means: itself, the same number, or the one number that is rounded to it."""
    if given in values:
        return {given}
    number = number_in(given)
    if number is None:
        return set()
    others = {value: other for value in values if (other := number_in(value)) and other.unit == number.unit}
    equal = {value for value, other in others.items() if other.value == number.value}
    if equal or number.digits < FEWEST_DIGITS:
        return equal
    near = {v for v, o in others.items() if rounded(o.value, number.digits) == rounded(number.value, number.digits)}
    return near if len(near) == 1 else set()


def _settings(given: Baseline, axes: Sequence[str], points: Sequence[Point]) -> dict[str, str]:
    """Values by key, as the table shows them. `a=1,b=x` is two settings; what has no `=`, or is a value of the first
    axis as it stands, is that."""
    if isinstance(given, Mapping):
        return {str(key): shown(plain_value(value)) for key, value in given.items()}
    if not isinstance(given, str | int | float):
        raise fault("baseline", "is neither settings nor a value", repr(given), 'such as {"scheduler.use": "fifo"}')
    text = shown(given).strip()
    if "=" not in text or any(text == shown(point[0]) for point in points if point):
        return {axes[0] if axes else "variant": text}
    found: dict[str, str] = {}
    names = "|".join(map(re.escape, axes))
    for part in re.split(rf",\s*(?=(?:{names})\s*=)", text):  # values may have commas of their own
        key, _, value = part.partition("=")
        found[key.strip()] = value.strip()
    return found


def fault(option: str, what: str, got: str, fix: str | None) -> ScenarioError:
    """What is wrong with an option of a comparison."""
    return ScenarioError(Problem(f"--{option}", "", what, quoted(got), fix=fix))
