"""The JSON Schema and the written reference say what the loader accepts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dcsim import plugins, units
from dcsim.scenario import load, presets
from dcsim.scenario.document import COMMAND, reference
from dcsim.scenario.plugin_tables import KINDS, OF_NETWORK
from dcsim.scenario.schema import scenario_schema
from dcsim.scenario.spec import Scenario
from tests.conftest import ROOT
from tests.scenario.given import GOOD, Room, say

SCHEMA = scenario_schema()


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """All tables of a schema."""
    if isinstance(schema, dict):
        yield schema
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from nodes(inner)


def test_the_schema_covers_every_key_of_a_scenario() -> None:
    assert set(SCHEMA["properties"]) == {"base", *Scenario.model_fields}
    assert SCHEMA["additionalProperties"] is False


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    for node in nodes(SCHEMA):
        if "$ref" in node:
            assert node["$ref"].removeprefix("#/$defs/") in SCHEMA["$defs"]


def test_the_schema_knows_no_null_and_only_json() -> None:
    assert not any(node.get("type") == "null" for node in nodes(SCHEMA))
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_only_a_file_without_a_base_must_hold_all_that_is_required() -> None:
    assert SCHEMA["if"] == {"required": ["base"]}
    assert not {"then", "required", "anyOf", "allOf"} & set(SCHEMA)
    assert "required" not in SCHEMA["$defs"]["Interconnect"]
    whole = SCHEMA["else"]
    assert whole["required"] == ["name", "pools"]
    assert [way["required"] for way in whole["anyOf"]] == [["workload"], ["jobs"]]
    assert whole["properties"]["network"]["required"] == ["topology"]
    assert whole["properties"]["workload"]["required"] == ["use"]
    csv = {"properties": {"use": {"const": "csv"}}, "required": ["use"]}
    assert {"if": csv, "then": {"required": ["path"]}} in whole["properties"]["workload"]["allOf"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_plugin_is_an_alternative_with_its_keys(kind: str) -> None:
    holder = SCHEMA["$defs"]["Interconnect"] if kind in OF_NETWORK else SCHEMA
    tables = {t["title"]: t for t in holder["properties"][kind]["anyOf"]}
    assert sorted(tables) == plugins.names(kind)
    for name, table in tables.items():
        assert table["properties"]["use"] == {"const": name}
        assert "required" not in table  # a base may have what is left out: see above
        assert table["additionalProperties"] is False
        assert table["description"]


def test_the_schema_of_a_physical_value_takes_what_the_loader_takes() -> None:
    (horizon,) = [SCHEMA["properties"]["horizon"]]
    assert horizon["type"] == "string"
    assert horizon["description"].startswith("Simulated time")
    for text in ("30 d", "1.5e3 s", "  4h", horizon["examples"][0]):
        assert re.search(horizon["pattern"], text)
        assert units.TIME.parse(text) > 0
    for text in ("30", "30 days", "d", 'x"', "30 GB"):
        assert not re.search(horizon["pattern"], text)
    overheads = SCHEMA["$defs"]["Overheads"]["properties"]
    assert overheads["start"]["default"] == "0 s"


def test_an_accelerator_is_a_preset_a_path_or_a_table() -> None:
    ways = SCHEMA["$defs"]["Pool"]["properties"]["accelerator"]["anyOf"]
    assert ways[0]["enum"] == presets.names("accelerators")
    assert ways[1]["pattern"] == r"\.toml$"
    assert ways[2] == {"$ref": "#/$defs/Accelerator"}


def test_plugins_of_a_folder_are_in_schema_and_reference(here: Room, capsys: pytest.CaptureFixture[str]) -> None:
    said = say(capsys, "schema", "--plugins", here.plugins[0])
    (mine,) = [t for t in json.loads(said.out)["properties"]["workload"]["anyOf"] if t["title"] == "mine"]
    assert mine["description"] == "Jobs of nobody.\n\nMore about them."
    keys = mine["properties"]
    assert keys["jobs"] == {"type": "integer", "minimum": 1, "default": 10, "description": "How many."}
    assert keys["thresholds"]["default"] == ["60 s", "1 h"]
    assert keys["thresholds"]["items"]["title"] == "time"
    said = say(capsys, "schema", "--markdown", "--plugins", here.plugins[0])
    for row in (
        '### `use = "mine"` (workload)',
        "| `jobs` | integer >= 1 | `10` | How many. |",
        '| `gap` | time, such as `"20 min"` | none |  |',
        '| `thresholds` | array of time, such as `"20 min"` | `["60 s", "1 h"]` |  |',
        '| `pair` | array of number, size, such as `"20 GB"` | none |  |',
        "| `service` | table of tables `_Law` | none |  |",
        '| `mode` | `"fast"` or `"slow"` | `"fast"` |  |',
        "| `path` | path of a file | none |  |",
        "Table `_Law`: How long jobs run.",
        '| `mean` | time, such as `"20 min"` | required | Its mean. |',
    ):
        assert f"\n{row}\n" in said.out


def test_every_key_of_the_spec_is_explained() -> None:
    text = reference()
    rows = [line for line in text.splitlines() if re.match(r"\| `\w+` \|", line)]
    assert len(rows) > 100
    spec = text[: text.index("## `[workload]`")]
    assert not re.search(r"^\| `\w+` \|.*\|  \|$", spec, re.MULTILINE)


def test_the_reference_in_docs_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    page = ROOT / "docs" / "scenario.md"
    said = say(capsys, "schema", "--markdown")
    assert page.read_text("utf-8") == said.out, f"stale: run `{COMMAND} > docs/scenario.md`"


def test_the_example_of_the_reference_is_a_valid_scenario(here: Room) -> None:
    text = reference()
    rows = text[text.index("    name =") : text.index("`python -m dcsim validate")].splitlines()
    here.write("job_id,arrival_s,service_sec,gpu_count\n", "helios/helios_trace.csv.gz")
    scenario = load(here.write("\n".join(row.removeprefix("    ") for row in rows))).scenario
    assert scenario.name == "venus"


def test_the_schema_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    said = say(capsys, "schema")
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out) == SCHEMA


def test_a_folder_of_plugins_that_does_not_exist_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    said = say(capsys, "schema", "--plugins", "/none")
    assert (said.code, said.out) == (2, "")
    assert said.err == "dcsim: error: --plugins: no such folder (got '/none')\n"


def test_the_shortest_scenario_is_valid(here: Room) -> None:
    keep = GOOD[: GOOD.index("[scheduler]")].replace('seed = 1\nhorizon = "30 d"\n', "")
    assert load(here.write(keep), plugins=here.plugins).scenario.seed == 0


def test_the_docs_folder_is_where_the_command_says() -> None:
    assert Path(ROOT / "docs").is_dir()
