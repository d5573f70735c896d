"""A run as Arrow tables and back: the columns of `jobs.parquet`, `events.parquet` and `timeline.parquet`.

Arrow arrays are made from buffers: `pyarrow.array` would import pandas, if it is installed, for 0.7 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import KINDS
from dcsim.metrics.jobs import STATES
from dcsim.run import Run
from dcsim.scenario.jobs import JobTable, Names
from dcsim.training.told import Trained

ASKED = ("priority", "cpus", "memory_b", "training", "one_node")
ASKED_NAMES = {"requested_pool": "pool", "accelerator_names": "accelerator_names", "model": "model"}
"""Column of jobs.parquet and field of JobTable."""
TRAINED = ("steps", "step_time_s", "samples_per_s", "tokens_per_s", "mfu", "device_memory_b", "nic_b_per_step")
TRAINED_TEXTS = ("plan", "bound", "run_as")
"""Columns of jobs.parquet that only training jobs have: fields of `Trained`."""
SLOWDOWN = "contention_slowdown"
"""Column of jobs.parquet where links are shared."""
REPEATED = [
    "user",
    "tenant",
    "kind",
    "state",
    "pool",
    "plan",
    "bound",
    "run_as",
    *ASKED_NAMES,
]  # columns of jobs.parquet with few values


def job_table(run: Run) -> Any:
    """`jobs.parquet` as a pyarrow Table: a row a job, in order of submission.

    `pool` is the one that the job ran in. Energy, carbon and cost are empty until their models exist: the columns
    stand for the readers' sake.
    """
    jobs, results = run.jobs, run.results
    nothing = pa.nulls(len(jobs), pa.float64())
    return _table(
        {
            "job_id": _ids(jobs),
            "user": _names(jobs.user, len(jobs)),
            "tenant": _names(jobs.tenant, len(jobs)),
            "kind": _coded(np.zeros(len(jobs), np.int8), ("batch",)),
            "submit_s": _numbers(jobs.submit_s),
            "start_s": _gaps(results.start_s),
            "end_s": _gaps(results.end_s),
            "wait_s": _gaps(results.wait_s),
            "run_s": _numbers(results.run_s),
            "jct_s": _gaps(results.jct_s),
            "service_s": _numbers(jobs.service_s),
            "requested_s": _numbers(jobs.requested_s),
            "accelerators": _numbers(jobs.accelerators),
            "share": nothing if jobs.share is None else _numbers(jobs.share),
            "nodes": _numbers(results.nodes),
            "pool": _names(Names(tuple(p.name for p in run.scenario.pools), results.pool.astype(np.int32)), len(jobs)),
            "state": _coded(results.state, STATES),
            "preemptions": _numbers(results.preemptions),
            "interruptions": _numbers(results.interruptions),
            "restarts": _numbers(results.restarts),
            "lost_work_s": _numbers(results.lost_work_s),
            "energy_j": nothing,
            "carbon_kg": nothing,
            "cost_usd": nothing,
        }
        | _asked(jobs)
        | _trained(run)
        | ({} if run.slowdown is None else {SLOWDOWN: _gaps(run.slowdown)})
    )


def _asked(jobs: JobTable) -> dict[str, Any]:
    """What else jobs asked for: a column only where the trace has one."""
    numbers = {name: getattr(jobs, name) for name in ASKED}
    names = {column: getattr(jobs, name) for column, name in ASKED_NAMES.items()}
    return {column: _numbers(values) for column, values in numbers.items() if values is not None} | {
        column: _names(values, len(jobs)) for column, values in names.items() if values.codes is not None
    }


def _trained(run: Run) -> dict[str, Any]:
    """Columns of the training jobs, where there are any: empty for others."""
    if not run.trained:
        return {}
    rows = len(run.jobs)
    columns: dict[str, Any] = {}
    for name in TRAINED:
        values = np.full(rows, np.nan)
        for told in run.trained:
            value = getattr(told, name)
            values[told.job] = np.nan if value is None else value
        columns[name] = _gaps(values)
    for name in TRAINED_TEXTS:
        texts: list[str | None] = [None] * rows
        for told in run.trained:
            texts[told.job] = getattr(told, name)
        columns[name] = _names(Names.of(texts), rows)
    return columns


def read_trained(table: Any) -> tuple[Trained, ...]:
    """What became of the training jobs, from `jobs.parquet`."""
    if "bound" not in table.column_names:
        return ()
    written = [name for name in TRAINED_TEXTS if name in table.column_names]  # `run_as` is younger than the others
    own = ["model", "pool", "accelerators", *TRAINED, *written]
    started = table["start_s"].is_valid().to_pylist()
    rows = [(job, row) for job, row in enumerate(table.select(own).to_pylist()) if row["bound"] is not None]
    return tuple(Trained(job, started[job], **row | {"steps": int(row["steps"])}) for job, row in rows)


def read_slowdown(table: Any) -> Any:
    """Slow-downs by contention from `jobs.parquet`, NaN where there are none; None where links were not shared."""
    return table[SLOWDOWN].to_numpy() if SLOWDOWN in table.column_names else None


def event_table(run: Run) -> Any:
    """`events.parquet` as a pyarrow Table; columns as in `eventlog/schema.py`."""
    log = run.log
    return _table(
        {
            "time_s": _numbers(log.time_s),
            "event": _coded(log.kind, KINDS),
            "job": _numbers(log.job),
            "value": _numbers(log.value),
            "pool": _numbers(log.pool),
            "nodes": _pieces(log.offsets, log.nodes),
            "counts": _pieces(log.offsets, log.counts),
            "reason": _coded(log.reason, log.reasons),
        }
    )


def timeline_table(run: Run) -> Any:
    """`timeline.parquet` as a pyarrow Table: values hold from `time_s` to the next row."""
    line = run.timeline
    pools = (
        {f"allocated_{pool.name}": _numbers(line.pools[i]) for i, pool in enumerate(run.scenario.pools)}
        if len(run.scenario.pools) > 1
        else {}
    )
    return _table(
        {
            "time_s": _numbers(line.time_s),
            "allocated": _numbers(line.allocated),
            **pools,
            "queue_jobs": _numbers(line.queue_jobs),
            "queue_accelerators": _numbers(line.queue_accelerators),
        }
    )


def _table(columns: dict[str, Any]) -> Any:
    """A table whose schema says which columns never have gaps: those are written without their levels, faster."""
    fields = [pa.field(name, column.type, nullable=column.buffers()[0] is not None) for name, column in columns.items()]
    return pa.table(list(columns.values()), schema=pa.schema(fields))


def _pieces(offsets: NDArray[np.int32], values: NDArray[np.int32]) -> Any:
    """A column of lists: those of row i are `values[offsets[i]:offsets[i + 1]]`."""
    items = pa.list_(pa.field("element", pa.int32(), nullable=False))
    return pa.ListArray.from_arrays(_numbers(offsets), _numbers(values), type=items)


def _numbers(values: NDArray[Any]) -> Any:
    """A column of numbers without gaps."""
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(_arrow_type(values), len(values), [None, pa.py_buffer(values)])


def _gaps(values: NDArray[np.float64]) -> Any:
    """A column of numbers that has a null where a value is NaN."""
    values = np.ascontiguousarray(values)
    known = np.packbits(~np.isnan(values), bitorder="little")
    return pa.Array.from_buffers(pa.float64(), len(values), [pa.py_buffer(known), pa.py_buffer(values)])


def _texts(values: Iterable[str]) -> Any:
    """A column of text."""
    texts = list(values)
    joined = "".join(texts)
    if not joined.isascii():
        encoded = [text.encode(errors="backslashreplace") for text in texts]
        lengths, content = map(len, encoded), b"".join(encoded)
    else:
        lengths, content = map(len, texts), joined.encode()
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(lengths, np.int64, len(texts)), out=offsets[1:])
    short = offsets[-1] < 1 << 31  # the usual type has 32-bit offsets
    buffers = [None, pa.py_buffer(offsets.astype(np.int32) if short else offsets), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.string() if short else pa.large_string(), len(texts), buffers)


def _names(names: Names, rows: int) -> Any:
    if names.codes is None:
        return pa.nulls(rows, pa.string())
    codes = np.ascontiguousarray(names.codes)
    known = pa.py_buffer(np.packbits(codes >= 0, bitorder="little"))
    indices = pa.Array.from_buffers(pa.int32(), rows, [known, pa.py_buffer(codes)])
    return pa.DictionaryArray.from_arrays(indices, _texts(names.names))


def _coded(codes: NDArray[Any], names: Sequence[str]) -> Any:
    return pa.DictionaryArray.from_arrays(_numbers(codes), _texts(names))


def _arrow_type(values: NDArray[Any]) -> Any:
    return pa.from_numpy_dtype(values.dtype)


def _ids(jobs: JobTable) -> Any:
    return _texts(map(str, range(len(jobs))) if jobs.job_ids is None else jobs.job_ids)


def read_jobs(table: Any, meta: dict[str, Any]) -> JobTable:
    """The jobs of a run from `jobs.parquet`; `meta`: content of meta.json."""

    def names(column: str) -> Names:
        """A column of names; none where it is absent or empty."""
        values = table[column].to_pylist() if column in table.column_names else []
        return Names.of(values) if any(v is not None for v in values) else Names()

    asked: dict[str, Any] = {name: table[name].to_numpy() for name in ASKED if name in table.column_names}
    asked |= {name: names(column) for column, name in ASKED_NAMES.items()}
    shares = table["share"].null_count < len(table)
    states = np.array(table["state"].cast("string").to_pylist())
    return JobTable(
        submit_s=table["submit_s"].to_numpy(),
        service_s=table["service_s"].to_numpy(),
        accelerators=table["accelerators"].to_numpy(),
        requested_s=table["requested_s"].to_numpy(),
        share=table["share"].to_numpy() if shares else None,
        job_ids=table["job_id"].to_pylist(),
        end_state=np.select([states == "failed", states == "cancelled"], [1, 2], 0).astype(np.int8),
        user=names("user"),
        tenant=names("tenant"),
        **asked,
        warnings=tuple(meta["warnings"]),
        origin=meta["trace"],
    )


def read_log(table: Any) -> EventLog:
    """The event log from `events.parquet`."""
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
        reason=reason.indices.to_numpy().astype(np.int32),
        reasons=tuple(reason.dictionary.to_pylist()),
        offsets=nodes.offsets.to_numpy(),
        nodes=nodes.values.to_numpy(),
        counts=counts.values.to_numpy(),
    )
