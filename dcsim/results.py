"""The run folder: what a run leaves on disk, and how it is read back. The only file that writes.

A folder is written under a temporary name beside its place and renamed when it is complete: a killed run leaves
nothing that looks whole, and an earlier result of the same scenario is replaced in one step.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dcsim.errors import EnvironmentFault, Problem, ScenarioError
from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import KINDS
from dcsim.metrics.jobs import STATES
from dcsim.run import Run
from dcsim.scenario import digest, from_toml, to_toml
from dcsim.scenario.jobs import JobTable, Names

FILES = ("scenario.toml", "summary.json", "jobs.parquet", "events.parquet", "timeline.parquet", "meta.json")


def folder_of(run_name: str, scenario_hash: str, out: Path) -> Path:
    """The folder of a scenario's results under `out`."""
    return out / f"{run_name}-{scenario_hash[:8]}"


def prepare(out: Path, name: str, scenario_hash: str) -> Path:
    """Make sure that results can be written, before any simulation; the folder that will hold them.

    Raises EnvironmentFault where `out` cannot be made or written, or where something else stands in the place.
    """
    place = folder_of(name, scenario_hash, out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
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


def write(run: Run, place: Path, report: str | None = None, extra: dict[str, Any] | None = None) -> Path:
    """Write a run's folder at `place`. `report`: HTML text; `extra`: more keys of meta.json.

    Raises EnvironmentFault when the disk is full or the folder cannot be written; nothing half-written stays.
    """
    with _complete_or_nothing(place) as folder:
        (folder / "scenario.toml").write_text(to_toml(run.scenario), encoding="utf-8")
        _write_json(folder / "summary.json", run.summary)
        _write_tables(run, folder)
        _write_json(folder / "meta.json", {**_meta(run), **(extra or {})})
        if report is not None:
            (folder / "report.html").write_text(report, encoding="utf-8")
    return place


def write_text(path: Path, text: str) -> None:
    """Write one text file whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise _fault(path, error) from None


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
def _complete_or_nothing(place: Path) -> Iterator[Path]:
    try:
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
    from importlib.metadata import version

    packages = ("dcsim", "simpy", "numpy", "pydantic", "pyarrow", "plotly")
    return {
        "scenario": run.scenario.name,
        "scenario_sha256": digest(run.scenario),
        "seed": run.scenario.seed,
        "versions": {"python": platform.python_version(), **{p: version(p) for p in packages}},
        "trace": run.jobs.origin,
        "warnings": list(run.jobs.warnings),
        "presets": {pool.name: _preset(pool.accelerator) for pool in run.scenario.pools},
        "simpy_events": run.simpy_events,
        "simulation_wall_s": round(run.wall_s, 3),
    }


def _preset(accelerator: Any) -> dict[str, Any]:
    """The values of a preset that the run could use, each with source and grade."""
    return {"name": accelerator.name, **{k: p.model_dump() for k, p in accelerator.provenance.items()}}


def _write_tables(run: Run, folder: Path) -> None:
    import pyarrow.parquet as pq

    for name, table, encoded in (
        ("jobs.parquet", job_table(run), ["user", "tenant", "kind", "state"]),
        ("events.parquet", event_table(run), ["event", "reason"]),
        ("timeline.parquet", timeline_table(run), []),
    ):
        pq.write_table(table, folder / name, compression="zstd", use_dictionary=encoded)


def job_table(run: Run) -> Any:
    """`jobs.parquet` as a pyarrow Table: a row a job, in order of submission.

    Energy, carbon and cost are empty until their models exist: the columns stand for the readers' sake.
    """
    import pyarrow as pa

    jobs, results = run.jobs, run.results
    nothing = pa.nulls(len(jobs), pa.float64())
    return pa.table(
        {
            "job_id": _ids(jobs),
            "user": _names(jobs.user, len(jobs)),
            "tenant": _names(jobs.tenant, len(jobs)),
            "kind": _coded(np.zeros(len(jobs), np.int8), ("batch",)),
            "submit_s": jobs.submit_s,
            "start_s": pa.array(results.start_s, from_pandas=True),
            "end_s": pa.array(results.end_s, from_pandas=True),
            "wait_s": pa.array(results.wait_s, from_pandas=True),
            "run_s": results.run_s,
            "jct_s": pa.array(results.jct_s, from_pandas=True),
            "service_s": jobs.service_s,
            "requested_s": jobs.requested_s,
            "accelerators": jobs.accelerators,
            "nodes": results.nodes,
            "state": _coded(results.state, STATES),
            "preemptions": results.preemptions,
            "restarts": results.restarts,
            "lost_work_s": results.lost_work_s,
            "energy_j": nothing,
            "carbon_kg": nothing,
            "cost_usd": nothing,
        }
    )


def event_table(run: Run) -> Any:
    """`events.parquet` as a pyarrow Table; columns as in `eventlog/schema.py`."""
    import pyarrow as pa

    log = run.log
    return pa.table(
        {
            "time_s": log.time_s,
            "event": _coded(log.kind, KINDS),
            "job": log.job,
            "value": log.value,
            "pool": log.pool,
            "nodes": pa.ListArray.from_arrays(log.offsets, log.nodes),
            "counts": pa.ListArray.from_arrays(log.offsets, log.counts),
            "reason": _coded(log.reason, log.reasons),
        }
    )


def timeline_table(run: Run) -> Any:
    """`timeline.parquet` as a pyarrow Table: values hold from `time_s` to the next row."""
    import pyarrow as pa

    line = run.timeline
    pools = (
        {f"allocated_{pool.name}": line.pools[i] for i, pool in enumerate(run.scenario.pools)}
        if len(run.scenario.pools) > 1
        else {}
    )
    return pa.table(
        {
            "time_s": line.time_s,
            "allocated": line.allocated,
            **pools,
            "queue_jobs": line.queue_jobs,
            "queue_accelerators": line.queue_accelerators,
        }
    )


def _ids(jobs: JobTable) -> Any:
    import pyarrow as pa

    if jobs.job_ids is None:
        return pa.array(np.arange(len(jobs))).cast(pa.string())
    return pa.array(jobs.job_ids, pa.string())


def _names(names: Names, rows: int) -> Any:
    import pyarrow as pa

    if names.codes is None:
        return pa.nulls(rows, pa.string())
    codes = pa.array(names.codes, mask=names.codes < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array(names.names, pa.string()))


def _coded(codes: Any, names: Sequence[str]) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(names), pa.string()))


def read(folder: Path) -> Run:
    """A finished run, read back from its folder; equal to the one that was written, priorities excepted.

    Raises ScenarioError where the folder is not the result of a run.
    """
    import pyarrow.parquet as pq

    if not is_run(folder):
        missing = [name for name in FILES if not (folder / name).is_file()]
        what = "no such folder" if not folder.is_dir() else f"is not the result of a run: it lacks {', '.join(missing)}"
        raise ScenarioError(Problem(str(folder), "", what))
    scenario = from_toml((folder / "scenario.toml").read_text(encoding="utf-8"))
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    jobs = pq.read_table(folder / "jobs.parquet")
    end_s = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["end_s"]
    log = _read_log(pq.read_table(folder / "events.parquet"))
    return Run(scenario, _read_jobs(jobs, meta), log, end_s, meta["simpy_events"], meta["simulation_wall_s"])


def _read_jobs(table: Any, meta: dict[str, Any]) -> JobTable:
    def names(column: str) -> Names:
        values = table[column].to_pylist()
        return Names.of(values) if any(v is not None for v in values) else Names()

    states = np.array(table["state"].cast("string").to_pylist())
    return JobTable(
        submit_s=table["submit_s"].to_numpy(),
        service_s=table["service_s"].to_numpy(),
        accelerators=table["accelerators"].to_numpy(),
        requested_s=table["requested_s"].to_numpy(),
        job_ids=table["job_id"].to_pylist(),
        end_state=np.select([states == "failed", states == "cancelled"], [1, 2], 0).astype(np.int8),
        user=names("user"),
        tenant=names("tenant"),
        warnings=tuple(meta["warnings"]),
        origin=meta["trace"],
    )


def _read_log(table: Any) -> EventLog:
    nodes = table["nodes"].combine_chunks()
    counts = table["counts"].combine_chunks()
    event, reason = table["event"].combine_chunks(), table["reason"].combine_chunks()
    code = np.array([KINDS.index(name) for name in event.dictionary.to_pylist()], np.int8)
    return EventLog(
        time_s=table["time_s"].to_numpy(),
        kind=code[event.indices.to_numpy()],
        job=table["job"].to_numpy(),
        value=table["value"].to_numpy(),
        pool=table["pool"].to_numpy(),
        reason=reason.indices.to_numpy().astype(np.int16),
        reasons=tuple(reason.dictionary.to_pylist()),
        offsets=nodes.offsets.to_numpy(),
        nodes=nodes.values.to_numpy(),
        counts=counts.values.to_numpy(),
    )
