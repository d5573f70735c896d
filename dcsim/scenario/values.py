"""What no value of a scenario may be, wherever it stands, and the tree made immutable."""

from __future__ import annotations

import math
from typing import Any

from dcsim.scenario.mistakes import Mistakes, shown
from dcsim.scenario.positions import KeyPath
from dcsim.units import TomlFloat

INTEGER_BITS = 63


def frozen(value: Any, mistakes: Mistakes, path: KeyPath = ()) -> Any:
    """The same value with tuples for arrays; notes NaN, infinities, huge integers, text not in Unicode."""
    if isinstance(value, dict):
        return {k: frozen(v, mistakes, (*path, k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return tuple(frozen(v, mistakes, (*path, i)) for i, v in enumerate(value))
    if isinstance(value, float) and not math.isfinite(value):
        mistakes.add(path, "must be finite", got=shown(value))
    elif isinstance(value, int) and value.bit_length() > INTEGER_BITS:
        mistakes.add(path, "out of range", got=shown(value), expected="an integer of at most 64 bits")
    elif isinstance(value, str) and not _is_unicode(value):
        mistakes.add(path, "is not Unicode text", got=ascii(value))
    return value


def plain(value: Any) -> Any:
    """The same value as a scenario keeps it: tuples for arrays, plain floats, no keys without a value."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return tuple(plain(v) for v in value)
    return float(value) if isinstance(value, TomlFloat) else value


def _is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogates, which bytes of a command line that are not UTF-8 become."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)
