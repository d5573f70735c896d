"""A run folder with a damaged file: named in one line, with nothing changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dcsim import results
from dcsim.__main__ import main
from dcsim.errors import ScenarioError
from dcsim.run import run
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a few jobs."""
    return results.save(run(ROOT / "scenarios" / "first-run.toml"), tmp_path_factory.mktemp("small"))


@pytest.mark.parametrize("command", ["report", "explain"])
@pytest.mark.parametrize("damage", ["cut", "empty", "list", "nothing", "bytes", "other"])
@pytest.mark.parametrize("name", ["scenario.toml", "meta.json", "summary.json", "jobs.parquet", "events.parquet"])
def test_a_damaged_file_of_a_run_is_named(
    name: str, damage: str, command: str, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "run"
    shutil.copytree(small, folder)
    whole = (folder / name).read_bytes()
    other = (folder / "timeline.parquet").read_bytes()
    content = {"cut": whole[: len(whole) // 2], "empty": b"", "list": b"[]\n", "nothing": b"{}", "bytes": b"\xff\0"}
    (folder / name).write_bytes(content.get(damage, other))
    before = sorted(folder.iterdir())
    assert main([command, str(folder), *(["a"] if command == "explain" else [])]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"dcsim: error: {folder / name}: is ")
    assert sorted(folder.iterdir()) == before


def test_events_of_another_run_are_no_events_of_this_one(small: Path, tmp_path: Path):
    folder = tmp_path / "run"
    shutil.copytree(small, folder)
    table = pq.read_table(folder / "events.parquet")
    pq.write_table(table.set_column(2, "job", [[700] * len(table)]), folder / "events.parquet")
    with pytest.raises(ScenarioError, match=r"events\.parquet: is of another run than jobs\.parquet"):
        results.read(folder)
