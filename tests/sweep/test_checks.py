"""What only jobs, models and graphs tell of points is found before anything runs, once each, with all the rest."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

import dcsim
from dcsim.errors import ScenarioError
from dcsim.scenario.jobs import JobTable
from dcsim.sweep.checks import one_of_each
from tests.conftest import ROOT
from tests.sweep.given import BASE, EXPERIMENT, command, contents, experiment

POOL = BASE[: BASE.index("[workload]")]
TRACE = POOL + '[workload]\nuse = "csv"\npath = "jobs.csv"\n'
HEADER = "job_id,submit_s,service_s,accelerators\n"
WIDE = HEADER + "a,0,100,4\nb,0,100,12\nc,1,100,12\n"  # two of them need three nodes


def refused(path: Path, **options) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        dcsim.sweep(path, path.parent / "out", workers=0, **options)
    return [line.removeprefix(f"{path.parent}/") for line in caught.value.lines()]


def test_a_broken_trace_is_told_once_and_nothing_runs(tmp_path):
    (tmp_path / "jobs.csv").write_text(HEADER + "a,0,100,4\nb,-3,many,4\n")
    found = refused(experiment(tmp_path, base=TRACE))
    assert len(found) == 1
    assert found[0].startswith("jobs.csv")
    assert not (tmp_path / "out" / "sizes" / "table.csv").exists()
    done = command("sweep", tmp_path / "experiment.toml", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_a_trace_that_some_points_read_is_told_with_them_and_with_all_other_mistakes(tmp_path):
    (tmp_path / "jobs.csv").write_text(WIDE)
    (tmp_path / "broken.csv").write_text(HEADER + "a,0,many,4\n")
    swept = '"workload.path" = ["jobs.csv", "broken.csv"]\n"scheduler.use" = ["fifo", "fifa"]'
    path = experiment(tmp_path, EXPERIMENT.replace('"scheduler.use" = ["fifo", "srtf"]', swept), TRACE)
    found = refused(path)
    assert len(found) == 2
    assert "experiment.toml:7: scheduler.use: no scheduler of that name (got 'fifa')" in found[0]
    assert "broken.csv" in found[1]
    assert "at pools.0.nodes = 2, workload.path = broken.csv, scheduler.use = fifo and 1 other point" in found[1]


@pytest.mark.parametrize("rejected", [True, False])
def test_jobs_larger_than_the_cluster_are_rejected_or_refused_as_run_does(tmp_path, rejected):
    (tmp_path / "jobs.csv").write_text(WIDE)
    path = experiment(tmp_path, base=f"reject_oversize = {str(rejected).lower()}\n" + TRACE)
    if rejected:
        table = dcsim.sweep(path, tmp_path / "out", workers=0)
        assert {row["pools.0.nodes"]: row["jobs_rejected"] for row in table} == {2: 2, 3: 0}
        return
    (line,) = refused(path)
    assert "workload: job b can never fit: it needs 12 accelerators, a has 2 x 4" in line
    assert "at pools.0.nodes = 2, scheduler.use = fifo and 1 other point" in line
    table = dcsim.sweep(path, tmp_path / "out", workers=0, overrides=["reject_oversize=true"])
    assert len(table) == 12
    with pytest.raises(ScenarioError, match="job b can never fit"):
        dcsim.run(tmp_path / "queue.toml")


def test_plans_and_graphs_that_cannot_be_are_told_before_anything_runs(tmp_path):
    job = '[[jobs]]\nname = "big"\nmodel = "llama-3-70b"\nsteps = 1\nglobal_batch = 8\naccelerators = 8\n'
    text = EXPERIMENT.replace('"pools.0.nodes" = [2, 3]', '"network.topology.leaves" = [2, 1]')
    network = '[network.topology]\nuse = "leaf_spine"\nleaves = 2\nspines = 1\nhosts_per_leaf = 1\n'
    network += 'bandwidth = "100 Gbit/s"\nuplink_bandwidth = "100 Gbit/s"\nlatency = "1 us"\n'
    found = "\n".join(refused(experiment(tmp_path, text, POOL + job + network)))
    assert "jobs.0" in found
    assert "network.topology" in found


def test_runs_that_are_done_are_not_looked_at_again(tmp_path):
    path, looked = experiment(tmp_path), []
    for _ in range(2):
        dcsim.sweep(path, tmp_path / "out", workers=0, checked=lambda *counts: looked.append(counts))
    assert looked == [(n, 4) for n in (1, 2, 3, 4)] * 3  # read, looked at, and read again


def test_a_search_goes_on_where_some_ends_of_its_space_are_too_small(tmp_path):
    (tmp_path / "jobs.csv").write_text(WIDE)
    text = 'name = "best"\nbase = "queue.toml"\n[sweep]\n"pools.0.nodes" = { from = 1, to = 6 }\n'
    text += '[optimize]\nminimize = ["accelerators"]\ntrials = 24\n'
    path = experiment(tmp_path, text, "reject_oversize = false\n" + TRACE)
    found = dcsim.optimize(path, tmp_path / "out", workers=0)
    assert [trial.values["pools.0.nodes"] for trial in found.best] == [3]
    (tmp_path / "jobs.csv").write_text(HEADER)
    with pytest.raises(ScenarioError, match=r"jobs\.csv|has no jobs"):
        dcsim.optimize(path, tmp_path / "out", workers=0)


def test_one_job_of_each_kind_is_the_first_of_its_kind():
    needs = np.array([4, 1, 4, 2, 1], np.int32)
    times = np.arange(5.0)
    table = JobTable(times, times, needs, times, job_ids=list("abcde"), share=np.array([1, 0.5, 1, 1, 1.0]))
    few = one_of_each(table)
    assert [few.job_id(row) for row in range(len(few))] == ["a", "b", "d", "e"]


@pytest.mark.parametrize(
    ("base", "warned"),
    [
        (BASE, False),
        (TRACE, True),
        (TRACE + '[placement]\nuse = "random"\n', False),
        (TRACE + '[estimates]\nmodel = "uniform"\nspread = 1.0\n', False),
    ],
)
def test_seeds_that_change_nothing_are_told_before_the_runs_and_only_then(tmp_path, base, warned):
    (tmp_path / "jobs.csv").write_text(HEADER + "".join(f"{n},{n},100,{1 + n % 4}\n" for n in range(40)))
    text, told = EXPERIMENT.replace('"fifo", "srtf"', '"sjf"'), []
    table = dcsim.sweep(experiment(tmp_path, text, base), tmp_path / "out", workers=0, told=told.append)
    assert told == ["nothing here is drawn: every seed of a point makes the same run again"] * warned
    alike = {(row["pools.0.nodes"], row["jct_s_mean"], row["wait_s_max"]) for row in table}
    assert (len(alike) == 2) == warned  # two points


def test_seeds_that_are_to_be_added_and_change_nothing_are_told_too(tmp_path):
    (tmp_path / "jobs.csv").write_text(WIDE)
    path = experiment(tmp_path, EXPERIMENT.replace("seeds = 3", "seeds = 1"), TRACE)
    for option, told in ((["--until-ci", "5%"], True), ([], False)):
        done = command("sweep", path, "--out", tmp_path / f"out{told}", "--workers", 0, *option)
        assert done.returncode == 0
        assert ("nothing here is drawn" in done.stderr) == told
    quiet = command("sweep", path, "--out", tmp_path / "quiet", "--workers", 0, "--until-ci", "5%", "--quiet")
    assert (quiet.stderr, quiet.stdout) == ("", "")


def test_no_scheduler_of_dcsim_draws():
    for path in (ROOT / "dcsim" / "policies" / "schedulers").glob("*.py"):
        assert not re.search(r"view\.random|default_rng", path.read_text()), path


def test_looking_at_points_says_how_far_it_is(tmp_path, monkeypatch, capsys):
    from dcsim.cli import progress

    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    with progress.SweepReporter(Namespace(quiet=False, json=False)) as reporter:
        reporter.read(4120, 10000)
        reporter.checked(9, 10000)
    with progress.SweepReporter(Namespace(quiet=True, json=False)) as reporter:
        reporter.checked(4120, 10000)
    said = "dcsim: 4,120 of 10,000 points read\ndcsim: 9 of 10,000 points checked\n"
    assert capsys.readouterr().err == said


def test_the_table_is_the_same_with_the_look_or_without(tmp_path, alone, monkeypatch):
    from dcsim.sweep.maker import Maker

    monkeypatch.setattr(Maker, "check", lambda *_, **__: None)
    dcsim.sweep(experiment(tmp_path), tmp_path / "out", workers=0)
    assert contents(tmp_path / "out") == alone
