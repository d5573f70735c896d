"""The objects of a JSON list, one by one: a list of any length in the memory of its largest object."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from dcsim.errors import TraceError
from dcsim.scenario.jobs import Ints
from dcsim.workloads.reading.stream import Source

LARGEST_OBJECT = 1 << 22  # characters
LARGEST_DOCUMENT = 1 << 26

_SPACE = re.compile(r"\s*")


def objects(source: Source) -> Iterator[tuple[Ints, list[dict[str, Any]]]]:
    """Blocks of objects of the file's one list, and the numbers of the lines on which they begin.

    Raises TraceError, with the line, for anything but one list of objects and for an object above 4 MiB.
    """
    reader = _ListReader(source)
    for piece in source.text():
        found, lines = reader.feed(piece)
        if found:
            yield np.array(lines, dtype=np.int32), found
    reader.finish()


def document(source: Source) -> Any:
    """The file's one JSON value, of at most 64 MiB of text."""
    pieces, size = [], 0
    for piece in source.text():
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_DOCUMENT:
            raise source.error("the JSON file is too large", expected="at most 64 MiB")
    try:
        return json.loads("".join(pieces))
    except json.JSONDecodeError as error:
        raise source.error(f"not JSON: {error.msg}", line=error.lineno) from None
    except (ValueError, RecursionError) as error:
        raise source.error(f"not JSON that can be read: {error}") from None


class _ListReader:
    """Takes text piece by piece and gives the objects that are complete."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._decode = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0  # all before this place has been read
        self._line = 1  # the line of that place
        self._mark = "["  # what must come next; after it, an object or the end of the list
        self._ended = False

    def feed(self, piece: str) -> tuple[list[dict[str, Any]], list[int]]:
        """The objects that `piece` completes, and their lines."""
        self._text, self._at = self._text[self._at :] + piece, 0
        found, lines = [], []
        while (value := self._next()) is not None:
            lines.append(self._line)
            found.append(value[0])
            self._move(value[1])
            self._mark = ","
        return found, lines

    def finish(self) -> None:
        """Check that the list has ended."""
        if not self._ended:
            self._next(last=True)
            raise self._error("the JSON list does not end", self._at)

    def _next(self, last: bool = False) -> tuple[dict[str, Any], int] | None:
        """The next object and the place where it ends; None if more text is needed or the list has ended."""
        start = self._skip(self._at)
        self._move(start)
        if start == len(self._text):
            return None
        char = self._text[start]
        if self._ended or (char != self._mark and not (self._mark == "," and char == "]")):
            raise self._error("the JSON list goes wrong", start, "nothing more" if self._ended else self._mark)
        if char == "]":
            self._end(start)
            return None
        begin = self._skip(start + 1)
        if begin == len(self._text):
            return None
        if self._text[begin] == "]" and self._mark == "[":
            self._end(begin)
            return None
        return self._object(begin, last)

    def _object(self, begin: int, last: bool) -> tuple[dict[str, Any], int] | None:
        if self._text[begin] != "{":
            raise self._error("the JSON list goes wrong", begin, "an object")
        try:
            value, end = self._decode(self._text, begin)
        except (ValueError, RecursionError) as error:
            if not last and len(self._text) - begin <= LARGEST_OBJECT:
                return None
            place = error.pos if isinstance(error, json.JSONDecodeError) else begin
            raise self._error("the JSON object cannot be read", place) from None
        self._move(begin)
        return value, end

    def _end(self, place: int) -> None:
        self._move(place + 1)
        self._ended = True
        self._move(self._skip(self._at))
        if self._at < len(self._text):
            raise self._error("the JSON list goes wrong", self._at, "nothing more")

    def _skip(self, place: int) -> int:
        match = _SPACE.match(self._text, place)
        return match.end() if match else place

    def _move(self, place: int) -> None:
        self._line += self._text.count("\n", self._at, place)
        self._at = place

    def _error(self, what: str, place: int, expected: str | None = None) -> TraceError:
        line = self._line + self._text.count("\n", self._at, place)
        got = repr(self._text[place : place + 20]) if place < len(self._text) else "the end of the file"
        return self._source.error(what, line=line, got=got, expected=expected)
