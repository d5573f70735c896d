"""Comparisons: intervals by hand and against theory, paired differences, batch means, fronts, seeds until a width."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import dcsim
from dcsim.errors import ScenarioError
from dcsim.sweep.statistics import batch_means, interval, paired, warm_up
from dcsim.sweep.table import Table
from tests.sweep.given import command, experiment
from tests.sweep.given import compared_table as table

QUEUE = """\
name = "mm1"

[[pools]]
name = "a"
accelerator = "T4"
nodes = 1
accelerators_per_node = 1

[workload]
use = "synthetic"
jobs = 4000
rate = "1 /min"
service = { law = "exponential", mean = "30 s" }
"""
RATES = """\
name = "rates"
base = "queue.toml"
[sweep]
"workload.service.mean" = ["30 s", "33 s"]
seeds = 30
"""


def test_an_interval_is_students():
    # Of 1, 2, 3, 4: mean 2.5, s = 1.29099, t(3; 0.975) = 3.18245: half-width 3.18245 x 1.29099 / 2.
    mean = interval([1.0, 2.0, 3.0, 4.0])
    assert (mean.value, mean.count) == (2.5, 4)
    assert mean.half == pytest.approx(2.05426, abs=1e-5)
    low, high = stats.t.interval(0.9, 3, 2.5, stats.sem([1, 2, 3, 4]))
    assert interval([1, 2, 3, 4], 0.9).half == pytest.approx((high - low) / 2)
    assert math.isnan(interval([3.0]).half)
    assert math.isnan(interval([]).value)
    assert not interval([3.0]).excludes_zero


def test_what_pairs_have_in_common_cancels():
    common = np.array([10.0, 50.0, 30.0, 90.0])
    mean = paired(common + np.array([1.0, 2.0, 3.0, 2.0]), common)
    assert mean.value == 2.0
    assert mean.half == pytest.approx(interval([1.0, 2.0, 3.0, 2.0]).half)
    assert mean.excludes_zero


def test_paired_differences_of_a_queue_cover_the_exact_one_and_are_thrice_as_narrow(tmp_path):
    # M/M/1: mean wait rho / (mu - lambda): 30 s at rho = 0.5 and 40.33 s at 0.55, from 30 and 33 s of service.
    out = tmp_path / "out"
    found = dcsim.sweep(experiment(tmp_path, RATES, QUEUE), out, workers=0).compare("30 s", ["wait_s_mean"])
    exact = 0.55 / (1 / 33 - 1 / 60) - 0.5 / (1 / 30 - 1 / 60)
    fast, slow = found.rows
    assert fast.against is None
    assert slow.against is not None
    assert abs(slow.against.value - exact) < slow.against.half
    unpaired = math.hypot(fast.mean.half, slow.mean.half)
    assert unpaired > 3.0 * slow.against.half
    assert slow.against.excludes_zero


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(7)
    covered = sum(abs(m.value - 5.0) < m.half for m in (interval(rng.normal(5, 2, 8), 0.9) for _ in range(2000)))
    assert abs(covered / 2000 - 0.9) < 4 * math.sqrt(0.09 / 2000)


def test_the_warm_up_of_a_queue_that_starts_empty_is_found():
    rng = np.random.default_rng(1)
    ramp = np.concatenate((np.linspace(0.0, 100.0, 500), np.full(3000, 100.0))) + rng.normal(0, 5, 3500)
    assert 400 <= warm_up(ramp) <= 600
    assert warm_up(np.full(3000, 7.0)) == 0
    assert warm_up([1.0, 2.0]) == 0


def test_batch_means_of_dependent_values_cover_their_mean_and_single_values_do_not():
    # AR(1) with coefficient 0.9: the mean of n values varies as if only n/19 were independent.
    rng, by_batch, by_value = np.random.default_rng(3), 0, 0
    for _ in range(200):
        noise = rng.normal(size=6000)
        values = np.empty(6000)
        values[0] = noise[0] / math.sqrt(1 - 0.81)
        for n in range(1, 6000):
            values[n] = 0.9 * values[n - 1] + noise[n]
        batches, single = batch_means(values), interval(values)
        by_batch += abs(batches.value) < batches.half
        by_value += abs(single.value) < single.half
    assert by_batch / 200 > 0.88
    assert by_value / 200 < 0.5


def test_the_baseline_is_subtracted_on_the_seeds_that_both_have():
    found = table([("a", 1, 10.0), ("a", 2, 20.0), ("b", 1, 11.0), ("b", 2, 22.0), ("b", 3, 99.0)]).compare("a")
    b = found.rows[1]
    assert (b.mean.value, b.mean.count) == (44.0, 3)
    assert b.against is not None
    assert (b.against.value, b.against.count) == (1.5, 2)
    assert b.relative.value == pytest.approx(0.1)
    assert found.cells()[1][-1] == "baseline"


def test_a_baseline_is_named_by_as_many_keys_as_it_takes():
    rows = [(p, n, 1, 1.0) for p in ("a", "b") for n in (2, 4)]
    two = table(rows, axes=("policy", "pools.0.nodes"))
    assert two.compare("policy=b,pools.0.nodes=4").baseline == ("b", 4)
    assert two.compare({"policy": "b", "pools.0.nodes": 4}).baseline == ("b", 4)
    for wrong, said in (("policy=c", "fits no variant"), ("polcy=b", "is not swept")):
        with pytest.raises(ScenarioError, match=said):
            two.compare(wrong)
    with pytest.raises(ScenarioError, match="no such column"):
        two.compare(outputs=["wait_s_meen"])


def test_values_of_a_baseline_may_have_commas():
    tables = ('{ use = "easy", depth = 8 }', '{ use = "fifo" }')
    two = table([(t, n, 1, 1.0) for t in tables for n in (2, 4)], axes=("scheduler", "pools.0.nodes"))
    assert two.compare(f"scheduler={tables[0]}, pools.0.nodes=4").baseline == (tables[0], 4)


def test_runs_that_are_all_alike_are_said_to_be():
    assert table([("a", 1, 3.0), ("a", 2, 3.0), ("b", 1, 5.0), ("b", 2, 5.0)]).compare().seeds_change_nothing
    assert not table([("a", 1, 3.0), ("a", 2, 3.0), ("b", 1, 5.0), ("b", 2, 6.0)]).compare().seeds_change_nothing
    assert not table([("a", 1, 3.0), ("b", 1, 5.0)]).compare().seeds_change_nothing


def test_the_front_is_what_no_other_point_beats_in_both():
    points = [(1, 9.0), (2, 4.0), (3, 4.0), (4, 5.0), (5, 1.0), (6, 1.0)]
    rows = [(f"p{cost}", 1, cost, wait) for cost, wait in points]
    both = table(rows, outputs=("accelerators", "wait_s_mean"))
    front = both.pareto("accelerators", "wait_s_mean")
    assert [(row["policy"], row["wait_s_mean"]) for row in front] == [("p1", 9.0), ("p2", 4.0), ("p5", 1.0)]
    most = both.pareto("wait_s_mean", "accelerators", maximize=["accelerators"])
    assert [row["policy"] for row in most] == ["p6"]


def test_seeds_are_added_until_the_interval_is_narrow_and_those_made_count(tmp_path):
    base = QUEUE.replace("jobs = 4000", "jobs = 400")
    path = experiment(tmp_path, RATES.replace("seeds = 30", "seeds = 2"), base)
    done = command(
        "sweep", path, "--out", tmp_path / "out", "--until-ci", "10%", "--ci-of", "jct_s_mean", "--workers", 2
    )
    assert done.returncode == 0, done.stderr
    made = Table.read(tmp_path / "out" / "rates")
    for row in made.compare(outputs=["jct_s_mean"]).rows:
        assert row.mean.half <= 0.1 * row.mean.value
        assert row.mean.count >= 5
    again = command("sweep", path, "--out", tmp_path / "out", "--until-ci", "10%", "--ci-of", "jct_s_mean", "--json")
    assert json.loads(again.stdout)["runs"] == len(made)
    wrong = command("sweep", path, "--out", tmp_path / "out", "--until-ci", "200%")
    assert (wrong.returncode, "not a share of the mean" in wrong.stderr) == (2, True)


def test_runs_are_told_apart_by_the_keys_in_which_they_differ(tmp_path):
    (tmp_path / "queue.toml").write_text(QUEUE)
    for policy in ("fifo", "srtf"):
        for seed in (1, 2, 3):
            changes = [f"scheduler.use={policy}", f"seed={seed}"]
            dcsim.save(dcsim.run(tmp_path / "queue.toml", overrides=changes), tmp_path / "out")
    folders = sorted((tmp_path / "out").iterdir())
    done = command("compare", *folders, "--baseline", "scheduler.use=fifo", "--write", tmp_path / "written")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split()[:3] == ["scheduler.use", "wait_s_mean", "difference"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "written" / "compare.csv").read_text())))
    assert {(row["scheduler.use"], row["seeds"]) for row in rows} == {("fifo", "3"), ("srtf", "3")}
    assert r"\toprule" in (tmp_path / "written" / "compare.tex").read_text()
    assert "| scheduler.use |" in (tmp_path / "written" / "compare.md").read_text()
    one = [folder for folder in folders if dcsim.read(folder).scenario.seed == 1]
    batches = command("compare", *one, "--baseline", "fifo", "--batch-means")
    assert "batch means of each run after its warm-up (MSER-5)" in batches.stdout
    assert command("compare", folders[0], folders[0]).returncode == 2


def test_a_folder_that_is_no_sweep_is_said(tmp_path: Path):
    done = command("compare", tmp_path)
    assert (done.returncode, "is not a finished sweep: it lacks table.parquet" in done.stderr) == (2, True)


def test_a_baseline_that_is_left_open_in_a_key_is_taken_alike_there():
    waits = {("a", 2): 10.0, ("a", 4): 4.0, ("b", 2): 7.0, ("b", 4): 5.0, ("b", 8): 1.0}
    rows = [(p, n, seed, wait + seed) for (p, n), wait in waits.items() for seed in (1, 2)]
    found = table(rows, axes=("policy", "nodes")).compare("policy=a")
    assert found.baseline == ("a", None)
    differences = {row.variant: None if row.against is None else row.against.value for row in found.rows}
    assert differences == {("a", 2): None, ("a", 4): None, ("b", 2): -3.0, ("b", 4): 1.0, ("b", 8): None}
    # The baselines, 11.5 and 5.5, have half-widths of 6.35, t(1; 0.975) / 2: the second may be zero and has no ratio.
    # The first is 5.15 to 17.85 where the difference is -3: -3 / 5.15 and -3 / 17.85 are the ends.
    shown = ["baseline", "baseline", "-26.1 [-58.3, -16.8] % *", "+1 ± 0 *", "-"]
    assert [line[-1] for line in found.cells()[1:]] == shown


def test_differences_of_rounding_alone_are_none():
    # 0.1 + 0.2 and 0.3 differ in their last bit, as sums of the same hours in another order do.
    rows = [(p, seed, x * 7.0**seed) for p, x in (("a", 0.3), ("b", 0.1 + 0.2)) for seed in range(5)]
    b = table(rows).compare("a").rows[1]
    assert b.against is not None
    assert (b.against.value, b.against.half, b.against.excludes_zero) == (0.0, 0.0, False)
    assert table(rows).compare("a").cells()[2][-1] == "0 %"


def test_differences_that_cancel_keep_their_interval():
    found = table([("a", 1, 0.3), ("a", 2, 0.7), ("b", 1, 0.7), ("b", 2, 0.3)]).compare("a")
    against = found.rows[1].against
    assert against is not None
    assert against.value == 0.0
    assert against.half == pytest.approx(12.7062 * 0.4, rel=1e-5)  # t(1; 0.975) x s / sqrt 2, s = 0.8 / sqrt 2
    assert found.cells()[2][-1] == "0 ± 5.1"


def test_a_small_difference_that_is_none_of_rounding_stays():
    rows = [(p, seed, 100.0 * seed + x) for p, x in (("a", 0.0), ("b", 1e-6)) for seed in (1, 2, 3)]
    against = table(rows).compare("a").rows[1].against
    assert against is not None
    assert against.value == pytest.approx(1e-6, rel=1e-6)
    assert against.excludes_zero


def test_runs_that_are_alike_have_an_interval_of_no_width():
    assert interval([0.1] * 3).half == 0.0  # the mean of three 0.1 is not 0.1 in floating point
    assert table([("a", n, 0.1) for n in range(3)]).compare().seeds_change_nothing


def test_all_lines_of_a_comparison_have_the_same_columns():
    rows = [("a", 1, 10.0), ("a", 2, 20.0), ("b", 1, 11.0), ("b", 2, 22.0), ("c", 3, None)]
    found = table(rows).compare("a")
    lines = list(csv.reader(io.StringIO(found.csv())))
    assert {len(line) for line in lines} == {11}
    assert lines[1][-6:] == [""] * 6
    assert lines[2][-1] == "false"
    assert json.loads(json.dumps(found.as_json()))["rows"] == found.records()
    assert found.records()[0]["difference"] is None


def test_a_latex_table_has_its_signs():
    found = table([("a_b", 1, 10.0), ("a_b", 2, 20.0), ("c", 1, 9.0), ("c", 2, 19.0)]).compare("a_b")
    assert r"a\_b & 15 $\pm$ 64 & baseline \\" in found.latex()
    assert r"c & 14 $\pm$ 64 & $-$1 $\pm$ 0 * \\" in found.latex()


def test_a_comparison_is_a_data_frame():
    pandas = pytest.importorskip("pandas")
    frame = table([("a", 1, 10.0), ("a", 2, 20.0), ("b", 1, 11.0), ("b", 2, 22.0)]).compare("a").frame()
    assert list(frame.columns[:4]) == ["policy", "output", "seeds", "mean"]
    b = frame.set_index("policy").loc["b"]
    assert (b["mean"], b["difference"], b["relative_difference"]) == (16.5, 1.5, 0.1)
    assert pandas.isna(frame.set_index("policy").loc["a"]["difference"])
    assert list(table([]).compare().frame().columns) == list(frame.columns)


def test_points_that_are_alike_but_for_rounding_do_not_beat_each_other():
    rows = [("a", 1, 0.3, 8.0), ("b", 1, 0.1 + 0.2, 8.0), ("c", 1, 0.3, 9.0), ("d", 1, 0.1 + 0.2, 7.999999)]
    both = table(rows, outputs=("wait_s_mean", "accelerators"))
    assert [row["policy"] for row in both.pareto("wait_s_mean", "accelerators")] == ["d"]
    without = table(rows[:3], outputs=("wait_s_mean", "accelerators"))
    assert [row["policy"] for row in without.pareto("wait_s_mean", "accelerators")] == ["a", "b"]
    assert [row["policy"] for row in without.pareto("accelerators", "wait_s_mean")] == ["a", "b"]


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_that_of_all_pairs(seed: int):
    points = np.random.default_rng(seed).integers(0, 8, (30, 2)).astype(float)
    rows = [(n, 1, x, y) for n, (x, y) in enumerate(points.tolist())]
    front = table(rows, outputs=("x", "y")).pareto("x", "y", maximize=["y"])
    beaten = [bool(np.any((points[:, 0] <= x) & (points[:, 1] >= y) & (points != (x, y)).any(1))) for x, y in points]
    assert sorted(row["policy"] for row in front) == [n for n, lost in enumerate(beaten) if not lost]
    assert [row["x"] for row in front] == sorted(row["x"] for row in front)


def test_what_a_front_cannot_maximize_is_said():
    both = table([("a", 1, 1.0, 2.0)], outputs=("accelerators", "wait_s_mean"))
    with pytest.raises(ScenarioError, match=r"is none of the two outputs.*did you mean 'wait_s_mean'"):
        both.pareto("accelerators", "wait_s_mean", maximize=["wait_s_men"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (5, r'fits no variant \(got "nodes=5"\); known: 2, 4'),
        (["a"], r"is neither settings nor a value \(got \"\['a'\]\"\)"),
        ({"policy": "a"}, r'is not swept \(got "policy"\)'),
        ("nodes=2,use=z", r'fits no variant \(got "use=z"\); known: x, y'),
        ("nodes=4,use=y", r"no variant has all of these at once"),
        ("y", r'fits no variant \(got "nodes=y"\); did you mean \'use=y\'\?'),
    ],
)
def test_what_is_no_baseline_is_said(given, said):
    found = table([(2, "x", 1, 1.0), (2, "y", 1, 1.0), (4, "x", 1, 2.0)], axes=("nodes", "use"))
    with pytest.raises(ScenarioError, match=said):
        found.compare(given)


def test_numbers_of_a_baseline_are_compared_as_numbers():
    loads = table([(x, 1, 1.0) for x in (1.0, 0.5, 0.434989123456, 0.435111)], axes=("load",))
    for given in ("load=1", 1, 1.0, "1.00", {"load": 1}):
        assert loads.compare(given).baseline == (1.0,)
    assert loads.compare("load=0.434989").baseline == loads.compare(0.434989).baseline == (0.434989123456,)
    for unclear in ("0.435", "0.4", "1 d"):  # two are rounded to the first; the second is no number as tables show it
        with pytest.raises(ScenarioError, match="fits no variant"):
            loads.compare(unclear)
    spans = table([(x, 1, 1.0) for x in ("1.69634881637 d", "24 h")], axes=("span",))
    assert spans.compare("1.70 d").baseline == ("1.69634881637 d",)
    assert spans.compare("24.0 h").baseline == ("24 h",)


@pytest.mark.parametrize("confidence", [2, 0, 1.0, -0.5, math.nan, "0.95"])
def test_what_is_no_confidence_is_said(confidence):
    with pytest.raises(ScenarioError, match=r"--confidence: out of range .* expected between 0 and 1"):
        table([("a", 1, 1.0), ("a", 2, 2.0)]).compare(confidence=confidence)


def test_one_name_may_stand_without_a_list():
    both = table([("a", 1, 1.0, 8), ("b", 1, 2.0, 4)], outputs=("wait_s_mean", "accelerators"))
    assert both.compare(outputs="accelerators").outputs == ("accelerators",)
    assert [p["policy"] for p in both.pareto("wait_s_mean", "accelerators", maximize="accelerators")] == ["a"]
    with pytest.raises(ScenarioError, match="is none of the two outputs"):
        both.pareto("wait_s_mean", "accelerators", maximize="wait")


def test_no_interval_is_told_of_where_there_is_none():
    one = table([("a", 1, 3.0), ("b", 1, 5.0)]).compare("a")
    assert one.notes() == ["one run each: there are no intervals; difference from the baseline, paired by seed"]
    exact = table([("a", 1, 3.0), ("a", 2, 3.0), ("b", 1, 5.0), ("b", 2, 5.0)]).compare("a")
    assert "±" not in "".join(exact.notes())
    assert exact.notes()[0].endswith("paired by seed; * its interval excludes 0")
    assert exact.cells()[2][-1] == "+66.7 % *"


def test_a_run_that_is_too_short_for_batches_has_no_interval_and_says_so(tmp_path):
    (tmp_path / "queue.toml").write_text(QUEUE.replace("jobs = 4000", "jobs = 900"))
    for policy in ("fifo", "sjf"):
        dcsim.save(dcsim.run(tmp_path / "queue.toml", overrides=[f"scheduler.use={policy}"]), tmp_path / "out")
    done = command("compare", *sorted((tmp_path / "out").iterdir()), "--batch-means", "--write", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "there are no intervals" in done.stdout
    # Folders are named by digests, so either comes first.
    assert re.search(
        r"too few jobs after the warm-up for an interval, 20\s+batches\s+of\s+50 \((fifo|sjf): \d+;", done.stdout
    )
    (head, first, *_) = csv.reader((tmp_path / "compare.csv").open())
    assert "seeds" not in head
    assert 450 <= int(first[head.index("jobs")]) <= 900
    assert first[head.index("half_width")] == ""


def test_a_baseline_may_be_a_number_a_truth_or_a_table():
    assert table([(2, 1, 1.0), (4, 1, 2.0)]).compare(4).baseline == (4,)
    assert table([(True, 1, 1.0), (False, 1, 2.0)]).compare("policy=false").baseline == (False,)
    text = '{ use = "easy", depth = 8 }'
    tables = table([(text, 1, 1.0), ("x", 1, 2.0)])
    assert tables.compare(text).baseline == tables.compare({"policy": {"use": "easy", "depth": 8}}).baseline == (text,)
