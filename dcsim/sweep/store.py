"""Results that are kept: a small SQLite file with one writer, so that nothing is done twice."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from dcsim.errors import EnvironmentFault, Problem
from dcsim.sweep.work import Outcome

COPIES = 3
_TABLE = (
    "CREATE TABLE IF NOT EXISTS runs"
    " (key TEXT PRIMARY KEY, summary TEXT, error TEXT, final INTEGER NOT NULL, mark TEXT NOT NULL)"
)


class Store:
    """Outcomes by the keys of their runs. `notes`: what the user should know of the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        try:
            self._base = _opened(path)
        except sqlite3.DatabaseError as error:
            self.notes.append(f"{set_aside(path, error)}, and the runs in it are made anew")
            self._base = _opened(path)

    def all(self) -> dict[str, Outcome]:
        """Every outcome that need not be tried again."""
        found: dict[str, Outcome] = {}
        damaged = _take(self._base, found)
        if damaged:
            self.notes.append(f"{self.path} has {damaged} damaged rows: their runs are made anew")
        return found

    def put(self, key: str, outcome: Outcome) -> None:
        """Keep an outcome; EnvironmentFault where it cannot be written.

        Whatever ends this process, it is kept when this returns. A machine that loses its power may lose the latest,
        which are made again: with its log of changes, SQLite waits for the disk now and then alone (WAL, `NORMAL`).
        """
        summary = None if outcome.summary is None else json.dumps(outcome.summary)
        row = (key, summary, outcome.error, outcome.final, _mark(key, summary, outcome.error))
        try:
            with self._base:
                self._base.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise EnvironmentFault(Problem(str(self.path), "", f"cannot be written: {error}")) from None

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()


def finished(path: Path) -> tuple[dict[str, Outcome], str | None]:
    """What a store holds that another process may be writing to, here or on another machine, and why that may not be
    all.

    It is read from a copy. SQLite's log of changes covers every page that its file lacks, unless the log began anew
    between the two copies; then pages may not agree, and it is copied again. What is read is true in any case, since
    each row is marked.
    """
    found: dict[str, Outcome] = {}
    why: Exception | None = None
    for _ in range(COPIES):
        try:
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / path.name
                for suffix in ("", "-wal"):
                    with contextlib.suppress(FileNotFoundError):
                        shutil.copyfile(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
                with contextlib.closing(sqlite3.connect(copy)) as base:
                    damaged = _take(base, found)
            return found, f"{damaged} rows are damaged" if damaged else None
        except (sqlite3.Error, OSError) as error:
            if "no such table" in str(error):  # it has just been made
                return found, None
            why = error
    return found, str(why)


def _take(base: sqlite3.Connection, found: dict[str, Outcome]) -> int:
    """Put every outcome that need not be tried again into `found`; the number of damaged rows."""
    damaged = 0
    for key, summary, error, mark in base.execute("SELECT key, summary, error, mark FROM runs WHERE final"):
        if mark == _mark(key, summary, error):
            found[key] = Outcome(json.loads(summary) if summary else None, error)
        else:
            damaged += 1
    return damaged


def _mark(*parts: object) -> str:
    """What a row's content hashes to: a flipped bit in a page is not seen otherwise."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _opened(path: Path) -> sqlite3.Connection:
    try:
        base = sqlite3.connect(path)
        refuse_damage(base)
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = NORMAL")
        base.execute(_TABLE)
        base.execute("SELECT key, summary, error, final, mark FROM runs LIMIT 1")
    except sqlite3.OperationalError as error:  # not damaged, but out of reach; a missing column is damage
        if "no such column" in str(error):
            raise sqlite3.DatabaseError(str(error)) from None
        raise EnvironmentFault(Problem(str(path), "", f"cannot be opened: {error}")) from None
    return base


def refuse_damage(base: sqlite3.Connection) -> None:
    """sqlite3.DatabaseError where a file is no database, or its pages do not agree."""
    if base.execute("PRAGMA quick_check").fetchone() != ("ok",):
        raise sqlite3.DatabaseError("its pages do not agree")


def set_aside(path: Path, error: Exception) -> str:
    """Give a damaged SQLite file, with what belongs to it, another name; what became of it, in words."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("", "-wal", "-shm", "-journal"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return f"{path} is damaged ({error}); it is kept as {aside.name}"


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a folder's lock; EnvironmentFault with who holds it already. A process that dies lets go of it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            who = os.read(file, 1000).decode(errors="replace").strip() or "another process"
            what = f"another sweep is at work in this folder: {who}"
            raise EnvironmentFault(
                Problem(str(path.parent), "", what, fix="wait for it, or use another --out")
            ) from None
        os.ftruncate(file, 0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        os.write(file, f"process {os.getpid()} on {socket.gethostname()} since {now}\n".encode())
        yield
    finally:
        os.close(file)
