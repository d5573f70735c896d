"""The Standard Workload Format of the Parallel Workloads Archive."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcsim.scenario.jobs import END_STATES, Ints, JobTable
from dcsim.units import human_count
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.reading.columns import Labels, Number, Text, Whole
from dcsim.workloads.reading.rows import Layout, blanks, read_rows
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.trace import TenantTraceFile, without

FIELDS = (
    *("job_number", "submit_time", "wait_time", "run_time", "allocated_processors", "average_cpu_time"),
    *("used_memory", "requested_processors", "requested_time", "requested_memory", "status", "user_id"),
    *("group_id", "application", "queue", "partition", "preceding_job", "think_time"),
)
"""The 18 fields, in order."""

_FAILED, _CANCELLED = 0, 5
_PARTIAL = (2, 3, 4)
_DIRECTIVE = re.compile(r";\s?([A-Za-z]\w*):\s+(.*)")


@dataclass(frozen=True, kw_only=True)
class Swf(TenantTraceFile):
    """A log in the Standard Workload Format, version 2.2 (Chapin et al., JSSPP 1999; Feitelson's archive).

    All 18 fields must be there, -1 where unknown; fields beyond them are passed over with one
    warning. Second 0 is that of field 2. Header directives `; Key: value` stand in the table's origin. Rules:

    - A processor is an accelerator. A gang has the requested processors (8), or the allocated ones (5) where
      no request is known. Service is the run time (4). The requested time is field 9, or the run time where
      unknown.
    - The tenant is the group (13), the user field 12. Status 1 and -1 (unknown) complete, 0 fails, 5 is
      cancelled.
    - Passed over with a warning: rows of partial executions (status 2, 3, 4: the whole job has a row of its
      own), jobs that never ran (run time -1, or cancelled with run time 0), and jobs without a known
      processor count. Other jobs of run time 0 ran for less than the log's resolution; they stay, with 0 s of
      service.
    """

    def read(self, source: Source, context: WorkloadContext) -> JobTable:
        """All jobs in the order of the file."""
        ids, submit, run = Text("job_number"), Number("submit_time"), Number("run_time", least=-1)
        allocated, asked = Whole("allocated_processors", least=-1), Whole("requested_processors", least=-1)
        limit, status = Number("requested_time", least=-1), Whole("status", least=-1)
        user, group = Labels("user_id", none="-1"), Labels("group_id", none="-1")
        layout = Layout(blanks, "", FIELDS, comment=";", spare=True)
        rows = read_rows(source, [ids, submit, run, allocated, asked, limit, status, user, group], layout)
        gang = np.where(asked.values > 0, asked.values, allocated.values)
        dropped = (run.values < 0) | ((status.values == _CANCELLED) & (run.values == 0)) | (gang <= 0)
        dropped |= np.isin(status.values, _PARTIAL)
        jobs = JobTable(
            submit.values,
            run.values,
            gang,
            requested_s=np.where(limit.values > 0, limit.values, run.values),
            job_ids=rows.distinct(ids, ~dropped),
            end_state=_end_states(status.values),
            tenant=group.values,
            user=user.values,
            warnings=_spare(source, rows.spare),
            origin=_origin(rows.comments),
        )
        return without(jobs, dropped, source, "never ran, partial execution, or no processor count")


def _end_states(status: Ints) -> NDArray[np.int8]:
    names = {_FAILED: "failed", _CANCELLED: "cancelled"}
    states = np.full(len(status), END_STATES.index("completed"), dtype=np.int8)
    for number, name in names.items():
        states[status == number] = END_STATES.index(name)
    return states


def _spare(source: Source, count: int) -> tuple[str, ...]:
    return (
        f"{source.name}: rows with more than 18 fields: {human_count(count)}; what is beyond them was passed over",
    ) * (count > 0)


def _origin(comments: list[str]) -> dict[str, Any]:
    """The header directives, as text; of a key that comes several times, all values in order."""
    header: dict[str, list[str]] = {}
    for match in filter(None, map(_DIRECTIVE.fullmatch, comments)):
        header.setdefault(match[1], []).append(match[2].strip())
    origin: dict[str, Any] = {"header": {key: " | ".join(values) for key, values in header.items()}}
    start = header.get("UnixStartTime", [""])[0]
    if start.isdigit():
        origin["start"] = datetime.fromtimestamp(int(start), UTC).isoformat()
    return origin
