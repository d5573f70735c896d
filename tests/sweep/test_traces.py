"""Parsed traces: read once, the same jobs from the files, other files for other facts that were asked for."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from dcsim.run import Traces as Kept
from dcsim.run import load_jobs, run
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.load import load
from dcsim.scenario.loaded import Loaded
from dcsim.sweep.traces import Traces
from tests.conftest import ROOT
from tests.sweep.given import BASE


class Counting(Traces):
    """Counts how often a workload is read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.read = 0

    def jobs(self, loaded, context, read) -> JobTable:
        def counted(context):
            self.read += 1
            return read(context)

        return super().jobs(loaded, context, counted)


def quickstart(*overrides: str) -> Loaded:
    return load(ROOT / "scenarios" / "quickstart.toml", overrides=overrides)


def same(one: JobTable, other: JobTable) -> bool:
    def plain(value: object) -> object:
        return value.tolist() if isinstance(value, np.ndarray) else value

    for field in fields(JobTable):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if field.type == "Names":
            if mine.names != theirs.names or plain(mine.codes) != plain(theirs.codes):
                return False
        elif field.name == "job_ids":
            if [one.job_id(n) for n in range(len(one))] != [other.job_id(n) for n in range(len(other))]:
                return False
        elif plain(mine) != plain(theirs):
            return False
    return True


def test_a_trace_is_read_once_for_all_processes_seeds_and_sizes(tmp_path):
    first, second = Counting(tmp_path), Counting(tmp_path)
    read = load_jobs(quickstart(), traces=first)
    again = load_jobs(quickstart("seed=9", "pools.0.nodes=7", "scheduler.use=easy"), traces=first)
    mapped = load_jobs(quickstart("seed=4"), traces=second)
    assert (first.read, second.read) == (1, 0)
    assert same(read, again)
    assert same(read, mapped)
    assert isinstance(mapped.submit_s, np.memmap)
    load_jobs(quickstart("workload.limit=50"), traces=second)
    assert second.read == 1


def test_a_run_from_mapped_arrays_is_the_same_run(tmp_path):
    traces: Kept = Traces(tmp_path)
    plain = run(quickstart())
    for _ in range(2):
        kept = run(quickstart(), traces=traces)
        assert kept.summary == plain.summary
        assert (kept.log.time_s == plain.log.time_s).all()
        traces = Traces(tmp_path)


@pytest.mark.parametrize(
    ("change", "reads"),
    [("seed=2", 2), ("pools.0.nodes=3", 2), ("scheduler.use=srtf", 1)],
)
def test_drawn_jobs_are_drawn_anew_where_seed_or_capacity_count(tmp_path, change, reads):
    path = tmp_path / "queue.toml"
    path.write_text(BASE)
    traces = Counting(tmp_path / "traces")
    one, other = load(path), load(path, overrides=[change])
    assert same(load_jobs(one, traces=traces), load_jobs(one, traces=traces))
    assert same(load_jobs(other, traces=traces), load_jobs(other))
    assert traces.read == reads
