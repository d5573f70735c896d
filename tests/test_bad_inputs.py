"""Bad input and faults of the surroundings, each met by a real `run`: rows B21 to B31 of the list and their kin.

The contract: exit 2 (3 where the machine is in the way, 130 for Ctrl-C), one line a problem on stderr, nothing on
stdout, no traceback, and no file or folder made or changed.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dcsim import results
from dcsim.__main__ import main
from tests.conftest import ROOT

SCENARIO = """\
name = "small"

[[pools]]
name = "gpu"
accelerator = "A100-SXM4-80GB"
nodes = 2
accelerators_per_node = 4

[workload]
use = "csv"
path = "jobs.csv"
"""

HEADER = "job_id,submit_s,accelerators,service_s\n"
JOBS = HEADER + "a,0,4,100\nb,10,2,50\nc,20,8,60\n"

LINE = re.compile(r"dcsim: error: \S.*?(:\d+)?: \S.*")


@dataclass(frozen=True)
class Said:
    """What a command said and did."""

    code: int
    out: str
    err: str

    def refused(self, *words: str, code: int = 2) -> None:
        """It ended as the contract has it, with one line that says all of these words."""
        assert self.code == code
        assert self.out == ""
        lines = self.err.splitlines()
        assert lines
        assert all(LINE.fullmatch(line) for line in lines), self.err
        assert any(all(word in line for word in words) for line in lines), self.err


@dataclass(frozen=True)
class Room:
    """A folder of a test's own with a good scenario, its jobs, and a place for results."""

    top: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def folder(self) -> Path:
        """The scenario's folder."""
        return self.top / "given"

    @property
    def file(self) -> Path:
        """The scenario."""
        return self.folder / "small.toml"

    @property
    def out(self) -> Path:
        """The folder of results, which does not exist at first."""
        return self.top / "results"

    def jobs(self, content: str | bytes) -> None:
        """Write another trace."""
        (self.folder / "jobs.csv").write_bytes(content if isinstance(content, bytes) else content.encode())

    def run(self, *words: str | Path, out: Path | None = None) -> Said:
        """`dcsim run` in this process, without a report."""
        self.capsys.readouterr()
        code = main([str(w) for w in ("run", self.file, "--out", out or self.out, "--no-report", *words)])
        out_text, err = self.capsys.readouterr()
        return Said(code, out_text, err)

    def refuses(self, *words: str | Path, out: Path | None = None) -> Said:
        """The same for a command that must leave everything as it was."""
        before = listing(self.top)
        said = self.run(*words, out=out)
        assert listing(self.top) == before
        return said

    def result(self) -> Path:
        """The one folder of results."""
        (place,) = self.out.iterdir()
        return place

    def states(self) -> dict[str, str]:
        """How each job of the result ended."""
        table = pq.read_table(self.result() / "jobs.parquet")
        return dict(zip(table["job_id"].to_pylist(), table["state"].to_pylist(), strict=True))


def listing(folder: Path) -> list[tuple[str, int, int]]:
    """Every file and folder below, with size and time of change."""
    paths = sorted(folder.rglob("*"))
    return [(str(p.relative_to(folder)), p.lstat().st_size, p.lstat().st_mtime_ns) for p in paths]


