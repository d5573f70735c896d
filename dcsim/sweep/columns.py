"""Columns of tables: values as text, and as one Arrow type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dcsim.scenario.toml_text import inline


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
