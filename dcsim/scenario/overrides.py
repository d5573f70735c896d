"""Changes of a scenario, made before it is checked: `--set key.path=value`, and what an experiment sweeps."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from dcsim.errors import Problem, ScenarioError, tried
from dcsim.scenario.layers import Layers, Written
from dcsim.scenario.mistakes import key_text, quoted, shown, type_name
from dcsim.scenario.positions import DEEPEST, KeyPath
from dcsim.scenario.toml_text import inline
from dcsim.units import TomlFloat

OPTION = Written("--set")


@dataclass(frozen=True)
class Override:
    """One change: the path of a key, its new value, and where that was written."""

    path: KeyPath
    value: Any
    written: Written = OPTION

    @property
    def text(self) -> str:
        """The change as `--set` takes it."""
        return f"{'.'.join(map(str, self.path))}={inline(self.value)}"

    def overlaps(self, other: Override) -> bool:
        """Whether both change the same key, or one changes a key inside the other's."""
        shorter = min(len(self.path), len(other.path))
        return self.path[:shorter] == other.path[:shorter]


def key_path(text: str) -> KeyPath | None:
    """The path that `pools.0.nodes` means, None if it means none.

    Parts that are whole numbers, negative ones too, are indices of arrays.
    """
    parts = text.strip().split(".")
    return tuple(_part(p) for p in parts) if all(parts) and len(parts) <= DEEPEST else None


def parse(text: str) -> Override:
    """Read `pools.0.nodes=10`: the value is TOML, or text where it is not TOML (`horizon=30 d`).

    Raises ScenarioError. See `key_path`.
    """
    key, equals, value = text.partition("=")
    path = key_path(key)
    if not equals or path is None:
        raise ScenarioError(Problem(OPTION.file, "", "not a change", got=quoted(text), expected="KEY.PATH=VALUE"))
    return Override(path, _value(value.strip()))


def apply(overrides: Iterable[Override], layers: Layers) -> None:
    """Put the new values into a tree, which is changed in place, in their order.

    Changes of a plug-in's name go first: another plug-in has other keys. Raises ScenarioError with all
    changes that lead nowhere; whether keys and values are legal is found when the tree is checked.
    """
    problems: list[Problem] = []
    for override in sorted(overrides, key=lambda o: o.path[-1] != "use"):
        tried(problems, _apply, override, layers)
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
        raise _fault(override, override.path, "can be written in a file only")
    table: Any = layers.tree
    path: KeyPath = ()
    for depth in range(1, len(override.path)):
        key = _key(table, override, depth)
        path = (*path, key)
        if isinstance(table, dict) and key not in table:
            table[key] = {}
            layers.own(path, override.written)
        table = table[key]
    last = _key(table, override, len(override.path))
    if last == "use" and table.get("use", override.value) != override.value:
        layers.clear(path, table)
    table[last] = deepcopy(override.value)  # later changes may reach into it
    layers.own((*path, last), override.written)


def _key(table: Any, override: Override, depth: int) -> Any:
    """The key, or index, of a table or array that a part of a path means."""
    path = override.path[:depth]
    if isinstance(table, list):
        return _index(table, override, path)
    if isinstance(table, dict):
        return str(path[-1])
    what = f"no such key: {key_text(path[:-1])} is a {type_name(table)}, not a table"
    raise _fault(override, path, what)


def _index(array: list[Any], override: Override, path: KeyPath) -> int:
    number = path[-1]
    if not isinstance(number, int) or not 0 <= number < len(array):
        expected = f"an index from 0 to {len(array) - 1}" if array else "nothing: the array is empty"
        meant = key_text((*path[:-1], 0, *override.path[len(path) - 1 :]))
        fix = f"did you mean '{meant}'?" if array and isinstance(number, str) else None
        raise _fault(override, path, "no such element", got=shown(number), expected=expected, fix=fix)
    return number


def _fault(override: Override, path: KeyPath, what: str, **facts: str | None) -> ScenarioError:
    """`facts`: `got`, `expected` and `fix` of the problem."""
    file, line = override.written
    return ScenarioError(Problem(file, key_text(path), what, line=line, **facts))
