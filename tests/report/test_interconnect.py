"""The interconnect in the report: who stands where, what is drawn, and that it stays small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dcsim import results
from dcsim.__main__ import main
from dcsim.report.figure import Bars, Cells, Dots, Figure, Lines, Steps
from dcsim.report.figures import figures
from dcsim.report.interconnect import MOST_CABLES, MOST_NODES, cables
from dcsim.report.layout import Layout, layout
from dcsim.report.page import html
from dcsim.report.paper import images
from dcsim.run import Run, run
from dcsim.scenario import presets
from dcsim.scenario.spec import Interconnect, PluginTable, Pool, Scenario
from dcsim.scenario.training import Plan, TrainingJob
from dcsim.topologies import custom, dragonfly, fat_tree, leaf_spine, torus
from dcsim.topologies._routes import Links, compiled
from tests.conftest import ROOT
from tests.report.test_page import Elements

WIRE = {"bandwidth": 100e9, "latency": 1e-6}
OWN = ("topology", "switches", "contention")


def tree(k: int = 4, oversubscription: int = 1) -> Links:
    return compiled(fat_tree.build(fat_tree.FatTree(k=k, oversubscription=oversubscription, **WIRE)))


def made(nodes: int, jobs: int, size: int, **topology: object) -> Run:
    """Jobs of `size` accelerators, all at once, spread over the nodes."""
    pool = Pool(name="h100", accelerator=presets.accelerator("H100-SXM"), nodes=nodes, accelerators_per_node=8)
    job = TrainingJob(
        name="job",
        model=presets.model("llama-3-8b"),
        count=jobs,
        every=1.0,
        steps=1000,
        global_batch=2 * size,
        sequence_length=2048,
        accelerators=size,
        plan=Plan(tp=8, pp=1, micro_batch=8, sharding="none"),
    )
    network = Interconnect(
        topology=PluginTable(**{"bandwidth": "100 GB/s", "latency": "1 us", **topology}), contention="fair"
    )
    return run(Scenario(name="links", pools=(pool,), network=network, jobs=(job,), placement=PluginTable(use="random")))


@pytest.fixture(scope="module")
def two() -> Run:
    return run(ROOT / "scenarios" / "two-jobs-one-spine.toml")


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """The graph of `two-jobs-one-spine` as a file, beside it `own.toml`, which names it."""
    graph = tmp_path / "hosts.csv"
    graph.write_text("host,spine,leaf\n" + "".join(f"h{n},s,l{n // 4}\n" for n in range(12)))
    text = (ROOT / "scenarios" / "two-jobs-one-spine.toml").read_text()
    begin, end = text.index("[network.topology]"), text.index("[[jobs]]")
    table = '[network.topology]\nuse = "custom"\npath = "hosts.csv"\nbandwidth = "400 GB/s"\nlatency = "1 us"\n\n'
    (tmp_path / "own.toml").write_text(text[:begin] + table + text[end:])
    return graph


def own(of: Run) -> dict[str, Figure]:
    return {figure.key: figure for figure in figures(of) if figure.key in OWN}


def marks(figure: Figure, kind: type) -> list:
    return [mark for panel in figure.panels for mark in panel.marks if isinstance(mark, kind)]


def test_levels_stand_above_each_other_and_no_cables_of_hosts_cross():
    graph = tree()
    drawn = layout(graph)
    assert [text for _, text in drawn.ticks] == ["host\n(16)", "edge\n(8)", "aggregation\n(8)", "core\n(4)"]
    for host in graph.endpoints.tolist():
        edge = int(graph.neighbour[graph.begin[host]])
        assert drawn.at[edge, 0] == pytest.approx(drawn.at[host, 0], abs=1 / 16)


def test_hosts_of_a_switch_stand_together_in_whatever_order_a_file_has_them(tmp_path):
    rows = ["host,top,leaf", *(f"h{n},t,l{n % 3}" for n in range(9))]
    (tmp_path / "hosts.csv").write_text("\n".join(rows) + "\n")
    graph = compiled(custom.build(custom.Custom(path=str(tmp_path / "hosts.csv"), **WIRE)))
    drawn = layout(graph)
    order = sorted(range(9), key=lambda n: drawn.at[graph.number[f"h{n}"], 0])
    assert [n % 3 for n in order] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [text for _, text in drawn.ticks] == ["host\n(9)", "switch\n(3)", "switch\n(1)"]


def test_many_hosts_with_the_same_switches_are_one():
    graph = tree(8, oversubscription=4)  # 512 hosts, 16 on each of 32 edge switches
    drawn = layout(graph)
    assert np.bincount(drawn.size).tolist() == [0, 32 + 32 + 16, *[0] * 14, 32]
    carried = np.where(np.isin(graph.neighbour, graph.endpoints), 50e9, 0.0)
    found = cables(graph, carried, drawn.shown, 1.0)
    below = drawn.size[found.a] + drawn.size[found.b] == 17
    assert below.sum() == 32
    assert found.load[below] == pytest.approx(0.5)
    assert (found.load[~below] == 0.0).all()


def test_the_load_of_a_cable_is_that_of_its_fuller_direction():
    graph = compiled(leaf_spine.build(leaf_spine.LeafSpine(2, 1, 1, 100.0, 200.0, 0.0)))
    carried = np.zeros(len(graph.neighbour))
    for number in range(len(carried)):
        carried[number] = {(("leaf", 0), ("spine", 0)): 400.0, (("spine", 0), ("leaf", 0)): 100.0}.get(
            graph.name(number), 0
        )
    found = cables(graph, carried, layout(graph).shown, 4.0)
    assert sorted(found.load.tolist()) == [0.0, 0.0, 0.0, 0.5]


@pytest.mark.parametrize(("sides", "rings"), [((4, 5), 9), ((3, 4, 4), 12 + 12 + 16)])
def test_a_torus_is_a_grid_whose_closing_cables_are_two_stubs(sides: tuple[int, ...], rings: int):
    graph = compiled(torus.build(torus.Torus(sides=sides, wrap="always", **WIRE)))
    drawn = layout(graph)
    found = cables(graph, np.zeros(len(graph.neighbour)), drawn.shown, 1.0)
    lines, number = drawn.ends(found.a, found.b)
    assert len(lines) == len(found.a) + rings
    assert sorted(np.bincount(number).tolist()) == [1] * (len(found.a) - rings) + [2] * rings
    length = np.linalg.norm(lines[:, 1] - lines[:, 0], axis=1)
    assert length.max() <= 1.0 + 1e-9
    assert len(np.unique(drawn.at.round(9), axis=0)) == len(graph.nodes)


def test_other_graphs_are_circles_with_their_hosts_outside():
    params = dragonfly.Dragonfly(4, 2, 2, global_bandwidth=1e9, global_latency=0.0, **WIRE)
    graph = compiled(dragonfly.build(params))
    drawn = layout(graph)
    radius = np.hypot(*drawn.at.T)
    assert radius[drawn.level > 0] == pytest.approx(1.0)
    assert radius[drawn.level == 0].min() > 1.1
    assert len(np.unique(drawn.at.round(9), axis=0)) == len(graph.nodes)


def every_cable_is_drawn(drawn: Layout, figure: Figure) -> bool:
    return sum(len(mark.ends) for mark in marks(figure, Lines)) >= len(drawn.at) - 1


def test_two_jobs_show_the_fullest_link_their_traffic_and_their_slow_down(two: Run):
    found = own(two)
    assert set(found) == set(OWN)
    assert every_cable_is_drawn(layout(two.interconnect), found["topology"])
    notes = [note for mark in marks(found["topology"], Lines)[-1:] for note in mark.notes]
    graph = two.interconnect
    carried = two.traffic(np.array([0.0, two.end_s])).carried_b
    shares = np.array([100.0 * float(one.sum()) / (400e9 * two.end_s) for one in carried])
    (up,) = (link for link in range(len(carried)) if graph.name(link) == (("leaf", 1), ("spine", 0)))
    assert 15.0 < shares[up] < 25.0
    (kind, number), (other, its) = graph.name(int(shares.argmax()))
    ends = sorted((f"{kind} {number}", f"{other} {its}"))
    assert any(note.startswith(f"{' - '.join(ends)}: {shares.max():.1f} % of 400 GB/s") for note in notes)
    (cells,) = marks(found["switches"], Cells)
    assert [text for _, text in found["switches"].panels[0].ticks] == ["leaf 0", "leaf 1", "leaf 2", "spine 0"]
    assert cells.most == cells.values.max()
    (bars,) = marks(found["contention"], Bars)
    assert (bars.start_s + bars.length_s).tolist() == sorted(two.slowdown.tolist(), reverse=True)


def test_the_heat_map_tells_shares_of_what_comes_into_a_switch_at_most(two: Run):
    # Over the run the spine has got what its three cables of 400 GB/s brought from the leaves.
    graph, (cells,) = two.interconnect, marks(own(two)["switches"], Cells)
    carried = two.traffic(np.array([0.0, two.end_s])).carried_b
    into_b = sum(carried[link] for link in range(len(carried)) if graph.name(link)[1] == ("spine", 0))
    mean = np.average(cells.values[-1], weights=np.diff(cells.time_edges_s))
    assert cells.name == "% of capacity"
    assert mean == pytest.approx(100.0 * into_b / (3 * 400e9 * two.end_s), rel=1e-5)


def test_rows_of_the_heat_map_are_in_the_order_of_numbers(graph: Path):
    leaves = [9, 10, 2]
    graph.write_text("host,spine,leaf\n" + "".join(f"h{n},s,l{leaves[n // 4]}\n" for n in range(12)))
    figure = own(run(graph.with_name("own.toml")))["switches"]
    assert [text.rpartition("/")[2] for _, text in figure.panels[0].ticks] == ["l2", "l9", "l10", "s"]


def test_the_page_has_them_and_the_table_names_the_slow_down(two: Run):
    page = html(two)
    ids = [a.get("id") for _, a in Elements(page).tags]
    assert [key for key in ids if key in OWN] == list(OWN)
    assert "Slow-down by contention</th>" in page
    slow = sorted(two.slowdown.tolist())[1:]  # of the two jobs that share the spine
    assert len({f"{times:.2f}" for times in slow}) == 1
    assert page.count(f"<td>{slow[0]:.2f}</td>") == 2


@pytest.mark.parametrize("change", ["network.contention=none", "placement.use=topology_aware"])
def test_nothing_is_shown_of_links_that_nobody_shares(change: str):
    of = run(ROOT / "scenarios" / "two-jobs-one-spine.toml", overrides=(change,))
    shared = "none" not in change
    assert set(own(of)) == ({"topology", "switches"} if shared else set())
    assert ("Slow-down by contention" in html(of)) == shared
    assert ("contention_slowdown_mean" in of.summary) == shared


def test_many_jobs_are_lines_by_size():
    found = own(made(16, 40, 24, use="fat_tree", k=4))["contention"]
    (line,) = marks(found, Steps)
    assert line.y[-1] == 100.0
    assert (np.diff(line.y) >= 0.0).all()


BIG: dict[str, Callable[[], Run]] = {
    "fat tree of 1,024 hosts": lambda: made(1024, 60, 256, use="fat_tree", k=16),
    "torus of 4,096": lambda: made(4096, 30, 256, use="torus", sides=(16, 16, 16)),
    "torus of 8,000": lambda: made(8000, 10, 256, use="torus", sides=(20, 20, 20)),
}


@pytest.mark.parametrize("name", BIG)
def test_a_large_graph_stays_small_in_the_page(name: str):
    of = BIG[name]()
    found = own(of)
    assert sum(len(mark.notes) for mark in marks(found["topology"], Lines)) <= 2 * MOST_CABLES
    assert sum(len(mark.x) for mark in marks(found["topology"], Dots)) <= MOST_NODES
    (cells,) = marks(found["switches"], Cells)
    assert cells.values.shape[0] <= 120
    assert cells.values.shape[1] <= 300
    without = html(run(of.scenario.model_copy(update={"network": None})))
    assert len(html(of)) - len(without) < 1_200_000


def test_they_are_drawn_for_papers_the_same_every_time(two: Run):
    kinds = (
        two,
        made(27, 6, 32, use="torus", sides=(3, 3, 3)),
        made(16, 6, 32, use="wan", sites=4, hosts_per_site=4, wan_bandwidth="9 GB/s", wan_latency="1 ms"),
    )
    for of in kinds:
        found = images(own(of).values())
        assert {f"{key}.{kind}" for key in own(of) for kind in ("png", "svg")} == set(found)
        assert found == images(own(of).values())


def test_a_run_that_is_read_back_has_the_same_page_and_says_if_the_graph_is_lost(
    graph: Path, two: Run, capsys: pytest.CaptureFixture[str]
):
    of = run(graph.with_name("own.toml"))
    folder = results.save(of, graph.parent)
    assert of.slowdown is not None
    assert of.slowdown == pytest.approx(two.slowdown, rel=1e-9)  # the same graph
    assert results.read(folder).slowdown.tolist() == of.slowdown.tolist()
    assert html(results.read(folder)) == html(of)
    graph.unlink()
    page = html(results.read(folder))
    assert "No picture, since the graph cannot be built" in page
    assert "hosts.csv" in page
    assert main(["report", str(folder), "--figures"]) == 0
    said = capsys.readouterr()
    assert "topology.svg" not in said.out
    assert "no figures 'topology' and 'switches', since the graph cannot be built: " in said.err
    assert "hosts.csv" in said.err


@pytest.mark.parametrize("name", ["../own.toml", "link.toml"])
def test_a_graph_is_found_again_wherever_the_scenario_was_named_from(
    name: str, graph: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    here = graph.parent / "sub"
    here.mkdir()
    (here / "link.toml").symlink_to("../own.toml")
    monkeypatch.chdir(here)
    of = run(name)
    assert "No picture" not in html(of)
    folder = results.save(of, here)
    assert main(["report", str(folder), "--figures"]) == 0
    said = capsys.readouterr()
    assert "topology.svg" in said.out
    assert said.err == ""


def test_hosts_with_an_inside_are_drawn_as_points_and_their_switches_are_in_the_heat_map(two: Run) -> None:
    host = "network.host={use='nvlink_domain',accelerators=8,link_bandwidth='450 GB/s',latency='1 us'}"
    inside = run(ROOT / "scenarios" / "two-jobs-one-spine.toml", overrides=[host])
    points, drawn = own(two), own(inside)
    lines, plain = ([m for m in of["topology"].panels[0].marks if isinstance(m, Lines)] for of in (drawn, points))
    assert [(m.name, m.notes) for m in lines] == [
        (m.name, tuple(n.replace("400 GB/s", "50 GB/s") if "host" in n else n for n in m.notes)) for m in plain
    ]
    assert all((a.ends == b.ends).all() for a, b in zip(lines, plain, strict=True))
    assert "without what is inside" in drawn["topology"].caption
    (cells,) = (mark for mark in drawn["switches"].panels[0].marks if isinstance(mark, Cells))
    assert len(cells.values) == 12 + 3 + 1  # NVSwitches, leaves, the spine
