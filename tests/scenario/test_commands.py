"""`validate --json` and `list`."""

from __future__ import annotations

import json
import re

import pytest

from dcsim import plugins
from dcsim.cli.tables import aligned
from dcsim.scenario import digest, load, presets
from tests.scenario.given import GOOD, Room, say


def test_validate_prints_facts_as_json(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--plugins", here.plugins[0], "--set", "pools.0.nodes=1000", "--json")
    said = say(capsys, "validate", here.write("start = 2020-01-01T00:00:00\n" + GOOD), *words)
    scenario = load(here.file, plugins=here.plugins, overrides=["pools.0.nodes=1000"]).scenario
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out) == {
        "valid": True,
        "file": str(here.file),
        "name": "small",
        "pools": 1,
        "nodes": 1000,
        "accelerators": 8000,
        "workload": "mine",
        "jobs": 0,
        "scheduler": "fifo",
        "placement": "pack",
        "digest": digest(scenario),
        "notes": ["start has no time zone; it is taken as UTC"],
    }


def test_validate_counts_with_separators(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    said = say(capsys, "validate", here.file, "--plugins", *here.plugins, "--set", "pools.0.nodes=1250")
    assert ": valid: 1 pool, 1,250 nodes, 10,000 accelerators, workload mine, " in said.out


def test_list_shows_everything_in_parts(capsys: pytest.CaptureFixture[str]) -> None:
    said = say(capsys, "list")
    assert (said.code, said.err) == (0, "")
    parts = dict(re.findall(r"^([\w ]+):\n((?:.+\n)*)", said.out, re.MULTILINE))
    synthetic = "presets of synthetic"
    tables = ["accelerators", "models", "scaling_laws"]
    assert list(parts) == [*tables, "workloads", synthetic, "speeds", "schedulers", "placements", "topologies"]
    assert [row.split()[0] for row in parts[synthetic].splitlines()] == presets.names("workloads")
    kinds = {"workloads": "workload", "schedulers": "scheduler", "placements": "placement", "topologies": "topology"}
    for part, kind in kinds.items():
        assert [row.split()[0] for row in parts[part].splitlines()] == plugins.names(kind)
    for kind in tables:
        assert [row.split()[0] for row in parts[kind].splitlines()] == ["name", *presets.names(kind)]


def test_list_accelerators_has_units_and_columns_in_line(capsys: pytest.CaptureFixture[str]) -> None:
    rows = say(capsys, "list", "accelerators").out.splitlines()
    heads = re.split(r"  +", rows[0])
    (h100,) = [re.split(r"  +", row) for row in rows if row.startswith("H100-SXM ")]
    found = dict(zip(heads, h100, strict=True))
    assert found["memory GB"] == "80"
    assert found["GB/s"] == "3350"
    assert found["16-bit TFLOP/s"] == "989"
    assert found["TDP W"] == "700"
    assert found["rent USD/h"] == "2.95"
    assert len({len(row) for row in rows}) == 1


def test_list_by_grade_shows_what_a_careful_user_replaces(capsys: pytest.CaptureFixture[str]) -> None:
    rows = say(capsys, "list", "--grade", "assumed").out.splitlines()
    assert rows[0].split() == ["preset", "key", "value", "source"]
    (row,) = [r for r in rows if r.startswith("A100-SXM4-40GB")]
    assert re.search(r"idle_power +88 W +RAPS selene placeholder", row)
    weak = say(capsys, "list", "--grade", "weak").out
    assert "V100-SXM2-32GB" in weak
    assert "RAPS selene placeholder" not in weak


def test_list_has_plugins_of_a_folder(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    said = say(capsys, "list", "workloads", "--plugins", *here.plugins)
    assert re.search(r"^mine +Jobs of nobody\.$", said.out, re.MULTILINE)


def test_tables_align_left_and_right() -> None:
    assert aligned([("a", "1"), ("bcd", "20")], "<>") == ["a     1", "bcd  20"]
    assert aligned([]) == []
