"""Sweeps: the same bytes however they are run, interrupted or shared out; nothing done twice."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

import dcsim
from dcsim.errors import EnvironmentFault, ScenarioError
from tests.conftest import ROOT
from tests.sweep.given import BASE, EXPERIMENT, acting, command, contents, experiment, kept, rows


def test_a_row_is_the_run_of_its_scenario_and_seed(tmp_path):
    path = experiment(tmp_path)
    table = dcsim.sweep(path, tmp_path / "out", workers=0)
    assert len(table) == 12
    run = dcsim.run(tmp_path / "queue.toml", overrides=["pools.0.nodes=3", "scheduler.use=srtf", "seed=2"])
    row = table.rows[-1]
    assert (row["pools.0.nodes"], row["scheduler.use"], row["seed"], row["status"]) == (3, "srtf", 2, "done")
    assert {name: row[name] for name in run.summary} == run.summary
    assert table.frame()["wait_s_mean"].tolist() == [r["wait_s_mean"] for r in table]


@pytest.mark.parametrize("workers", [1, 3])
def test_the_table_is_the_same_for_any_number_of_workers(tmp_path, alone, workers):
    dcsim.sweep(experiment(tmp_path), tmp_path / "out", workers=workers)
    assert contents(tmp_path / "out") == alone


def test_what_is_done_is_not_done_again_and_a_change_makes_only_what_is_new(tmp_path):
    seen = []
    options = {"workers": 0, "progress": seen.append}
    dcsim.sweep(experiment(tmp_path), tmp_path / "out", **options)
    dcsim.sweep(experiment(tmp_path), tmp_path / "out", **options)
    assert (seen[-1].runs, seen[-1].kept) == (0, 12)
    more = EXPERIMENT.replace("[2, 3]", "[1, 2, 3]").replace("seeds = 3", "seeds = 4")
    table = dcsim.sweep(experiment(tmp_path, more), tmp_path / "out", **options)
    assert (len(table), seen[-1].runs, seen[-1].kept) == (24, 12, 12)
    dcsim.sweep(experiment(tmp_path, base=BASE.replace("jobs = 60", "jobs = 61")), tmp_path / "out", **options)
    assert seen[-1].kept == 0


def test_a_changed_trace_makes_other_runs(tmp_path):
    trace = tmp_path / "jobs.csv"
    base = BASE[: BASE.index("[workload]")] + '[workload]\nuse = "csv"\npath = "jobs.csv"\n'
    seen, waits = [], []
    for service in (100, 200, 100):
        trace.write_text(
            f"job_id,submit_s,service_s,accelerators\na,0,{service},8\nb,0,{service},8\nc,0,{service},8\nd,0,50,8\n"
        )
        table = dcsim.sweep(experiment(tmp_path, base=base), tmp_path / "out", workers=0, progress=seen.append)
        waits.append(table.rows[0]["wait_s_max"])
        assert table.rows[0]["status"] == "done"
    assert waits == [300.0, 600.0, 300.0]
    assert seen[-1].kept == 12


def test_parses_of_a_trace_that_has_changed_are_not_kept(tmp_path):
    base = BASE[: BASE.index("[workload]")] + '[workload]\nuse = "csv"\npath = "jobs.csv"\n'
    kept = []
    for service in (100, 200, 200):
        (tmp_path / "jobs.csv").write_text(f"job_id,submit_s,service_s,accelerators\na,0,{service},8\n")
        table = dcsim.sweep(experiment(tmp_path, base=base), tmp_path / "out", workers=0)
        kept.append(sorted(path.name for path in (tmp_path / "out" / "sizes" / "traces").iterdir()))
    assert repr(table) == "<Table 'sizes': 12 runs over pools.0.nodes, scheduler.use>"
    assert len(kept[0]) == len(kept[1]) == 2
    assert set(kept[0]).isdisjoint(kept[1])
    assert kept[1] == kept[2]


def test_a_run_that_fails_is_said_and_costs_no_other(tmp_path):
    words = acting(tmp_path, 'raise RuntimeError("not today")', "[false, true]", seeds=6)
    done = command(*words, "--workers", 2)
    assert done.returncode == 1
    assert "12 runs: 6 done, 6 failed" in done.stdout
    table = rows(tmp_path / "out" / "sizes")
    assert {(row["scheduler.act"], row["status"]) for row in table} == {("false", "done"), ("true", "failed")}
    assert all(("not today" in row["error"]) == (row["status"] == "failed") for row in table)


def test_a_run_whose_worker_always_dies_fails_after_three_tries(tmp_path):
    plugins = tmp_path / "plugins" / "schedulers"
    plugins.mkdir(parents=True)
    (plugins / "deadly.py").write_text(
        "import os, pathlib, signal\nfrom dataclasses import dataclass\n"
        "from dcsim.policies.ordered import OrderedScheduler\n\n\n"
        "@dataclass(frozen=True)\nclass Deadly(OrderedScheduler):\n"
        '    """Kills its worker where it is told to."""\n\n    diary: str = ""\n'
        '    """Where deaths are written down."""\n\n'
        '    def key(self, job):\n        """Die."""\n        if self.diary:\n'
        '            with pathlib.Path(self.diary).open("a") as file:\n                file.write("x")\n'
        "            os.kill(os.getpid(), signal.SIGKILL)\n        return (job.submit_s,)\n"
    )
    diary = tmp_path / "diary"
    text = EXPERIMENT.replace('"scheduler.use" = ["fifo", "srtf"]', f'"scheduler.diary" = ["", "{diary}"]')
    text = text.replace("seeds = 3", "seeds = 1")
    path = experiment(tmp_path, text, BASE + '[scheduler]\nuse = "deadly"\n')
    done = command("sweep", path, "--out", tmp_path / "out", "--plugins", tmp_path / "plugins", "--workers", 2)
    assert done.returncode == 1
    assert diary.read_text() == "x" * 6
    errors = [row["error"] for row in rows(tmp_path / "out" / "sizes")]
    assert errors == ["", "worker was killed by SIGKILL (out of memory?)"] * 2


def test_kills_at_random_moments_change_nothing(tmp_path, alone):
    path = experiment(tmp_path)
    words = [sys.executable, "-m", "dcsim", "sweep", path, "--out", tmp_path / "out", "--workers", "2", "--quiet"]
    draw = random.Random(5)
    for kind in ("worker", "parent", "worker", "parent"):
        parent = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(ROOT)})
        time.sleep(draw.uniform(0.3, 1.2))
        children = subprocess.run(["pgrep", "-P", str(parent.pid)], capture_output=True, text=True, check=False)
        workers = [int(pid) for pid in children.stdout.split()]
        if kind == "worker" and workers:
            os.kill(draw.choice(workers), signal.SIGKILL)
        parent.kill()
        parent.wait()
    assert command(*words[3:]).returncode == 0
    assert contents(tmp_path / "out") == alone


def test_ctrl_c_keeps_what_is_done(tmp_path, alone):
    base = BASE.replace("jobs = 60", "jobs = 30000")
    path = experiment(tmp_path, base=base)
    words = [sys.executable, "-m", "dcsim", "sweep", path, "--out", tmp_path / "out", "--workers", "1", "--quiet"]
    options = {"env": os.environ | {"PYTHONPATH": str(ROOT)}, "stderr": subprocess.PIPE, "text": True}
    parent = subprocess.Popen(words, **options, start_new_session=True)
    store = tmp_path / "out" / "sizes" / "runs.sqlite"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (store.is_file() and kept(store)):
        time.sleep(0.05)
    os.killpg(parent.pid, signal.SIGINT)
    _, said = parent.communicate(timeout=20)
    assert parent.returncode == 130
    assert said == "dcsim: interrupted: all finished runs are kept, and the same command goes on\n"
    seen = []
    dcsim.sweep(experiment(tmp_path, EXPERIMENT.replace("[2, 3]", "[2]"), base), tmp_path / "out", progress=seen.append)
    assert seen[-1].kept >= 1


def test_two_sweeps_on_one_folder_the_second_is_told_who_holds_it(tmp_path):
    from dcsim.sweep.store import held

    path = experiment(tmp_path)
    dcsim.sweep(path, tmp_path / "out", workers=0)
    with held(tmp_path / "out" / "sizes" / "lock"):
        second = command("sweep", path, "--out", tmp_path / "out")
    assert second.returncode == 3
    assert f"another sweep is at work in this folder: process {os.getpid()} on" in second.stderr


def test_a_damaged_store_is_said_and_kept_aside(tmp_path, alone):
    path = experiment(tmp_path)
    dcsim.sweep(path, tmp_path / "out", workers=0)
    store = tmp_path / "out" / "sizes" / "runs.sqlite"
    store.write_bytes(b"not a database" * 100)
    again = command("sweep", path, "--out", tmp_path / "out", "--workers", 2)
    assert again.returncode == 0
    assert "runs.sqlite is damaged" in again.stderr
    assert store.with_name("runs.sqlite.damaged-1").read_bytes() == b"not a database" * 100
    assert contents(tmp_path / "out") == alone


def test_an_experiment_of_this_name_with_another_base_is_refused(tmp_path):
    dcsim.sweep(experiment(tmp_path), tmp_path / "out", workers=0)
    (tmp_path / "other.toml").write_text(BASE)
    (tmp_path / "experiment.toml").write_text(EXPERIMENT.replace("queue.toml", "other.toml"))
    with pytest.raises(ScenarioError, match="holds an experiment of this name with another base"):
        dcsim.sweep(tmp_path / "experiment.toml", tmp_path / "out", workers=0)


def test_a_copied_project_goes_on_with_its_copied_results(tmp_path):
    (tmp_path / "one").mkdir()
    dcsim.sweep(experiment(tmp_path / "one"), tmp_path / "one" / "out", workers=0)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    seen = []
    dcsim.sweep(tmp_path / "two" / "experiment.toml", tmp_path / "two" / "out", workers=0, progress=seen.append)
    assert (seen[-1].runs, seen[-1].kept) == (0, 12)
    with pytest.raises(ScenarioError, match="with another base"):
        dcsim.sweep(tmp_path / "two" / "experiment.toml", tmp_path / "one" / "out", workers=0)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "out" / "sizes").mkdir(parents=True)
    (tmp_path / "out" / "sizes" / "letter.txt").write_text("dear")
    with pytest.raises(EnvironmentFault, match="is no earlier sweep"):
        dcsim.sweep(experiment(tmp_path), tmp_path / "out", workers=0)
    assert [path.name for path in (tmp_path / "out" / "sizes").iterdir()] == ["letter.txt"]


def test_kept_runs_lie_in_folders_that_report_reads(tmp_path):
    dcsim.sweep(experiment(tmp_path, EXPERIMENT.replace("[2, 3]", "[2]")), tmp_path / "out", workers=2, keep_runs=True)
    folders = sorted((tmp_path / "out" / "sizes" / "runs").iterdir())
    assert len(folders) == 6
    assert dcsim.read(folders[0]).summary["jobs"] == 60


def test_an_experiment_may_be_made_in_python(tmp_path, monkeypatch):
    experiment(tmp_path)
    monkeypatch.chdir(tmp_path)
    table = dcsim.sweep({"name": "p", "base": "queue.toml", "sweep": {"workload.jobs": [5, 6]}}, "out", workers=0)
    assert [row["jobs"] for row in table] == [5, 6]


def test_runs_that_are_asked_to_be_kept_later_are_made_again_for_that(tmp_path):
    path = experiment(tmp_path, EXPERIMENT.replace("[2, 3]", "[2]"))
    dcsim.sweep(path, tmp_path / "out", workers=0)
    dcsim.sweep(path, tmp_path / "out", workers=0, keep_runs=True)
    assert len(list((tmp_path / "out" / "sizes" / "runs").iterdir())) == 6


def test_a_kept_run_that_lacks_a_file_is_made_anew(tmp_path):
    path = experiment(tmp_path, EXPERIMENT.replace("[2, 3]", "[2]"))
    dcsim.sweep(path, tmp_path / "out", workers=0, keep_runs=True)
    runs = sorted((tmp_path / "out" / "sizes" / "runs").iterdir())
    (runs[2] / "events.parquet").unlink()
    seen = []
    dcsim.sweep(path, tmp_path / "out", workers=0, keep_runs=True, progress=seen.append)
    assert (seen[-1].runs, seen[-1].failed, seen[-1].kept) == (1, 0, 5)
    assert sorted((tmp_path / "out" / "sizes" / "runs").iterdir()) == runs
    assert dcsim.read(runs[2]).summary["jobs"] == 60


def test_a_flipped_digit_in_the_store_is_seen(tmp_path, alone):
    path = experiment(tmp_path)
    dcsim.sweep(path, tmp_path / "out", workers=0)
    with sqlite3.connect(tmp_path / "out" / "sizes" / "runs.sqlite") as base:
        base.execute("UPDATE runs SET summary = replace(summary, '\"jobs\": 60', '\"jobs\": 61')")
    again = command("sweep", path, "--out", tmp_path / "out", "--workers", 0)
    assert "has 12 damaged rows: their runs are made anew" in again.stderr
    assert contents(tmp_path / "out") == alone


def test_the_base_is_known_by_its_file_not_by_how_it_is_written(tmp_path):
    dcsim.sweep(experiment(tmp_path), tmp_path / "out", workers=0)
    dcsim.sweep(experiment(tmp_path, EXPERIMENT.replace("queue.toml", "./queue.toml")), tmp_path / "out", workers=0)
    (tmp_path / "sub").mkdir()
    with pytest.raises(ScenarioError, match="with another base"):
        dcsim.sweep(experiment(tmp_path / "sub"), tmp_path / "out", workers=0)


def test_a_damaged_table_or_trace_is_said_or_made_anew(tmp_path):
    from dcsim.sweep.table import Table

    dcsim.sweep(experiment(tmp_path), tmp_path / "out", workers=0)
    (tmp_path / "out" / "sizes" / "table.parquet").write_bytes(b"no table")
    with pytest.raises(ScenarioError, match="is damaged"):
        Table.read(tmp_path / "out" / "sizes")


def test_a_disk_that_is_full_when_runs_are_kept_loses_no_summary(tmp_path, alone):
    path = experiment(tmp_path)
    dcsim.sweep(path, tmp_path / "out", workers=0)
    (tmp_path / "out" / "sizes" / "runs").write_text("in the way")  # nothing can be written below a file
    with pytest.raises(EnvironmentFault, match="--keep-runs"):
        dcsim.sweep(path, tmp_path / "out", workers=0, keep_runs=True)
    seen = []
    dcsim.sweep(path, tmp_path / "out", workers=0, progress=seen.append)
    assert (seen[-1].runs, seen[-1].kept) == (0, 12)
    assert contents(tmp_path / "out") == alone


@pytest.mark.parametrize(
    "options",
    [
        {"shard": (5, 2)},
        {"shard": (1, 2), "merge": True},
        {"workers": -1},
        {"workers": "2"},
        {"workers": 2, "dask": "tcp://a:1"},
    ],
)
def test_options_that_cannot_be_are_refused_in_python_too(tmp_path, options):
    with pytest.raises(ScenarioError):
        dcsim.sweep(experiment(tmp_path), tmp_path / "out", **options)


def test_meta_says_what_made_a_table_and_one_of_other_options_is_not_replaced_in_silence(tmp_path):
    path, plugins, data = experiment(tmp_path), tmp_path / "plugins", tmp_path / "data"
    plugins.mkdir()
    data.mkdir()
    words = ["sweep", path, "--out", tmp_path / "out", "--workers", 0]
    options = ["--set", "workload.jobs=30", "--plugins", plugins, "--data", data]
    assert not command(*words, *options).stderr
    meta = json.loads((tmp_path / "out" / "sizes" / "meta.json").read_text())
    assert meta["source"] == {
        "experiment": str(path),
        "data": str(data),
        "overrides": ["workload.jobs=30"],
        "plugins": [str(plugins)],
    }
    assert not command(*words, *options).stderr
    note = command(*words).stderr
    assert note.startswith(f"dcsim: note: the table that was here, made with --data {data} --set workload.jobs=30")
    assert note.endswith("is replaced by that with no options; its runs are kept\n")
    assert not command(*words).stderr
