"""`--set key.path=value`: changes of a scenario from the command line, made before it is checked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.layers import Layers
from dcsim.scenario.mistakes import key_text, quoted, shown, type_name
from dcsim.scenario.positions import DEEPEST, KeyPath
from dcsim.units import TomlFloat

OPTION = "--set"


@dataclass(frozen=True)
class Override:
    """One change: the path of a key and its new value."""

    path: KeyPath
    value: Any


def parse(text: str) -> Override:
    """Read `pools.0.nodes=10`: the value is TOML, or text where it is not TOML (`horizon=30 d`).

    Parts of the key that are whole numbers, negative ones too, are indices of arrays. Raises ScenarioError.
    """
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts) or len(parts) > DEEPEST:
        raise ScenarioError(Problem(OPTION, "", "not a change", got=quoted(text), expected="KEY.PATH=VALUE"))
    return Override(tuple(_part(p) for p in parts), _value(value.strip()))


def apply(overrides: Iterable[Override], layers: Layers) -> None:
    """Put the new values into a tree, which is changed in place, in their order.

    Changes of a plug-in's name go first: another plug-in has other keys. Raises ScenarioError with all
    changes that lead nowhere; whether keys and values are legal is found when the tree is checked.
    """
    problems: list[Problem] = []
    for override in sorted(overrides, key=lambda o: o.path[-1] != "use"):
        try:
            _apply(override, layers)
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)


def _part(text: str) -> str | int:
    return int(text) if text.removeprefix("-").isdecimal() and len(text) < 10 else text


def _value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}", parse_float=TomlFloat)
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if len(parsed) == 1 else text


def _apply(override: Override, layers: Layers) -> None:
    if override.path[0] == "base":
        raise _fault(override.path, "can be written in a file only")
    table: Any = layers.tree
    path: KeyPath = ()
    for depth, part in enumerate(override.path[:-1], 1):
        key = _key(table, override.path[:depth], part)
        path = (*path, key)
        if isinstance(table, dict) and key not in table:
            table[key] = {}
            layers.own(path, OPTION)
        table = table[key]
    last = _key(table, override.path, override.path[-1])
    if last == "use" and table.get("use", override.value) != override.value:
        layers.clear(path, table)
    table[last] = override.value
    layers.own((*path, last), OPTION)


def _key(table: Any, path: KeyPath, part: str | int) -> Any:
    """The key, or index, of a table or array that a part of a path means."""
    if isinstance(table, list):
        return _index(table, path)
    if isinstance(table, dict):
        return str(part)
    what = f"no such key: {key_text(path[:-1])} is a {type_name(table)}, not a table"
    raise _fault(path, what)


def _index(array: list[Any], path: KeyPath) -> int:
    number = path[-1]
    if not isinstance(number, int) or not 0 <= number < len(array):
        expected = f"an index from 0 to {len(array) - 1}" if array else "nothing: the array is empty"
        raise _fault(path, "no such element", got=shown(number), expected=expected)
    return number


def _fault(path: KeyPath, what: str, got: str | None = None, expected: str | None = None) -> ScenarioError:
    return ScenarioError(Problem(OPTION, key_text(path), what, got, expected))
