"""Runs with failing links: read back from their folders, and failures that fall on one instant."""

from __future__ import annotations

from pathlib import Path

import pytest

import dcsim
from dcsim.eventlog.schema import BREAK
from tests.conftest import ROOT

SPINE_DOWN = ROOT / "scenarios" / "spine-down.toml"
BOTH = """\
base = "spine-down.toml"

[network]
failures = [
    { parts = ["spine-FIRST"], at = "30 min", duration = "10 min", on_failure = "stop" },
    { parts = ["spine-SECOND"], at = "30 min", duration = "1 h", on_failure = "stop" },
]
"""


def test_a_run_in_which_links_failed_is_read_back(tmp_path: Path):
    run = dcsim.run(SPINE_DOWN)
    assert len(run.log.of_kind(BREAK))
    again = dcsim.read(dcsim.save(run, tmp_path))
    assert again.summary == run.summary
    assert again.log.job.tolist() == run.log.job.tolist()


@pytest.mark.parametrize("first", [0, 1])
def test_all_parts_that_fail_at_one_instant_fail_whatever_the_first_has_stopped(tmp_path: Path, first: int):
    path = tmp_path / "both.toml"
    path.write_text(BOTH.replace("FIRST", str(first)).replace("SECOND", str(1 - first)))
    run = dcsim.run(path, data=SPINE_DOWN.parent)
    assert run.summary["network_failures"] == 2
    # From 30 min on, no way leads over the spines for 10 minutes; a job that needs one stands still until a repair.
    rows = run.log.of_kind(BREAK)
    assert run.log.time_s[rows].tolist() == [1800.0, 1800.0]
