"""Plug-ins that kill, stop or talk over the worker that runs them."""

from __future__ import annotations

import json
import sys

import pytest

import dcsim
from dcsim.errors import EnvironmentFault
from tests.sweep.given import acting, command, experiment, rows

KILL = "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("values", ["[false, true]", "[true, false]"])
def test_runs_that_always_kill_their_worker_cost_no_other(tmp_path, workers, values):
    done = command(*acting(tmp_path, KILL, values, seeds=4), "--workers", workers)
    assert done.returncode == 1, done.stderr
    assert "8 runs: 4 done, 4 failed" in done.stdout
    errors = {(row["scheduler.act"], row["error"]) for row in rows(tmp_path / "out" / "sizes")}
    assert errors == {("true", "worker was killed by SIGKILL (out of memory?)"), ("false", "")}


def test_a_sweep_of_nothing_but_deaths_has_its_table(tmp_path):
    done = command(*acting(tmp_path, KILL, "[true]", seeds=8), "--workers", 2)
    assert done.returncode == 1
    assert "8 runs: 0 done, 8 failed" in done.stdout


def test_workers_that_do_not_come_up_are_an_error_and_no_failed_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EnvironmentFault, match="no worker comes up: worker ended with exit code 1"):
        dcsim.sweep(experiment(tmp_path), tmp_path / "out", workers=2)
    assert not (tmp_path / "out" / "sizes" / "table.csv").exists()


@pytest.mark.parametrize(
    ("deed", "error"), [("raise KeyboardInterrupt", "KeyboardInterrupt"), ("raise SystemExit(3)", "SystemExit: 3")]
)
def test_what_looks_like_an_end_of_the_process_is_a_failed_run(tmp_path, deed, error):
    done = command(*acting(tmp_path, deed, "[true, false]"), "--workers", 2)
    assert done.returncode == 1
    assert not done.stderr
    assert [row["error"] for row in rows(tmp_path / "out" / "sizes")] == [error, ""]


@pytest.mark.parametrize("workers", [0, 2])
def test_what_plug_ins_print_does_not_break_json(tmp_path, workers):
    words = acting(tmp_path, 'print("key")', "[true]")
    actor = tmp_path / "plugins" / "schedulers" / "actor.py"
    actor.write_text(actor.read_text() + '\n\nprint("imported")\n')
    done = command(*words, "--workers", workers, "--json")
    assert json.loads(done.stdout)["done"] == 1
    assert {"key", "imported"} <= set(done.stderr.splitlines())
