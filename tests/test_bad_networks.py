"""Graphs that cannot be, in a scenario: `validate` and `run` refuse them with the same lines, before they are made.

The contract is that of `test_bad_inputs.py`.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from dcsim.__main__ import main
from tests.test_bad_inputs import LINE

SCENARIO = """\
name = "small"

[[pools]]
name = "gpu"
accelerator = "A100-SXM4-80GB"
nodes = 3
accelerators_per_node = 1

[workload]
use = "csv"
path = "jobs.csv"

[network.topology]
"""

CABLES = "source,target,bandwidth,latency\nh1,s,50 GB/s,1 us\nh2,s,50 GB/s,1 us\nh3,s,50 GB/s,1 us\n"
CUSTOM = 'use = "custom"\npath = "{}"\n'
TORUS = 'use = "torus"\nsides = {}\nbandwidth = "{}"\nlatency = "{}"\n'
SPINE = 'use = "leaf_spine"\nleaves = {}\nspines = 1\nhosts_per_leaf = 3\nbandwidth = "{}"\n{}'
UPLINK = 'uplink_bandwidth = "1 GB/s"\nlatency = "1 us"\n'
HOST = '[network.host]\nuse = "nvlink_domain"\naccelerators = {}\nlink_bandwidth = "1 GB/s"\nlatency = "1 us"\n'
NODES = [{"id": "spine"}, {"id": "h1"}, {"id": "h2"}, {"id": "h3"}]
JSON = json.dumps({"nodes": NODES, "edges": [{"source": "h1", "target": "spin"}]})

BAD_FILES = {
    "in two parts": (
        "net.csv",
        CABLES + "a,b,1 GB/s,1 us\n",
        ["net.csv: has no path from h1 to a; connect the 2 nodes"],
    ),
    "an edge to nowhere": ("net.json", JSON, ["net.json: edges[0]: no such node (got 'spin'); did you mean 'spine'?"]),
    "a self-loop": (
        "net.csv",
        CABLES + "s,s,1 GB/s,1 us\n",
        ["net.csv: line 5: an edge from a node to itself (got 's')"],
    ),
    "a second edge": ("net.csv", CABLES + "s,h1,1 GB/s,1 us\n", ["net.csv: line 5: a second edge between s and h1"]),
    "no bandwidth": ("net.csv", CABLES + "h4,s,0 GB/s,1 us\n", ["net.csv: line 5: bandwidth: must be > 0 B/s"]),
    "boundless bandwidth": ("net.csv", CABLES + "h4,s,inf GB/s,1 us\n", ["net.csv: line 5: bandwidth: ", "inf GB/s"]),
    "negative latency": ("net.csv", CABLES + "h4,s,1 GB/s,-1 us\n", ["net.csv: line 5: latency: ", "-1 us"]),
    "too few hosts": (
        "net.csv",
        CABLES + "h4,s,1 GB/s,1 us\n",
        ["small.toml:13: network.topology: the hosts of the graph are the nodes", "got 4 hosts, expected 3 nodes or 3"],
    ),
    "no graph": ("net.csv", "", ["net.csv: cannot be read as csv"]),
    "no lists": ("net.json", "[]", ["net.json: cannot be read as json: expected an object with a list 'nodes'"]),
    "a deep list": ("net.json", "[" * 100_000, ["net.json: has lists or tables too deep within each other"]),
    "no gzip": ("net.csv.gz", CABLES, ["net.csv.gz: is no whole gzip file"]),
    "a long cell": ("net.csv", CABLES + "h4," + "s" * 200_000 + ",1 GB/s,1 us\n", ["net.csv: cannot be read as csv"]),
    "too many mistakes": ("net.csv", CABLES + "a,b\n" * 300_000, ["net.csv: and 80 more problems"]),
}

BAD_TABLES = {
    "other hosts": (SPINE.format(2, "1 GB/s", UPLINK), ["network.topology: ", "got 6 hosts, expected 3 nodes"]),
    "no leaf": (SPINE.format(0, "1 GB/s", UPLINK), ["small.toml:15: network.topology.leaves: ", ">= 1 (got 0)"]),
    "no bandwidth": (SPINE.format(1, "0 GB/s", UPLINK), ["small.toml:18: network.topology.bandwidth: ", "> 0 B/s"]),
    "boundless": (SPINE.format(1, "inf GB/s", UPLINK), ["small.toml:18: network.topology.bandwidth: ", "inf GB/s"]),
    "negative latency": (TORUS.format("[3, 1]", "1 GB/s", "-1 us"), ["network.topology.latency: ", ">= 0 s"]),
    "one side": (
        TORUS.format("[3]", "1 GB/s", "1 us"),
        ["small.toml:15: network.topology.sides: must be two or three"],
    ),
    "an empty side": (TORUS.format("[3, 0]", "1 GB/s", "1 us"), ["small.toml:15: network.topology.sides[1]: ", ">= 1"]),
    "another torus": (
        TORUS.format("[3, 1]", "1 GB/s", "1 us") + "accelerators = 4\n",
        ["small.toml:18: network.topology.accelerators: 3x1 = 3, not 4"],
    ),
    "10^9 cables": (
        SPINE.format(10**9, "1 GB/s", UPLINK),
        ["small.toml:13: network.topology: more than 2,000,000 edges"],
    ),
    "10^9 of a torus": (TORUS.format("[1000, 1000, 1000]", "1 GB/s", "1 us"), ["more than 2,000,000 edges"]),
    "no accelerator in a host": (
        SPINE.format(1, "1 GB/s", UPLINK) + HOST.format(0),
        ["small.toml:23: network.host.accelerators: must be a whole number >= 1 (got 0)"],
    ),
    "other hosts inside": (
        SPINE.format(1, "1 GB/s", UPLINK) + HOST.format(2),
        ["network.topology: ", "got 6 hosts, expected 3 nodes", "network.host or pools.nodes"],
    ),
    "10^9 in a host": (
        SPINE.format(1, "1 GB/s", UPLINK) + HOST.format(10**9),
        ["small.toml:21: network.host: more than 2,000,000 edges"],
    ),
    "a host in a torus": (
        TORUS.format("[3, 1]", "1 GB/s", "1 us") + HOST.format(1),
        ["small.toml:13: network.topology: has accelerators as its endpoints"],
    ),
    "10^9 cubes": (
        'use = "optical_torus"\ncubes = 1_000_000_000\nbandwidth = "1 GB/s"\nlatency = "1 us"\n',
        ["small.toml:13: network.topology: more than 2,000,000 edges"],
    ),
    "10^9 hosts": (
        'use = "single_switch"\nhosts = 1_000_000_000\nbandwidth = "1 GB/s"\nlatency = "1 us"\n',
        ["network.topology: more than 2,000,000 edges (got 1,000,000,000); model the upper levels alone"],
    ),
}


def refused(folder: Path, capsys: pytest.CaptureFixture[str], topology: str, words: list[str], more: str = "") -> None:
    """Both commands end as the contract has it, with one line that says all of these words."""
    (folder / "jobs.csv").write_text("job_id,submit_s,accelerators,service_s\na,0,3,100\n", encoding="utf-8")
    file = folder / "small.toml"
    file.write_text(SCENARIO + topology + more, encoding="utf-8")
    told = []
    for command in (["validate"], ["run", "--no-report", "--out", str(folder / "results")]):
        capsys.readouterr()
        assert main([*command, str(file)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        lines = said.err.splitlines()
        assert all(LINE.fullmatch(line) for line in lines), said.err
        assert any(all(word in line for word in words) for line in lines), said.err
        told.append(lines)
    assert told[0] == told[1]
    assert not (folder / "results").exists()


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_is_no_graph_of_the_pools(tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    name, text, words = BAD_FILES[case]
    (tmp_path / name).write_text(text, encoding="utf-8")
    refused(tmp_path, capsys, CUSTOM.format(name), words)


@pytest.mark.parametrize("case", BAD_TABLES)
def test_parameters_that_make_no_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    topology, words = BAD_TABLES[case]
    refused(tmp_path, capsys, topology, words)


def test_a_file_of_a_billion_edges_is_not_read_to_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    block = gzip.compress(b"a,b\n" * (1 << 20), 1)
    (tmp_path / "net.csv.gz").write_bytes(block * 1000)  # 10^9 lines, 4 GB unpacked
    refused(
        tmp_path, capsys, CUSTOM.format("net.csv.gz"), ["net.csv.gz: is larger than 64 MB", "model the upper levels"]
    )


def test_files_that_refer_to_each_other_in_a_circle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.csv").symlink_to(tmp_path / "net.csv")
    refused(tmp_path, capsys, CUSTOM.format("net.csv"), ["small.toml:15: network.topology.path: ", "net.csv"])
    (tmp_path / "other.toml").write_text('base = "small.toml"\n', encoding="utf-8")
    (tmp_path / "small.toml").write_text('base = "other.toml"\n', encoding="utf-8")
    assert main(["validate", str(tmp_path / "small.toml")]) == 2
    assert "bases form a circle" in capsys.readouterr().err


def test_a_placement_that_does_not_go_with_the_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fair = SPINE.format(2, "1 GB/s", UPLINK) + '\n[network]\ncontention = "fair"\n\n[placement]\nuse = "pool"\n'
    job = '\n[[jobs]]\nname = "j"\nmodel = "gpt-2"\nsteps = 1\nglobal_batch = 3\naccelerators = 3\n'
    refused(tmp_path, capsys, fair, ["placement.use: contention needs a placement that looks at nodes"], job)
    refused(tmp_path, capsys, fair, ["network.topology: ", "got 6 hosts, expected 3 nodes"], job)


@pytest.mark.parametrize(
    ("contention", "policies", "words"),
    [
        (
            "fair",
            'scheduler.use = "processor_sharing"',
            ["scheduler.use: shares accelerators by time"],
        ),
        ("none", 'placement.use = "least_contention"', ["placement.use: needs links that are contended"]),
        (
            "none",
            'placement = { use = "topology_aware", interleave = true }',
            ["placement.interleave: has no effect without contention"],
        ),
        (
            "none",
            'placement = { use = "locality", interleave = true }',
            ["placement.interleave: has no effect without contention"],
        ),
    ],
)
def test_policies_that_do_not_go_with_contention(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], contention: str, policies: str, words: list[str]
) -> None:
    network = f'[network]\ncontention = "{contention}"\n\n[network.topology]\n'
    job = '\n[[jobs]]\nname = "j"\nmodel = "gpt-2"\nsteps = 1\nglobal_batch = 3\naccelerators = 3\n'
    head = SCENARIO.replace("[network.topology]\n", network).replace("name", policies + "\nname", 1)
    (tmp_path / "jobs.csv").write_text("job_id,submit_s,accelerators,service_s\na,0,3,100\n", encoding="utf-8")
    file = tmp_path / "small.toml"
    file.write_text(head + SPINE.format(1, "1 GB/s", UPLINK) + job, encoding="utf-8")
    for command in (["validate"], ["run", "--no-report", "--out", str(tmp_path / "results")]):
        assert main([*command, str(file)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert LINE.fullmatch(line), line
        assert all(word in line for word in words), line


def test_validate_tells_mistakes_of_plans_and_of_graphs_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jobs.csv").write_text("job_id,submit_s,accelerators,service_s\na,0,3,100\n", encoding="utf-8")
    job = '\n[[jobs]]\nname = "j"\nmodel = "gpt-2"\nsteps = 1\nglobal_batch = 3\naccelerators = 3\nplan = { tp = 5 }\n'
    (tmp_path / "small.toml").write_text(SCENARIO + SPINE.format(2, "1 GB/s", UPLINK) + job, encoding="utf-8")
    assert main(["validate", str(tmp_path / "small.toml")]) == 2
    said = capsys.readouterr().err
    assert "jobs.0.plan.tp" in said
    assert "got 6 hosts, expected 3 nodes" in said
