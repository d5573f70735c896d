"""Searches: the optimum that trying everything finds too, the same however they are run or interrupted."""

from __future__ import annotations

import csv
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

import dcsim
from dcsim.errors import ScenarioError
from dcsim.sweep.questions import Bounds, Optimize
from tests.conftest import ROOT
from tests.sweep.given import BASE, command, experiment, kept

HEAD = 'name = "best"\nbase = "queue.toml"\n'
SPACE = '[sweep]\n"pools.0.nodes" = { from = 1, to = 6 }\n"scheduler.use" = ["fifo", "srtf"]\n'
SMALLEST = SPACE + '[optimize]\nminimize = ["accelerators"]\nconstraints = { wait_s_mean = { below = 600 } }\n'
FRONT = SPACE + '[optimize]\nminimize = ["accelerators", "wait_s_mean"]\n'
LIGHT = BASE.replace("jobs = 60", "jobs = 12")
WIDE = BASE[: BASE.index("[workload]")] + '[workload]\nuse = "csv"\npath = "jobs.csv"\n'
WIDE_JOBS = "job_id,submit_s,service_s,accelerators\na,0,100,8\nb,0,100,8\n"  # each needs two nodes


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "best" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def every_point(folder: Path, seeds: int = 1) -> dict[tuple, dict[str, float]]:
    """The outputs of every point of SPACE, means over seeds, without a search."""
    space = SPACE.replace("to = 6 }", "to = 6, count = 6 }") + f"seeds = {seeds}\n"
    found: dict[tuple, dict[str, float]] = {}
    for row in dcsim.sweep(experiment(folder, HEAD + space), folder / "every", workers=0):
        point = found.setdefault((row["pools.0.nodes"], row["scheduler.use"]), {"accelerators": 0, "wait_s_mean": 0})
        for key in point:
            point[key] += row[key] / seeds
    return found


def points(trials) -> set[tuple]:
    return {tuple(trial.values.values()) for trial in trials}


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsga2"])
def test_the_smallest_cluster_that_keeps_waits_short_is_the_one_that_trying_all_finds(tmp_path, sampler):
    every = every_point(tmp_path, seeds=2)
    short = {point: of["accelerators"] for point, of in every.items() if of["wait_s_mean"] < 600}
    assert 0 < len(short) < 12
    text = SMALLEST.replace("[optimize]", "seeds = 2\n[optimize]") + f'sampler = "{sampler}"\ntrials = 64\n'
    found = dcsim.optimize(experiment(tmp_path, HEAD + text), tmp_path / "out", workers=0)
    assert points(found.best) == {point for point, size in short.items() if size == min(short.values())}
    best = found.best[0]
    assert best.outputs == every[tuple(best.values.values())]
    for trial in found.trials:
        assert (trial.status == "kept") == (tuple(trial.values.values()) in short)


def test_the_front_of_two_objectives_is_the_one_that_trying_all_finds(tmp_path):
    every = {point: tuple(of.values()) for point, of in every_point(tmp_path).items()}
    front = {p for p, a in every.items() if not any(b != a and b[0] <= a[0] and b[1] <= a[1] for b in every.values())}
    assert 1 < len(front) < 12
    found = dcsim.optimize(experiment(tmp_path, HEAD + FRONT + "trials = 96\n"), tmp_path / "out", workers=0)
    assert points(found.trials) == set(every)
    assert points(found.best) == front
    sizes = [trial.outputs["accelerators"] for trial in found.best]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize(("sampler", "question"), [("tpe", SMALLEST), ("nsga2", FRONT), ("random", FRONT)])
def test_points_that_are_excluded_are_neither_run_nor_found(tmp_path, sampler, question):
    text = question.replace(
        "[optimize]", '[[exclude]]\n"pools.0.nodes" = { above = 3 }\n"scheduler.use" = "srtf"\n[optimize]'
    )
    path = experiment(tmp_path, HEAD + text + f'sampler = "{sampler}"\ntrials = 48\n')
    done = command("optimize", path, "--out", tmp_path / "out", "--workers", 0)
    assert done.returncode == 0, done.stderr
    assert " excluded" in done.stdout
    tried = rows(tmp_path / "out", "trials")
    outside = {row["trial"] for row in tried if int(row["pools.0.nodes"]) > 3 and row["scheduler.use"] == "srtf"}
    assert outside == {row["trial"] for row in tried if row["status"] == "excluded"}
    assert outside.isdisjoint(row["trial"] for row in rows(tmp_path / "out", "optimum"))
    made = {(row["pools.0.nodes"], row["scheduler.use"]) for row in tried if row["status"] != "excluded"}
    assert kept(tmp_path / "out" / "best" / "runs.sqlite") == len(made) <= 12 - 3
    assert {row["wait_s_mean"] for row in tried if row["status"] == "excluded"} == {""}


