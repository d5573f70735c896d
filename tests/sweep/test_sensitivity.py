"""Indices of functions whose indices are known, through axes of experiments and through whole runs."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

import dcsim
from dcsim.errors import ScenarioError
from dcsim.report.tornado import Bar, Tornado, tornado_images
from dcsim.sweep.prepared import read_basis
from dcsim.sweep.questions import Sensitivity
from dcsim.sweep.sensitivity import analyze, sample, settings
from dcsim.sweep.space import space_of
from tests.sweep.given import BASE, command, experiment

HEAD = 'name = "matters"\nbase = "queue.toml"\n'

# Twenty jobs that never wait, each of one accelerator and of a known length.
FREE = BASE.replace("nodes = 2", "nodes = 64").replace("jobs = 60", "jobs = 20").replace("1 = 0.5, 4 = 0.5", "1 = 1.0")
FREE = FREE.replace('law = "exponential"', 'law = "deterministic"')
LINEAR = (
    '[sweep]\n"overheads.restore" = { from = "0 s", to = "90 s" }\n'
    '"overheads.start" = { from = "0 s", to = "60 s" }\n'
    '"workload.service.mean" = { from = "100 s", to = "220 s" }\n'
)


def measured(folder: Path, axes: str, spec: Sensitivity, function) -> dict:
    """The measures of a function of the swept numbers, units left out."""
    text = HEAD + "[sweep]\n" + axes + f'[sensitivity]\nmethod = "{spec.method}"\n'
    space = space_of(read_basis(experiment(folder, text)), "sensitivity")
    cube = sample(spec, len(space))
    points = [[float(str(choice.value).split()[0]) for choice in row] for row in settings(spec, space, cube)]
    return analyze(spec, cube, np.array([function(*point) for point in points]))


ISHIGAMI = "".join(f'"overheads.{key}" = {{ from = {-math.pi}, to = {math.pi} }}\n' for key in ("a", "b", "c"))


def ishigami(a: float, b: float, c: float) -> float:
    return math.sin(a) + 7 * math.sin(b) ** 2 + 0.1 * c**4 * math.sin(a)


def test_sobol_finds_the_known_indices_of_ishigami(tmp_path):
    found = measured(tmp_path, ISHIGAMI, Sensitivity(method="sobol", samples=4096), ishigami)
    # Ishigami and Homma (1990): V = a^2/8 + b pi^4/5 + b^2 pi^8/18 + 1/2 with a = 7, b = 0.1.
    total = 49 / 8 + 0.1 * math.pi**4 / 5 + 0.01 * math.pi**8 / 18 + 0.5
    first = 0.5 * (1 + 0.1 * math.pi**4 / 5) ** 2
    both = 0.01 * math.pi**8 * (1 / 18 - 1 / 50)
    assert found["S1"] == pytest.approx([first / total, 49 / 8 / total, 0.0], abs=0.02)
    assert found["ST"] == pytest.approx([(first + both) / total, 49 / 8 / total, both / total], abs=0.02)


def test_morris_finds_the_known_effects_of_ishigami(tmp_path):
    found = measured(tmp_path, ISHIGAMI, Sensitivity(method="morris", trajectories=400), ishigami)
    # Levels of four: -pi, -pi/3, pi/3, pi; steps of two levels. sin: 0, -s, s, 0 with s = sqrt(3)/2.
    s = math.sqrt(3) / 2
    assert found["mu_star"][1] == pytest.approx(7 * s**2 * 1.5)  # every step changes sin^2 by 3/4
    assert found["mu"][1] == pytest.approx(0.0, abs=1.0)
    thirds = 0.1 * ((math.pi) ** 4 + (math.pi / 3) ** 4) / 2  # mean of 0.1 c^4 over the levels
    assert found["mu_star"][0] == pytest.approx(1.5 * s * (1 + thirds), rel=0.1)
    step = 0.1 * (math.pi**4 - (math.pi / 3) ** 4)  # a change of c changes the factor of sin a by this
    assert found["mu_star"][2] == pytest.approx(1.5 * step * s / 2, rel=0.1)


@pytest.mark.parametrize("method", ["morris", "sobol"])
def test_on_a_log_scale_the_logarithm_moves_evenly(tmp_path, method):
    axes = (
        '"overheads.start" = { from = "1 s", to = "100 s", scale = "log" }\n'
        '"overheads.save" = { from = "0 s", to = "4 s" }\n'
    )

    def function(start: float, save: float) -> float:
        return math.log10(start) + save

    found = measured(tmp_path, axes, Sensitivity(method=method, **SIZE[method]), function)
    if method == "morris":  # effects over the whole ranges: 2 decades and 4 s
        assert found["mu_star"] == pytest.approx([2.0, 4.0])
        assert found["sigma"] == pytest.approx([0.0, 0.0], abs=1e-9)
    else:  # variances of uniform ranges of 2 and 4
        assert found["ST"] == pytest.approx([4 / 20, 16 / 20], abs=0.01)


SIZE = {"morris": {"trajectories": 5}, "sobol": {"samples": 1024}}


def test_a_list_in_order_has_a_level_for_each_value(tmp_path):
    axes = '"pools.0.nodes" = [1, 2, 4, 8]\n"workload.jobs" = { from = 0, to = 9 }\n'
    found = measured(tmp_path, axes, Sensitivity(trajectories=200), lambda nodes, jobs: nodes + jobs)
    # Steps of two of four levels: 1 -> 4 or 2 -> 8, each times 3/2.
    assert found["mu_star"] == pytest.approx([(3 + 6) / 2 * 1.5, 9.0], rel=0.05)


def test_sobol_takes_every_value_of_a_list_as_often(tmp_path):
    axes = '"pools.0.nodes" = [1, 2, 4, 8]\n"workload.jobs" = { from = 1, to = 3 }\n'
    found = measured(tmp_path, axes, Sensitivity(method="sobol", samples=1024), lambda nodes, jobs: nodes + jobs)
    lists, whole = np.var([1, 2, 4, 8]), np.var([1, 2, 3])
    assert found["S1"] == pytest.approx([lists / (lists + whole), whole / (lists + whole)], abs=0.01)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "out" / "matters" / "sensitivity.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_morris_on_runs_finds_linear_effects_and_none_of_a_key_without_effect(tmp_path):
    text = HEAD + LINEAR + '[outputs]\nsummary = ["jct_s_mean", "wait_s_mean"]\n[sensitivity]\ntrajectories = 3\n'
    found = dcsim.sensitivity(experiment(tmp_path, text, FREE), tmp_path / "out", workers=0)
    assert found.points == 3 * 4
    assert [row.key for row in found.of("jct_s_mean")] == [
        "workload.service.mean",
        "overheads.start",
        "overheads.restore",
    ]
    effects = [(row.measures["mu"], row.measures["sigma"]) for row in found.of("jct_s_mean")]
    assert np.array(effects) == pytest.approx(np.array([(120.0, 0.0), (60.0, 0.0), (0.0, 0.0)]), abs=1e-6)
    assert {row.measures["mu_star"] for row in found.of("wait_s_mean")} == {0.0}
    assert [float(row["mu_star"]) for row in rows(tmp_path)[:3]] == pytest.approx([120.0, 60.0, 0.0], abs=1e-6)


def test_sobol_on_runs_shares_out_the_variance_and_gives_none_to_a_key_without_effect(tmp_path):
    text = HEAD + LINEAR + '[sensitivity]\nmethod = "sobol"\nsamples = 128\noutputs = ["jct_s_mean", "wait_s_mean"]\n'
    path = experiment(tmp_path, text, FREE)
    done = command("sensitivity", path, "--out", tmp_path / "out", "--workers", 0)
    assert done.returncode == 0, done.stderr
    assert "wait_s_mean: the same at all points" in done.stdout
    found = {row["key"]: row for row in rows(tmp_path) if row["output"] == "jct_s_mean"}
    assert float(found["workload.service.mean"]["ST"]) == pytest.approx(0.8, abs=0.05)  # 120^2 / (120^2 + 60^2)
    assert float(found["overheads.start"]["ST"]) == pytest.approx(0.2, abs=0.05)
    assert float(found["overheads.restore"]["ST"]) == pytest.approx(0.0, abs=1e-9)
    for kind, begin in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        assert (tmp_path / "out" / "matters" / f"sensitivity.{kind}").read_bytes().startswith(begin)


def test_indices_are_the_same_for_any_number_of_workers_and_nothing_is_done_twice(tmp_path):
    text = HEAD + LINEAR + "seeds = 2\n[sensitivity]\ntrajectories = 2\n"
    seen, contents = [], []
    for workers, out in ((0, "out"), (2, "other"), (0, "out")):
        options = {"workers": workers, "progress": seen.append}
        dcsim.sensitivity(experiment(tmp_path, text, FREE), tmp_path / out, **options)
        contents.append((tmp_path / out / "matters" / "sensitivity.csv").read_bytes())
    assert len(set(contents)) == 1
    assert (seen[-1].runs, seen[-1].kept) == (0, 16)


def problems(folder: Path, text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        dcsim.sensitivity(experiment(folder, HEAD + text, FREE), folder / "out", workers=0)
    assert not (folder / "out").exists()
    return "\n".join(caught.value.lines())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LINEAR, "sensitivity: required table is missing; docs/optimize.md"),
        (LINEAR + "[sensitivity]\nsamples = 8\n", 'sensitivity.samples: has no effect with method "morris"'),
        (LINEAR + '[sensitivity]\nmethod = "sobol"\nlevels = 6\n', "sensitivity.levels: has no effect with method"),
        (LINEAR + '[sensitivity]\nmethod = "sobol"\nsamples = 100\n', "not a power of two (got 100); write 64 or 128"),
        (LINEAR + "[sensitivity]\nlevels = 5\n", "sensitivity.levels"),
        (LINEAR + '[sensitivity]\noutputs = ["wait"]\n', "sensitivity.outputs.0: no such key of the summary"),
        ('[sweep]\n"scheduler.use" = ["fifo", "srtf"]\n[sensitivity]\n', 'sweep."scheduler.use": has no order'),
        ('[sweep]\n"pools.0.nodes" = [1, 4, 2, 8]\n[sensitivity]\n', 'sweep."pools.0.nodes": has no order'),
        ('[sweep]\n"pools.0.nodes" = [1, 4]\n[sensitivity]\n', "does not fit the levels of [sensitivity] (got 2, expe"),
        ('[sweep]\n"overheads.start" = ["1 s", "1 min", "2 min", "3 min"]\n[sensitivity]\n', "has no order"),
        (LINEAR.replace("start", "strat") + "[sensitivity]\n", "strat: unknown key; did you mean 'start'"),
        (
            LINEAR + "[sensitivity]\ntrajectories = 900000\n",
            "too many runs (got 3,600,000, expected at most 1,000,000)",
        ),
    ],
)
def test_what_cannot_be_analyzed_is_said_with_file_line_and_key(tmp_path, text, expected):
    assert expected in problems(tmp_path, text)


def test_a_point_that_fails_stops_the_analysis_and_is_named(tmp_path):
    text = '[sweep]\n"pools.0.nodes" = { from = 1, to = 4 }\n[sensitivity]\ntrajectories = 4\n'
    base = BASE[: BASE.index("[workload]")] + '[workload]\nuse = "csv"\npath = "jobs.csv"\n'
    (tmp_path / "jobs.csv").write_text("job_id,submit_s,service_s,accelerators\na,0,100,8\n")
    done = command("sensitivity", experiment(tmp_path, HEAD + text, base), "--out", tmp_path / "out", "--workers", 0)
    assert done.returncode == 2
    assert "matters: pools.0.nodes = 1: " in done.stderr
    assert "points have failed, and indices need all of them (got wait_s_mean has no value)" in done.stderr


def test_a_tornado_is_the_same_bytes_each_time_and_names_its_keys():
    bars = (Bar("pools.0.nodes", 3.0, 0.5, "falls"), Bar("a" * 60, 1.0, 2.0, "mixed"))
    drawn = [tornado_images("sensitivity", "Effect", [Tornado("wait_s_mean", bars)]) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) == {"sensitivity.png", "sensitivity.svg"}
    assert b"pools.0.nodes" in drawn[0]["sensitivity.svg"]
