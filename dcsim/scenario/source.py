"""A TOML file as it was read: bytes to tree, and every way in which that can fail said in a sentence."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dcsim.errors import EnvironmentFault, Problem, ScenarioError
from dcsim.scenario.mistakes import key_text
from dcsim.scenario.positions import DEEPEST as LONGEST_KEY
from dcsim.scenario.positions import KeyPath, last_key, positions
from dcsim.units import TomlFloat

MOST_BYTES = 2**20
DEEPEST = 32  # tables and arrays within each other

_BOM = b"\xef\xbb\xbf"
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_NAMESPACE = re.compile(r"\((('[^']*'(?:, )?)+),?\)")
_KEY = r"(?:[\w\-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+"
_LONG_KEY = re.compile(rf"(?<![\w\-\"'.])(?:{_KEY}){{{LONGEST_KEY}}}")
_LONG_INTEGER = re.compile(r"[0-9_]{4301,}+")


@dataclass(frozen=True)
class Document:
    """A TOML file: its name for error texts, its text with `\\n` as line ends, and its tree."""

    file: str
    text: str
    tree: dict[str, Any]

    @cached_property
    def _lines(self) -> dict[KeyPath, int]:
        return positions(self.text)

    def where(self, path: KeyPath) -> tuple[str, int | None]:
        """File and line of a key, or of the nearest table around it that is written down."""
        for length in range(len(path), 0, -1):
            if (line := self._lines.get(path[:length])) is not None:
                return self.file, line
        return self.file, None


def read(path: Path, file: str) -> Document:
    """Read a TOML file; `file` is its name for error texts.

    Floats of the tree are `units.TomlFloat`. Raises ScenarioError with line and reason for what is not UTF-8
    TOML of at most 1 MiB, EnvironmentFault where the file may not be read.
    """
    text = decoded(_bytes(path, file), file)
    if match := _LONG_KEY.search(text):  # tomllib takes minutes for a key of 100,000 parts
        raise _fault(file, f"a key of more than {LONGEST_KEY} parts", _line(text, match.start()))
    try:
        tree = tomllib.loads(text, parse_float=TomlFloat)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(_syntax_problem(str(error), text, file)) from None
    except RecursionError:
        raise _fault(file, "arrays or inline tables within each other are too many") from None
    except ValueError:  # int() refuses more than 4,300 digits
        match = _LONG_INTEGER.search(text)
        line = _line(text, match.start()) if match else None
        raise _fault(file, "an integer has more than 64 bits", line) from None
    if _deeper(tree, DEEPEST):
        raise _fault(file, f"tables or arrays more than {DEEPEST} deep within each other")
    return Document(file, text, tree)


def _fault(file: str, what: str, line: int | None = None, fix: str | None = None) -> ScenarioError:
    return ScenarioError(Problem(file, "", what, line=line, fix=fix))


def _bytes(path: Path, file: str) -> bytes:
    try:
        if path.is_fifo():
            raise _fault(file, "is a pipe, expected a TOML file")  # opening it would wait for a writer
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise _fault(file, "no such file") from None
    except IsADirectoryError:
        raise _fault(file, "is a directory, expected a TOML file") from None
    except ValueError as error:
        raise _fault(file, f"is not a path: {error}") from None
    except OSError as error:
        raise EnvironmentFault(Problem(file, "", f"cannot be read: {error.strerror or error}")) from None
    if len(content) > MOST_BYTES:
        raise _fault(file, f"is larger than {MOST_BYTES // 2**20} MiB, the most that a TOML file may have here")
    return content


def decoded(content: bytes, file: str) -> str:
    """A file's bytes as text with `\\n` as line ends; ScenarioError, with the line, for what is not UTF-8."""
    start = len(_BOM) if content.startswith(_BOM) else 0
    try:
        text = content[start:].decode("utf-8")
    except UnicodeDecodeError as error:
        offset = start + error.start
        what = f"is not UTF-8: byte 0x{content[offset]:02x} at byte offset {offset}"
        raise _fault(file, what, content.count(b"\n", 0, offset) + 1, "save it as UTF-8") from None
    return text.replace("\r\n", "\n")


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def _deeper(value: object, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_deeper(v, depth - 1) for v in inner)


def _syntax_problem(message: str, text: str, file: str) -> Problem:
    """The parser's message with its place taken apart, and the key where one is written twice."""
    place = _PLACE.search(message)
    reason = message[: place.start()] if place else message
    if place is None or place[1] is None:
        return Problem(file, "", f"not valid TOML: {reason} at the end of the file", line=_line(text, len(text)))
    line, column = int(place[1]), int(place[2])
    if reason == "Cannot overwrite a value":
        key = key_text(_key_before(text.split("\n"), line, column))
        return Problem(file, key, "key is written twice", line=line)
    if names := _NAMESPACE.search(reason):
        key = key_text(tuple(re.findall(r"'([^']*)'", names[1])))
        what = "table is written twice" if "twice" in reason else "is written before as something else"
        return Problem(file, key, what, line=line)
    return Problem(file, "", f"not valid TOML: {reason} at column {column}", line=line)


def _key_before(rows: list[str], line: int, column: int) -> KeyPath:
    """The key whose value ends at a place, or the table whose header does."""
    row = rows[line - 1]
    if row.lstrip().startswith("["):
        return max(positions(row), key=len, default=())
    return last_key("\n".join([*rows[: line - 1], row[: column - 1]]))
