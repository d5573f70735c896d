"""The table [network] in scenarios: graphs from files, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dcsim.errors import ScenarioError
from dcsim.run import run
from dcsim.scenario.load import load
from dcsim.scenario.write import from_toml, to_toml
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


def test_contention_needs_jobs_whose_traffic_is_known():
    network = "network={topology={use='single_switch',hosts=1,bandwidth='1 GB/s',latency='1 us'},contention='fair'}"
    with pytest.raises(ScenarioError, match=r"network.contention: has no effect without \[\[jobs\]\]"):
        run(ROOT / "scenarios" / "quickstart.toml", overrides=[network])


DOWN = ROOT / "scenarios" / "spine-down.toml"
TWO = "network.failures=[{{parts=['{}'],at='1 h',duration='1 h'}},{{parts=['{}'],at='1 h',duration='1 h'}}]"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("network.failures.0.parts=['spine-7']", r".failures\.0\.parts\.0: no link or switch .*'spine-7'.*'spine-0'"),
        ("network.failures.0.parts=['leave']", r".failures\.0\.parts\.0: no link or switch of that name.*'leaf'"),
        ("network.failures.0.parts=['!!']", r".*known: links, switches, host, leaf, spine, single nodes"),
        ("network.failures.0.parts=['leaf-0 -- leaf-1']", r".*no cable joins the two: there are 'leaf-0 -- host-0'"),
        ("network.failures.0.parts=['leaf-0 -- spin-1']", r".failures\.0\.parts\.0: .*'spine-1'"),
        ("network.failures.0.parts=[]", r".failures\.0\.parts: .*at least 1"),
        ("network.failures.0.parts='links'", r".failures\.0\.parts: .*array"),
        ("network.failures.0.part=['links']", r".failures\.0\.part: unknown key.*'parts'"),
        ("network.failures.0.mtbf=-1 h", r".failures\.0\.mtbf: "),
        ("network.failures.0.mtbf=10", r".failures\.0\.mtbf: .*unit"),
        ("network.failures.0.mtbf=10 h", r".failures\.0: .*mtbf and at and duration are given; write one pair"),
        ("network.failures=[{parts=['links'],mtbf='1 h'}]", r".failures\.0: .*mtbf is given; write one pair"),
        ("network.failures=[{parts=['links']}]", r".failures\.0: .*none is given; write one pair"),
        ("network.failures.0.duration=0 s", r".failures\.0: duration must be above 0 s"),
        ("network.failures.0.bandwidth=1.5", r".failures\.0\.bandwidth: out of range .*< 1"),
        ("network.failures.0.bandwidth=-0.5", r".failures\.0\.bandwidth: out of range .*>= 0"),
        ("network.failures.0.bandwidth=0.5", r".failures\.0: bandwidth has no effect with reroute"),
        ("network.failures.0.on_failure=slow", r".failures\.0: slow needs bandwidth above 0.*reroute or stop"),
        ("network.failures.0.on_failure=slower", r".failures\.0\.on_failure: .*slow"),
        ("network.contention=none", r".failures: have no effect where jobs do not share links.*fair"),
    ],
)
def test_what_is_wrong_with_failures_is_an_error_line(change: str, said: str):
    with pytest.raises(ScenarioError, match=f"(?s)network{said}"):
        run(DOWN, overrides=[change])


def test_all_wrong_names_are_told_at_once():
    with pytest.raises(ScenarioError) as caught:
        run(DOWN, overrides=[TWO.format("spine-7", "leaf-9")])
    assert [problem.got for problem in caught.value.problems] == ["'spine-7'", "'leaf-9'"]


def test_a_wrong_name_is_told_with_its_line(tmp_path: Path):
    text = DOWN.read_text(encoding="utf-8").replace('"spine-2"]', '"spine-3"]')
    (tmp_path / "two-jobs-one-spine.toml").write_text(SPINE.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    line = text[: text.index("spine-3")].count("\n") + 1
    with pytest.raises(ScenarioError, match=rf"mine.toml:{line}: network.failures.0.parts.1: no link or switch"):
        run(tmp_path / "mine.toml")


def test_failures_are_written_back_and_read_again_as_they_were():
    loaded = load(DOWN)
    assert from_toml(to_toml(loaded.scenario)) == loaded.scenario
