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
from dcsim.scenario.drafts import Look, look_further, oversize, rows_of, size_key
from dcsim.scenario.elsewhere import elsewhere
from dcsim.scenario.explain import note_all
from dcsim.scenario.mistakes import Mistakes, hint, key_text, quoted, shown
from dcsim.scenario.paths import PathError, shown_file
from dcsim.scenario.plugin_tables import KINDS, Kind, Reader, completed, path_of
from dcsim.scenario.positions import KeyPath
from dcsim.scenario.source import Document, read
from dcsim.scenario.spec import Accelerator, Interconnect, Scenario
from dcsim.scenario.values import frozen

TABLES = ("pools", "workload")
USUAL_LAW = "chinchilla-corrected"
NO_ZONE = "start has no time zone; it is taken as UTC"

_UNKNOWN_DEVICE = Accelerator(name="unknown")


@dataclass(frozen=True)
class Named:
    """A kind of facts that a scenario may name: folder of its presets, word for errors, and how facts are made of a
    preset's name and of a document. `unknown` stands for facts where a mistake was noted."""

    folder: str
    word: str
    preset: Callable[[str], Any]
    of: Callable[[Document], Any]
    unknown: Any


DEVICES = Named("accelerators", "accelerator", presets.accelerator, presets.accelerator_of, _UNKNOWN_DEVICE)
MODELS = Named("models", "model", presets.model, presets.model_of, None)
LAWS = Named("scaling_laws", "scaling-law", presets.scaling_law, presets.scaling_law_of, None)


@dataclass(frozen=True)
class Places:
    """Where a scenario's paths and plug-ins are looked up; `resolve` raises PathError."""

    file: str
    plugins: tuple[Path, ...]
    resolve: Callable[[str], Path]


def check(
    tree: dict[str, Any], mistakes: Mistakes, places: Places, look: Look = lambda _: ()
) -> tuple[Scenario, tuple[str, ...]]:
    """The scenario that a tree describes, and notes for its reader; ScenarioError with all mistakes, among them those
    that `look` finds in what can be read of a tree with mistakes."""
    tree = frozen(tree, mistakes)
    notes = _with_zone(tree)
    _Namer(mistakes, places).name_all(tree)
    _refuse_twins(tree, "pools", "pool", mistakes)
    _refuse_twins(tree, "jobs", "job", mistakes)
    reader = Reader(mistakes, places.resolve)
    for kind in KINDS:
        *outer, key = map(str, path_of(kind))
        holder: Any = tree.get(outer[0]) if outer else tree
        table = holder.get(key, _default_table(kind)) if isinstance(holder, dict) else None
        if isinstance(table, dict):
            holder[key] = completed(kind, table, places.plugins, reader)
    _miss_tables(tree, mistakes)
    scenario = _validated(tree, mistakes)
    if scenario is not None:
        _check_together(scenario, mistakes)
        notes += tuple(_too_large(scenario, mistakes))
    _refuse_unknown_pools(tree, mistakes)
    if mistakes.problems and not mistakes.full:
        look_further(tree, mistakes, look)
    mistakes.stop_if_any()
    assert scenario is not None
    return scenario, notes


def _with_zone(tree: dict[str, Any]) -> tuple[str, ...]:
    start = tree.get("start")
    if not isinstance(start, datetime) or start.tzinfo is not None:
        return ()
    tree["start"] = start.replace(tzinfo=UTC)
    return (NO_ZONE,)


def _refuse_twins(tree: dict[str, Any], array: str, word: str, mistakes: Mistakes) -> None:
    seen: set[str] = set()
    for number, row in rows_of(tree, array):
        name = row.get("name")
        if isinstance(name, str):
            if name in seen:
                mistakes.add((array, number, "name"), f"another {word} has this name", got=quoted(name))
            seen.add(name)


