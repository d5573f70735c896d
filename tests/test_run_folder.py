"""The folder that a run leaves: the same bytes every time, whole or not there, and read back as it was written."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from dcsim import results
from dcsim.__main__ import main
from dcsim.cli import progress
from dcsim.run import Run, run
from dcsim.scenario.load import load
from dcsim.scenario.write import digest
from tests.conftest import ROOT

SCENARIOS = ROOT / "scenarios"
SAME = ("jobs.parquet", "events.parquet", "timeline.parquet", "summary.json", "scenario.toml")

HEAVY = {"numba", "scipy", "pandas", "networkx", "matplotlib"}

PROBE = """\
import json, sys
from dcsim.__main__ import main
code = main(sys.argv[1:])
sys.stderr.write(json.dumps([code, sorted({m.split(".")[0] for m in sys.modules})]))
"""


def process(*words: str | Path, program: tuple[str, ...] = ("-m", "dcsim"), **environment: str) -> str:
    """`dcsim` in a process of its own; what it says on both streams."""
    done = subprocess.run(
        [sys.executable, *program, *map(str, words)],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr


def only(folder: Path) -> Path:
    """The one thing in a folder, hidden ones counted."""
    (place,) = folder.iterdir()
    return place


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the quickstart, made by the command of the README."""
    out = tmp_path_factory.mktemp("results")
    process("run", "scenarios/quickstart.toml", "--out", out, "--quiet", PYTHONHASHSEED="0")
    return only(out)


def test_another_hash_seed_gives_the_same_bytes(quickstart: Path, tmp_path: Path):
    process("run", "scenarios/quickstart.toml", "--out", tmp_path, "--quiet", PYTHONHASHSEED="1")
    assert only(tmp_path).name == quickstart.name
    for name in SAME:
        assert (only(tmp_path) / name).read_bytes() == (quickstart / name).read_bytes(), name


def test_drawn_jobs_and_places_do_not_depend_on_the_hash_seed_either(tmp_path: Path):
    changes = ["workload.span=3 d", "workload.tenants=5", "scheduler.use=srtf", "placement.use=random"]
    words = [word for change in changes for word in ("--set", change)]
    for seed in ("0", "1"):
        out = tmp_path / seed
        process("run", "scenarios/venus-like.toml", "--out", out, "--no-report", *words, PYTHONHASHSEED=seed)
    one, other = (only(tmp_path / seed) for seed in ("0", "1"))
    assert one.name == other.name
    assert [(one / name).read_bytes() for name in SAME] == [(other / name).read_bytes() for name in SAME]


def test_the_folder_holds_what_it_should_and_is_named_after_scenario_and_hash(quickstart: Path):
    assert sorted(p.name for p in quickstart.iterdir()) == sorted([*results.FILES, "report.html"])
    assert quickstart.name == f"quickstart-{digest(load(SCENARIOS / 'quickstart.toml').scenario)[:8]}"
    for path in (quickstart, *quickstart.iterdir()):
        assert path.stat().st_mode & 0o444 == 0o444, f"{path} cannot be read by everyone"


def test_only_meta_knows_of_time_and_versions(quickstart: Path):
    meta = json.loads((quickstart / "meta.json").read_text())
    assert {"python", "dcsim", "simpy", "numpy", "pydantic", "pyarrow"} == set(meta["versions"])
    assert meta["simulation_wall_s"] > 0
    assert meta["trace"]["sha256"] == "175f74ce3cb4c110629fdbaa695c9cc21a913bae041ce135210b0962b13e510c"
    assert all("wall" not in name for name in json.loads((quickstart / "summary.json").read_text()))


def test_the_written_scenario_runs_again_to_the_same_summary(quickstart: Path, tmp_path: Path):
    process("run", quickstart / "scenario.toml", "--data", "scenarios", "--out", tmp_path, "--no-report")
    assert only(tmp_path).name == quickstart.name
    for name in SAME:
        assert (only(tmp_path) / name).read_bytes() == (quickstart / name).read_bytes(), name