def test_the_largest_is_found_where_an_objective_is_maximized(tmp_path):
    text = SPACE + '[optimize]\nmaximize = ["accelerators"]\ntrials = 32\n'
    found = dcsim.optimize(experiment(tmp_path, HEAD + text, LIGHT), tmp_path / "out", workers=0)
    assert {trial.values["pools.0.nodes"] for trial in found.best} == {6}


def test_a_list_of_numbers_in_order_and_a_range_with_a_unit_are_searched_as_such(tmp_path):
    text = (
        '[sweep]\n"pools.0.nodes" = [1, 2, 4, 8]\n"overheads.start" = { from = "1 s", to = "100 s", scale = "log" }\n'
        '[variants.plain]\n[variants.fast]\n"scheduler.use" = "srtf"\n[optimize]\nminimize = ["jct_s_mean"]\n'
        "trials = 30\n"
    )
    found = dcsim.optimize(experiment(tmp_path, HEAD + text, LIGHT), tmp_path / "out", workers=0)
    assert found.axes == ("variant", "pools.0.nodes", "overheads.start")
    starts = [float(trial.values["overheads.start"].removesuffix(" s")) for trial in found.trials]
    assert 1 <= min(starts) < max(starts) <= 100
    assert {trial.values["pools.0.nodes"] for trial in found.trials} == {1, 2, 4, 8}
    assert found.best[0].values["pools.0.nodes"] == 8
    kinds = {type(d).__name__ for d in stored(tmp_path)[0].distributions.values()}
    assert kinds == {"CategoricalDistribution", "IntDistribution", "FloatDistribution"}


def stored(folder: Path) -> list[optuna.trial.FrozenTrial]:
    """The trials in Optuna's own file, the only study of which is asked for."""
    storage = f"sqlite:///{folder}/out/best/optuna.sqlite"
    (summary,) = optuna.get_all_study_summaries(storage)
    return optuna.load_study(study_name=summary.study_name, storage=storage).trials


def contents(folder: Path) -> list[bytes]:
    return [(folder / "out" / "best" / f"{name}.csv").read_bytes() for name in ("optimum", "trials")]


@pytest.mark.parametrize(
    ("sampler", "first", "trials", "base"),
    [("tpe", 21, 40, LIGHT), ("tpe", 13, 24, WIDE), ("random", 5, 20, LIGHT), ("nsga2", 59, 72, LIGHT)],
)  # NSGA-II breeds from the 50th on
def test_a_search_that_goes_on_ends_as_one_that_was_never_stopped(tmp_path, sampler, first, trials, base):
    once, twice = tmp_path / "once", tmp_path / "twice"
    text = FRONT + f'sampler = "{sampler}"\nseed = 4\n'
    for folder, counts in ((once, [trials]), (twice, [first, trials])):
        folder.mkdir()
        (folder / "jobs.csv").write_text(WIDE_JOBS)
        for count in counts:
            path = experiment(folder, HEAD + text + f"trials = {count}\n", base)
            found = dcsim.optimize(path, folder / "out", workers=0)
            assert len(found.trials) == count
    assert any(trial.error for trial in found.trials) == (base == WIDE)
    assert contents(once) == contents(twice)
    assert len(stored(twice)) == trials


