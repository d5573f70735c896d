"""Microsoft Philly: the CSV of the Pollux and Sia artifacts, and the original `cluster_job_log` JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from dcsim.scenario.jobs import JobTable
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.reading.columns import BLANK, GAPS, Clock, EndStates, Labels, Number, Text, Whole
from dcsim.workloads.reading.objects import objects
from dcsim.workloads.reading.rows import Layout, read_rows
from dcsim.workloads.reading.states import PHILLY
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.trace import TenantTraceFile, without

_LOG_COLUMNS = ("jobid", "status", "vc", "user", "submitted_time", "attempts", "gpus")


@dataclass(frozen=True, kw_only=True)
class Philly(TenantTraceFile):
    """Jobs of Microsoft's Philly cluster of 2017 (Jeon et al., USENIX ATC 2019), in either of two formats.

    A file that begins with `[` is the original `cluster_job_log`, a JSON list of jobs: `jobid` (unique),
    `status` (Pass, Killed, Failed: completed, cancelled, failed), `vc` (the tenant), `user`,
    `submitted_time`, and `attempts` with their start and end times and GPUs. Service is the sum of the run
    times of all attempts, without the pauses between them; attempts without a start or an end, or with the
    two reversed, count as 0 s. The gang is that of the first attempt that lists GPUs. Jobs without a GPU,
    without a submission time, or without any attempt that has both times are passed over; a warning counts
    them.

    Any other file is a CSV with `timestamp` (submission), `duration` (s), `num_gpus` and `cluster` (the
    tenant); job ids are row numbers.

    In both, times are the wall clock of the cluster without a zone, and second 0 is the first submission.
    """

    def read(self, source: Source, context: WorkloadContext) -> JobTable:
        """All jobs in the order of the file."""
        return _log(source) if source.head.lstrip().startswith("[") else _table(source)


def _table(source: Source) -> JobTable:
    submit, duration = Clock("timestamp"), Number("duration")
    gpus, vc = Whole("num_gpus", least=1), Labels("cluster")
    read_rows(source, [submit, duration, gpus, vc])
    first = submit.first()
    return JobTable(
        submit.values - first,
        duration.values,
        gpus.values,
        requested_s=duration.values,
        tenant=vc.values,
        origin={"start": submit.text(first)},
    )


def _log(source: Source) -> JobTable:
    ids, state, vc, user = Text("jobid"), EndStates("status", PHILLY), Labels("vc"), Labels("user")
    submit, service = Clock("submitted_time", gaps=GAPS), Number("attempts", gaps=BLANK)
    gpus = Whole("gpus")
    layout = Layout(_cells, "", _LOG_COLUMNS)
    rows = read_rows(source, [ids, state, vc, user, submit, service, gpus], layout, objects(source))
    dropped = np.isnan(submit.values) | np.isnan(service.values) | (gpus.values == 0)
    first = submit.first(~dropped)
    jobs = JobTable(
        submit.values - first,
        service.values,
        gpus.values,
        requested_s=service.values,
        job_ids=rows.distinct(ids),
        end_state=state.values,
        tenant=vc.values,
        user=user.values,
        origin={"start": submit.text(first)},
    )
    return without(jobs, dropped, source, "no GPU, no submission time, or no attempt with both times")


def _cells(jobs: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The cells of `_LOG_COLUMNS` for each job of the log; ValueError for a job of another shape."""
    rows = []
    for job in jobs:
        try:
            cells = [job[key] for key in _LOG_COLUMNS[:5]]
            seconds, gpus = _work(job["attempts"])
        except KeyError as error:
            raise ValueError(f"it has no key {error}") from None
        except (TypeError, AttributeError):
            raise ValueError("its attempts are not built as expected") from None
        rows.append([*("" if c is None else str(c) for c in cells), seconds, gpus])
    return rows


def _work(attempts: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Service in s and GPUs, as cells; the first is empty if no attempt has both times."""
    runs, gpus = [], 0
    for attempt in attempts:
        start, end = attempt["start_time"], attempt["end_time"]
        if start and end and start not in GAPS and end not in GAPS:
            runs.append(max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()))
        gpus = gpus or sum(len(server["gpus"]) for server in attempt["detail"])
    return (repr(sum(runs)) if runs else "", str(gpus))
