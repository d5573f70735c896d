"""dcsim's own CSV: what is written is what is read."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dcsim.errors import TraceError
from dcsim.scenario.jobs import END_STATES

REQUIRED = ["job_id", "submit_s", "accelerators", "service_s"]
SECONDS = st.floats(0, 1e12, allow_nan=False, allow_infinity=False)
WORD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n\r"), max_size=12)
NAME = WORD.filter(lambda word: word != "")
JOB = st.fixed_dictionaries(
    {"submit_s": SECONDS, "accelerators": st.integers(0, 2**31 - 1), "service_s": SECONDS},
    optional={
        "requested_s": SECONDS,
        "priority": st.integers(-(2**31), 2**31 - 1),
        "tenant": NAME,
        "user": NAME,
        "pool": NAME,
        "state": st.sampled_from(END_STATES),
        "cpus": SECONDS,
        "memory_b": SECONDS,
    },
)
OPTIONAL = ["requested_s", "priority", "tenant", "user", "pool", "state", "cpus", "memory_b"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(JOB, min_size=1, max_size=12), st.sets(NAME, min_size=12, max_size=12), st.booleans())
def test_any_table_comes_back_as_it_was_written(load, tmp_path, jobs, names, packed):
    jobs = sorted(jobs, key=lambda job: job["submit_s"])
    ids = sorted(names)[: len(jobs)]
    path = tmp_path / "jobs.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*REQUIRED, *OPTIONAL], restval="")
        table.writeheader()
        table.writerows({"job_id": name, **job} for name, job in zip(ids, jobs, strict=True))
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    read = load("csv", "jobs.csv")
    for i, (name, job) in enumerate(zip(ids, jobs, strict=True)):
        assert read.job_id(i) == name
        assert read.submit_s[i] == job["submit_s"]
        assert read.accelerators[i] == job["accelerators"]
        assert read.service_s[i] == job["service_s"]
        assert read.requested_s[i] == job.get("requested_s", job["service_s"])
        assert read.priority[i] == job.get("priority", 0)
        assert END_STATES[read.end_state[i]] == job.get("state", "completed")
        assert (read.cpus[i], read.memory_b[i]) == (job.get("cpus", 0), job.get("memory_b", 0))
        for column in ("tenant", "user", "pool"):
            assert getattr(read, column).name(i) == job.get(column)


def test_the_columns_that_are_needed_are_enough(load, tmp_path):
    (tmp_path / "t.csv").write_text("service_s,accelerators,submit_s,job_id\n3,2,1,a\n")
    jobs = load("csv", "t.csv")
    assert jobs.requested_s is jobs.service_s
    assert (jobs.priority, jobs.end_state, jobs.share, jobs.cpus, jobs.memory_b) == (None,) * 5
    assert (jobs.tenant.name(0), jobs.pool.name(0)) == (None, None)


def test_columns_that_are_not_looked_at_are_named(load, tmp_path):
    (tmp_path / "t.csv").write_text("job_id,submit_s,accelerators,service_s,requested,x\na,0,1,1,9,9\n")
    assert load("csv", "t.csv").warnings == ("t.csv: columns that are not looked at: 'requested, x'",)


def test_shares_and_models(load, tmp_path):
    header = "job_id,submit_s,accelerators,service_s,share,accelerator_names"
    (tmp_path / "t.csv").write_text(f"{header}\na,0,1,1,0.25,T4|A10\nb,0,4,1,,\n")
    jobs = load("csv", "t.csv")
    np.testing.assert_array_equal(jobs.share, [0.25, 1.0])
    assert [jobs.accelerator_names.name(i) for i in (0, 1)] == ["T4|A10", None]


@pytest.mark.parametrize("row", ["a,0,2,1,0.5", "a,0,1,1,0", "a,0,1,1,1.5", "a,0,0,1,0.5"])
def test_a_share_that_cannot_be_is_an_error(load, tmp_path, row):
    (tmp_path / "t.csv").write_text(f"job_id,submit_s,accelerators,service_s,share\n{row}\n")
    with pytest.raises(TraceError, match=r"t.csv:2: share: row 1: "):
        load("csv", "t.csv")


def test_an_unknown_state_is_an_error(load, tmp_path):
    (tmp_path / "t.csv").write_text("job_id,submit_s,accelerators,service_s,state\na,0,1,1,done\n")
    with pytest.raises(TraceError, match=r"got 'done', expected one of completed, failed, cancelled"):
        load("csv", "t.csv")


def test_a_megabyte_of_jobs_is_read_in_pieces_with_the_same_result(load, tmp_path):
    rows = [f"j{i},{i / 8},{i % 8 + 1},{i % 1000},t{i % 7}" for i in range(60_000)]
    text = "\n".join(["job_id,submit_s,accelerators,service_s,tenant", *rows, ""])
    assert len(text) > 2**20
    (tmp_path / "t.csv").write_text(text)
    jobs = load("csv", "t.csv")
    np.testing.assert_array_equal(jobs.submit_s, np.arange(60_000) / 8)
    assert int(jobs.accelerators.sum()) == 60_000 // 8 * 36
    assert jobs.tenant.names == tuple(f"t{i}" for i in range(7))
    np.testing.assert_array_equal(jobs.tenant.codes, np.arange(60_000) % 7)