def test_a_search_that_is_killed_goes_on_and_ends_the_same_with_two_workers(tmp_path):
    once, killed = tmp_path / "once", tmp_path / "killed"
    for folder in (once, killed):
        folder.mkdir()
        path = experiment(folder, HEAD + FRONT + "trials = 40\n")
    dcsim.optimize(once / "experiment.toml", once / "out", workers=0)
    words = [sys.executable, "-m", "dcsim", "optimize", path, "--out", killed / "out", "--workers", "2", "--quiet"]
    store = killed / "out" / "best" / "runs.sqlite"
    for runs in (2, 5, 8):  # of the twelve that there are
        process = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(ROOT)})
        deadline = time.monotonic() + 60
        while kept(store) < runs and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        process.wait()
        assert not (killed / "out" / "best" / "trials.csv").exists()
    assert command(*words[3:]).returncode == 0
    assert contents(killed) == contents(once)


def test_points_of_a_sweep_are_not_run_again(tmp_path):
    sweep = SPACE.replace("to = 6 }", "to = 6, count = 6 }")
    dcsim.sweep(experiment(tmp_path, HEAD + sweep), tmp_path / "out", workers=0)
    store = tmp_path / "out" / "best" / "runs.sqlite"
    before = store.read_bytes()
    dcsim.optimize(experiment(tmp_path, HEAD + SMALLEST + "trials = 16\n"), tmp_path / "out", workers=0)
    assert store.read_bytes() == before


def test_a_changed_base_begins_another_search(tmp_path):
    for jobs in (12, 13):
        base = BASE.replace("jobs = 60", f"jobs = {jobs}")
        text = HEAD + SPACE + '[optimize]\nmaximize = ["jobs"]\ntrials = 4\n'
        found = dcsim.optimize(experiment(tmp_path, text, base), tmp_path / "out", workers=0)
        assert found.best[0].outputs["jobs"] == jobs
    assert len(optuna.get_all_study_summaries(f"sqlite:///{tmp_path}/out/best/optuna.sqlite")) == 2


def test_a_bound_itself_is_outside_and_a_violation_is_a_share_of_it():
    spec = Optimize(minimize=("jobs",), constraints={"wait_s_mean": Bounds(above=0.0, below=200.0)})
    assert spec.violations({"wait_s_mean": 250.0}) == {"wait_s_mean above 0": -250.0, "wait_s_mean below 200": 0.25}
    on = spec.violations({"wait_s_mean": 200.0})
    assert on["wait_s_mean below 200"] > 0.0


def test_where_no_point_keeps_the_constraints_the_nearest_is_told(tmp_path):
    text = SMALLEST.replace("below = 600", "below = -1") + "trials = 32\n"
    done = command("optimize", experiment(tmp_path, HEAD + text, LIGHT), "--out", tmp_path / "out", "--workers", 0)
    assert done.returncode == 1, done.stderr
    assert "no point keeps the constraints; the nearest:" in done.stdout
    assert "violated: wait_s_mean below -1, by" in done.stdout
    assert rows(tmp_path / "out", "optimum") == []
    assert {row["status"] for row in rows(tmp_path / "out", "trials")} == {"violated"}


