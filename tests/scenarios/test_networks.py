"""The table [network] in scenarios: graphs from files, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dcsim.errors import ScenarioError
from dcsim.run import run
from tests.conftest import ROOT

SPINE = ROOT / "scenarios" / "two-jobs-one-spine.toml"
CUSTOM = """
base = "{base}"
[network]
topology = {{ use = "custom", path = "{path}", bandwidth = "400 GB/s", latency = "1 us" }}
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with the scenario of two jobs, and its graph as hosts under leaves under a spine."""
    (tmp_path / "base.toml").write_text(SPINE.read_text(encoding="utf-8"), encoding="utf-8")
    rows = [f"host{node},spine,leaf{node // 4}" for node in range(12)]
    (tmp_path / "graph.csv").write_text("\n".join(["host,top,leaf", *rows]), encoding="utf-8")
    return tmp_path


def test_the_same_graph_from_a_file_gives_the_same_run(here: Path):
    (here / "mine.toml").write_text(CUSTOM.format(base="base.toml", path="graph.csv"), encoding="utf-8")
    mine, built = run(here / "mine.toml"), run(SPINE)
    assert mine.results.end_s.tolist() == built.results.end_s.tolist()
    assert mine.log.value.tolist() == built.log.value.tolist()


def test_a_graph_outside_the_folders_is_refused(here: Path):
    (here / "in").mkdir()
    (here / "in" / "base.toml").write_text(SPINE.read_text(encoding="utf-8"), encoding="utf-8")
    (here / "in" / "mine.toml").write_text(CUSTOM.format(base="base.toml", path="../graph.csv"), encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"network\.topology\.path"):
        run(here / "in" / "mine.toml")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("network.topology.leaves=4", r"network.topology: .*16 hosts.*12 nodes"),
        ("network.topology.leafs=4", r"network.topology.leafs: unknown key.*leaves"),
        ("network.topology.use=leaf_spin", r"network.topology.use: no topology of that name.*leaf_spine"),
        ("network.topology.bandwidth=400", r"network.topology.bandwidth: .*unit"),
        ("network.topology.bandwidth=0 GB/s", r"bandwidth: .*> 0"),
        ("network.contention=fare", r"network.contention: "),
        ("placement.use=pool", r"placement.use: contention needs a placement that looks at nodes"),
        ("placement={use='locality',patience='-5 min'}", r"placement.patience: must be >= 0"),
        ("placement={use='locality',patience=5}", r"placement.patience: .*unit"),
        ("placement={use='locality',patience='for ever'}", r"placement.patience: .*forever"),
    ],
)
def test_what_is_wrong_with_a_network_is_an_error_line(change: str, said: str):
    with pytest.raises(ScenarioError, match=f"(?s){said}"):
        run(SPINE, overrides=[change])


@pytest.mark.parametrize("placement", ["topology_aware", "locality", "least_contention"])
def test_placements_that_know_the_graph_need_one(placement: str):
    with pytest.raises(ScenarioError, match=r"placement.use: needs a network"):
        run(ROOT / "scenarios" / "quickstart.toml", overrides=[f"placement.use={placement}"])


def test_least_contention_needs_contention():
    with pytest.raises(ScenarioError, match=r"placement.use: needs links.*network.contention = 'fair'"):
        run(SPINE, overrides=["network.contention=none", "placement.use=least_contention"])


def test_contention_needs_jobs_with_models():
    network = "network={topology={use='single_switch',hosts=1,bandwidth='1 GB/s',latency='1 us'},contention='fair'}"
    with pytest.raises(ScenarioError, match=r"network.contention: has no effect without jobs"):
        run(ROOT / "scenarios" / "quickstart.toml", overrides=[network])
