"""The run folder: what a run leaves on disk, and how it is read back. The only file that writes.

A folder is written under a temporary name beside its place and renamed when it is complete: a killed run leaves
nothing that looks whole, and an earlier result of the same scenario is replaced in one step.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from dcsim.errors import DcsimError, EnvironmentFault, Problem, ScenarioError
from dcsim.eventlog.schema import NOBODY
from dcsim.run import Run
from dcsim.scenario import digest, from_toml, presets, to_toml
from dcsim.scenario.loaded import Source

FILES = ("scenario.toml", "summary.json", "jobs.parquet", "events.parquet", "timeline.parquet", "meta.json")


def folder_of(run_name: str, scenario_hash: str, out: Path) -> Path:
    """The folder of a scenario's results under `out`."""
    return out / f"{run_name}-{scenario_hash[:8]}"


def prepare(out: Path, name: str, scenario_hash: str) -> Path:
    """Make sure that results can be written, before any simulation; the folder that will hold them. Makes nothing.

    Raises EnvironmentFault where `out` cannot be made or written, or where something else stands in the place.
    """
    place = folder_of(name, scenario_hash, out)
    try:
        there = next(folder for folder in (out, *out.absolute().parents) if os.path.lexists(folder))
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise EnvironmentFault(
            Problem(str(out), "--out", f"cannot be written: {error.strerror}", expected="a folder that can be written")
        ) from None
    if (place.exists() or place.is_symlink()) and not is_run(place):
        raise EnvironmentFault(
            Problem(str(place), "--out", "stands where results go, and is no earlier result; it was left untouched")
        )
    return place


def is_run(folder: Path) -> bool:
    """Whether a folder is the result of a run."""
    return folder.is_dir() and all((folder / name).is_file() for name in FILES)


def write(run: Run, place: Path, report: str | None = None) -> Path:
    """Write a run's folder at `place`. `report`: HTML text of report.html.

    Raises EnvironmentFault when the disk is full or the folder cannot be written; nothing half-written stays.
    """
    with whole_folder(place) as folder:
        (folder / "scenario.toml").write_text(to_toml(run.scenario), encoding="utf-8")
        _write_json(folder / "summary.json", run.summary)
        _write_tables(run, folder)
        _write_json(folder / "meta.json", _meta(run))
        if report is not None:
            (folder / "report.html").write_text(report, encoding="utf-8")
    return place


def save(run: Run, out: str | Path = "results", report: str | None = None) -> Path:
    """Write a run under `out` in a folder named after the scenario and its hash; the folder. See `write`."""
    return write(run, prepare(Path(out), run.scenario.name, digest(run.scenario)), report)


def write_text(path: Path, text: str) -> None:
    """Write one text file whole or not at all."""
    _write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def write_parquet(path: Path, table: Any) -> None:
    """Write a pyarrow Table as one Parquet file, whole or not at all."""
    import pyarrow.parquet as pq

    _write_whole(path, lambda beside: pq.write_table(table, beside, compression="lz4"))


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(beside)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise _fault(path, error) from None


def make_folder(path: Path, option: str) -> None:
    """Make a folder if it is not there; EnvironmentFault, which names the option that asked for it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        what = f"cannot be written: {error.strerror or error}"
        raise EnvironmentFault(Problem(str(path), option, what, expected="a folder that can be written")) from None


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; what cannot be removed stays."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def write_bytes_to(folder: Path, files: dict[str, bytes]) -> list[Path]:
    """Write named binary files (figures) into a folder; their paths."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise _fault(folder, error) from None
    return [folder / name for name in files]


@contextmanager
def whole_folder(place: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `place` when the block ends well, and nothing otherwise.

    EnvironmentFault where it cannot be written.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".tmp", dir=place.parent))
    except OSError as error:
        raise _fault(place, error) from None
    try:
        folder.chmod(0o755)
        yield folder
        _replace(folder, place)
    except OSError as error:
        raise _fault(place, error) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replace(folder: Path, place: Path) -> None:
    """Put the new folder in the place of an old one: rename away, rename in, remove the old."""
    if not place.exists():
        folder.rename(place)
        return
    old = folder.with_name(folder.name + ".old")
    place.rename(old)
    folder.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _fault(path: Path, error: OSError) -> EnvironmentFault:
    return EnvironmentFault(Problem(str(path), "", f"cannot be written: {error.strerror or error}"))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _meta(run: Run) -> dict[str, Any]:
    modelled = bool(run.scenario.jobs) or run.scenario.speeds.use == "roofline"
    return {
        "scenario": run.scenario.name,
        "scenario_sha256": digest(run.scenario),
        "seed": run.scenario.seed,
        "source": asdict(run.source),
        "versions": versions(("numba", "scipy") if modelled else ()),
        "trace": run.jobs.origin,
        "warnings": list(run.jobs.warnings),
        "presets": {pool.name: _preset(pool.accelerator) for pool in run.scenario.pools}
        | {job.name: _preset(job.model) for job in run.scenario.jobs},
        # Constants of step times: others make another run of the same scenario.
        **({"calibration_sha256": presets.digest("calibration")} if modelled else {}),
        "simpy_events": run.simpy_events,
        "simulation_wall_s": round(run.wall_s, 3),
    }


