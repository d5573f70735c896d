"""The folder that a run leaves: the same bytes every time, whole or not there, and read back as it was written."""

from __future__ import annotations

import dataclasses
import html
import io
import json
import os
import re
import shlex
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
from dcsim.scenario import presets
from dcsim.scenario.load import load
from dcsim.scenario.write import digest
from dcsim.sim.engine import Progress
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


def test_training_jobs_do_not_depend_on_the_hash_seed_and_name_their_constants(tmp_path: Path):
    for seed in ("0", "1"):
        process("run", "scenarios/pretrain-70b.toml", "--out", tmp_path / seed, "--no-report", PYTHONHASHSEED=seed)
    one, other = (only(tmp_path / seed) for seed in ("0", "1"))
    assert [(one / name).read_bytes() for name in SAME] == [(other / name).read_bytes() for name in SAME]
    meta = json.loads((one / "meta.json").read_text())
    assert meta["calibration_sha256"] == presets.digest("calibration")
    assert {"numba", "scipy"} < set(meta["versions"])


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


def command_again(page: Path) -> list[str]:
    """The words of the command by which a report says that the same run is made again."""
    (said,) = re.findall(r"<p>The same run again</p>\n<pre><code>(.*)</code>", page.read_text())
    return shlex.split(html.unescape(said))


def test_a_report_says_how_to_make_the_very_same_run_again(tmp_path: Path):
    (tmp_path / "a b.toml").write_text((SCENARIOS / "quickstart.toml").read_text().replace("data/", ""))
    changes = ["--set", "workload.limit=100", "--set", "scheduler.use=sjf"]
    out = tmp_path / "out"
    process("run", tmp_path / "a b.toml", "--data", "scenarios/data", *changes, "--out", out, "--quiet")
    first = only(out)
    words = command_again(first / "report.html")
    assert words == ["python", "-m", "dcsim", "run", f"{tmp_path}/a b.toml", "--data", "scenarios/data", *changes]
    process(*words[3:], "--out", tmp_path / "again", "--quiet")
    assert only(tmp_path / "again").name == first.name
    made_by_run = (first / "report.html").read_bytes()
    process("report", first)
    assert (first / "report.html").read_bytes() == made_by_run


def test_only_meta_and_the_commands_of_the_report_know_where_files_lay(tmp_path: Path):
    out = tmp_path / "out"
    process("run", SCENARIOS / "first-run.toml", "--data", tmp_path, "--out", out, "--quiet")
    place = only(out)
    knowing = {path.name for path in place.iterdir() if str(tmp_path).encode() in path.read_bytes()}
    assert knowing == {"meta.json", "report.html"}
    text = (place / "report.html").read_text()
    assert str(tmp_path) not in text[: text.index("What to look at next")]


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


def test_a_folder_that_does_not_say_where_it_came_from_is_read_all_the_same(tmp_path: Path):
    written = run(SCENARIOS / "first-run.toml")
    folder = results.save(written, tmp_path)
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    del meta["source"]
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    assert results.read(folder).summary == written.summary


def test_a_run_of_parts_of_accelerators_is_read_back_too(traces: Path, tmp_path: Path):
    written = run(SCENARIOS / "openb-random.toml", data=traces, overrides=["workload.fill=0.1"])
    assert_equal(results.read(results.save(written, tmp_path)), written)


TWO_POOLS = """\
name = "two-pools"
workload = { use = "csv", path = "jobs.csv" }

[[pools]]
name = "a"
accelerator = "T4"
nodes = 1
accelerators_per_node = 2
cpus_per_node = 8
memory_per_node = "8 GB"

[[pools]]
name = "b"
accelerator = "A10"
nodes = 1
accelerators_per_node = 4
"""
ASKING = """\
job_id,submit_s,accelerators,service_s,priority,pool,accelerator_names,cpus,memory_b
first,0,1,10,3,b,,4,2000000000
second,0,1,10,,,T4|V100,,
third,1,1,10,,a,,4,2e9
big,2,8,10,,,,,
"""


def asking(folder: Path) -> Run:
    """Four jobs that ask for all that a job can ask for."""
    (folder / "jobs.csv").write_text(ASKING)
    (folder / "scenario.toml").write_text(TWO_POOLS)
    return run(folder / "scenario.toml")


def test_what_jobs_asked_for_is_read_back_too(tmp_path: Path):
    written = asking(tmp_path)
    found = results.read(results.save(written, tmp_path / "out"))
    assert_equal(found, written)
    assert found.jobs.pool.name(0) == "b"
    assert found.jobs.accelerator_names.name(1) == "T4|V100"


