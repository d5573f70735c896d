"""From a tree to a scenario: every mistake of the whole tree is found in one go."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from dcsim.errors import ScenarioError
from dcsim.scenario import presets
from dcsim.scenario.explain import note_all
from dcsim.scenario.mistakes import Mistakes, quoted
from dcsim.scenario.paths import PathError, shown_file
from dcsim.scenario.plugin_tables import KINDS, Kind, Reader, completed
from dcsim.scenario.positions import KeyPath
from dcsim.scenario.source import read
from dcsim.scenario.spec import Accelerator, Scenario
from dcsim.scenario.values import frozen

TABLES = ("pools", "workload")
NO_ZONE = "start has no time zone; it is taken as UTC"

_UNKNOWN_DEVICE = Accelerator(name="unknown")


@dataclass(frozen=True)
class Places:
    """Where a scenario's paths and plug-ins are looked up; `resolve` raises PathError."""

    file: str
    plugins: tuple[Path, ...]
    resolve: Callable[[str], Path]


def check(tree: dict[str, Any], mistakes: Mistakes, places: Places) -> tuple[Scenario, tuple[str, ...]]:
    """The scenario that a tree describes, and notes for its reader; ScenarioError with all mistakes."""
    tree = frozen(tree, mistakes)
    notes = _with_zone(tree)
    _name_devices(tree, mistakes, places)
    _refuse_twins(tree, mistakes)
    reader = Reader(mistakes, places.resolve)
    for kind in KINDS:
        table = tree.get(kind, _default_table(kind))
        if isinstance(table, dict):
            tree[kind] = completed(kind, table, places.plugins, reader)
    scenario = _validated(tree, mistakes)
    if scenario is not None:
        _check_together(scenario, mistakes)
    mistakes.stop_if_any()
    assert scenario is not None
    return scenario, notes


def _with_zone(tree: dict[str, Any]) -> tuple[str, ...]:
    start = tree.get("start")
    if not isinstance(start, datetime) or start.tzinfo is not None:
        return ()
    tree["start"] = start.replace(tzinfo=UTC)
    return (NO_ZONE,)


def _pools(tree: dict[str, Any]) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    pools = tree.get("pools")
    for number, pool in enumerate(pools if isinstance(pools, tuple) else ()):
        if isinstance(pool, dict):
            yield ("pools", number), pool


def _refuse_twins(tree: dict[str, Any], mistakes: Mistakes) -> None:
    seen: set[str] = set()
    for path, pool in _pools(tree):
        name = pool.get("name")
        if isinstance(name, str):
            if name in seen:
                mistakes.add((*path, "name"), "another pool has this name", got=quoted(name))
            seen.add(name)


def _name_devices(tree: dict[str, Any], mistakes: Mistakes, places: Places) -> None:
    """Put facts where pools name a preset or a file; a wrong name is said once."""
    devices: dict[str, Accelerator] = {}
    for path, pool in _pools(tree):
        text = pool.get("accelerator")
        if isinstance(text, str):
            if text not in devices:
                devices[text] = _device(text, (*path, "accelerator"), mistakes, places)
            pool["accelerator"] = devices[text]


def _device(text: str, path: KeyPath, mistakes: Mistakes, places: Places) -> Accelerator:
    """The accelerator of that name or file; any other one where a mistake was noted."""
    try:
        if text.endswith(".toml") or "/" in text:
            file = places.resolve(text)
            return presets.accelerator_of(read(file, shown_file(text, file, places.file)))
        if text in presets.names("accelerators"):
            return presets.accelerator(text)
        what = "no accelerator preset of that name"
        mistakes.add(path, what, quoted(text), fix=presets.nearest_names("accelerators", text))
    except PathError as fault:
        mistakes.add(path, str(fault), quoted(text), fix=fault.fix)
    except ScenarioError as error:
        mistakes.take(error, path)
    return _UNKNOWN_DEVICE


def _default_table(kind: Kind) -> dict[str, Any] | None:
    default = Scenario.model_fields[kind].default
    return default.model_dump() if isinstance(default, BaseModel) else None


def _validated(tree: dict[str, Any], mistakes: Mistakes) -> Scenario | None:
    try:
        return Scenario.model_validate(tree)
    except ValidationError as error:
        absent = [t for t in TABLES if t not in tree]
        if absent:
            plural = "s" if len(absent) > 1 else ""
            mistakes.add((), f"missing required table{plural}: {', '.join(absent)}")
            mistakes.pass_over((t,) for t in absent)
        note_all(error, tree, (), _known_keys, mistakes)
        return None


def _known_keys(path: KeyPath) -> list[str]:
    """The keys of the table at a path of a scenario."""
    model: type[BaseModel] = Scenario
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in typing.get_args(annotation) if (m := _model_in(a))), None)


def _check_together(scenario: Scenario, mistakes: Mistakes) -> None:
    """Rules that no single key can hold."""
    overheads = scenario.overheads
    if overheads.checkpoint_interval is None:
        if overheads.checkpoint > 0.0:
            mistakes.add(("overheads", "checkpoint"), "has no effect without checkpoint_interval")
    elif overheads.checkpoint_interval == 0.0:
        mistakes.add(("overheads", "checkpoint_interval"), "out of range", "0 s", "> 0 s")
    if scenario.horizon == 0.0:
        mistakes.add(("horizon",), "out of range", "0 s", "> 0 s")
