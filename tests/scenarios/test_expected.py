"""Every scenario has its expected summary beside it.

To accept a changed one, copy `summary.json` from the results of the command in the scenario's header, and say in the
commit why it changed.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.scenarios.conftest import SCENARIOS, Ran, header


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_gives_its_expected_summary(path: Path, ran: Ran):
    expected = json.loads(path.with_suffix(".summary.json").read_text(encoding="utf-8"))
    found = ran(path.stem).summary
    assert found == expected
    assert list(found) == list(expected)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_says_its_question_and_its_command(path: Path):
    head = header(path)
    assert "?" in head.split("\n\n")[0]
    assert f"python -m dcsim run scenarios/{path.name}" in head.splitlines() or (
        f"python -m dcsim run scenarios/{path.name} --data ../shared/data/traces" in head.splitlines()
    )


def test_no_expected_summary_is_left_over():
    found = {path.name.removesuffix(".summary.json") for path in (ROOT / "scenarios").glob("*.summary.json")}
    assert found == {path.stem for path in SCENARIOS}
