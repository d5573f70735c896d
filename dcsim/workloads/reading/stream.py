"""A trace file as text: unpacked, hashed, decoded and cut into lines piece by piece, never held whole."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dcsim.errors import Problem, TraceError
from dcsim.scenario.jobs import Ints

PIECE = 1 << 18  # bytes unpacked at a time
LONGEST_LINE = 1 << 20  # characters
MOST_EXPANSION = 200  # fold; real traces pack 3- to 30-fold, a gzip bomb 1,000-fold
FREE_EXPANSION = 1 << 26  # bytes that any file may unpack to

_GZIP = b"\x1f\x8b"
_OTHER_FORMATS = {
    b"PK\x03\x04": "a ZIP archive",
    b"PK\x05\x06": "an empty ZIP archive",
    b"PAR1": "a Parquet file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ\x00": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"SQLite format 3\x00": "an SQLite database",
    b"%PDF": "a PDF file",
}


class _HashedFile(io.FileIO):
    """A file that hashes what is read from it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.digest = hashlib.sha256()

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes, hashed."""
        data = super().read(size) or b""
        self.digest.update(data)
        return data


class Source:
    """One trace file, read once from front to end.

    `name` is how the scenario names it, for error texts. Plain and gzip files are told apart by their first
    bytes. Everything that is wrong with the file raises TraceError: a truncated or damaged gzip stream, other
    binary formats, NUL bytes, bytes that are not UTF-8 (with their offset in the unpacked text), lines above
    1 MiB, and gzip files that unpack more than 200-fold.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self._file: _HashedFile | None = None
        self._pieces = self._decoded()
        self._head: str | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes of the file (packed, if it is a gzip file) that were read, hexadecimal."""
        return self._file.digest.hexdigest() if self._file else ""

    def error(self, what: str, key: str = "", **facts: Any) -> TraceError:
        """A TraceError about this file, to be raised; `facts` are the other fields of a Problem."""
        return TraceError(Problem(self.name, key, what, **facts))

    @property
    def head(self) -> str:
        """The first piece of text; `text` gives it again."""
        if self._head is None:
            self._head = next(self._pieces, "")
        return self._head

    def text(self) -> Iterator[str]:
        """The text in pieces, without a byte order mark."""
        yield self.head
        yield from self._pieces

    def blocks(self) -> Iterator[tuple[Ints, list[str]]]:
        """Blocks of lines that are not blank, without their ends (LF, CRLF), and their numbers from 1 on."""
        number, rest = 1, ""
        for piece in self.text():
            cut = piece.rfind("\n")
            if cut < 0:
                rest += piece
            else:
                lines = _lines(rest + piece[:cut])
                yield _not_blank(lines, number)
                number += len(lines)
                rest = piece[cut + 1 :]
            if len(rest) > LONGEST_LINE:
                raise self.error("the line is too long", line=number, expected="at most 1 MiB")
        if rest:
            yield _not_blank(_lines(rest), number)

    def _decoded(self) -> Iterator[str]:
        offset, rest, first = 0, b"", True
        for piece in self._unpacked():
            if b"\0" in piece:
                at = offset + len(rest) + piece.index(b"\0")
                raise self.error(f"not a text file: NUL byte at byte {at}", expected="text or gzip of text")
            data = rest + piece
            try:
                text, used = codecs.utf_8_decode(data, "strict", False)
            except UnicodeDecodeError as error:
                raise self._undecodable(data, offset, error.start) from None
            yield text.removeprefix("\ufeff") if first else text
            offset, rest, first = offset + used, data[used:], False
        if rest:
            raise self._undecodable(rest, offset, 0)
        if first:
            raise self.error("the file is empty")

    def _undecodable(self, data: bytes, offset: int, start: int) -> TraceError:
        return self.error(f"not UTF-8 text at byte {offset + start}", got=f"byte 0x{data[start]:02x}")

    def _unpacked(self) -> Iterator[bytes]:
        try:
            if self.path.is_fifo():  # opening it would wait for a writer, and it is read twice
                raise self.error("is a pipe", expected="a file")
            with self.path.open("rb") as file:
                head = file.read(16)
            with _HashedFile(self.path) as self._file:
                for magic, what in _OTHER_FORMATS.items():
                    if head.startswith(magic):
                        raise self.error("not a text file", got=what, expected="text or gzip of text")
                read = self._gunzipped if head.startswith(_GZIP) else self._plain
                yield from read(self._file)
        except FileNotFoundError:
            raise self.error("no such file") from None
        except IsADirectoryError:
            raise self.error("is a folder", expected="a file") from None

    def _plain(self, file: _HashedFile) -> Iterator[bytes]:
        while piece := file.read(PIECE):
            yield piece

    def _gunzipped(self, file: _HashedFile) -> Iterator[bytes]:
        size = 0
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                while piece := unpacked.read(PIECE):
                    size += len(piece)
                    if size > max(FREE_EXPANSION, MOST_EXPANSION * file.tell()):
                        raise self.error(
                            f"unpacks more than {MOST_EXPANSION}-fold",
                            fix="unpack it yourself if you trust it",
                        )
                    yield piece
        except EOFError:
            raise self.error("the gzip file is truncated", fix="fetch it again") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise self.error(f"the gzip file is damaged: {error}", fix="fetch it again") from None


def _not_blank(lines: list[str], first: int) -> tuple[Ints, list[str]]:
    """The lines that are not blank, and their numbers."""
    numbers = np.arange(first, first + len(lines), dtype=np.int32)
    if "" not in lines and not any(map(str.isspace, lines)):
        return numbers, lines
    kept = [i for i, line in enumerate(lines) if line.strip()]
    return numbers[kept], [lines[i] for i in kept]


def _lines(text: str) -> list[str]:
    if "\r" in text:
        text = text.replace("\r\n", "\n").removesuffix("\r")
    return text.split("\n")
