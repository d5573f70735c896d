"""Graphs from files: three formats, a real cluster, and every mistake with its place."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import networkx as nx
import pytest

from dcsim.errors import ScenarioError
from dcsim.topologies._routes import compiled
from dcsim.topologies.custom import Custom, build

EDGES = "source,target,bandwidth,latency\nh1,s,50 GB/s,1 us\nh2,s,25 GB/s,2 us\n"


def written(folder: Path, name: str, text: str) -> Custom:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return Custom(str(path))


def lines(params: Custom) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        build(params)
    return [str(problem).removeprefix(params.path + ": ") for problem in caught.value.problems]


@pytest.mark.parametrize("name", ["net.csv", "net.csv.gz"])
def test_a_list_of_cables_is_a_graph(tmp_path: Path, name: str) -> None:
    graph = build(written(tmp_path, name, EDGES))
    assert graph.edges["h2", "s"] == {"bandwidth_b_per_s": 25e9, "latency_s": 2e-6}
    assert dict(graph.nodes(data="kind")) == {"h1": "host", "h2": "host", "s": "switch"}


def test_json_and_graphml_hold_the_same_graph(tmp_path: Path) -> None:
    nodes = [{"id": "h1", "kind": "host"}, {"id": "h2", "kind": "host"}, {"id": "s", "kind": "switch"}]
    facts = [("h1", "50 GB/s", "1 us"), ("h2", "25 GB/s", "2 us")]
    links = [{"source": host, "target": "s", "bandwidth": b, "latency": t} for host, b, t in facts]
    by_json = build(written(tmp_path, "net.json", json.dumps({"nodes": nodes, "links": links})))
    other = nx.Graph()
    other.add_nodes_from((node["id"], {"kind": node["kind"]}) for node in nodes)
    other.add_edges_from((host, "s", {"bandwidth": b, "latency": t}) for host, b, t in facts)
    by_graphml = build(written(tmp_path, "net.graphml", "\n".join(nx.generate_graphml(other))))
    by_csv = build(written(tmp_path, "net.csv", EDGES))
    for graph in (by_json, by_graphml):
        assert nx.utils.graphs_equal(nx.Graph(graph.edges), nx.Graph(by_csv.edges))
        assert dict(graph.nodes(data="kind")) == dict(by_csv.nodes(data="kind"))


def test_alibabas_lingjun_cluster_loads(shared: Path) -> None:
    path = shared / "traces" / "alibaba_lingjun2023" / "topo.csv.gz"
    graph = build(Custom(str(path), bandwidth=25e9, latency=1e-6))
    made = compiled(graph)
    assert len(made.endpoints) == 847  # hosts of the file
    assert graph.number_of_nodes() == 847 + 1 + 3 + 119  # DSW, PSW, and ASWs named within a PSW
    assert graph.number_of_edges() == 847 + 3 + 119


def test_mistakes_are_told_with_their_lines(tmp_path: Path) -> None:
    bad = ["h1,h1,1 GB/s,1 us", "s,h1,1 GB/s,1 us", "h3,s,0 GB/s,1 us", "h4,s,10,1 us", "h5,s,inf GB/s,1 us"]
    bad += ["h6,s,1 GB/s,-1 us", "h7,s,,"]
    told = lines(written(tmp_path, "net.csv", EDGES + "\n".join(bad)))
    assert told[:3] == [
        "line 4: an edge from a node to itself (got 'h1')",
        "line 5: a second edge between s and h1; add their bandwidths up",
        "line 6: bandwidth: must be > 0 B/s (got '0 GB/s')",
    ]
    assert [line.split(": ")[:2] for line in told[3:]] == [
        ["line 7", "bandwidth"],
        ["line 8", "bandwidth"],
        ["line 9", "latency"],
        ["line 10", "bandwidth"],
        ["line 10", "latency"],
    ]


def test_edges_to_unknown_nodes_are_told_with_the_nearest(tmp_path: Path) -> None:
    text = json.dumps({"nodes": [{"id": "spine"}, {"id": "h"}], "edges": [{"source": "h", "target": "spin"}]})
    assert lines(written(tmp_path, "net.json", text)) == ["edges[0]: no such node (got 'spin'); did you mean 'spine'?"]


def test_every_field_of_json_has_its_type(tmp_path: Path) -> None:
    nodes = [{"id": "a", "kind": 5}, {"id": "b", "kind": "swich"}, {"id": ["c"]}, "d", {"id": "e", "kind": None}, {}]
    nodes += [{"kind": "host"}, {"id": True}, {"id": "a"}, {"id": 7, "kind": "host"}]
    cable = {"bandwidth": "1 GB/s", "latency": "1 us"}
    edges = [7, {"source": "a"} | cable, {"source": {}, "target": "a"} | cable]
    edges += [
        {"source": "a", "target": 7, "bandwidth": ["1 GB/s"], "latency": True},
        {"source": 7, "target": "b"} | cable,
    ]
    told = lines(written(tmp_path, "net.json", json.dumps({"nodes": nodes, "edges": edges})))
    kinds, name = "must be one of host, accelerator, nic, switch", "must be a name: a text or a whole number"
    assert told == [
        f"nodes[0]: kind: {kinds} (got '5')",
        f"nodes[1]: kind: {kinds} (got 'swich')",
        f"nodes[2]: id: {name} (got '['c']')",
        'nodes[3]: must be an object (got \'d\'); write e.g. {"id": "host-1"}',
        f"nodes[4]: kind: {kinds}",
        'nodes[5]: must be an object (got \'{}\'); write e.g. {"id": "host-1"}',
        "nodes[6]: id: is missing",
        f"nodes[7]: id: {name} (got 'True')",
        "nodes[8]: comes twice (got 'a')",
        'edges[0]: must be an object (got \'7\'); write e.g. {"source": "host-1", "target": "switch-1"}',
        "edges[1]: target: is missing",
        f"edges[2]: source: {name} (got '{{}}')",
        "edges[3]: bandwidth: expected text with a unit, e.g. \"20 GB/s\" (got '['1 GB/s']')",
        "edges[3]: latency: expected text with a unit, e.g. \"20 min\" (got 'True')",
    ]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("net.txt", "", "is no GraphML, JSON or CSV"),
        ("net.json", "{", "cannot be read as json"),
        ("net.json", "[]", "cannot be read as json"),
        ("net.graphml", "<graphml", "cannot be read as graphml"),
        ("net.graphml", "<!DOCTYPE x><graphml/>", "document types and entities are refused"),
        ("net.csv", "alone\n1\n", "no columns source, target"),
        ("net.csv", "source,target,bandwidth,latency\n", "has no edges"),
        ("net.csv", "host,top\nh,\n", "has an empty cell"),
    ],
)
def test_files_that_hold_no_graph_are_refused(tmp_path: Path, name: str, text: str, says: str) -> None:
    assert says in lines(written(tmp_path, name, text))[0]
