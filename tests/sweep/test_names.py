"""The names of a summary, which sweeps may ask for."""

from __future__ import annotations

from dcsim.metrics.summary import NAMES
from dcsim.run import run
from tests.conftest import ROOT

SHARED, PLAIN = ("two-jobs-one-spine", ()), ("two-jobs-one-spine", ("network.contention=none",))


def summary(scenario: str, overrides: tuple[str, ...]) -> list[str]:
    return list(run(ROOT / "scenarios" / f"{scenario}.toml", overrides=overrides).summary)


def test_they_are_those_of_a_run_whose_jobs_share_links_in_its_order():
    assert summary(*SHARED) == list(NAMES)


def test_other_runs_have_all_of_them_but_slow_downs_by_contention():
    assert summary(*PLAIN) == [name for name in NAMES if not name.startswith("contention_slowdown_")]
