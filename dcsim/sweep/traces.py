"""Traces that are parsed once: columns as npy files, which all workers of a machine map into memory."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import fields
from datetime import datetime
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from dcsim.errors import EnvironmentFault
from dcsim.results import remove, whole_folder, write_text
from dcsim.scenario.jobs import JobTable, Names
from dcsim.scenario.loaded import Loaded
from dcsim.sweep.identity import code, content, inputs
from dcsim.workloads.base import WorkloadContext

MOST_KEPT = 4  # tables that a process keeps in memory
NAME_LENGTH = 32


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
    """Job tables by what they were made from, in a folder and, the latest, in memory; there alone if `folder` is None.

    Threads may share it.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock = Lock()
        self._kept: dict[str, JobTable] = {}
        self._asked: dict[str, list[str]] = {}  # which facts each workload asked for

    def jobs(self, loaded: Loaded, context: WorkloadContext, read: Callable[[WorkloadContext], JobTable]) -> JobTable:
        """The jobs of a scenario's workload; `read` makes them where they are not kept yet."""
        with self._lock:
            return self._jobs(loaded, context, read)

    def draws(self, loaded: Loaded) -> bool:
        """Whether the jobs of a scenario depend on its seed; so it is taken to be until they have been asked for."""
        return loaded.scenario.workload is not None and "stream" in self._asked.get(_name(loaded), ["stream"])

    def _jobs(self, loaded: Loaded, context: WorkloadContext, read: Callable[[WorkloadContext], JobTable]) -> JobTable:
        name = _name(loaded)
        if name not in self._asked and self._folder is not None:
            with contextlib.suppress(OSError, ValueError):  # not there yet
                self._asked[name] = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
        if name in self._asked:
            found = self._find(self._place(name, loaded, context))
            if found is not None:
                return found
        seen: set[str] = set()
        jobs = read(Watched.over(context, seen))
        self._asked[name] = sorted(seen)
        place = self._place(name, loaded, context)
        if self._folder is not None and "stream" not in seen:  # what is drawn anew for every seed is not worth a file
            with contextlib.suppress(EnvironmentFault):  # the disk is full: the table is in memory
                with whole_folder(self._folder / place) as folder:
                    _write(jobs, folder)
                write_text(self._folder / f"{name}.json", json.dumps(self._asked[name]))
        return self._keep(place, jobs)

    def _place(self, name: str, loaded: Loaded, context: WorkloadContext) -> str:
        """What a table is called that a workload makes of the facts that it asked for."""
        facts = {"capacity": context.capacity, "start": _text(context.start), "stream": loaded.scenario.seed}
        values = json.dumps([facts[asked] for asked in self._asked[name]])
        return f"{name}-{hashlib.sha256(values.encode()).hexdigest()[:8]}"

    def _find(self, place: str) -> JobTable | None:
        if place not in self._kept and self._folder is not None:
            # Not there, just being replaced by its like, or damaged: it is made anew.
            with contextlib.suppress(OSError, ValueError, LookupError, TypeError, EOFError):
                self._keep(place, _read(self._folder / place))
        return self._kept.get(place)

    def _keep(self, place: str, jobs: JobTable) -> JobTable:
        """Keep a table in memory; what is kept of it."""
        self._kept[place] = jobs
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return jobs


def remove_outdated(folder: Path, scenarios: Iterable[Loaded]) -> None:
    """Remove parsed traces that none of these scenarios names: their files, plug-ins or dcsim have changed since.

    Who has one open keeps it, and who wants one again parses it again.
    """
    if not folder.is_dir():
        return
    names = {_name(loaded) for loaded in scenarios if loaded.scenario.workload is not None}
    for entry in folder.iterdir():
        if entry.name[:NAME_LENGTH] not in names:
            remove(entry)


@cache
def traces_of_process(folder: Path) -> Traces:
    """The parsed traces of this process, which may be on a machine that does not see the sweep's folder around them."""
    return Traces(folder if folder.parent.is_dir() else None)


def _name(loaded: Loaded) -> str:
    """The hash of what a workload is, with the files that it reads and the code that reads them."""
    workload = loaded.scenario.workload
    assert workload is not None
    made_from = [workload.model_dump(mode="json"), inputs(loaded), [content(f) for f in loaded.plugins], code()]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:NAME_LENGTH]


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
