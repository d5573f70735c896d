"""Options of a planner's question, read one by one: text becomes values, and all mistakes are remembered."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from dcsim.errors import Problem, ScenarioError, nearest
from dcsim.performance.plan_rules import MOST_VALUES
from dcsim.performance.plans import option
from dcsim.units import Dimension

LONGEST = 60  # characters of a given value that an error line repeats
SCALES = {"k": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}  # after a number of tokens, as in 1.5B and 15 T
T = TypeVar("T")


def refuse(found: Iterable[Problem]) -> None:
    """Raise ScenarioError if there are problems."""
    if found := list(found):
        raise ScenarioError(found)


def shown(given: object) -> str:
    """What was given, in quotes on one line, its middle left out where it is long."""
    text = " ".join(str(given).split())
    return f"'{text}'" if len(text) <= LONGEST else f"'{text[: LONGEST // 2]}...{text[-LONGEST // 2 :]}'"


class Reader:
    """Reads options one by one and remembers what is wrong with them."""

    def __init__(self, where: str, options: Mapping[str, Any]) -> None:
        self.where = where
        self.options = options
        self.problems: list[Problem] = []

    def wrong(self, name: str, what: str, got: object, expected: str | None = None, fix: str | None = None) -> None:
        """Remember a mistake."""
        self.problems.append(Problem(self.where, option(self.where, name), what, shown(got), expected, fix))

    def whole(self, name: str, most: int = MOST_VALUES) -> int | None:
        """A whole number from 1 to `most`, None if it is not given or wrong."""
        value = self.number(name, f"a whole number from 1 to {most}")
        if value is None or (value == int(value) and 1 <= value <= most):
            return None if value is None else int(value)
        self.wrong(
            name,
            "out of range" if value > most else "is no whole number",
            self.options[name],
            f"a whole number from 1 to {most}",
        )
        return None

    def number(
        self,
        name: str,
        expected: str = "a number > 0",
        most: float = math.inf,
        read: Callable[[object], float | None] | None = None,
        zero: bool = False,
    ) -> float | None:
        """A finite number above zero, or `zero` too; None if not given or wrong; `read` makes it of what is given."""
        given = self.options.get(name)
        if given is None:
            return None
        value = (read or _number)(given)
        if value is not None and math.isfinite(value) and (0 < value <= most or (zero and value == 0)):
            return value
        if most < math.inf:
            expected += f", at most {most:g}"
        if value is None:
            what = "is no number"
        else:
            least = "must be >= 0" if zero else "must be > 0"
            what = "must be finite" if not math.isfinite(value) else least if value <= 0 else "out of range"
        self.wrong(name, what, given, expected)
        return None

    def product(self, name: str, most: float = math.inf) -> float | None:
        """A number from 1, text such as `"15T"` (see `SCALES`), or several that are multiplied, such as `"1.28e6*90"`;
        None as by `number`."""
        given = self.options.get(name)
        if not isinstance(given, str) or "*" not in given:
            value = self.number(name, "a number > 0, such as 15e12 or 15T", most, scaled)
            if value is None or value >= 1.0:
                return value
            self.wrong(name, "out of range", given, f"a number from 1 to {most:g}")
            return None
        factors = [scaled(part) or 0.0 for part in given.split("*")]
        if min(factors) > 0 and 1.0 <= math.prod(factors) <= most:
            return math.prod(factors)
        self.wrong(name, "is no product of numbers > 0", given, f"such as 1.28e6*90, at most {most:g}")
        return None

    def quantity(self, name: str, dimension: Dimension, least: float, most: float) -> float | None:
        """Text with a unit, or a number in the base unit; None if it is not given, wrong or out of range."""
        value = self._quantity(name, dimension)
        if value is None or least <= value <= most:
            return value
        span = f"{dimension.format(least)} to {dimension.format(most)}"
        self.wrong(name, "out of range", self.options[name], span)
        return None

    def _quantity(self, name: str, dimension: Dimension) -> float | None:
        given = self.options.get(name)
        if given is None or not isinstance(given, str):
            return self.number(name, f"{dimension.base} > 0")
        try:
            value = dimension.parse(given)
        except ValueError as error:
            self.problems.append(Problem(self.where, option(self.where, name), str(error), shown(given)))
            return None
        if value == 0.0:
            self.wrong(name, "must be > 0", given)
            return None
        return value

    def word(self, name: str, known: Mapping[str, T]) -> T | None:
        """What one of the known words stands for, None if it is not given or wrong."""
        given = self.options.get(name)
        if given is None or (isinstance(given, str) and given in known):
            return None if given is None else known[given]
        self.wrong(name, "is unknown", given, f"one of {', '.join(known)}", nearest(str(given), known))
        return None

    def named(self, key: str, name: str | None, find: Callable[[str], Any]) -> Any:
        """What a preset or TOML file holds, None if it is not there or wrong."""
        place = "MODEL" if key == "model" and self.where == "command line" else option(self.where, key)
        if not name:
            self.problems.append(Problem(self.where, place, "is missing"))
            return None
        if not isinstance(name, str):
            self.problems.append(Problem(self.where, place, "must be a name or a path", shown(name)))
            return None
        try:
            return find(name)
        except ScenarioError as error:
            # What a file says at a place of its own is told there; that it is no such file, where it is named.
            self.problems += [
                p if p.key or p.line else replace(p, file=self.where, key=place, got=shown(name))
                for p in error.problems
            ]
        return None


def _number(given: object) -> float | None:
    """A number as it is given, None for anything else; too large a whole number is infinite."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return None
    try:
        return float(given)
    except ValueError:
        return None
    except OverflowError:
        return math.inf


def scaled(given: object) -> float | None:
    """A number as it is given, or text that ends with one of `SCALES`; None for anything else."""
    text = given.strip() if isinstance(given, str) else ""
    scale = SCALES.get(text[-1:])
    value = _number(given if scale is None else text[:-1])
    return value if value is None or scale is None else value * scale
