"""Where a key that stands in a wrong place has its right one: `nodes` is `pools.0.nodes`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import SequenceMatcher
from typing import Any

from dcsim.scenario.mistakes import key_text
from dcsim.scenario.positions import KeyPath
from dcsim.scenario.spec import PluginTable

MOST_PLACES = 3  # a key that more tables have, such as `use`, tells nothing

Known = Callable[[KeyPath], Iterable[str]]


def elsewhere(path: KeyPath, tree: dict[str, Any], known: Known) -> list[str]:
    """The keys of a tree that are called as an unknown one at `path`, or as the one inside it where that is a table
    with one key; in dots, the likest first; none where there are more than three.

    `known`: the keys that a table at a path may have.
    """
    value: Any = tree
    for part in path:
        value = value[part]
    whole = path
    while isinstance(value, dict) and len(value) == 1:
        key, value = next(iter(value.items()))
        whole = (*whole, key)
    places = [(*place, whole[-1]) for place, names in _tables(tree, (), known) if whole[-1] in names]
    found = [key_text(place) for place in places if place[: len(path)] != path]
    written = key_text(whole)
    found.sort(key=lambda text: -SequenceMatcher(None, written, text).ratio())
    return found if len(found) <= MOST_PLACES else []


def _tables(table: dict[str, Any], path: KeyPath, known: Known) -> Iterator[tuple[KeyPath, set[str]]]:
    """A table and those in it, of an array of tables the first, with their paths and the keys that they may have."""
    names = list(known(path))
    yield path, set(names)
    for key in dict.fromkeys([*table, *names]):
        inner, place = table.get(key), (*path, key)
        if isinstance(inner, tuple) and inner:
            inner, place = inner[0], (*place, 0)
        if isinstance(inner, PluginTable):
            yield place, set(dict(inner))
        elif (keys := list(known(place))) == names:  # no table, or one of which nobody knows more than of this one
            continue
        elif isinstance(inner, dict):
            yield from _tables(inner, place, known)
        elif key not in table:  # a table that is not written
            yield place, set(keys)
