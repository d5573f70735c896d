"""A scenario over its bases: one tree, and for each key the file that wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.mistakes import quoted, shown_with_type
from dcsim.scenario.paths import PathError, resolve, shown_file
from dcsim.scenario.positions import KeyPath
from dcsim.scenario.source import Document, read

EXPERIMENT_TABLES = ("sweep", "variants", "optimize", "sensitivity", "exclude", "outputs")
"""What experiment files have beside a base, and scenarios have not."""


class Written(NamedTuple):
    """Where a value was written that stands in no file of the scenario: a file or option, and a line of it."""

    file: str
    line: int | None = None

    def where(self, _: KeyPath) -> tuple[str, int | None]:
        """File and line, whatever the key."""
        return self


class Layers:
    """Documents merged into one tree: tables key by key, everything else replaced whole.

    A table whose `use` names another plug-in than the table below it replaces that table: its keys belong to
    the plug-in.
    """

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {}
        self._owners: dict[KeyPath, Document | Written] = {}

    def put(self, document: Document) -> None:
        """Lay a document over what is there."""
        self._merge(self.tree, document.tree, (), document)

    def own(self, path: KeyPath, owner: Document | Written) -> None:
        """Say who wrote a key and all that it holds."""
        self._owners = {p: o for p, o in self._owners.items() if p[: len(path)] != path}
        self._owners[path] = owner

    def clear(self, path: KeyPath, table: dict[str, Any]) -> None:
        """Empty a table."""
        for key in list(table):
            del table[key]
            self._owners.pop((*path, key), None)

    def where(self, path: KeyPath) -> tuple[str, int | None]:
        """File and line of a key, or of what stands nearest around it."""
        for length in range(len(path), -1, -1):
            owner = self._owners.get(path[:length])
            if owner is not None:
                return owner.where(path)
        return "", None

    def _merge(self, below: dict[str, Any], above: dict[str, Any], path: KeyPath, owner: Document) -> None:
        self._owners[path] = owner
        if "use" in above and below.get("use", above["use"]) != above["use"]:
            self.clear(path, below)
        for key, value in above.items():
            inner = (*path, key)
            if isinstance(value, dict):
                if not isinstance(below.get(key), dict):
                    below[key] = {}
                self._merge(below[key], value, inner, owner)
            else:
                below[key] = value
                self._owners[inner] = owner


def read_layers(path: Path, file: str, folder: Path, data: Path | None) -> Layers:
    """A scenario file over its `base`, that over its own, and so on; `base` itself is no key of the tree.

    Paths of bases are looked up like all others: in the scenario's folder, then in the data folder. Raises
    ScenarioError, also where bases form a circle.
    """
    chain: list[tuple[Path, Document]] = []
    while True:
        document = read(path, file)
        _refuse_experiment(document)
        chain.append((path.resolve(), document))
        base = document.tree.pop("base", None)
        if base is None:
            break
        path = _base_path(document, base, folder, data)
        file = shown_file(base, path, chain[0][1].file)
        if path in [p for p, _ in chain]:
            circle = " -> ".join([*(d.file for _, d in chain), file])
            raise _fault(document, f"bases form a circle: {circle}")
    layers = Layers()
    for _, document in reversed(chain):
        layers.put(document)
    return layers


def _refuse_experiment(document: Document) -> None:
    """ScenarioError where the file is an experiment, instead of one for each of its keys."""
    found = next((table for table in EXPERIMENT_TABLES if table in document.tree), None)
    if found is None:
        return
    file, line = document.where((found,))
    if {"pools", "workload", "jobs"} & set(document.tree):
        what = "belongs into an experiment, which is a file of its own"
        fix = f'begin it with base = "{Path(file).name}"'
    else:
        command = found if found in ("optimize", "sensitivity") else "sweep"
        what, fix = "makes this an experiment, which is no scenario", f"run it with: python -m dcsim {command} {file}"
    raise ScenarioError(Problem(file, found, what, fix=fix, line=line))


def _base_path(document: Document, base: object, folder: Path, data: Path | None) -> Path:
    if not isinstance(base, str):
        raise _fault(document, "wrong type", got=shown_with_type(base), expected="string, the path of a TOML file")
    try:
        return resolve(base, folder, data)
    except PathError as fault:
        raise _fault(document, str(fault), got=quoted(base), fix=fault.fix) from None


def _fault(document: Document, what: str, **facts: str | None) -> ScenarioError:
    file, line = document.where(("base",))
    return ScenarioError(Problem(file, "base", what, line=line, **facts))
