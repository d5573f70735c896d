"""Sweeps in surroundings that are at fault, and the schema of experiments."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dcsim
from dcsim.errors import EnvironmentFault
from dcsim.sweep.experiment import Experiment
from dcsim.sweep.schema import experiment_schema
from dcsim.sweep.store import Store
from dcsim.sweep.work import Outcome
from tests.conftest import ROOT
from tests.sweep.given import command, experiment, rows


def test_a_folder_that_cannot_be_written_is_said_before_anything_runs(tmp_path):
    (tmp_path / "file").write_text("")
    done = command("sweep", experiment(tmp_path), "--out", tmp_path / "file")
    assert done.returncode == 3
    assert "cannot be written: Not a directory" in done.stderr


def test_a_full_disk_is_said_and_earlier_results_stay(tmp_path, monkeypatch):
    path = experiment(tmp_path)
    dcsim.sweep(path, tmp_path / "out", workers=0)
    before = (tmp_path / "out" / "sizes" / "table.csv").read_bytes()

    class Full:
        """SQLite's view of a disk without space."""

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None: ...

        def execute(self, *_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

    def put(self: Store, key: str, outcome: Outcome) -> None:
        self._base = Full()  # type: ignore[assignment]
        original(self, key, outcome)

    original = Store.put
    monkeypatch.setattr(Store, "put", put)
    monkeypatch.setattr(Store, "close", lambda _: None)
    more = experiment(tmp_path, path.read_text().replace("seeds = 3", "seeds = 4"))
    with pytest.raises(EnvironmentFault, match="cannot be written: database or disk is full"):
        dcsim.sweep(more, tmp_path / "out", workers=0)
    assert (tmp_path / "out" / "sizes" / "table.csv").read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_small_disk_fills_up_and_the_sweep_goes_on_elsewhere_after_it_is_emptied(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine mounts no tmpfs")
    try:
        path = experiment(tmp_path)
        (small / "ballast").write_bytes(b"x" * 150_000)
        done = command("sweep", path, "--out", small, "--workers", 1)
        assert done.returncode in (1, 3)
        assert "Traceback" not in done.stderr
        if done.returncode == 3:
            assert "disk" in done.stderr or "space" in done.stderr
        (small / "ballast").unlink()
        assert command("sweep", path, "--out", small, "--workers", 1).returncode == 0
        assert len(rows(small / "sizes")) == 12
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_dead_parent_takes_its_workers_along(tmp_path):
    base = (
        'name = "long"\n[[pools]]\nname = "a"\naccelerator = "T4"\nnodes = 2\naccelerators_per_node = 4\n[workload]\n'
    )
    base += 'use = "synthetic"\njobs = 300000\noffered_load = 0.9\nservice = { law = "exponential", mean = "9 s" }\n'
    words = [sys.executable, "-m", "dcsim", "sweep", experiment(tmp_path, base=base), "--out", tmp_path / "out", "-q"]
    parent = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 60
    workers: list[int] = []
    while not workers and time.monotonic() < deadline:
        time.sleep(0.1)
        found = subprocess.run(["pgrep", "-P", str(parent.pid)], capture_output=True, text=True, check=False)
        workers = [int(pid) for pid in found.stdout.split()]
    time.sleep(0.5)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers
    assert not any(alive(pid) for pid in workers)


def alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_the_schema_has_every_key_of_an_experiment_and_explains_it():
    schema = experiment_schema()
    assert set(schema["properties"]) == set(Experiment.model_fields)
    tables = [schema, *schema["$defs"].values()]
    assert all("description" in key for table in tables for key in table.get("properties", {}).values())
    swept = schema["$defs"]["Swept"]["additionalProperties"]["anyOf"]
    assert [way["title"] for way in swept] == ["values", "range"]
