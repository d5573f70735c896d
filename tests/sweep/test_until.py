"""When `--until-ci` stops: narrow enough, or nothing left to learn; zeros alone are no proof of zero."""

from __future__ import annotations

import json

from dcsim.sweep.table import Table
from dcsim.sweep.until import MOST_SEEDS, Until
from tests.sweep.given import BASE, command, experiment

IDLE = """\
name = "idle"
base = "queue.toml"
[sweep]
"pools.0.nodes" = [400]
seeds = 2
"""


def test_zeros_alone_ask_for_as_many_seeds_as_make_exceptions_rare():
    # (1 - 0.25)^n <= 0.05 from n = 10.4 on, (1 - 0.02)^n from 148.3 on.
    assert [Until(0.25, "").wanted([0.0] * n, n) for n in (5, 10, 11)] == [10, 11, 11]
    assert [Until(0.02, "").wanted([0.0] * n, n) for n in (80, 149, 200)] == [149, 149, 200]


def test_one_exception_among_zeros_is_a_mean_to_narrow_down():
    assert Until(0.25, "").wanted([0.0] * 10 + [1.0], 11) == 22


def test_equal_values_that_are_not_zero_are_within_any_share():
    assert Until(0.02, "").wanted([7.0] * 5, 5) == 5


def test_five_zeros_do_not_count_as_reached_and_a_note_says_so(tmp_path):
    path = experiment(tmp_path, IDLE, BASE)
    done = command("sweep", path, "--out", tmp_path / "out", "--until-ci", "25%", "--workers", 0)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 points have wait_s_mean = 0 on every seed" in done.stderr
    assert "up to 24 % of seeds may give more (95 % sure, of 11 seeds)" in done.stderr
    assert len(Table.read(tmp_path / "out" / "idle")) == 11


def test_runs_that_are_alike_in_everything_need_no_more(tmp_path):
    trace = "job_id,submit_s,accelerators,service_s\na,0,1,60\nb,9,1,60\n"
    (tmp_path / "jobs.csv").write_text(trace)
    base = BASE[: BASE.index("[workload]")] + '[workload]\nuse = "csv"\npath = "jobs.csv"\n'
    path = experiment(tmp_path, IDLE, base)
    done = command("sweep", path, "--out", tmp_path / "out", "--until-ci", "2%", "--workers", 0, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runs"] == 5 < MOST_SEEDS
    assert "on every seed" not in done.stderr
