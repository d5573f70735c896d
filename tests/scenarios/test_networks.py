"""The table [network] in scenarios: graphs from files, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dcsim.errors import ScenarioError
from dcsim.run import run
from dcsim.scenario.load import load
from dcsim.scenario.write import from_toml, to_toml
from tests.conftest import ROOT
from tests.scenarios.test_two_jobs import sending_s

SPINE = ROOT / "scenarios" / "two-jobs-one-spine.toml"
CUSTOM = """
base = "{base}"
[network]
topology = {{ use = "custom", path = "{path}", bandwidth = "400 GB/s", latency = "1 us" }}
"""
OWN_SERVER = """
base = "base.toml"
[network.host]
use = "custom"
path = "server.json"
bandwidth = "800 GB/s"
latency = "1 us"
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


HGX = (
    "network.host={use='pcie_tree',sockets=2,switches_per_socket=2,accelerators_per_switch=2,nics_per_switch=2,"
    "bandwidth='63 GB/s',socket_bandwidth='40 GB/s',latency='1 us',link_bandwidth='450 GB/s'}"
)


def test_hosts_whose_insides_hold_nobody_up_change_nothing():
    # Eight flows of 50 GB/s from eight NICs instead of one of 400: each gang has half of the same uplink.
    inside, points = run(SPINE, overrides=[HGX]), run(SPINE)
    assert inside.results.end_s.tolist() == pytest.approx(points.results.end_s.tolist(), rel=1e-9)
    assert inside.slowdown is not None
    assert points.slowdown is not None
    assert inside.slowdown.tolist() == pytest.approx(points.slowdown.tolist(), rel=1e-9)


def test_pcie_that_is_slower_than_nics_slows_every_gang_down():
    slow = run(SPINE, overrides=[HGX, "network.host.bandwidth=25 GB/s", "placement.use=topology_aware"])
    half = run(SPINE, overrides=["pools.0.nic_bandwidth=200 GB/s", "placement.use=topology_aware"])
    # All that a step waits for comes over NICs: as slow as with NICs of half the bandwidth.
    assert [job.step_time_s for job in slow.trained] == pytest.approx([j.step_time_s for j in half.trained], rel=1e-9)
    assert slow.slowdown is not None
    assert slow.slowdown.tolist() == pytest.approx([1.0] * 3, rel=1e-9)  # no neighbour's fault


def test_a_scenario_with_insides_is_written_and_read_back_and_draws_its_graph(tmp_path: Path):
    source = load(SPINE, overrides=[HGX])
    again = from_toml(to_toml(source.scenario))
    assert again == source.scenario
    assert len(run(source).interconnect.endpoints) == 96


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("network.host={use='pcie_tre'}", r"network.host.use: no host of that name.*pcie_tree"),
        ("network.host={use='nvlink_domain'}", r"network.host.accelerators: required key is missing"),
        ("network.host.nics=8", r"network.host.nics: unknown key.*nics_per_switch"),
        ("network.host.sockets=0", r"network.host.sockets: must be a whole number >= 1"),
        ("network.host.bandwidth=0 GB/s", r"network.host.bandwidth: .*> 0"),
        ("network.host.sockets=1", r"network.topology: .*48 hosts.*12 nodes or 96 accelerators.*network.host"),
        ("network.host={use='custom',path='../up.csv'}", r"network.host.path: "),
        (
            "network.topology={use='torus',sides=[4,3],bandwidth='1 GB/s',latency='1 us'}",
            r"network.topology: has accelerators as its endpoints, so no host to put network.host into",
        ),
    ],
)
def test_what_is_wrong_with_a_host_is_an_error_line(change: str, said: str):
    with pytest.raises(ScenarioError, match=f"(?s){said}"):
        run(SPINE, overrides=[HGX, change])


def test_a_server_of_ones_own_can_stand_in_every_host(here: Path):
    # Four accelerators on each of two switches, and a NIC of half the node's bandwidth.
    nodes = [{"id": f"gpu{n}", "kind": "accelerator"} for n in range(8)]
    nodes += [{"id": f"{kind}{s}", "kind": kind} for kind in ("nic", "switch") for s in range(2)]
    ends = [(f"gpu{n}", f"switch{n // 4}") for n in range(8)] + [("nic0", "switch0"), ("nic1", "switch1")]
    edges = [{"source": a, "target": b} for a, b in [*ends, ("switch0", "switch1")]]
    (here / "server.json").write_text(json.dumps({"nodes": nodes, "edges": edges}), encoding="utf-8")
    (here / "mine.toml").write_text(OWN_SERVER, encoding="utf-8")
    mine, points = run(here / "mine.toml"), run(SPINE)
    assert mine.results.end_s.tolist() == pytest.approx(points.results.end_s.tolist(), rel=1e-9)
    with pytest.raises(ScenarioError, match=r"network.host.path: leads outside"):
        run(here / "mine.toml", overrides=["network.host.path=../server.json"])


WAN = (
    "network.topology={use='wan',sites=3,hosts_per_site=4,bandwidth='400 GB/s',wan_bandwidth='100 GB/s',"
    "latency='1 us',wan_latency='10 ms'}"
)


def test_a_gang_on_two_sites_is_as_fast_as_the_line_between_them_allows():
    # By `pack` the first job is on sites 0 and 1, the second on 1 and 2, over lines of a quarter of a node's NICs. With
    # share s, the step grows by what it sends times 1/s - 1. A site for each mends it.
    apart, alone = run(SPINE, overrides=[WAN]), run(SPINE, overrides=["network.contention=none"])
    for job in (1, 2):
        grown_s = apart.trained[job].step_time_s - alone.trained[job].step_time_s
        assert grown_s == pytest.approx(3 * sending_s(4), rel=1e-9)
    mended = run(SPINE, overrides=[WAN, "placement.use=topology_aware"])
    assert mended.results.end_s.tolist() == alone.results.end_s.tolist()


def test_rails_without_links_inside_need_a_host():
    rails = (
        "network.topology={use='rail_optimized',groups=3,servers_per_group=4,spines=2,rails=8,bandwidth='50 GB/s',"
        "uplink_bandwidth='200 GB/s',latency='1 us'}"
    )
    with pytest.raises(
        ScenarioError, match=r"topology.link_bandwidth: is missing; write it, or a table \[network.host\]"
    ):
        run(SPINE, overrides=[rails])
    assert run(SPINE, overrides=[rails, HGX]).slowdown is not None
    with pytest.raises(ScenarioError, match=r"no host to put network.host into"):
        run(SPINE, overrides=[rails, HGX, "network.topology.link_bandwidth=450 GB/s"])


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