def versions(more: tuple[str, ...] = ()) -> dict[str, str]:
    """Versions of what can change a number. Asked of the modules: package metadata is slow to import."""
    packages = ("dcsim", "simpy", "numpy", "pydantic", "pyarrow", *more)
    return {"python": platform.python_version()} | {p: importlib.import_module(p).__version__ for p in packages}


def _preset(facts: Any) -> dict[str, Any]:
    """The values of a preset that the run could use, each with source and grade."""
    return {"name": facts.name, **{k: p.model_dump() for k, p in facts.provenance.items()}}


def _write_tables(run: Run, folder: Path) -> None:
    import pyarrow.parquet as pq

    from dcsim import tables

    for name, table, encoded in (
        ("jobs.parquet", tables.job_table(run), tables.REPEATED),
        ("events.parquet", tables.event_table(run), ["event", "reason"]),
        ("timeline.parquet", tables.timeline_table(run), []),
    ):
        floats = [field.name for field in table.schema if field.type == "double"]
        # Bytes of floats side by side by rank: what the compression then leaves is a third smaller, and sooner there.
        split = {"use_dictionary": encoded, "use_byte_stream_split": floats, "write_statistics": False}
        pq.write_table(table, folder / name, compression="lz4", **split)


def read(folder: Path) -> Run:
    """A finished run, read back from its folder.

    Raises ScenarioError where the folder is not the result of a run, or a file in it is damaged.
    """
    import pyarrow.parquet as pq

    from dcsim import tables

    if not is_run(folder):
        missing = [name for name in FILES if not (folder / name).is_file()]
        what = "no such folder" if not folder.is_dir() else f"is not the result of a run: it lacks {', '.join(missing)}"
        raise ScenarioError(Problem(str(folder), "", what))
    with _undamaged(folder / "scenario.toml") as path:
        scenario = from_toml(path.read_text(encoding="utf-8"))
    with _undamaged(folder / "meta.json") as path:
        meta = json.loads(path.read_text(encoding="utf-8"))
        told: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in meta.get("source", {}).items()
        }
        source, events, wall_s = Source(**told), int(meta["simpy_events"]), float(meta["simulation_wall_s"])
        told_by_loader = {"warnings": list(meta["warnings"]), "trace": dict(meta["trace"])}
    with _undamaged(folder / "summary.json") as path:
        end_s = float(json.loads(path.read_text(encoding="utf-8"))["end_s"])
    with _undamaged(folder / "jobs.parquet") as path:
        table = pq.read_table(path)
        jobs, trained = tables.read_jobs(table, told_by_loader), tables.read_trained(table)
        slowdown = tables.read_slowdown(table)
    with _undamaged(folder / "events.parquet") as path:
        log = tables.read_log(pq.read_table(path))
        if len(log) and not NOBODY <= log.job.min() <= log.job.max() < len(jobs):
            raise ScenarioError(Problem("", "", "is of another run than jobs.parquet", fix="run the scenario again"))
    return Run(scenario, jobs, log, end_s, events, wall_s, source, trained, slowdown)


@contextmanager
def _undamaged(path: Path) -> Iterator[Path]:
    """A file of a run folder, to be read in the block; ScenarioError naming it where that fails."""
    try:
        yield path
    except PermissionError:
        raise
    except DcsimError as error:
        raise ScenarioError(replace(problem, file=str(path)) for problem in error.problems) from None
    except (LookupError, ArithmeticError, AttributeError, OSError, RuntimeError, TypeError, ValueError) as error:
        what = "is damaged, or not what dcsim wrote"
        raise ScenarioError(Problem(str(path), "", what, fix="run the scenario again")) from error
