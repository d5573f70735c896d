"""Traces that are parsed once: columns as npy files, which all workers of a machine map into memory."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from dcsim.errors import EnvironmentFault
from dcsim.results import whole_folder, write_text
from dcsim.scenario.jobs import JobTable, Names
from dcsim.scenario.loaded import Loaded
from dcsim.sweep.identity import code, content, inputs
from dcsim.workloads.base import WorkloadContext

MOST_KEPT = 4  # tables that a process keeps in memory


class Watched(WorkloadContext):
    """A context that notes which facts of the scenario a workload asked for, beside its own table."""

    @staticmethod
    def over(context: WorkloadContext, asked: set[str]) -> Watched:
        """The same context, watched."""
        made = object.__new__(Watched)
        for field in fields(WorkloadContext):
            object.__setattr__(made, field.name, getattr(context, field.name))
        object.__setattr__(made, "asked", asked)
        return made

    def __getattribute__(self, name: str) -> Any:
        if name in ("capacity", "start", "stream"):
            object.__getattribute__(self, "asked").add(name)
        return object.__getattribute__(self, name)


class Traces:
    """Job tables by what they were made from, in a folder and, the latest, in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[str, JobTable] = {}
        self._asked: dict[str, list[str]] = {}  # which facts each workload asked for

    def jobs(self, loaded: Loaded, context: WorkloadContext, read: Callable[[WorkloadContext], JobTable]) -> JobTable:
        """The jobs of a scenario's workload; `read` makes them where they are not kept yet."""
        workload = loaded.scenario.workload
        assert workload is not None
        made_from = [workload.model_dump(mode="json"), inputs(loaded), [content(f) for f in loaded.plugins], code()]
        name = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:32]
        facts = {"capacity": context.capacity, "start": _text(context.start), "stream": loaded.scenario.seed}
        asked_file = self._folder / f"{name}.json"
        if name not in self._asked and asked_file.is_file():
            self._asked[name] = json.loads(asked_file.read_text(encoding="utf-8"))
        if name in self._asked:
            found = self._find(_place(name, self._asked[name], facts))
            if found is not None:
                return found
        seen: set[str] = set()
        jobs = read(Watched.over(context, seen))
        self._asked[name] = sorted(seen)
        place = _place(name, self._asked[name], facts)
        self._keep(place, jobs)
        if "stream" not in seen:  # drawn anew for every seed: not worth a file
            with contextlib.suppress(EnvironmentFault):  # the disk is full: the table is in memory
                with whole_folder(self._folder / place) as folder:
                    _write(jobs, folder)
                write_text(asked_file, json.dumps(self._asked[name]))
        return jobs

    def _find(self, place: str) -> JobTable | None:
        if place not in self._kept:
            # Not there, just being replaced by its like, or damaged: it is made anew.
            with contextlib.suppress(OSError, ValueError, LookupError, TypeError, EOFError):
                self._keep(place, _read(self._folder / place))
        return self._kept.get(place)

    def _keep(self, place: str, jobs: JobTable) -> None:
        self._kept[place] = jobs
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]


def _place(name: str, asked: list[str], facts: dict[str, Any]) -> str:
    values = json.dumps([facts[a] for a in asked])
    return f"{name}-{hashlib.sha256(values.encode()).hexdigest()[:8]}"


def _text(start: datetime | None) -> str | None:
    return None if start is None else start.isoformat()


def _write(jobs: JobTable, folder: Path) -> None:
    """Arrays as npy files, the rest as JSON."""
    rest: dict[str, Any] = {}
    for field in fields(JobTable):
        value = getattr(jobs, field.name)
        if field.name == "requested_s" and value is jobs.service_s:
            continue
        if isinstance(value, Names):
            rest[field.name] = list(value.names)
            value = value.codes
        if isinstance(value, np.ndarray):
            np.save(folder / f"{field.name}.npy", value)
        elif value is not None:
            rest[field.name] = list(value) if not isinstance(value, dict) else value
    write_text(folder / "rest.json", json.dumps(rest))


def _read(folder: Path) -> JobTable:
    rest = json.loads((folder / "rest.json").read_text(encoding="utf-8"))
    columns: dict[str, Any] = {}
    for field in fields(JobTable):
        file = folder / f"{field.name}.npy"
        array = np.load(file, mmap_mode="r") if file.is_file() else None
        if field.type == "Names":
            columns[field.name] = Names(tuple(rest[field.name]), array)
        elif array is not None:
            columns[field.name] = array
        elif field.name in rest:
            columns[field.name] = tuple(rest[field.name]) if field.name == "warnings" else rest[field.name]
    return JobTable(**{"requested_s": columns["service_s"]} | columns)
