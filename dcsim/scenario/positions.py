"""Where each key of a TOML text stands: tomllib gives values without their lines, error texts need both."""

from __future__ import annotations

import bisect
import re
import tomllib
from collections.abc import Iterator

KeyPath = tuple[str | int, ...]

DEEPEST = 64  # parts of a key path that are told apart; deeper ones share the line of their ancestor

_BLANK = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_SPACE = re.compile(r"[ \t]*+")
_BARE_KEY = re.compile(r"[A-Za-z0-9_\-]+")
_STRING = re.compile(
    r'"""(?:[^"\\]++|\\.|"{1,2}(?!"))*+"{3,5}'
    r"|'''(?:[^']++|'{1,2}(?!'))*+'{3,5}"
    r'|"(?:[^"\\\n]++|\\.)*+"'
    r"|'[^'\n]*+'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}\n#]++")
_LINE_END = re.compile("\n")


def positions(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of every key and array element, by path: `("pools", 0, "nodes")`.

    `text` is TOML that tomllib accepts, with `\\n` as line ends. Of other text, what stands before the first
    thing that cannot be understood is returned; nothing is raised. Time is linear in the length of the text.
    """
    found: dict[KeyPath, int] = {}
    for path, line in _walk(_Scanner(text)):
        found.setdefault(path, line)
    return found


def last_key(text: str) -> KeyPath:
    """The path of the last `key = value` that a text begins; the empty path if there is none."""
    scanner = _Scanner(text)
    for _ in _walk(scanner):
        pass
    return scanner.key


def _walk(scanner: _Scanner) -> Iterator[tuple[KeyPath, int]]:
    try:
        yield from scanner.document()
    except (AttributeError, IndexError, RecursionError, ValueError):
        return  # AttributeError: a pattern that does not match; IndexError: the end of the text


class _Scanner:
    """A reader of TOML that keeps places and forgets values; its methods take and leave the place in `at`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.key: KeyPath = ()  # the last key assigned outside any value
        self._ends = [m.start() for m in _LINE_END.finditer(text)]
        self._tables: dict[KeyPath, int] = {}  # arrays of tables: how many elements so far

    def document(self) -> Iterator[tuple[KeyPath, int]]:
        """Paths and lines, in order; a path comes again each time that it is written."""
        base: KeyPath = ()
        while self._skip(_BLANK) < len(self.text):
            if self.text[self.at] == "[":
                line = self._line()
                for base in self._header():
                    yield base, line
            else:
                yield from self._pair(base, outermost=True)

    def _header(self) -> Iterator[KeyPath]:
        """`[a.b]` or `[[a.b]]`: the path of each part; the last one is that of the table that begins here."""
        many = self.text.startswith("[[", self.at)
        self.at += 2 if many else 1
        *parents, last = self._key()
        self.at += 2 if many else 1
        path: KeyPath = ()
        for part in parents:
            path = (*path, part)
            yield path
            if path in self._tables:  # [a.b] below [[a]] is in the last element of a
                path = (*path, self._tables[path] - 1)
        path = (*path, last)
        yield path
        if many:
            self._tables[path] = self._tables.get(path, 0) + 1
            yield (*path, self._tables[path] - 1)

    def _pair(self, base: KeyPath, outermost: bool = False) -> Iterator[tuple[KeyPath, int]]:
        """`a.b = value`: the path of each part, then what the value holds."""
        line = self._line()
        path = base
        for part in self._key():
            path = (*path, part)
            yield path, line
        if outermost:
            self.key = path
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        yield from self._value(path)

    def _value(self, path: KeyPath) -> Iterator[tuple[KeyPath, int]]:
        first = self.text[self.at]
        if first == "[":
            yield from self._array(path)
        elif first == "{":
            yield from self._inline_table(path)
        else:
            self._skip(_STRING if first in "\"'" else _SCALAR)

    def _array(self, path: KeyPath) -> Iterator[tuple[KeyPath, int]]:
        for number, _ in enumerate(self._items("]")):
            item = (*path, number)
            yield item, self._line()
            yield from self._value(item)

    def _inline_table(self, path: KeyPath) -> Iterator[tuple[KeyPath, int]]:
        for _ in self._items("}"):
            yield from self._pair(path)

    def _items(self, end: str) -> Iterator[None]:
        """Stop at each item between brackets; the caller reads it."""
        self.at += 1
        while self.text[self._skip(_BLANK)] != end:
            yield
            if self.text[self._skip(_BLANK)] == ",":
                self.at += 1
        self.at += 1

    def _key(self) -> list[str]:
        """The parts of a dotted key."""
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            start, quoted = self.at, self.text[self.at] in "\"'"
            self._skip(_STRING if quoted else _BARE_KEY)
            word = self.text[start : self.at]
            if len(parts) < DEEPEST:
                parts.append(tomllib.loads(f"k={word}")["k"] if quoted else word)
            if self.text[self._skip(_SPACE)] != ".":
                return parts
            self.at += 1

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self.text, self.at)
        self.at = match.end()  # type: ignore[union-attr]
        return self.at

    def _line(self) -> int:
        return bisect.bisect_left(self._ends, self.at) + 1
