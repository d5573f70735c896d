"""Collects the mistakes of a tree: at most one a key, each with its file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, time
from difflib import get_close_matches

from dcsim.errors import DcsimError, Problem, ScenarioError, nearest
from dcsim.scenario.positions import KeyPath

Where = Callable[[KeyPath], tuple[str, int | None]]

MOST_TOLD = 100  # problems with all they have to say
MOST_SHOWN = 60  # characters of a bad value
MOST_NAMES = 20  # in a hint
A_LETTER = 0.8  # least likeness of words that differ by a letter, as difflib counts

_BARE = re.compile(rf"[A-Za-z0-9_\-]{{1,{MOST_SHOWN}}}")


class Mistakes:
    """The problems found so far; `where` gives file and line of a path.

    Those beyond the first hundred are counted, but nothing is said about them.
    """

    def __init__(self, where: Where) -> None:
        self.where = where
        self.problems: list[Problem] = []
        self._paths: set[KeyPath] = set()
        self._around: set[KeyPath] = set()  # the same and all paths that lead to them

    def add(
        self,
        path: KeyPath,
        what: str,
        got: str | None = None,
        expected: str | None = None,
        fix: str | None = None,
    ) -> None:
        """Note a mistake; passed over where one at the same path is known."""
        if self.full:
            self.count(1)
        elif self._is_new(path):
            file, line = self.where(path)
            self.problems.append(Problem(file, key_text(path), what, got, expected, fix, line))

    def unknown_key(self, path: KeyPath, known: Iterable[str], elsewhere: Sequence[str] = ()) -> None:
        """Note a key that its table does not have; `elsewhere`: keys, in dots, that other tables have and that may be
        meant. What is hinted at never reads as the key itself, which `known` may hold for another kind of table."""
        key = str(path[-1])
        names = [name for name in known if name != key]
        told = _told(key, names, elsewhere) if elsewhere else None
        self.add(path, "unknown key", fix=None if self.full else told or hint(key, names))

    def take(self, error: DcsimError, path: KeyPath) -> None:
        """Note the problems that another room found at a path; those in the path's file get its line."""
        if self._is_new(path):
            file, line = self.where(path)
            for p in error.problems:
                inside = (p.file, p.line) == (file, None)
                self.problems.append(replace(p, line=line) if inside else p)

    def pass_over(self, paths: Iterable[KeyPath]) -> None:
        """Say nothing about mistakes at these paths: they are said elsewhere."""
        self._paths.update(paths)

    def count(self, more: int) -> None:
        """Note that there are so many more mistakes."""
        self.problems += [Problem(self.problems[0].file, "", "another mistake")] * more

    @property
    def full(self) -> bool:
        """Whether further mistakes are only counted."""
        return len(self.problems) >= MOST_TOLD

    def below(self, path: KeyPath) -> bool:
        """Whether a mistake at a path or inside it is known."""
        return path in self._around

    def stop_if_any(self) -> None:
        """Raise ScenarioError with all of them, in the order of each file's lines."""
        if self.problems:
            first, rest = self.problems[:MOST_TOLD], self.problems[MOST_TOLD:]
            files = list(dict.fromkeys(p.file for p in first))
            first.sort(key=lambda p: (files.index(p.file), p.line or 0))
            raise ScenarioError(first + rest)

    def _is_new(self, path: KeyPath) -> bool:
        if path in self._paths:
            return False
        self._paths.add(path)
        self._around.update(path[:length] for length in range(len(path) + 1))
        return True


def _told(key: str, names: Sequence[str], elsewhere: Sequence[str]) -> str:
    """A hint at keys of other tables; before those of the same name, at a key that the own table has but for a
    letter."""
    same = all(place.split(".")[-1] == key for place in elsewhere)
    own = get_close_matches(key, names, n=1, cutoff=A_LETTER) if same else []
    others = [repr(place) if place != key else "the key of that name at the top level" for place in elsewhere]
    return f"did you mean {' or '.join([*map(repr, own), *others])}?"


def hint(word: str, known: Iterable[str]) -> str | None:
    """The nearest of the known names, or all of them where none is near; None if there are none."""
    names = sorted(known)
    listed = f"known: {', '.join(names)}" if len(names) <= MOST_NAMES else "docs/scenario.md lists them all"
    return nearest(word[:MOST_SHOWN], names) or (listed if names else None)


def key_text(path: KeyPath) -> str:
    """A path as text: `pools.0.nodes`; parts that are long, or no bare keys, are quoted."""
    return ".".join(str(p) if isinstance(p, int) or _BARE.fullmatch(p) else quoted(p) for p in path)


def quoted(text: str) -> str:
    """A text in double quotes on one line, its end cut off where it is long."""
    return json.dumps(shortened(text), ensure_ascii=False)


def shortened(text: str) -> str:
    """A text of at most 60 characters."""
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 3] + "..."


def shown(value: object) -> str:
    """A value as its TOML would show it, on one line."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
        case int():
            return str(value) if value.bit_length() <= 64 else f"integer of {value.bit_length()} bits"
        case float():
            return repr(float(value))
        case date() | time():
            return value.isoformat()
    return type_name(value)


def shown_with_type(value: object) -> str:
    """The same with the type's name before it: `string "8"`."""
    name, text = type_name(value), shown(value)
    return text if text.startswith(name) else f"{name} {text}"


def type_name(value: object) -> str:
    """What TOML calls the type of a value."""
    names: list[tuple[type | tuple[type, ...], str]] = [
        (bool, "boolean"),
        (str, "string"),
        (int, "integer"),
        (float, "float"),
        (dict, "table"),
        ((list, tuple), "array"),
        ((date, time), "date or time"),
    ]
    return next((name for types, name in names if isinstance(value, types)), type(value).__name__)