class _Namer:
    """Puts facts where pools and jobs name a preset or a file; a wrong name is said once."""

    def __init__(self, mistakes: Mistakes, places: Places) -> None:
        self._mistakes = mistakes
        self._places = places
        self._known: dict[tuple[str, str], Any] = {}

    def name_all(self, tree: dict[str, Any]) -> None:
        """All names in the tree."""
        for number, pool in rows_of(tree, "pools"):
            self._name(pool, ("pools", number, "accelerator"), DEVICES)
        for number, job in rows_of(tree, "jobs"):
            if "target_loss" in job:
                job.setdefault("law", USUAL_LAW)
            self._name(job, ("jobs", number, "model"), MODELS)
            self._name(job, ("jobs", number, "law"), LAWS)

    def _name(self, table: dict[str, Any], path: KeyPath, kind: Named) -> None:
        text = table.get(str(path[-1]))
        if isinstance(text, str):
            if (kind.word, text) not in self._known:
                self._known[kind.word, text] = self._facts(text, path, kind)
            table[str(path[-1])] = self._known[kind.word, text]

    def _facts(self, text: str, path: KeyPath, kind: Named) -> Any:
        """The facts of that name or file; `unknown` where a mistake was noted."""
        mistakes, places = self._mistakes, self._places
        try:
            if text.endswith(".toml") or "/" in text:
                file = places.resolve(text)
                return kind.of(read(file, shown_file(text, file, places.file)))
            if not {text, text.lower()}.isdisjoint(presets.names(kind.folder)):
                return kind.preset(text)
            what = f"no {kind.word} preset of that name"
            mistakes.add(path, what, quoted(text), fix=presets.nearest_names(kind.folder, text))
        except PathError as fault:
            mistakes.add(path, str(fault), quoted(text), fix=fault.fix)
        except ScenarioError as error:
            mistakes.take(error, path)
        return kind.unknown


def _default_table(kind: Kind) -> dict[str, Any] | None:
    if kind not in Scenario.model_fields:
        return None
    default = Scenario.model_fields[kind].default
    return default.model_dump() if isinstance(default, BaseModel) else None


def _miss_tables(tree: dict[str, Any], mistakes: Mistakes) -> None:
    """Jobs come from a workload, or stand in the scenario itself."""
    absent = [t for t in TABLES if t not in tree and not (t == "workload" and tree.get("jobs"))]
    if absent:
        plural = "s" if len(absent) > 1 else ""
        mistakes.add((), f"missing required table{plural}: {', '.join(absent)}")


def _validated(tree: dict[str, Any], mistakes: Mistakes) -> Scenario | None:
    try:
        return Scenario.model_validate(tree)
    except ValidationError as error:
        mistakes.pass_over((t,) for t in TABLES if t not in tree)
        note_all(error, tree, (), _known_keys, mistakes, lambda path: elsewhere(path, tree, _known_keys))
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


def _check_network(scenario: Scenario, network: Interconnect, mistakes: Mistakes) -> None:
    """Contention needs somebody who sends; failures need contention; traffic needs contention, jobs that send it, and
    somebody it slows down."""
    path, traffic = ("network", "traffic"), network.traffic
    if network.contention == "fair" and not scenario.jobs and traffic is None:
        what = "has no effect without [[jobs]] or [network.traffic]"
        mistakes.add(("network", "contention"), what, quoted("fair"), fix="write one of them")
    if network.failures and network.contention == "none":
        fix = 'write contention = "fair"'
        mistakes.add(("network", "failures"), "have no effect where jobs do not share links", fix=fix)
    if traffic is None:
        return
    if network.contention != "fair":
        mistakes.add(path, "has no effect without contention", fix='write contention = "fair"')
    if scenario.workload is None:
        mistakes.add(path, "has no effect without a workload", fix="leave it out")
    if traffic.bandwidth == 0.0:
        mistakes.add((*path, "bandwidth"), "out of range", "0 B/s", "> 0 B/s")
    if traffic.exposed == 0.0 and not scenario.jobs:
        mistakes.add((*path, "exposed"), "slows nobody down without [[jobs]]", "0", "> 0")


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
    if scenario.workload is None and scenario.speeds.use != "same":
        mistakes.add(("speeds",), "has no effect without a workload", fix="leave it out")
    if scenario.network is not None:
        _check_network(scenario, scenario.network, mistakes)


def _refuse_unknown_pools(tree: dict[str, Any], mistakes: Mistakes) -> None:
    """Jobs that name a pool which is not there."""
    names = [name for _, row in rows_of(tree, "pools") if isinstance(name := row.get("name"), str)]
    for number, job in rows_of(tree, "jobs"):
        pool = job.get("pool")
        if isinstance(pool, str) and pool not in names:
            mistakes.add(("jobs", number, "pool"), "no pool of that name", quoted(pool), fix=hint(pool, names))


def _too_large(scenario: Scenario, mistakes: Mistakes) -> Iterator[str]:
    """Notes on jobs that are larger than every pool; mistakes where the scenario wants none of them."""
    for number, job in enumerate(scenario.jobs):
        what = oversize(job, [pool for pool in scenario.pools if job.pool in (None, pool.name)])
        if what is None:
            continue
        path, got = ("jobs", number, size_key(job)), shown(getattr(job, size_key(job)))
        if scenario.reject_oversize:
            yield f"{key_text(path)}: {what} (got {got}); the job is rejected when it is submitted"
        else:
            mistakes.add(path, what, got)