def test_a_job_row_names_the_pool_that_it_ran_in(tmp_path: Path):
    table = pq.read_table(results.save(asking(tmp_path), tmp_path / "out") / "jobs.parquet")
    assert table["pool"].to_pylist() == ["b", "a", "a", None]  # the last was rejected


def test_columns_of_requests_stand_only_where_the_trace_has_them(tmp_path: Path, quickstart: Path):
    asked = {"priority", "cpus", "memory_b", "requested_pool", "accelerator_names"}
    assert asked <= set(pq.read_schema(results.save(asking(tmp_path), tmp_path / "out") / "jobs.parquet").names)
    assert not asked & set(pq.read_schema(quickstart / "jobs.parquet").names)


def assert_equal(found: Run, written: Run) -> None:
    """Everything but wall time is the same."""
    assert found.scenario == written.scenario
    assert found.summary == written.summary
    for part in ("log", "results", "timeline"):
        assert same(getattr(found, part), getattr(written, part)), part
    jobs, theirs = found.jobs, written.jobs
    for column in ("submit_s", "service_s", "requested_s", "accelerators", "demand", "priority", "cpus", "memory_b"):
        assert same(getattr(jobs, column), getattr(theirs, column)), column
    assert [jobs.job_id(row) for row in range(len(jobs))] == [theirs.job_id(row) for row in range(len(jobs))]
    for names in ("tenant", "user", "pool", "accelerator_names"):
        mine, other = ([getattr(table, names).name(row) for row in range(len(table))] for table in (jobs, theirs))
        assert mine == other, names
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
    shape = r"\d+% of 11,129 jobs, [\d.]+ \w+ left, [\d.]+( k)? waiting, at [\d.]+ \w+, [\d.]+ k events/s *"
    assert re.fullmatch(shape, lines[0])
    assert all(len(line) < 80 and "\n" not in line for line in lines)
    assert "writing results" in lines[-3]
    assert lines[-2].strip() == lines[-1] == ""


def test_a_resolved_scenario_says_with_which_data_folder_it_runs_again(
    quickstart: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["run", str(quickstart / "scenario.toml"), "--out", str(tmp_path), "--no-report", "--quiet"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.endswith(f"; the run read it with --data {SCENARIOS}\n")
    assert main([*words, "--data", said.split()[-1]]) == 0
    assert only(tmp_path).name == quickstart.name


@pytest.mark.parametrize("meta", ["[]", "{", '{"source": 3}', '{"source": {"scenario": null, "data": 7}}', "[" * 99999])
def test_a_meta_json_that_is_none_tells_nothing(meta: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    scenario = tmp_path / "scenario.toml"
    scenario.write_text((SCENARIOS / "quickstart.toml").read_text())
    (tmp_path / "meta.json").write_text(meta)
    assert main(["validate", str(scenario)]) == 2
    assert capsys.readouterr().err.endswith(f"; looked in {tmp_path}; --data DIR names a data folder\n")


def test_a_pipe_sees_progress_as_plain_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    assert main(["run", str(SCENARIOS / "quickstart.toml"), "--out", str(tmp_path), "--no-report"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 1
    assert all(re.fullmatch(r"dcsim: [\x20-\x7e]+", line) for line in lines)
    assert re.search(r"[\d.]+ \w+ left, .* events/s$", lines[0])


def test_the_line_of_progress_fits_a_terminal_of_80_columns():
    now = Progress(700 * 86400.0, 816_000, 1_000_000, 123_456, 4_000_000)
    text = progress.line(now, 60.0, progress.Moment(50.0, 815_000, 2_890_000))
    # 1,000 jobs in 10 s, 184,000 left: 1,840 s.
    assert text == "82% of 1,000,000 jobs, 30.7 min left, 123 k waiting, at 700 d, 111 k events/s"
    assert len(text) < 80


def test_the_time_left_follows_from_the_speed_of_the_last_ten_seconds(monkeypatch: pytest.MonkeyPatch):
    now, terminal = [0.0], Terminal()
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys, "stderr", terminal)
    reporter = progress.Reporter(quiet=False)
    for second in range(1, 31):  # 100 jobs a second for 10 s, then 10 a second: 1,200 of 2,000
        now[0] = float(second)
        ended = 100 * min(second, 10) + 10 * max(second - 10, 0)
        reporter(Progress(0.0, ended, 2000, 0, 0))
    assert "60% of 2,000 jobs, 80 s left, " in terminal.getvalue().split("\r")[-1]


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
