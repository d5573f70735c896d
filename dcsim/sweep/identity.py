"""What a run's result depends on, as one hash: facts, seed, the content of files, and the code that computes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from dcsim.scenario import digest
from dcsim.scenario.loaded import Loaded
from dcsim.scenario.paths import PathError, resolve

CODE = (".py", ".toml", ".csv")


def run_key(loaded: Loaded) -> str:
    """The hash under which a run's result is kept."""
    return _hash([digest(loaded.scenario), inputs(loaded), [content(folder) for folder in loaded.plugins], code()])


def inputs(loaded: Loaded) -> list[str]:
    """Content hashes of the files that the scenario's plug-ins may read, in the order of their keys."""
    tables = loaded.scenario.model_dump(include={"workload", "speeds", "network", "scheduler", "placement"})
    return [content(path) for text in _texts(tables) if (path := _file(text, loaded)) is not None]


def content(path: Path) -> str:
    """Hash of a file's bytes, or of all files in a folder."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    stats = [(file, file.stat()) for file in files]
    return _hash([[str(f.relative_to(path)), _content(f, s.st_size, s.st_mtime_ns)] for f, s in stats])


@cache
def code() -> str:
    """Hash of dcsim itself with its presets: another version makes other runs."""
    root = Path(__file__).parents[1]
    files = sorted(path for path in root.rglob("*") if path.suffix in CODE)
    return _hash([[str(f.relative_to(root)), _sha256(f)] for f in files])


@cache
def _content(file: Path, _size: int, _changed_ns: int) -> str:
    return _sha256(file)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _hash(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _texts(value: Any) -> Iterator[str]:
    """All texts in a tree."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


@cache
def _resolved(text: str, folder: Path, data: Path | None) -> Path | None:
    try:
        return resolve(text, folder, data)
    except PathError:
        return None


def _file(text: str, loaded: Loaded) -> Path | None:
    """The file that a text names, None where it names none."""
    if not text or "\n" in text or text in (".", ".."):
        return None
    return _resolved(text, loaded.folder, loaded.data)
