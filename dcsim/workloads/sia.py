"""Sia and Pollux workloads, with run times from the artifact's measurements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dcsim.errors import Problem, ScenarioError, nearest
from dcsim.scenario.datapath import DataFolder
from dcsim.scenario.jobs import JobTable, Names
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.reading.columns import Number, Text, Whole
from dcsim.workloads.reading.rows import read_rows
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.trace import TraceFile


@dataclass(frozen=True, kw_only=True)
class Sia(TraceFile):
    """Training jobs of the Sia artifact (Jayaram Subramanya et al., SOSP 2023), such as `workload-1.csv`.

    Columns: `name` (unique), `time` (s; second 0 is that of this column), `application`, `num_replicas` (the
    gang) and `batch_size`.

    The trace has work, not time: service is that of the job as its user configured it, without the artifact's
    rescaling. It is iterations x step time, from the artifact's folder of measurements, `models`. Iterations:
    the last row of `<application>/validation-<batch_size>.csv`. Step time:
    `<application>/placements-<device>.csv` for the placement of so many replicas on the fewest nodes (the
    fullest first node on a tie), linear between the measured batch sizes per replica; a batch larger than the
    largest measured one is accumulated over a steps, each but the last without synchronisation
    (`get_throughput_with_accum` in the artifact's `applications.py`).
    """

    models: DataFolder
    """Folder of the artifact's measurements, with one folder for each application."""
    device: str = "aws"
    """Whose measurements: aws (T4), rtx (RTX 2080 Ti), dgx or dgx-ext (A100), quad (Quadro), azure (V100)."""

    def read(self, source: Source, context: WorkloadContext) -> JobTable:
        """All jobs in the order of the file."""
        ids, submit, application = Text("name"), Number("time"), Text("application")
        replicas, batch = Whole("num_replicas", least=1), Whole("batch_size", least=1)
        rows = read_rows(source, [ids, submit, application, replicas, batch])
        jobs = list(zip(application.values, replicas.values.tolist(), batch.values.tolist(), strict=True))
        self._check_device(context, dict.fromkeys(application.values))
        known = {job: self._service_s(context, *job) for job in dict.fromkeys(jobs)}
        service_s = np.array([known[job] for job in jobs])
        return JobTable(
            submit.values,
            service_s,
            replicas.values,
            requested_s=service_s,
            job_ids=rows.distinct(ids),
            model=Names.of(application.values),
        )

    def _service_s(self, context: WorkloadContext, application: str, replicas: int, batch: int) -> float:
        """Run time of one configuration, s."""
        iterations = Whole("iteration", least=1)
        read_rows(self._measured(context, f"{application}/validation-{batch}.csv"), [iterations])
        placement, sizes = Text("placement"), Number("local_bsz")
        step, sync = Number("step_time"), Number("sync_time")
        source = self._measured(context, f"{application}/placements-{self.device}.csv")
        read_rows(source, [placement, sizes, step, sync])
        used = _tightest(placement.values, replicas)
        if used is None:
            raise source.error(f"no placement of {replicas} replicas was measured", key=application)
        rows = np.flatnonzero([p == used for p in placement.values])
        rows = rows[np.argsort(sizes.values[rows], kind="stable")]
        measured = sizes.values[rows]
        local = -(-batch // replicas)
        passes = int(-(-local // measured[-1]))
        size = -(-local // passes)
        if size < measured[0]:
            raise source.error(
                f"no batch as small as {size} per replica was measured",
                key=application,
                expected=f">= {measured[0]:g}",
            )
        step_s = np.interp(size, measured, step.values[rows])
        sync_s = np.interp(size, measured, sync.values[rows])
        return float(iterations.values[-1] * (passes * step_s - (passes - 1) * sync_s))

    def _check_device(self, context: WorkloadContext, applications: Iterable[str]) -> None:
        """Raises ScenarioError for a device that nothing was measured on."""
        folder = context.resolve(self.models)
        files = (file.name for name in applications for file in (folder / name).glob("placements-*.csv*"))
        known = sorted({name.removeprefix("placements-").partition(".")[0] for name in files})
        if self.device not in known:
            hint = nearest(self.device, known) or f"known: {', '.join(known) or 'none'}"
            what = "no measurements of this device"
            raise ScenarioError(Problem(context.file, "workload.device", what, got=f"'{self.device}'", fix=hint))

    def _measured(self, context: WorkloadContext, name: str) -> Source:
        """A file of measurements, plain or with `.gz` at the end of its name."""
        path = f"{self.models}/{name}"
        try:
            file = context.resolve(path)
            if file.exists():
                return Source(file, path)
        except ScenarioError:
            pass  # perhaps it is packed
        return Source(context.resolve(path + ".gz"), path + ".gz")


def _tightest(placements: list[str], replicas: int) -> str | None:
    """The placement (a digit a node) of so many replicas on the fewest nodes, the fullest node on a tie."""
    fitting = [p for p in dict.fromkeys(placements) if p.isdigit() and sum(map(int, p)) == replicas]
    return min(fitting, key=lambda p: (len(p), -int(max(p)), p), default=None)