def test_the_python_interface_leaves_the_same_bytes_as_the_command(quickstart: Path, tmp_path: Path):
    place = results.save(run(SCENARIOS / "quickstart.toml"), tmp_path)
    assert place.name == quickstart.name
    assert [(place / name).read_bytes() for name in SAME] == [(quickstart / name).read_bytes() for name in SAME]


def test_jobs_have_the_columns_that_others_build_on(quickstart: Path):
    columns = pq.read_schema(quickstart / "jobs.parquet").names
    wanted = "job_id user tenant kind submit_s start_s end_s wait_s run_s jct_s accelerators nodes state preemptions "
    wanted += "restarts lost_work_s energy_j carbon_kg cost_usd"
    assert [name for name in columns if name in wanted.split()] == wanted.split()


# --- Read back ----------------------------------------------------------------------------------------------------


def same(one: Any, other: Any) -> bool:
    """Whether two arrays, or two dataclasses of arrays, are equal; NaN equals NaN."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if dataclasses.is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    return one == other


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("first-run", ()),
        ("quickstart", ("workload.limit=500", "scheduler.use=least_attained_service", "overheads.preemption=30 s")),
        ("quickstart", ("workload.limit=500", "scheduler.use=processor_sharing", "placement.use=pool")),
        ("quickstart", ("workload.limit=500", "horizon=1 d")),
        ("venus-like", ("workload.span=2 d", "workload.tenants=3", "scheduler.use=easy")),
    ],
    ids=["rejection", "preemptions", "time sharing", "horizon", "tenants"],
)
def test_a_run_that_is_read_back_equals_the_one_that_was_written(name: str, overrides: tuple[str, ...], tmp_path: Path):
    written = run(SCENARIOS / f"{name}.toml", overrides=overrides)
    found = results.read(results.save(written, tmp_path))
    assert_equal(found, written)


def test_a_run_of_parts_of_accelerators_is_read_back_too(traces: Path, tmp_path: Path):
    written = run(SCENARIOS / "openb-random.toml", data=traces, overrides=["workload.fill=0.1"])
    assert_equal(results.read(results.save(written, tmp_path)), written)


def assert_equal(found: Run, written: Run) -> None:
    """Everything but wall time and what only decisions need is the same."""
    assert found.scenario == written.scenario
    assert found.summary == written.summary
    for part in ("log", "results", "timeline"):
        assert same(getattr(found, part), getattr(written, part)), part
    jobs, theirs = found.jobs, written.jobs
    for column in ("submit_s", "service_s", "requested_s", "accelerators", "demand"):
        assert same(getattr(jobs, column), getattr(theirs, column)), column
    assert [jobs.job_id(row) for row in range(len(jobs))] == [theirs.job_id(row) for row in range(len(jobs))]
    tenants = [[table.tenant.name(row) for row in range(len(table))] for table in (jobs, theirs)]
    assert tenants[0] == tenants[1]
    assert (jobs.origin, jobs.warnings, found.simpy_events) == (theirs.origin, theirs.warnings, written.simpy_events)


@pytest.mark.parametrize("missing", results.FILES)
def test_a_folder_that_lacks_a_file_is_no_run(missing: str, tmp_path: Path):
    place = results.save(run(SCENARIOS / "first-run.toml"), tmp_path)
    (place / missing).unlink()
    with pytest.raises(results.ScenarioError, match=f"lacks {missing}"):
        results.read(place)


# --- Whole or not there -------------------------------------------------------------------------------------------


def test_a_run_that_is_killed_leaves_no_folder_that_looks_whole(tmp_path: Path):
    # Killed at the last moment before the folder gets its name: everything is written.
    program = (
        "import os, signal, sys; from dcsim import results; from dcsim.__main__ import main; "
        "results._replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL); main(sys.argv[1:])"
    )
    words = ["run", "scenarios/first-run.toml", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", program, *words], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert not [p for p in tmp_path.iterdir() if not p.name.startswith(".") or not p.name.endswith(".tmp")]
    assert main([*words, "--quiet"]) == 0
    assert len([p for p in tmp_path.iterdir() if results.is_run(p) and not p.name.startswith(".")]) == 1


# --- What is said -------------------------------------------------------------------------------------------------


def answer(tmp_path: Path, *words: str, scenario: str = "first-run") -> tuple[str, str]:
    """What a run says on stdout and on stderr when both are pipes."""
    command = [sys.executable, "-m", "dcsim", "run", f"scenarios/{scenario}.toml", "--out", str(tmp_path), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout, done.stderr


def test_json_is_the_summary_alone_as_one_object(tmp_path: Path):
    out, err = answer(tmp_path, "--json")
    assert json.loads(out) == json.loads((only(tmp_path) / "summary.json").read_text())
    assert out.count("\n") == 1
    assert err == ""


def test_quiet_says_nothing(tmp_path: Path):
    assert answer(tmp_path, "--quiet") == ("", "")
    assert results.is_run(only(tmp_path))


@pytest.mark.parametrize("scenario", ["first-run", "quickstart"])
def test_the_answer_has_at_most_fifteen_plain_lines_that_name_the_files(tmp_path: Path, scenario: str):
    changes = ("--set", "scheduler.use=srtf", "--set", "horizon=10 d")
    out, err = answer(tmp_path, *changes, scenario=scenario)
    assert err == ""
    lines = out.splitlines()
    assert 5 <= len(lines) <= 15
    assert all(len(line) <= 160 for line in lines)
    assert not re.search(r"[^\x20-\x7e\n]", out)
    place = only(tmp_path)
    assert f"{place}/" in out
    assert str(place / "report.html") in out


class Terminal(io.StringIO):
    """A terminal that remembers what was written to it."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_progress_in_one_line_that_is_gone_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["run", str(SCENARIOS / "quickstart.toml"), "--out", str(tmp_path), "--no-report"]) == 0
    first, *lines = terminal.getvalue().split("\r")
    assert first == ""
    assert re.match(r"\S+ \w+ simulated \| [\d,]+ of 11,129 jobs done \(\d+%\), [\d,]+ waiting \| [\d,]+ ev", lines[0])
    assert all(len(line) < 80 and "\n" not in line for line in lines)
    assert "writing results" in lines[-3]
    assert lines[-2].strip() == lines[-1] == ""