def test_a_point_without_a_value_has_failed_and_the_search_goes_on(tmp_path):
    (tmp_path / "jobs.csv").write_text(WIDE_JOBS)
    text = SPACE + '[optimize]\nminimize = ["wait_s_mean"]\ntrials = 24\n'
    path = experiment(tmp_path, HEAD + text, WIDE)
    done = command("optimize", path, "--out", tmp_path / "out", "--workers", 0, "--json")
    assert done.returncode == 0, done.stderr
    failed = {row["error"] for row in rows(tmp_path / "out", "trials") if row["pools.0.nodes"] == "1"}
    assert failed == {"wait_s_mean has no value"}
    assert {row["wait_s_mean"] for row in rows(tmp_path / "out", "optimum")} == {"0.0"}  # two gangs of two nodes fit


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        dcsim.optimize(experiment(folder, HEAD + text, LIGHT), folder / "out", workers=0)
    return [line.removeprefix(f"{folder}/") for line in caught.value.lines()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SPACE, "experiment.toml: optimize: required table is missing"),
        (SPACE + "[optimize]\n", "experiment.toml:6: optimize: has no objective; write one, such as"),
        (FRONT.replace("accelerators", "acelerators"), "optimize.minimize.0: no such key of the summary"),
        (FRONT + 'maximize = ["wait_s_mean"]\n', "optimize.maximize.0: is minimized too"),
        (SMALLEST.replace("wait_s_mean", "wait_mean"), 'constraints.wait_mean: no such key of the summary (got "wait_'),
        (SMALLEST.replace("below = 600", ""), "constraints.wait_s_mean: has no bound; write { below = 600 }"),
        (SMALLEST.replace("below = 600", "under = 6"), "constraints.wait_s_mean.under: unknown key; known: above, bel"),
        (SMALLEST.replace("below", "above = 600, below"), "above must be less than below"),
        (FRONT + 'sampler = "bayes"\n', "optimize.sampler: not one of the known values"),
        (FRONT + "trials = 0\n", "optimize.trials: out of range"),
        (FRONT + "trial = 9\n", "optimize.trial: unknown key; did you mean 'trials'?"),
        ("[sweep]\nseeds = 2\n" + FRONT.removeprefix(SPACE), "sweep: nothing is swept; write ranges"),
        (
            FRONT + '[[exclude]]\n"scheduler.use" = "fifa"\n',
            'scheduler.use": no point has such a value (got string "fi',
        ),
        (FRONT + '[[exclude]]\n"scheduler.use" = ["fifo", "srtf"]\n', "exclude: leaves out every end of the space"),
        (FRONT.replace("from = 1", "from = -1"), "experiment.toml:4: pools.0.nodes: out of range (got -1, expected >="),
        (FRONT.replace('"fifo"', '"fifa"'), "experiment.toml:5: scheduler.use: no scheduler of that name (got 'fifa')"),
    ],
)
def test_what_is_no_search_is_said_with_file_line_and_key(tmp_path, text, expected):
    assert expected in "\n".join(problems(tmp_path, text))
    assert not (tmp_path / "out").exists()


def test_a_damaged_study_is_said_and_kept_aside_and_the_search_ends_the_same(tmp_path):
    path = experiment(tmp_path, HEAD + FRONT + "trials = 12\n", LIGHT)
    dcsim.optimize(path, tmp_path / "out", workers=0)
    study, before = tmp_path / "out" / "best" / "optuna.sqlite", contents(tmp_path)
    study.write_bytes(b"no database" * 1000)
    done = command("optimize", path, "--out", tmp_path / "out", "--workers", 0)
    assert done.returncode == 0, done.stderr
    assert "optuna.sqlite is damaged (file is not a database); it is kept as optuna.sqlite.damaged-1" in done.stderr
    assert study.with_name("optuna.sqlite.damaged-1").read_bytes() == b"no database" * 1000
    assert contents(tmp_path) == before
    assert len(stored(tmp_path)) == 12


def test_a_database_that_is_not_of_optuna_is_said_and_left_alone(tmp_path):
    path = experiment(tmp_path, HEAD + FRONT + "trials = 4\n", LIGHT)
    dcsim.optimize(path, tmp_path / "out", workers=0)
    study = tmp_path / "out" / "best" / "optuna.sqlite"
    study.unlink()
    with sqlite3.connect(study) as base:
        base.execute("CREATE TABLE studies (other TEXT)")
    done = command("optimize", path, "--out", tmp_path / "out", "--workers", 0)
    assert done.returncode == 3
    assert "optuna.sqlite: cannot be used by Optuna" in done.stderr
    assert "Traceback" not in done.stderr
    with sqlite3.connect(study) as base:
        assert base.execute("SELECT sql FROM sqlite_master WHERE name = 'studies'").fetchone() == (
            "CREATE TABLE studies (other TEXT)",
        )


@pytest.mark.parametrize(
    ("library", "name", "question"),
    [("optuna", "optimize", FRONT), ("SALib", "sensitivity", SPACE.replace("srtf", "sjf") + "[sensitivity]\n")],
)
def test_a_library_that_is_not_installed_is_named_with_its_extra(tmp_path, library, name, question):
    question = question.replace('"scheduler.use" = ["fifo", "sjf"]\n', "")
    path = experiment(tmp_path, HEAD + question, LIGHT)
    program = (
        f"import sys; sys.modules[{library!r}] = None\nfrom dcsim.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, name, str(path), "--out", str(tmp_path / "out")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "is not installed; pip install 'dcsim[optimize]'" in done.stderr
    assert not (tmp_path / "out").exists()
