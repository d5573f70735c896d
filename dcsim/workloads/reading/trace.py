"""What all loaders of trace files share: common keys, order, window, and where jobs come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcsim.errors import Problem, ScenarioError, nearest
from dcsim.scenario.datapath import DataPath
from dcsim.scenario.facts import Count
from dcsim.scenario.jobs import JobTable
from dcsim.units import LONGEST_TIME, Seconds, human_count
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.reading.stream import Source

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class TraceFile:
    """Base of loaders: a job trace in one file, gzip or plain, told apart by content.

    A loader reads the file into a JobTable in the order of the file (`read`). Here the jobs are sorted by
    submission (stable: ties keep the order of the file), cut to the window, and told where they come from:
    the `origin` of the table has the format, the name and SHA-256 of the file and its number of jobs
    (`rows`); also `start`, the calendar time of second 0, where the format has one.
    """

    path: DataPath
    """Trace file, gzip or plain, inside the scenario's folder or the data folder."""
    since: Seconds = 0.0
    """Time of the trace at which the run starts; jobs submitted earlier are left out."""
    until: Seconds | None = None
    """Time of the trace at which the run's jobs end; those submitted then or later are left out."""
    limit: Count | None = None
    """At most so many jobs, the first by submission."""
    strict: bool = False
    """Refuse a trace whose submission times fall back, instead of sorting it with a warning."""

    def load(self, context: WorkloadContext) -> JobTable:
        """All jobs, sorted by submission. Raises TraceError with file, line, column and value."""
        source = Source(context.resolve(self.path), self.path)
        jobs = self.read(source, context)
        origin = {
            "format": type(self).__module__.rpartition(".")[2],
            "file": Path(self.path).name,
            "sha256": source.sha256,
            "rows": len(jobs),
        }
        _refuse_endless(jobs, source)
        jobs = self._in_order(replace(jobs, origin=origin | jobs.origin), source)
        kept = np.flatnonzero(self.keeps(jobs, context))[: self.limit]
        if len(kept) == 0:
            raise source.error("no job is left", fix="the keys of the workload leave out every job of the trace")
        if len(kept) < len(jobs):
            jobs = jobs.take(kept)
        return replace(jobs, submit_s=jobs.submit_s - self.since) if self.since else jobs

    def read(self, source: Source, context: WorkloadContext) -> JobTable:
        """All jobs in the order of the file, with second 0 as the format has it."""
        raise NotImplementedError

    def keeps(self, jobs: JobTable, context: WorkloadContext) -> Mask:
        """Which jobs of the trace to keep, shape (n,)."""
        last = np.inf if self.until is None else self.until
        kept: Mask = (jobs.submit_s >= self.since) & (jobs.submit_s < last)
        return kept

    def _in_order(self, jobs: JobTable, source: Source) -> JobTable:
        falls = np.flatnonzero(np.diff(jobs.submit_s) < 0)
        if len(falls) == 0:
            return jobs
        first = jobs.job_id(int(falls[0]) + 1)
        what = f"rows that fall behind the time of the row before: {human_count(len(falls))}, first job {first!r}"
        if self.strict:
            raise source.error(what, expected="rows in order of submission", fix="leave out strict = true")
        warning = f"{source.name}: {what}; sorted by submission"
        return replace(jobs.sorted(), warnings=(*jobs.warnings, warning))


def _refuse_endless(jobs: JobTable, source: Source) -> None:
    """Raises TraceError for a job that comes, or lasts, beyond all times that a simulation can tell apart."""
    for column, times_s in (("submission", jobs.submit_s), ("run time", jobs.service_s), ("request", jobs.requested_s)):
        if len(times_s) and times_s.max() > LONGEST_TIME:
            row = int(times_s.argmax())
            what = f"{column} of job {jobs.job_id(row)!r} is out of range"
            raise source.error(what, got=f"{times_s[row]:g} s", expected=f"at most {LONGEST_TIME:g} s")


@dataclass(frozen=True, kw_only=True)
class TenantTraceFile(TraceFile):
    """A job trace that names the tenant of each job."""

    tenant: str | None = None
    """Only the jobs of this tenant (virtual cluster, organisation)."""

    def keeps(self, jobs: JobTable, context: WorkloadContext) -> Mask:
        """Which jobs of the trace to keep, shape (n,). Raises ScenarioError for an unknown tenant."""
        kept = super().keeps(jobs, context)
        if self.tenant is None:
            return kept
        names = jobs.tenant.names
        if jobs.tenant.codes is None or self.tenant not in names:
            hint = nearest(self.tenant, list(filter(str.isprintable, names))) or f"the trace has {len(names)} tenants"
            raise ScenarioError(
                Problem(
                    context.file,
                    "workload.tenant",
                    "no such tenant in the trace",
                    repr(self.tenant),
                    fix=hint,
                )
            )
        own: Mask = kept & (jobs.tenant.codes == names.index(self.tenant))
        return own


def without(jobs: JobTable, dropped: Mask, source: Source, why: str) -> JobTable:
    """The jobs for which `dropped`, shape (n,), is false, and one warning: how many are not, and why."""
    count = int(np.count_nonzero(dropped))
    if count == 0:
        return jobs
    if count == len(jobs):
        raise source.error(f"every row was passed over: {why}")
    warning = f"{source.name}: passed over {human_count(count)} of {human_count(len(jobs))} rows: {why}"
    return replace(jobs.take(np.flatnonzero(~dropped)), warnings=(*jobs.warnings, warning))
