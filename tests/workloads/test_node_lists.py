"""Node lists as `[[pools]]` tables."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from dcsim.__main__ import main
from dcsim.scenario import load
from tests.conftest import ROOT

NODES = """sn,cpu_milli,memory_mib,gpu,model
a,64000,262144,2,P100
b,1500,1536,1,T4
c,64000,262144,2,P100
d,96000,393216,0,
"""


def test_nodes_that_are_alike_make_one_pool_and_those_without_gpus_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nodes.csv").write_text(NODES)
    assert main(["trace", str(tmp_path / "nodes.csv"), "--format", "openb", "--pools"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# left out: 1 node without accelerators")
    scenario = 'name = "x"\nworkload = { use = "synthetic", preset = "venus-like", jobs = 2 }\n' + text
    (tmp_path / "x.toml").write_text(scenario)
    pools = load(tmp_path / "x.toml").scenario.pools
    told = [(p.name, p.nodes, p.accelerators_per_node, p.cpus_per_node, p.memory_per_node) for p in pools]
    assert told == [("P100-x2-64c-256g", 2, 2, 64, 256 * 2**30), ("T4-x1-1.5c-1.5g", 1, 1, 1.5, 1.5 * 2**30)]


def test_a_node_with_gpus_of_no_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "nodes.csv").write_text(NODES + "e,64000,262144,2,\n")
    assert main(["trace", str(tmp_path / "nodes.csv"), "--format", "openb", "--pools"]) == 2
    assert "nodes.csv:6: model: row 5: the node has GPUs of no model" in capsys.readouterr().err
    assert main(["trace", str(tmp_path / "nodes.csv"), "--format", "csv", "--pools"]) == 2
    assert "--format: is no format with node lists (got 'csv', expected openb)" in capsys.readouterr().err


def test_the_node_list_of_openb_gives_the_pools_of_its_scenarios(
    traces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = traces / "openb2023" / "openb_node_list_gpu_node.csv.gz"
    assert main(["trace", str(path), "--format", "openb", "--pools", "--json"]) == 0
    pools = json.loads(capsys.readouterr().out)
    written = tomllib.loads((ROOT / "scenarios" / "bases" / "openb.toml").read_text(encoding="utf-8"))["pools"]
    assert pools == sorted(written, key=lambda p: (p["accelerator"]["name"], *list(p.values())[3:5], memory(p)))


def memory(pool: dict[str, str]) -> int:
    return int(pool["memory_per_node"].removesuffix(" GiB"))
