"""Types of keys in words, for documentation."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dcsim.scenario.datapath import PathMarker
from dcsim.scenario.explain import PATTERNS
from dcsim.scenario.keys import keys_of
from dcsim.units import Dimension

WORDS = {
    int: "integer",
    float: "number",
    str: "text",
    bool: "true or false",
    datetime: "date and time",
    Any: "any value",
}
LIMITS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


def type_text(hint: Any) -> str:
    """A type as a reader of TOML calls it: `time`, `integer >= 1`, `array of text`, "a" or "b"."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _annotated(arguments[0], list(_flat(hint.__metadata__)))
    if origin in (Union, types.UnionType):
        return " or ".join(type_text(a) for a in arguments if a is not type(None))
    if origin is Literal:
        return " or ".join(f'`"{a}"`' if isinstance(a, str) else f"`{a}`" for a in arguments)
    if origin in (tuple, list):
        return _array(arguments)
    if origin is dict:
        return f"table of {_several(arguments[1])}"
    if is_table(hint):
        return f"table `{hint.__name__}`"
    return WORDS.get(hint, getattr(hint, "__name__", str(hint)))


def tables_in(hint: Any) -> Iterator[type[Any]]:
    """The classes of the tables that a type holds."""
    if is_table(hint):
        yield hint
    for argument in typing.get_args(hint):
        yield from tables_in(argument)


def tables_below(cls: type[Any]) -> list[type[Any]]:
    """The classes of all tables within a table, each once, outer ones first."""
    found: list[type[Any]] = []
    waiting = [cls]
    while waiting:
        for key in keys_of(waiting.pop(0)):
            for table in tables_in(key.hint):
                if table not in found:
                    found.append(table)
                    waiting.append(table)
    return found


def is_table(hint: Any) -> bool:
    """Whether a type is a table with keys of its own."""
    return isinstance(hint, type) and (is_dataclass(hint) or issubclass(hint, BaseModel))


def _annotated(inner: Any, metadata: list[Any]) -> str:
    for item in metadata:
        if isinstance(item, Dimension):
            return f'{item.name}, such as `"{item.example()}"`'
        if isinstance(item, PathMarker):
            return "path of a folder" if item.folder else "path of a file"
        if (pattern := getattr(item, "pattern", None)) is not None:
            return f"text of {PATTERNS.get(pattern, pattern)}"
    limits = [f"{sign} {getattr(m, name):,}" for m in metadata for name, sign in LIMITS.items() if hasattr(m, name)]
    text = type_text(inner)
    return f"{text} {' and '.join(limits)}" if limits else text


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    for item in metadata:
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)


def _array(arguments: tuple[Any, ...]) -> str:
    if not arguments or Ellipsis in arguments or len(arguments) == 1:
        return f"array of {_several(arguments[0])}" if arguments else "array"
    return f"array of {', '.join(type_text(a) for a in arguments)}"


def _several(hint: Any) -> str:
    text = type_text(hint)
    return text.replace("table ", "tables ", 1) if text.startswith("table ") else text
