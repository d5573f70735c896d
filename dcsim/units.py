"""Dimensions and units: text with units outside, SI floats inside; the only conversion factors of dcsim.

A field annotated with one of the types at the end (`Seconds`, `Bytes`, ...) accepts text such as `"80 GB"` and
holds a float in the base unit. That one annotation drives parsing, error text, documentation and the text that is
written back. 80 GB is 80e9 bytes, 80 GiB is 80 * 2**30 bytes. A bare number is refused, except zero's text `"0 s"`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

MINUTE = 60.0
HOUR = 3600.0
DAY = 24 * HOUR
WEEK = 7 * DAY
YEAR = 365 * DAY

MILLI = 1000  # thousandths in a whole: ms, milli-cores, milli-GPUs; divide by it, so that 700 becomes 0.7 exactly

LONGEST = 100  # characters of a number with its unit

_NUMBER = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*")
_PREFIX = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}


def _si(symbol: str, prefixes: str = " k M G T P E") -> dict[str, float]:
    return {f"{p.strip()}{symbol}": _PREFIX[p.strip()] for p in ["", *prefixes.split()]}


_BYTES = _si("B") | {f"{p}B": f for p, f in _BINARY.items()}
_TIME = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": MINUTE, "h": HOUR, "d": DAY, "w": WEEK, "y": YEAR}


@dataclass(frozen=True)
class Dimension:
    """A physical dimension: its name, base unit, the units it may be written in, its least and its largest legal value.

    As metadata of `Annotated[float, ...]` it makes pydantic parse and check text with units. `least` is inclusive
    unless `strict`; `most` is inclusive. `usual` is the unit of examples.
    """

    name: str
    base: str
    units: tuple[tuple[str, float], ...]
    least: float = 0.0
    strict: bool = False
    usual: str = ""
    most: float = math.inf

    def factor(self, unit: str) -> float:
        """How many base units one `unit` is; KeyError if the dimension has no such unit."""
        return dict(self.units)[unit]

    def parse(self, value: object) -> float:
        """The value in the base unit.

        Raises ValueError, with the fix in its text, for a bare number, an unknown unit, NaN, an infinity, or a
        value below the least legal one.
        """
        if isinstance(value, bool) or not isinstance(value, str):
            raise ValueError(self._bare(value))
        match = _NUMBER.fullmatch(value) if len(value) <= LONGEST else None
        if match is None:
            raise ValueError(f'is not a number with a unit; write e.g. "{self.example()}"')
        number, unit = match.groups()
        if unit == "":
            raise ValueError(self._bare(number))
        if unit not in dict(self.units):
            raise ValueError(f"unknown unit '{unit}' for {self.name}; known: {', '.join(self.symbols())}")
        result = float(number) * self.factor(unit)
        if not math.isfinite(result):
            raise ValueError("must be finite")
        if result < self.least or (self.strict and result == self.least):
            raise ValueError(f"must be {'>' if self.strict else '>='} {self.least:g} {self.base}")
        if result > self.most:
            raise ValueError(f"must be <= {self.most:g} {self.base}")
        return result

    def format(self, value: float) -> str:
        """Text that `parse` reads back to the very same float, in the unit that gives the shortest text."""
        best = f"{value!r} {self.base}"
        for unit, factor in self.units:
            text = f"{value / factor:.15g} {unit}"
            if float(text.split()[0]) * factor == value and len(text) < len(best):
                best = text
        return best

    def example(self) -> str:
        """A legal value, for error texts and documentation."""
        return f"20 {self.usual or self.base}"

    def symbols(self) -> list[str]:
        """The units, as written."""
        return [unit for unit, _ in self.units]

    def _bare(self, value: object) -> str:
        shown = str(value).lower() if isinstance(value, bool) else value
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return f'expected text with a unit, e.g. "{self.example()}"'
        return f'{shown} has no unit; write e.g. "{shown} {self.base}" (units: {", ".join(self.symbols())})'

    def __get_pydantic_core_schema__(self, source: object, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(self.format, when_used="unless-none"),
        )

    def _validate(self, value: object) -> float:
        # Floats are already in the base unit: they come from code (scenario.replace), never from TOML, whose
        # numbers the loader marks. See scenario/load.py.
        return value if type(value) is float and not isinstance(value, TomlFloat) else self.parse(value)

    def __get_pydantic_json_schema__(self, core_schema: object, handler: object) -> dict[str, Any]:
        units = "|".join(re.escape(u) for u in self.symbols())
        return {
            "type": "string",
            "title": self.name,
            "description": f"{self.name} with a unit: {', '.join(self.symbols())}",
            "pattern": rf"^\s*[+-]?[0-9._eE+-]+\s*({units})\s*$",
            "examples": [self.example()],
        }


class TomlFloat(float):
    """A float that a TOML file holds: it has no unit, so a field with a dimension refuses it."""


def _dimension(
    name: str, base: str, usual: str, units: dict[str, float], strict: bool = False, most: float = math.inf
) -> Dimension:
    return Dimension(name, base, tuple(units.items()), strict=strict, usual=usual, most=most)


LONGEST_TIME = 1e12
"""The longest time, s, that is told from a mistake: 31,700 years. Sums of such times are exact to 0.1 ms in floats."""

TIME = _dimension("time", "s", "min", _TIME, most=LONGEST_TIME)
SIZE = _dimension("size", "B", "GB", _BYTES)
BANDWIDTH = _dimension(
    "bandwidth",
    "B/s",
    "GB/s",
    {f"{u}/s": f for u, f in _BYTES.items()} | {f"{p}bit/s": f / 8 for p, f in _PREFIX.items()},
    strict=True,
)
COMPUTE = _dimension("compute rate", "FLOP/s", "TFLOP/s", {f"{u}/s": f for u, f in _si("FLOP").items()})
OPERATIONS = _dimension("operation rate", "OP/s", "TOP/s", {f"{u}/s": f for u, f in _si("OP").items()})
POWER = _dimension("power", "W", "kW", _si("W", "k M G"))
ENERGY = _dimension(
    "energy", "J", "kWh", _si("J", "k M G T") | {f"{p}Wh": f * HOUR for p, f in _PREFIX.items() if p in "kMG"}
)
MONEY = _dimension("money", "USD", "USD", _si("USD", "k M"))
PRICE_RATE = _dimension("price of time", "USD/s", "USD/h", {"USD/s": 1.0, "USD/h": 1 / HOUR, "USD/d": 1 / DAY})
RATE = _dimension("rate", "/s", "/h", {"/s": 1.0, "/min": 1 / MINUTE, "/h": 1 / HOUR, "/d": 1 / DAY})

Seconds = Annotated[float, TIME]
Bytes = Annotated[float, SIZE]
BytesPerSecond = Annotated[float, BANDWIDTH]
FlopPerSecond = Annotated[float, COMPUTE]
OpsPerSecond = Annotated[float, OPERATIONS]
Watts = Annotated[float, POWER]
Joules = Annotated[float, ENERGY]
Usd = Annotated[float, MONEY]
UsdPerSecond = Annotated[float, PRICE_RATE]
PerSecond = Annotated[float, RATE]


def human_time(seconds: float) -> str:
    """A duration for people: `47 s`, `12 min`, `3.4 h`, `2.1 d`, `18.2 years`; three significant digits at most."""
    for unit, factor in (("years", YEAR), ("d", DAY), ("h", HOUR), ("min", MINUTE)):
        if abs(seconds) >= 2 * factor:
            return f"{_three_digits(seconds / factor)} {unit}"
    return f"{seconds:.3g} s"


def human_time_up(seconds: float) -> str:
    """A time above zero that is no shorter, three digits, as `TIME` reads it: `14.4 h`, `6650 d`."""
    unit = next((unit for unit in ("d", "h", "min") if seconds >= 2 * TIME.factor(unit)), "s")
    value = seconds / TIME.factor(unit)
    digit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return f"{math.ceil(value / digit) * digit:.10g} {unit}"


def human_step(seconds: float) -> str:
    """The time of a training step for people, always three digits: `27.0 s`, `2.54 ms`."""
    unit = "ms" if seconds < 1.0 else "s"
    return f"{seconds / TIME.factor(unit):#.3g} {unit}".replace(". ", " ")


def _three_digits(value: float) -> str:
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{value:.3g}"


def human_count(value: float) -> str:
    """A count for people, with thousands separators: `125,303`."""
    return f"{value:,.0f}"


def human_si(value: float, symbol: str) -> str:
    """A quantity for people, three significant digits and an SI prefix: `5.67 TB`, `3.8e+25 FLOP`."""
    rounded = abs(float(f"{value:.3g}"))  # 999,900 is 1 M, not 1,000 k
    prefix, factor = next(((p, f) for p, f in reversed(_PREFIX.items()) if rounded >= f), ("", 1.0))
    return f"{value / factor:.3g} {prefix}{symbol}"


def human_large(value: float) -> str:
    """A large count with the letters of the field: `124 M`, `70.6 B`, `15 T`."""
    return human_si(value, "").strip().replace("G", "B")
