"""Plug-in tables: their keys held against the fields of the plug-in's dataclass, and its instance made."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import ValidationError

from dcsim import plugins
from dcsim.errors import DcsimError, PolicyError, Problem
from dcsim.scenario.datapath import PathMarker
from dcsim.scenario.explain import note_all
from dcsim.scenario.keys import Key, keys_of, source_file
from dcsim.scenario.mistakes import Mistakes, key_text, quoted
from dcsim.scenario.paths import PathError, resolve
from dcsim.scenario.positions import KeyPath
from dcsim.scenario.values import plain

if TYPE_CHECKING:
    from dcsim.scenario.loaded import Loaded
    from dcsim.scenario.spec import PluginTable

Kind = Literal["workload", "speeds", "scheduler", "placement", "topology", "host"]
KINDS: tuple[Kind, ...] = typing.get_args(Kind)
OF_NETWORK: tuple[Kind, ...] = ("topology", "host")
LONGEST_NAME = 100


def path_of(kind: Kind) -> KeyPath:
    """Where the table of a kind stands in a scenario."""
    return ("network", kind) if kind in OF_NETWORK else (kind,)


def build(kind: Kind, table: PluginTable, loaded: Loaded) -> Any:
    """The plug-in that a table names, made with the table's keys.

    Raises ScenarioError for keys and values that the plug-in does not take, PolicyError for a plug-in that
    cannot be used.
    """
    mistakes = Mistakes(lambda path: (loaded.file, None))
    path = path_of(kind)
    cls = plugins.find(kind, table.use, loaded.plugins, (loaded.file, key_text((*path, "use"))))
    reader = Reader(mistakes, lambda text: resolve(text, loaded.folder, loaded.data))
    instance = reader.instance(cls, table.parameters, path)
    mistakes.stop_if_any()
    return instance


def with_files(instance: Any, kind: Kind, loaded: Loaded) -> Any:
    """The same plug-in with its paths looked up, for kinds that know no scenario; ScenarioError for a path outside."""
    marked = [k.name for k in keys_of(type(instance)) if any(isinstance(m, PathMarker) for m in _members(k.hint))]
    where = key_text(path_of(kind))
    return replace(instance, **{n: str(loaded.resolve(getattr(instance, n), f"{where}.{n}")) for n in marked})


def completed(kind: Kind, table: dict[str, Any], folders: tuple[Path, ...], reader: Reader) -> dict[str, Any]:
    """The table with all defaults, as a scenario keeps it; the given table where the reader notes mistakes.

    Values are those that TOML can write: text with a unit for a physical value, tuples for arrays.
    """
    use, mistakes = table.get("use"), reader.mistakes
    if not isinstance(use, str) or len(use) > LONGEST_NAME or not use.isprintable():
        return table  # said when the scenario's own keys are checked
    outer = path_of(kind)
    path = (*outer, "use")
    try:
        cls = plugins.find(kind, use, folders, (mistakes.where(path)[0], key_text(path)))
        given = {key: value for key, value in table.items() if key != "use"}
        if reader.instance(cls, given, outer) is None:
            return table
        if hasattr(cls, "inlined"):  # a plug-in with presets of its own writes their keys out
            given = plain(cls.inlined(given))
        values = reader.values(cls, given, outer)
        if values is None:
            return table
        whole = {k.name: values[k.name] if k.name in values else _default(k) for k in keys_of(cls)}
    except DcsimError as error:
        mistakes.take(error, path)
        return table
    written: dict[str, Any] = plain({k.name: k.written(whole[k.name]) for k in keys_of(cls)})
    return {"use": use} | written


class Reader:
    """Makes instances of dataclasses from tables; notes what is wrong with keys, values and paths."""

    def __init__(self, mistakes: Mistakes, resolve: Callable[[str], Path]) -> None:
        self.mistakes = mistakes
        self._resolve = resolve

    def instance(self, cls: type[Any], table: dict[str, Any], path: KeyPath) -> Any:
        """An instance of a dataclass, or None where a mistake was noted."""
        values = self.values(cls, table, path)
        return None if values is None else self.made(cls, values, path)

    def values(self, cls: type[Any], table: dict[str, Any], path: KeyPath) -> dict[str, Any] | None:
        """The values of a table's keys, each of its field's type; None where a mistake was noted."""
        before = len(self.mistakes.problems)
        keys = {key.name: key for key in keys_of(cls)}
        for name in table:
            if name not in keys:
                self.mistakes.unknown_key((*path, name), keys or ("use",))
        values = {}
        for name, key in keys.items():
            if name in table:
                values[name] = self._value(key, table[name], (*path, name))
            elif key.required:
                self.mistakes.add((*path, name), "required key is missing")
        return values if len(self.mistakes.problems) == before else None

    def made(self, cls: type[Any], values: dict[str, Any], path: KeyPath) -> Any:
        """An instance with these values; what its own checks raise is noted, and None returned.

        A ValueError of the form "key: what is wrong" is noted at that key.
        """
        try:
            return cls(**values)
        except ValueError as error:
            key, _, what = str(error).partition(": ")
            inner = tuple(key.split("."))
            if what and inner[0] in {k.name for k in keys_of(cls)}:
                self.mistakes.add((*path, *inner), what)
            else:
                self.mistakes.add(path, str(error))
        except Exception as error:  # a fault in the plug-in's own code
            what = f"{cls.__name__} cannot be made: {type(error).__name__}: {error}"
            self.mistakes.take(PolicyError(Problem(source_file(cls), key_text(path), what)), path)
        return None

    def _value(self, key: Key, value: Any, path: KeyPath) -> Any:
        before = len(self.mistakes.problems)
        shaped = self._shaped(key.hint, value, path)
        if len(self.mistakes.problems) > before:
            return None
        try:
            return key.adapter.validate_python(shaped, strict=True)
        except ValidationError as error:
            note_all(error, value, path, lambda _: (), self.mistakes)
            return None

    def _shaped(self, hint: Any, value: Any, path: KeyPath) -> Any:
        """The value in the containers that its type asks for, with dataclasses made of tables."""
        for member in _members(hint):
            if isinstance(member, PathMarker):
                self._check_path(value, path, member)
                continue
            origin, arguments = typing.get_origin(member) or member, typing.get_args(member)
            if isinstance(value, dict) and is_dataclass(origin):
                return self.instance(typing.cast("type[Any]", origin), value, path)
            if isinstance(value, dict) and origin is dict:
                inner = arguments[1] if arguments else Any
                return {k: self._shaped(inner, v, (*path, k)) for k, v in value.items()}
            if isinstance(value, tuple) and origin in (tuple, list):
                hints = _element_hints(origin, arguments, len(value))
                pairs = enumerate(zip(hints, value, strict=False))
                return origin(self._shaped(h, v, (*path, i)) for i, (h, v) in pairs)
        return value

    def _check_path(self, value: Any, path: KeyPath, marker: PathMarker) -> None:
        if not isinstance(value, str):
            return
        try:
            found = self._resolve(value)
        except PathError as fault:
            self.mistakes.add(path, str(fault), got=quoted(value), fix=fault.fix)
            return
        if found.exists() and found.is_dir() != marker.folder:
            what, expected = ("is a file", "a folder") if marker.folder else ("is a folder", "a file")
            self.mistakes.add(path, what, got=quoted(value), expected=expected)


def _members(hint: Any) -> Iterator[Any]:
    """The types that a hint allows, unions and annotations taken apart, and markers of paths."""
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        for member in typing.get_args(hint):
            yield from _members(member)
    elif origin is Annotated:
        yield from (m for m in hint.__metadata__ if isinstance(m, PathMarker))
        yield from _members(typing.get_args(hint)[0])
    else:
        yield hint


def _element_hints(origin: Any, arguments: tuple[Any, ...], length: int) -> tuple[Any, ...]:
    """The type of each element of an array of that length."""
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return arguments + (Any,) * (length - len(arguments))
    return (arguments[0] if arguments else Any,) * length


def _default(key: Key) -> Any:
    """The default in the form that a value from a file has; PolicyError if it does not fit its type."""
    try:
        return None if key.default is None else key.adapter.validate_python(key.default, strict=True)
    except ValidationError as error:
        what = f"default does not fit the type of the field: {error.errors(include_url=False)[0]['msg']}"
        raise PolicyError(Problem(source_file(key.owner), key.name, what)) from None