def test_a_pipe_sees_progress_as_plain_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    assert main(["run", str(SCENARIOS / "quickstart.toml"), "--out", str(tmp_path), "--no-report"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 1
    assert all(re.fullmatch(r"dcsim: [\x20-\x7e]+", line) for line in lines)
    assert re.search(r"events/s \| [\d.]+ \w+ left$", lines[0])


def test_the_default_folder_for_results_is_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(SCENARIOS / "first-run.toml"), "--quiet", "--no-report"]) == 0
    assert results.is_run(only(tmp_path / "results"))


# --- What it costs ------------------------------------------------------------------------------------------------


def test_a_hundred_jobs_with_their_report_import_nothing_heavy(tmp_path: Path):
    words = ("run", "scenarios/quickstart.toml", "--set", "workload.limit=100", "--out", tmp_path, "--quiet")
    code, modules = json.loads(process(*words, program=("-c", PROBE)))
    assert code == 0
    assert (only(tmp_path) / "report.html").stat().st_size > 1_000_000
    assert not HEAVY & set(modules)


@pytest.mark.parametrize("policy", ["easy", "conservative", "srtf", "least_attained_service", "priority"])
def test_no_scheduler_imports_anything_heavy(policy: str, tmp_path: Path):
    changes = ("--set", "workload.limit=100", "--set", f"scheduler.use={policy}")
    words = ("run", "scenarios/quickstart.toml", *changes, "--out", tmp_path, "--quiet", "--no-report")
    code, modules = json.loads(process(*words, program=("-c", PROBE)))
    assert code == 0
    assert not (HEAVY | {"plotly", "rich"}) & set(modules)