@pytest.fixture
def here(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.delenv("DCSIM_DATA", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # Python's cache of plug-ins is none of dcsim's files
    room = Room(tmp_path, capsys)
    room.folder.mkdir()
    room.file.write_text(SCENARIO)
    room.jobs(JOBS)
    return room


def test_the_good_scenario_runs(here: Room):
    said = here.run()
    assert (said.code, said.err) == (0, "")
    assert set(here.states().values()) == {"completed"}


# --- B21: jobs that can never fit ---------------------------------------------------------------------------------


def test_b21_a_job_larger_than_the_cluster_is_rejected_with_the_reason(here: Room):
    here.jobs(JOBS + "big,25,9,10\nlate,30,1,10\n")
    said = here.run()
    assert said.code == 0
    assert "1 job rejected" in said.out
    assert here.states() == {
        "a": "completed",
        "b": "completed",
        "c": "completed",
        "big": "rejected",
        "late": "completed",
    }
    events = pq.read_table(here.result() / "events.parquet").to_pylist()
    (rejection,) = [row for row in events if row["event"] == "reject"]
    assert (rejection["job"], rejection["time_s"]) == (3, 25)
    assert rejection["reason"] == "can never fit: it needs 9 accelerators, gpu has 2 x 4"


def test_b21_without_rejections_such_jobs_are_mistakes_each_with_its_id(here: Room):
    here.jobs(JOBS + "big,25,9,10\nhuge,30,90,10\n")
    said = here.refuses("--set", "reject_oversize=false")
    said.refused("job big", "can never fit", "needs 9")
    said.refused("job huge", "can never fit", "needs 90")
    assert len(said.err.splitlines()) == 2
    assert all(line.startswith(f"dcsim: error: {here.file}:9: workload: job ") for line in said.err.splitlines())


def test_what_a_placement_cannot_give_names_file_line_and_key(here: Room):
    here.jobs(HEADER.replace("\n", ",share\n") + "a,0,1,10,0.5\n")
    here.file.write_text(SCENARIO + '\n[placement]\nuse = "pool"\n')
    here.refuses().refused(f"{here.file}:14: placement.use: this placement cannot give", "(got 'pool')")


def test_b21_a_job_that_asks_for_a_pool_that_is_not_there_is_rejected_with_the_reason(here: Room):
    here.jobs("job_id,submit_s,accelerators,service_s,pool\na,0,1,10,gpu\nb,0,1,10,tpu\n")
    assert here.run().code == 0
    assert here.states() == {"a": "completed", "b": "rejected"}


# --- B23 to B29: traces -------------------------------------------------------------------------------------------


def test_b23_a_missing_column_is_named_with_the_header(here: Room):
    here.jobs("job_id,submit_s,gpus,service_s\na,0,1,10\n")
    here.refuses().refused("jobs.csv: accelerators:", "header 'job_id, submit_s, gpus, service_s'")


@pytest.mark.parametrize(("value", "shown"), [("", "no value"), ("long", "'long'"), ("1h", "'1h'")])
def test_b24_a_bad_run_time_is_named_with_its_row(here: Room, value: str, shown: str):
    rows = [f"j{n},{n},1,10" for n in range(1, 6001)]
    rows[5016] = f"j5017,5017,1,{value}"
    here.jobs(HEADER + "\n".join(rows) + "\n")
    here.refuses().refused("jobs.csv:5018: service_s:", "row 5017", shown)


@pytest.mark.parametrize("name", ["small.toml", "jobs.csv"])
def test_a_named_pipe_is_refused_and_not_waited_for(here: Room, name: str):
    (here.folder / name).unlink()
    os.mkfifo(here.folder / name)
    here.refuses().refused(f"{name}: is a pipe")


def test_b25_submissions_that_fall_back_are_sorted_with_one_note(here: Room):
    here.jobs(HEADER + "a,20,8,10\nb,0,8,10\nc,10,8,10\n")
    said = here.run()
    assert said.code == 0
    assert [line for line in said.err.splitlines() if "note" in line] == said.err.splitlines()
    assert "rows that fall behind the time of the row before: 1, first job 'b'" in said.err
    assert list(here.states()) == ["b", "c", "a"]
    assert here.run("--quiet").err == ""


def test_b25_under_strict_they_are_a_mistake(here: Room):
    here.jobs(HEADER + "a,20,8,10\nb,0,8,10\n")
    here.refuses("--set", "workload.strict=true").refused(
        "jobs.csv", "rows that fall behind the time of the row before: 1"
    )


@pytest.mark.parametrize("value", ["-1", "nan", "NaN", "inf", "-inf", "1e999"])
@pytest.mark.parametrize("column", ["submit_s", "service_s"])
def test_b26_times_are_finite_and_not_negative(here: Room, column: str, value: str):
    good = {"job_id": "x", "submit_s": "30", "accelerators": "1", "service_s": "5"}
    bad = [",".join((good | {"job_id": name, column: value}).values()) for name in "xy"]
    here.jobs(JOBS + "\n".join(bad) + "\n")
    here.refuses().refused(f"jobs.csv:5: {column}:", "row 4", f"'{value}'", "bad rows in this file: 2")


@pytest.mark.parametrize("column", ["submit_s", "service_s", "requested_s"])
def test_times_beyond_all_sense_are_refused(here: Room, column: str):
    row = {"job_id": "b", "submit_s": "5", "accelerators": "1", "service_s": "9", "requested_s": "9"}
    here.jobs(",".join(row) + "\na,0,1,1e12,1e12\n" + ",".join((row | {column: "1.1e12"}).values()) + "\n")
    here.refuses().refused("of job 'b' is out of range (got 1.1e+12 s, expected at most 1e+12 s)")
    here.jobs(",".join(row) + "\na,0,1,1e12,1e12\n")
    assert here.run("--set", "horizon=1e12 s").code == 0
    said = here.run("--set", "horizon=1e300 y")
    said.refused('--set: horizon: must be <= 1e+12 s (got "1e300 y")')


def test_b27_two_jobs_of_one_id_are_named_with_both_rows(here: Room):
    here.jobs(JOBS + "b,30,1,10\n")
    here.refuses().refused("jobs.csv:5: job_id:", "row 4", "row 2 (line 3)", "'b'")


@pytest.mark.parametrize(
    "odd",
    [
        JOBS.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + JOBS.encode(),
        JOBS.encode() + b"\n\n  \n",
        JOBS.rstrip("\n").encode(),
        gzip.compress(JOBS.encode()),
    ],
    ids=["CRLF", "BOM", "blank lines", "no line end", "gzip"],
)
def test_b28_an_odd_file_gives_the_result_of_the_clean_one(here: Room, odd: bytes):
    def files() -> dict[str, bytes]:
        return {name: (here.result() / name).read_bytes() for name in results.FILES if name != "meta.json"}

    assert here.run().code == 0
    clean = files()
    here.jobs(odd)
    said = here.run()
    assert (said.code, said.err) == (0, "")
    assert files() == clean


def test_b29_bytes_that_are_not_utf8_have_their_offset(here: Room):
    here.jobs(JOBS.encode() + b"caf\xe9,30,1,10\n")
    here.refuses().refused("jobs.csv:", f"byte {len(JOBS) + 3}", "0xe9")
    here.jobs(JOBS)
    here.file.write_bytes(SCENARIO.encode() + b"# caf\xe9\n")
    here.refuses().refused("small.toml:", f"byte offset {len(SCENARIO) + 5}", "0xe9")


def test_a_truncated_gzip_is_an_error_and_never_a_short_run(here: Room):
    rows = "".join(f"j{n},{n},1,{n % 977}\n" for n in range(20_000))
    packed = gzip.compress((HEADER + rows).encode())
    for size in (len(packed) - 1, len(packed) // 2, 20):
        here.jobs(packed[:size])
        here.refuses().refused("jobs.csv:", "truncated")


def test_a_zip_named_csv_is_an_error(here: Room):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("jobs.csv", JOBS)
    here.jobs(packed.getvalue())
    here.refuses().refused("jobs.csv:", "ZIP archive", "gzip")


@pytest.mark.parametrize("content", [b"", b"\n\n", HEADER.encode()], ids=["empty", "blank", "header only"])
def test_a_trace_without_jobs_is_an_error(here: Room, content: bytes):
    here.jobs(content)
    here.refuses().refused("jobs.csv:")


def test_a_job_name_with_html_in_it_is_harmless_text(here: Room):
    name, tenant = '<script>alert("1")</script>', "</script><img src=x onerror=alert(2)>"
    quoted = [f'"{text.replace(chr(34), chr(34) * 2)}"' for text in (name, tenant)]
    here.jobs(f"job_id,submit_s,accelerators,service_s,tenant\n{quoted[0]},0,1,10,{quoted[1]}\nb,0,9,10,{quoted[1]}\n")
    assert main(["run", str(here.file), "--out", str(here.out), "--quiet"]) == 0
    assert here.states() == {name: "completed", "b": "rejected"}
    page = (here.result() / "report.html").read_text(encoding="utf-8")
    for text in (name, tenant):
        assert text not in page
        assert text.replace("/", "\\/") not in page


# --- B30, B31, B36: places for results ----------------------------------------------------------------------------


def test_b30_a_place_below_a_file_cannot_be_written(here: Room):
    here.refuses(out=here.file / "results").refused("--out", "cannot be written", code=3)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
def test_b30_a_place_where_nothing_can_be_made_is_named(here: Room):
    here.refuses(out=Path("/proc/dcsim")).refused("/proc/dcsim: --out", "cannot be written", code=3)


def test_b30_is_told_before_the_trace_is_read(here: Room):
    here.jobs("not a trace")
    here.refuses(out=here.file / "results").refused("--out", "cannot be written", code=3)


def test_b31_an_out_that_is_a_file_is_left_as_it_is(here: Room):
    here.refuses(out=here.file).refused("small.toml: --out:", code=3)


@pytest.mark.parametrize("thing", ["file", "folder", "link to nothing"])
def test_b31_something_else_in_the_place_of_the_result_is_left_as_it_is(here: Room, thing: str):
    assert here.run().code == 0
    place = here.result()
    shutil.rmtree(place)
    if thing == "file":
        place.write_text("mine")
    elif thing == "folder":
        place.mkdir()
        (place / "summary.json").write_text("mine")
    else:
        place.symlink_to("nowhere")
    here.refuses().refused(place.name, "no earlier result", "left untouched", code=3)


def test_b31_an_earlier_result_of_the_same_scenario_is_replaced(here: Room):
    assert here.run().code == 0
    (here.result() / "summary.json").write_text("{}")
    (here.result() / "left over").write_text("")
    assert here.run().code == 0
    assert sorted(path.name for path in here.result().iterdir()) == sorted(results.FILES)
    assert "wait_s_mean" in (here.result() / "summary.json").read_text()


def outside(*words: str | Path, shell: str = 'exec "$@"', within: str = "") -> Said:
    """`dcsim` in a process of its own, started by a line of shell, `within` the namespace that a command makes.

    Python writes no bytecode there: under a limit on the size of files it would leave broken files in the package.
    """
    command = [*within.split(), "sh", "-c", shell, "sh", sys.executable, "-B", "-m", "dcsim", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    return Said(done.returncode, done.stdout, done.stderr)


NO_ROOM = 'ulimit -f 1; exec "$@"'  # no file may grow beyond 1 KiB: what a full disk does, without a disk to fill


def test_b36_a_disk_that_is_full_leaves_nothing_behind(here: Room):
    before = listing(here.top)
    said = outside("run", here.file, "--out", here.top, "--no-report", shell=NO_ROOM)
    said.refused("cannot be written", "File too large", code=3)
    assert [entry[0] for entry in listing(here.top)] == [entry[0] for entry in before]


def test_b36_an_earlier_result_outlives_a_full_disk(here: Room):
    assert here.run().code == 0
    before = listing(here.result())
    assert outside("run", here.file, "--out", here.out, "--no-report", shell=NO_ROOM).code == 3
    assert listing(here.result()) == before


@pytest.fixture
def mounting() -> str:
    """A command that makes a namespace of its own, in which file systems can be mounted."""
    command = "unshare --user --map-root-user --mount"
    probe = f"{command} mount -t tmpfs none /tmp"
    if shutil.which("unshare") is None or subprocess.run(probe.split(), capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    return command


def test_b36_no_space_left_is_said_and_nothing_is_left(here: Room, mounting: str):
    here.out.mkdir()
    shell = f'mount -t tmpfs -o size=4k none {here.out} && "$@"; code=$?; ls -A {here.out}; exit $code'
    said = outside("run", here.file, "--out", here.out, shell=shell, within=mounting)
    said.refused("No space left on device", code=3)


def test_b30_a_read_only_file_system_is_named(here: Room, mounting: str):
    here.out.mkdir()
    here.jobs("not a trace: it is never read")
    shell = f'mount -t tmpfs -o ro none {here.out} && exec "$@"'
    said = outside("run", here.file, "--out", here.out / "new", shell=shell, within=mounting)
    said.refused("--out", "Read-only file system", code=3)


# --- Ctrl-C and pipes ---------------------------------------------------------------------------------------------

INTERRUPTS = '''\
"""Presses Ctrl-C in the middle of a run."""

import os
import signal
from dataclasses import dataclass

from dcsim.policies.decisions import Start


@dataclass
class Interrupts:
    """Starts what fits; at second 20 it presses Ctrl-C."""

    def decide(self, view):
        if view.now == 20:
            os.kill(os.getpid(), signal.SIGINT)
        for job in view.waiting():
            if (allocation := view.place(job)) is not None:
                yield Start(job, allocation)
'''


def test_ctrl_c_in_the_middle_of_a_run_leaves_nothing_behind(here: Room):
    (here.folder / "interrupts.py").write_text(INTERRUPTS)
    before = listing(here.top)
    words = ("run", here.file, "--out", here.out, "--plugins", here.folder, "--set", "scheduler.use=interrupts")
    assert outside(*words) == Said(130, "", "dcsim: interrupted\n")
    assert listing(here.top) == before


def test_ctrl_c_while_results_are_written_leaves_nothing_behind(here: Room, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    here.out.mkdir()
    monkeypatch.setattr(results, "_write_tables", interrupted)
    said = here.run()
    assert (said.code, said.out, said.err) == (130, "", "dcsim: interrupted\n")
    assert list(here.out.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "list", "schema"])
def test_a_reader_that_has_read_enough_is_no_error(here: Room, command: str):
    reading, writing = os.pipe()
    os.close(reading)
    words = [str(here.file), "--out", str(here.out)] if command == "run" else []
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-m", "dcsim", command, *words],
        cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, env=environment,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


# --- A scenario is data and stays in its folders ------------------------------------------------------------------


@pytest.mark.parametrize("path", ["../../etc/passwd", "../secret.csv", "/etc/passwd", "link.csv", "folder/secret.csv"])
def test_a_path_that_leads_out_of_the_scenarios_folder_is_refused(here: Room, path: str):
    (here.top / "secret.csv").write_text(JOBS)
    (here.folder / "link.csv").symlink_to(here.top / "secret.csv")
    (here.folder / "folder").symlink_to(here.top, target_is_directory=True)
    here.refuses("--set", f"workload.path={path}").refused("workload.path", f'"{path}"', "leads outside")


@pytest.mark.parametrize("command", ["run", "validate"])
def test_a_folder_in_the_place_of_a_file_is_no_file(here: Room, command: str):
    here.file.write_text(SCENARIO.replace("jobs.csv", "."))
    assert main([command, str(here.file)]) == 2
    out, err = here.capsys.readouterr()
    assert (out, err) == ("", f'dcsim: error: {here.file}:11: workload.path: is a folder (got ".", expected a file)\n')


def test_a_file_in_the_place_of_a_folder_is_no_folder_and_an_unknown_device_is_named(here: Room):
    (here.folder / "models" / "bert").mkdir(parents=True)
    (here.folder / "models" / "bert" / "placements-rtx.csv.gz").write_bytes(b"")
    here.jobs("name,time,application,num_replicas,batch_size\na,0,bert,1,8\n")
    here.file.write_text(SCENARIO.replace('"csv"', '"sia"') + 'models = "jobs.csv"\ndevice = "rtxx"\n')
    here.refuses().refused(f"{here.file}:12: workload.models: is a file", "expected a folder")
    said = here.refuses("--set", "workload.models=models")
    said.refused(f"{here.file}:13: workload.device: no measurements of this device (got 'rtxx'); did you mean 'rtx'?")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "the following arguments are required: SCENARIO; see dcsim run --help"),
        (["run", "x.toml", "--fast"], "unrecognized arguments: --fast; see dcsim --help"),
        (["trace", "x", "--format", "csv", "--accelerators", "0"],
         "--accelerators: expected a whole number >= 1 (got '0'); see dcsim trace --help"),
        (["runn"], "COMMAND: invalid choice: 'runn' (choose from "),
    ],
)  # fmt: skip
def test_mistakes_of_a_command_line_are_one_line_like_all_others(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"dcsim: error: command line: {said}")


def test_a_base_and_an_accelerator_from_outside_are_refused(here: Room):
    (here.top / "base.toml").write_text(SCENARIO)
    here.file.write_text('base = "../base.toml"\n')
    here.refuses().refused("small.toml:1: base:", "leads outside")
    here.file.write_text(SCENARIO.replace("A100-SXM4-80GB", "../base.toml"))
    here.refuses().refused("small.toml:5: pools.0.accelerator:", "leads outside")


@pytest.mark.parametrize("name", ["../../x", "os", "/tmp/x", "dcsim.policies.schedulers.fifo", "_hidden", ".fifo"])
@pytest.mark.parametrize("kind", ["workload", "scheduler", "placement"])
def test_a_name_of_a_plugin_is_never_a_path_or_a_module(here: Room, kind: str, name: str):
    workload = SCENARIO[SCENARIO.index("[workload]") :]
    here.file.write_text(
        SCENARIO.removesuffix(workload) + (workload if kind != "workload" else "") + f'[{kind}]\nuse = "{name}"\n'
    )
    here.refuses().refused(f"{kind}.use", name)


def test_the_data_folder_comes_from_the_option_else_from_the_environment(here: Room, monkeypatch: pytest.MonkeyPatch):
    first, second = here.top / "first", here.top / "second"
    for number, folder in enumerate((first, second), 1):
        folder.mkdir()
        (folder / "far.csv").write_text(HEADER + "".join(f"{n},0,1,1\n" for n in range(number)))
    there = ("--set", "workload.path=far.csv")
    here.refuses(*there).refused("workload.path", "no such file", "--data DIR")
    monkeypatch.setenv("DCSIM_DATA", str(first))
    assert here.run(*there).out.startswith("small: 1 job on")
    assert here.run(*there, "--data", second).out.startswith("small: 2 jobs on")
    here.refuses("--set", "workload.path=../second/far.csv").refused("leads outside", "the data folder")
    monkeypatch.setenv("DCSIM_DATA", str(here.top / "nowhere"))
    here.refuses().refused("DCSIM_DATA", "no such folder")


# --- Policies from outside ----------------------------------------------------------------------------------------

POLICY = '''\
"""A policy for tests."""

from dataclasses import dataclass

from dcsim.policies.decisions import Preempt, Start


@dataclass(frozen=True)
class Mine:
    """Decides at second 10."""

    def decide(self, view):
        if view.now == 10:
            return {decisions}
        return [Start(0, view.place(0))] if view.now == 0 else []
'''


def test_a_plugin_from_outside_needs_its_folder_on_the_command_line(here: Room):
    plugin = here.folder / "schedulers" / "mine.py"
    plugin.parent.mkdir()
    plugin.write_text(POLICY.format(decisions="[Start(1, view.place(1))]"))
    here.jobs(HEADER + "a,0,4,100\nb,10,2,50\n")
    here.file.write_text(SCENARIO + '[scheduler]\nuse = "mine"\n')
    here.refuses().refused("small.toml:13: scheduler.use", "no scheduler of that name", "'mine'")
    assert here.run("--plugins", here.folder).code == 0
    here.file.write_text('plugins = ["."]\n' + SCENARIO)
    here.refuses().refused("plugins: unknown key")


@pytest.mark.parametrize(
    ("decisions", "words"),
    [
        ("1 / 0", ["mine.py:14: at 10 s:", "raises ZeroDivisionError: division by zero"]),
        ("[view.nothing]", ["mine.py:14: at 10 s:", "raises AttributeError"]),
        ("[Start(0, view.place(0))]", ["at 10 s: illegal decision", "start of job 0 (id 'a'), which is running"]),
        (
            "[Start(2, view.place(1))]",
            ["at 10 s: illegal decision", "start of job 2, which is not waiting", "not yet submitted"],
        ),
        ("[Start(99, view.place(1))]", ["at 10 s: illegal decision", "start of job 99, which is not waiting"]),
        ("[Start(1, None)]", ["at 10 s: illegal decision", "start of job 1 (id 'b') on None"]),
        (
            "[Start(1, view.allocation(0))]",
            ["at 10 s: illegal decision", "start of job 1 (id 'b') on Allocation(pool=0"],
        ),
        ("[Preempt(1)]", ["at 10 s: illegal decision", "preemption of job 1 (id 'b'), which is waiting"]),
        ("[Start('b', None)]", ["at 10 s: illegal decision", "start of job b, which is not waiting"]),
        ("['start it']", ["at 10 s: illegal decision", "'start it'"]),
        ("[]", ["mine: at 100 s", "2 jobs are left waiting for ever"]),
    ],
)
def test_a_policy_that_fails_is_named_with_time_and_decision(here: Room, decisions: str, words: list[str]):
    (here.folder / "mine.py").write_text(POLICY.format(decisions=decisions))
    here.refuses("--plugins", here.folder, "--set", "scheduler.use=mine").refused(*words)
