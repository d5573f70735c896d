"""dcsim's own table of jobs, a CSV that any other trace can be turned into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcsim.scenario.jobs import END_STATES, Floats, JobTable
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.reading.columns import BLANK, Column, EndStates, Labels, Number, Text, Whole
from dcsim.workloads.reading.rows import SHOWN_HEADER, Rows, read_rows, shown
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.trace import TenantTraceFile

_STATES = {state: state for state in END_STATES} | {"": "completed"}
_LEAST_PRIORITY = -(2**31)


@dataclass(frozen=True, kw_only=True)
class Csv(TenantTraceFile):
    """A CSV with a header, the columns in any order; second 0 is that of `submit_s`.

    Needed: `job_id` (unique), `submit_s` (s), `accelerators` (whole; 0 for jobs that need none: they wait their
    turn and hold none), `service_s` (s, run time). Optional, and in these an empty cell means the default:
    `requested_s` (run time that the user asked for, s; default: `service_s`), `priority` (whole, larger is more
    important; 0), `tenant`, `user`, `pool` (the only pool that will do; any), `accelerator_names` (models that will
    do, separated by `|`; any), `state` (how the job ends: completed, failed or cancelled; completed), `share` (of
    one accelerator, above 0 and at most 1; 1), `cpus` and `memory_b` (cores and bytes on each node; 0). Times are
    at most 1e12 s, as in all traces. A warning names other columns, which are not looked at.
    """

    def read(self, source: Source, context: WorkloadContext) -> JobTable:
        """All jobs in the order of the file."""
        ids, submit, service = Text("job_id"), Number("submit_s"), Number("service_s")
        accelerators = Whole("accelerators")
        requested, share, cpus, memory = (
            Number(name, gaps=BLANK, optional=True) for name in ("requested_s", "share", "cpus", "memory_b")
        )
        priority = Whole("priority", least=_LEAST_PRIORITY, blank=0, optional=True)
        tenant, user, pool, models = (
            Labels(name, optional=True) for name in ("tenant", "user", "pool", "accelerator_names")
        )
        state = EndStates("state", _STATES, optional=True)
        columns: list[Column[Any]] = [
            *(ids, submit, service, accelerators, requested, share, cpus),
            *(memory, priority, tenant, user, pool, models, state),
        ]
        rows = read_rows(source, columns)
        if share.found:
            whole = (accelerators.values != 1) & (share.values < 1)
            rows.refuse((share.values == 0) | (share.values > 1), share, "no share", "above 0 and at most 1")
            rows.refuse(whole, share, "a share of several accelerators", "1, or one accelerator")
        return JobTable(
            submit.values,
            service.values,
            accelerators.values,
            requested_s=_filled(requested, service.values) if requested.found else service.values,
            job_ids=rows.distinct(ids),
            share=_filled(share, 1.0) if share.found else None,
            cpus=_filled(cpus, 0.0) if cpus.found else None,
            memory_b=_filled(memory, 0.0) if memory.found else None,
            priority=priority.values if priority.found else None,
            end_state=state.values,
            tenant=tenant.values,
            user=user.values,
            pool=pool.values,
            accelerator_names=models.values,
            warnings=_unused(source, rows, {c.name for c in columns}),
        )


def _filled(column: Number, default: Floats | float) -> Floats:
    """The column with the default where its cell was empty."""
    return np.where(np.isnan(column.values), default, column.values)


def _unused(source: Source, rows: Rows, known: set[str]) -> tuple[str, ...]:
    others = [name for name in rows.header if name not in known]
    return (f"{source.name}: columns that are not looked at: {shown(', '.join(others), SHOWN_HEADER)}",) * bool(others)
