"""Columns of tables: values as text, and as one Arrow type."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any, NamedTuple

from dcsim.scenario.toml_text import inline

Point = tuple[Any, ...]
"""Values of the swept keys of one variant."""

_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?:\s+(\S+))?")
LONG, SHORT = 6, 3
"""Significant digits: numbers with more are rounded where people read them, to at least so many."""
MOST_DIGITS = 17  # of a float64


class Number(NamedTuple):
    """A number that a text is, with a unit or without. `digits`: the significant ones it is written with."""

    value: float
    unit: str
    digits: int


def number_in(text: str) -> Number | None:
    """The number that a text is; None where it is none."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        return None
    mantissa = re.split("[eE]", found[1])[0].lstrip("+-")
    return Number(float(found[1]), found[2] or "", len(mantissa.replace(".", "").lstrip("0")))


def rounded(value: float, digits: int) -> str:
    """A number with exactly so many significant digits: `1.70`, and whole ones in full."""
    if abs(value) >= 10**digits:
        return f"{value:.0f}"
    return f"{value:#.{digits}g}".rstrip(".")


def plain_value(value: Any) -> Any:
    """What the table shows of a swept value: tables and arrays as TOML text."""
    return inline(value) if isinstance(value, dict | list | tuple) else value


def shown(value: Any) -> str:
    """A value as CSV has it: in full, nothing where there is none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else repr(value)


def brief(value: Any) -> str:
    """A value as tables and figures for people show it."""
    if value is None:
        return "(not set)"
    return f"{value:.6g}" if isinstance(value, float) else shown(value)


def told_apart(values: Sequence[Any]) -> list[str]:
    """Values of one column for people: long numbers, which are drawn ones, with as few digits as tell all apart."""
    different = dict.fromkeys(map(shown, values))
    for digits in range(SHORT, MOST_DIGITS):
        texts = [_rounded(value, digits) for value in values]
        if len(set(texts)) == len(different):
            return texts
    return list(map(shown, values))


def _rounded(value: Any, digits: int) -> str:
    number = None if isinstance(value, bool | int) else number_in(shown(value))
    if number is None or number.digits <= LONG or (isinstance(value, str) and not number.unit):
        return brief(value)
    return f"{rounded(number.value, digits)} {number.unit}".rstrip()


def differing(texts: Sequence[str]) -> list[str]:
    """Of TOML tables, what they differ in, `easy, depth=8`; other texts as they are."""
    try:
        tables = [tomllib.loads(f"it = {text}")["it"] for text in texts]
    except tomllib.TOMLDecodeError:
        return list(texts)
    if len(set(texts)) < 2 or not all(isinstance(table, dict) for table in tables):
        return list(texts)
    parts = [{key: shown(plain_value(value)) for key, value in table.items()} for table in tables]
    keys = dict.fromkeys(key for part in parts for key in part)
    kept = [key for key in keys if key == "use" or len({part.get(key) for part in parts}) > 1]
    said = [[part[k] if k == "use" else f"{k}={part[k]}" for k in kept if k in part] for part in parts]
    return [", ".join(words) or "{}" for words in said]


def typed(values: Sequence[Any]) -> Any:
    """A pyarrow array of one type: numbers where all are, else text."""
    import pyarrow as pa

    known = [type(value) for value in values if value is not None]
    if all(kind is bool for kind in known):
        return pa.array(values, pa.bool_() if known else pa.null())
    if all(kind is int for kind in known):
        return pa.array(values, pa.int64())
    if all(kind in (int, float) for kind in known):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array([None if v is None else shown(v) for v in values], pa.string())
