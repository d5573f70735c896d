"""Shards of a sweep: one table whoever makes it, nothing made twice, and stores that are read while others write."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

import dcsim
from dcsim.errors import ScenarioError
from dcsim.sweep.store import finished
from tests.conftest import ROOT
from tests.sweep.given import BASE, command, contents, experiment


def test_shards_merge_into_the_same_table(tmp_path, alone):
    path = experiment(tmp_path)
    for number in (3, 1):
        assert command("sweep", path, "--out", tmp_path / "out", "--shard", f"{number}/3").returncode == 0
    early = command("sweep", path, "--out", tmp_path / "out", "--merge")
    assert early.returncode == 1
    assert "8 done, 4 missing" in early.stdout
    assert "note: 4 of 12 runs are missing: the sweep lacks those of --shard 2/3\n" in early.stderr
    assert command("sweep", path, "--out", tmp_path / "out", "--shard", "2/3").returncode == 0
    assert command("sweep", path, "--out", tmp_path / "out", "--merge", "--quiet").returncode == 0
    assert contents(tmp_path / "out") == alone


def test_shards_and_whole_sweeps_know_of_each_other(tmp_path):
    path, seen = experiment(tmp_path), []
    assert command("sweep", path, "--out", tmp_path / "out", "--shard", "1/2").returncode == 0
    dcsim.sweep(path, tmp_path / "out", workers=0, progress=seen.append)
    assert (seen[-1].runs, seen[-1].kept) == (6, 6)


def test_a_merge_before_any_shard_has_run_is_refused_and_leaves_nothing(tmp_path):
    path = experiment(tmp_path)
    with pytest.raises(ScenarioError, match="no shard has run here yet; run them first, with the same --out"):
        dcsim.sweep(path, tmp_path / "out", merge=True)
    assert not (tmp_path / "out").exists()
    dcsim.sweep(path, tmp_path / "out", workers=0, shard=(1, 2))
    other = experiment(tmp_path, base=BASE.replace("jobs = 60", "jobs = 61"))
    with pytest.raises(ScenarioError, match="no run of this experiment, as it and dcsim are now, has been made here"):
        dcsim.sweep(other, tmp_path / "out", merge=True)
    assert not (tmp_path / "out" / "sizes" / "table.csv").exists()


def test_another_number_of_shards_makes_only_what_the_first_ones_have_not(tmp_path, alone):
    path, seen = experiment(tmp_path), []
    dcsim.sweep(path, tmp_path / "out", workers=0, shard=(1, 2))
    for number in (1, 2, 3):
        dcsim.sweep(path, tmp_path / "out", workers=0, shard=(number, 3), progress=seen.append)
        assert (seen[-1].runs, seen[-1].kept) == (2, 2)
    dcsim.sweep(path, tmp_path / "out", merge=True)
    assert contents(tmp_path / "out") == alone


def test_a_store_is_read_while_it_is_written_to_and_never_changed(tmp_path):
    """The writer fills its log of changes over and over, so that some copies are taken while it begins anew."""
    store, rows = tmp_path / "runs-1-of-2.sqlite", 1500
    program = (
        "import sys\nfrom pathlib import Path\nfrom dcsim.sweep.store import Store\n"
        "from dcsim.sweep.work import Outcome\n"
        f"store = Store(Path({str(store)!r}))\nstore._base.execute('PRAGMA wal_autocheckpoint = 5')\n"
        f"for n in range({rows}): store.put(f'{{n * 7919 % {rows}:064}}', Outcome({{'n': n * 7919 % {rows}}}))\n"
        "sys.stdin.read()"
    )
    writer = subprocess.Popen([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=-1)
    counts, deadline = [0], time.monotonic() + 120
    while counts[-1] < rows and time.monotonic() < deadline:
        found, _ = finished(store) if store.exists() else ({}, None)
        assert all(outcome.summary == {"n": int(key)} for key, outcome in found.items())
        counts.append(len(found))
    writer.communicate()
    assert counts[-1] == rows
    assert len({count for count in counts if 0 < count < rows}) > 3
    assert [path.name for path in tmp_path.iterdir()] == [store.name]


def test_a_damaged_store_of_another_shard_is_said_and_left_to_it(tmp_path, alone):
    path, told = experiment(tmp_path), []
    for number in (1, 2):
        dcsim.sweep(path, tmp_path / "out", workers=0, shard=(number, 2))
    store = tmp_path / "out" / "sizes" / "runs-1-of-2.sqlite"
    store.write_bytes(b"no database" * 1000)
    dcsim.sweep(path, tmp_path / "out", merge=True, told=told.append)
    assert told == [
        "runs-1-of-2.sqlite is not read as a whole: file is not a database",
        "6 of 12 runs are missing: the sweep lacks those of --shard 1/2",
    ]
    assert store.read_bytes() == b"no database" * 1000
    dcsim.sweep(path, tmp_path / "out", workers=0, shard=(1, 2), told=told.append)
    assert "runs-1-of-2.sqlite.damaged-1" in told[2]
    dcsim.sweep(path, tmp_path / "out", merge=True)
    assert contents(tmp_path / "out") == alone
