"""TOML text of trees and values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, time
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_\-]+")


def toml(tree: dict[str, Any]) -> str:
    """TOML text of a tree of tables, arrays (tuples or lists), text, numbers, booleans, dates and times."""
    return "\n".join(_table(tree, ())).strip() + "\n"


def _table(table: dict[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Lines of a table: what stands on one line first, then its tables and arrays of tables."""
    rows = path and all(_is_flat(v) for v in table.values())  # such as a provenance: a row an entry
    blocks = {} if rows else {k: v for k, v in table.items() if _is_block(v)}
    for key, value in table.items():
        if key not in blocks:
            yield f"{_key(key)} = {inline(value)}"
    for key, value in blocks.items():
        inner = (*path, key)
        header = ".".join(_key(p) for p in inner)
        if isinstance(value, dict):
            yield from ("", f"[{header}]", *_table(value, inner))
        else:
            for element in value:
                yield from ("", f"[[{header}]]", *_table(element, inner))


def _is_block(value: Any) -> bool:
    return isinstance(value, dict) or (_is_array(value) and bool(value) and all(isinstance(v, dict) for v in value))


def _is_flat(value: Any) -> bool:
    return isinstance(value, dict) and not any(isinstance(v, dict) or _is_array(v) for v in value.values())


def _is_array(value: Any) -> bool:
    return isinstance(value, tuple | list)


def inline(value: Any) -> str:
    """A value on one line."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _quoted(value)
        case int() | float():
            return repr(value)
        case date() | time():
            return value.isoformat()
        case dict():
            inner = ", ".join(f"{_key(k)} = {inline(v)}" for k, v in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case tuple() | list():
            return f"[{', '.join(inline(v) for v in value)}]"
    raise TypeError(f"TOML has no {type(value).__name__}")


def _key(text: str) -> str:
    return text if _BARE.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's; TOML alone wants DEL escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
