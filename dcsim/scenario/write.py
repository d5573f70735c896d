"""A scenario written back: complete, with units, and read again as the very same facts."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from datetime import date, time
from typing import Any

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.mistakes import Mistakes
from dcsim.scenario.spec import Scenario
from dcsim.scenario.values import frozen, plain
from dcsim.units import TomlFloat

_BARE = re.compile(r"[A-Za-z0-9_\-]+")


def to_toml(scenario: Scenario) -> str:
    """The scenario as TOML with all defaults and presets written out; loading it gives an equal scenario."""
    return toml(plain(scenario.model_dump()))


def from_toml(text: str) -> Scenario:
    """The scenario that `to_toml` wrote, without a look at paths and plug-ins; ScenarioError if it is none."""
    mistakes = Mistakes(lambda _: ("scenario.toml", None))
    try:
        tree = frozen(tomllib.loads(text, parse_float=TomlFloat), mistakes)
        scenario = Scenario.model_validate(tree)
    except ValueError as error:  # what tomllib and pydantic raise, too
        what = f"is no scenario that dcsim wrote: {str(error).splitlines()[0]}"
        raise ScenarioError(Problem("scenario.toml", "", what)) from None
    mistakes.stop_if_any()
    return scenario


def digest(scenario: Scenario) -> str:
    """SHA-256, in hex, of the scenario's resolved text: the same facts in the same order, the same digest."""
    return hashlib.sha256(to_toml(scenario).encode()).hexdigest()


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
