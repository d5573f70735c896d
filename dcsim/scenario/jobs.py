"""The jobs of a scenario as arrays: what a workload hands over and every later room reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

NAMES = ("tenant", "user", "pool", "accelerator_names", "model")  # columns of names
OPTIONAL = {"share": 1.0, "cpus": 0.0, "memory_b": 0.0, "priority": 0, "end_state": 0, "training": -1, "one_node": 0}
"""Columns that a table may lack, and what their absence means."""

END_STATES = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class Names:
    """A column of repeated names: `codes[i]` is an index into `names`, or -1 where row i has none."""

    names: tuple[str, ...] = ()
    codes: Ints | None = None

    @staticmethod
    def of(values: Sequence[str | None]) -> Names:
        """Encode a column; empty text and None mean "none". Names are numbered in order of first appearance."""
        index: dict[str, int] = {}
        codes = np.fromiter(
            (index.setdefault(v, len(index)) if v else -1 for v in values), dtype=np.int32, count=len(values)
        )
        return Names(tuple(index), codes)

    def take(self, order: NDArray[np.intp]) -> Names:
        """The same column in another order of rows."""
        return self if self.codes is None else Names(self.names, self.codes[order])

    def beside(self, rows: int, other: Names, more: int) -> Names:
        """This column of `rows` rows with another one of `more` rows under it."""
        if self.codes is None and other.codes is None:
            return self
        both = ((self, rows), (other, more))
        return Names.of([names.name(row) for names, count in both for row in range(count)])

    def name(self, row: int) -> str | None:
        """The name in one row."""
        return None if self.codes is None or self.codes[row] < 0 else self.names[int(self.codes[row])]


@dataclass(frozen=True)
class JobTable:
    """All jobs of a run, one row a job, sorted by submission (stable: ties keep the order of the trace).

    `submit_s, service_s, requested_s`: shape (n,), s. Submission counts from the scenario's start; service is the
    run time on the allocated accelerators, without waiting; requested is what the user asked for.
    `accelerators`: shape (n,), whole accelerators of the gang, at least 1; 0 only for CPU-only jobs.
    `share`: shape (n,) or None: share of each accelerator in (0, 1]; below 1 only with `accelerators == 1`.
    `cpus, memory_b`: shape (n,) or None: CPU cores and host memory, bytes, needed on each node.
    `one_node`: shape (n,) or None: 1 for jobs that go on one node or nowhere, 0 for gangs, which may span nodes.
    `priority`: shape (n,) or None; larger is more important. `end_state`: shape (n,) or None: index into
    END_STATES, how the job ends after its service. `accelerator_names`: alternatives by job, `|`-separated names.
    `model`: what the job trains, as its trace or the scenario calls it. `training`: shape (n,) or None: number of the
    scenario's training job that it is, -1 for jobs of the workload. `job_ids`: None means the row number.
    `warnings`: what the loader had to pass over or to assume, one sentence each.
    """

    submit_s: Floats
    service_s: Floats
    accelerators: Ints
    requested_s: Floats
    job_ids: Sequence[str] | None = None
    share: Floats | None = None
    cpus: Floats | None = None
    memory_b: Floats | None = None
    priority: Ints | None = None
    end_state: NDArray[np.int8] | None = None
    tenant: Names = Names()
    user: Names = Names()
    pool: Names = Names()
    accelerator_names: Names = Names()
    model: Names = Names()
    training: Ints | None = None
    one_node: NDArray[np.int8] | None = None
    warnings: tuple[str, ...] = ()
    origin: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.submit_s)

    @property
    def demand(self) -> Floats:
        """Accelerators asked for, fractions counted as such, shape (n,)."""
        whole = self.accelerators.astype(np.float64)
        return whole if self.share is None else whole * self.share

    def job_id(self, row: int) -> str:
        """The id of one job, as its trace has it."""
        return str(row) if self.job_ids is None else self.job_ids[row]

    def beside(self, other: JobTable) -> JobTable:
        """The jobs of both tables, sorted by submission; ties: those of this one first."""
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(table, name) for table in (self, other)])
            for name in ("submit_s", "service_s", "accelerators", "requested_s")
        }
        for name, absent in OPTIONAL.items():
            mine, theirs = (getattr(table, name) for table in (self, other))
            if mine is not None or theirs is not None:
                columns = [np.full(len(t), absent) if c is None else c for c, t in ((mine, self), (theirs, other))]
                joined[name] = np.concatenate(columns).astype((theirs if mine is None else mine).dtype)
        joined |= {name: getattr(self, name).beside(len(self), getattr(other, name), len(other)) for name in NAMES}
        ids = [table.job_id(row) for table in (self, other) for row in range(len(table))]
        both = JobTable(**joined, job_ids=ids, warnings=self.warnings + other.warnings, origin=self.origin)
        return both.sorted()

    def sorted(self) -> JobTable:
        """The same jobs in order of submission, ties in the present order; itself if already sorted."""
        if bool(np.all(self.submit_s[1:] >= self.submit_s[:-1])):
            return self
        return self.take(np.argsort(self.submit_s, kind="stable"))

    def take(self, order: NDArray[np.intp]) -> JobTable:
        """The rows of `order`, in that order; row numbers become ids where there were none."""
        columns = ("submit_s", "service_s", "accelerators", "requested_s", "share", "cpus", "memory_b", "priority",
                   "end_state", "training", "one_node")  # fmt: skip
        picked: dict[str, Any] = {c: None if (v := getattr(self, c)) is None else v[order] for c in columns}
        if self.requested_s is self.service_s:
            picked["requested_s"] = picked["service_s"]  # still one array, not two equal ones
        names = {c: getattr(self, c).take(order) for c in NAMES}
        return replace(self, **picked, **names, job_ids=[self.job_id(i) for i in order.tolist()])
