"""The page of a sweep: figures that suit what was swept, the numbers of the table in them, no markup of the user."""

from __future__ import annotations

import base64
import json
import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dcsim import results
from dcsim.__main__ import main
from dcsim.errors import ScenarioError
from dcsim.report.chart import Exhibit, Series, number_axis, value_axis, wrapped
from dcsim.report.chart_paper import chart_images
from dcsim.report.chart_plot import plot_chart
from dcsim.report.style import INK, ink_on
from dcsim.report.sweep_figures import Asked, Figures, sweep_figures
from dcsim.report.sweep_page import sweep_html
from dcsim.report.swept import keys_of
from dcsim.sweep.margins import margins
from dcsim.sweep.table import Table
from tests.report.sweeps import EVIL, MEANS, NODES, SWEEPS, drawn, swept
from tests.report.test_page import LOADS, OUR_TAGS, Elements, texts

MANY_CHARTS = ("a name of nine", "four keys", "five keys")
TAGS = f"{OUR_TAGS} button span "


def figures(name: str, **asked: Any) -> Figures:
    return sweep_figures(SWEEPS[name](), Asked(**asked))


def first_output(found: Figures) -> tuple[Exhibit, ...]:
    return found.of_outputs[0][1]


def kinds(shown: Exhibit) -> set[str]:
    """What its charts are made of."""
    return {"map" if chart.grid else series.kind for chart in shown.charts for series in chart.series or (None,)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("numbers and names", [("By pools.0.nodes", {"line"}), ("By scheduler.use", {"bars"})]),
        ("one key of numbers", [("By workload.service.mean", {"line"})]),
        (
            "two keys of numbers",
            [
                ("By pools.0.nodes", {"line"}),
                ("By workload.service.mean", {"line"}),
                ("By pools.0.nodes and workload.service.mean", {"map"}),
            ],
        ),
        ("names", [("By scheduler.use", {"bars"})]),
        (
            "drawn points",
            [
                ("By scheduler.use", {"bars"}),
                ("By pools.0.nodes", {"points"}),
                ("By workload.service.mean", {"points"}),
            ],
        ),
        ("seeds alone", [("By seed", {"line", "points"})]),
    ],
)
def test_each_key_has_the_figure_that_suits_it(name: str, expected: list[tuple[str, set[str]]]):
    assert [(shown.title, kinds(shown)) for shown in first_output(figures(name))] == expected


def test_lines_have_the_means_and_intervals_of_the_comparison():
    found = figures("numbers and names")
    rows = {row.variant: row.mean for row in found.found.rows if row.output == "wait_s_mean"}
    for series in first_output(found)[0].charts[0].series:
        for x, y, half in zip(series.x, series.y, series.half, strict=True):
            mean = rows[int(x), series.name]
            assert (y, half) == (mean.value, mean.half)
    assert [series.name for series in first_output(found)[0].charts[0].series] == ["fifo", "easy"]


def test_cells_of_a_map_are_the_means_of_the_comparison():
    found = figures("two keys of numbers")
    rows = {row.variant: row.mean.value for row in found.found.rows if row.output == "wait_s_mean"}
    grid = first_output(found)[2].charts[0].grid
    assert grid is not None
    assert grid.z.tolist() == [[rows[nodes, mean] for nodes in NODES] for mean in MEANS]


def unpacked(data: Any) -> Any:
    shape = [int(part) for part in data["shape"].split(",")] if "shape" in data else -1
    return np.frombuffer(base64.b64decode(data["bdata"]), data["dtype"]).reshape(shape)


def test_what_plotly_gets_is_in_the_unit_that_the_axis_names():
    chart = first_output(figures("names"))[0].charts[0]
    traces, layout = plot_chart(chart)
    assert layout["xaxis"]["title"]["text"] == "wait mean (s)"
    assert unpacked(traces[0]["x"]).tolist() == chart.series[0].x.tolist()
    hours = value_axis("wait", [np.array([0.0, 36000.0])], True)
    assert (hours.title, hours.unit) == ("wait (h)", 3600.0)


def test_numbers_with_units_are_numbers_whatever_their_units():
    (key,) = keys_of(swept({"mean": ("2 min", "600 s", "1 h")}))
    assert key.numbers == {"2 min": 120.0, "600 s": 600.0, "1 h": 3600.0}
    assert (key.title, key.names) == ("mean (min)", ("2 min", "10 min", "60 min"))
    (key,) = keys_of(swept({"memory": ("80 GB", "40 GB")}))
    assert (key.title, [key.bare(value) for value in key.values]) == ("memory (GB)", ["40", "80"])
    (key,) = keys_of(swept({"mixed": ("80 GB", "2 min")}))
    assert key.numbers is None


def test_wide_ranges_have_logarithmic_axes_and_zeros_a_place_on_them():
    assert not value_axis("x", [np.array([1.0, 99.0])], False).log
    wide = value_axis("x", [np.array([1.0, 101.0])], False)
    assert (wide.log, wide.edge) == (True, 0.0)
    zeros = value_axis("x", [np.array([0.0, 1.0, 101.0])], False)
    assert zeros.log
    assert zeros.ticks[0][1] == "0"
    assert zeros.place(np.array([0.0, 1.0])).tolist() == [zeros.edge, 1.0]
    assert not value_axis("x", [np.array([-1.0, 1000.0])], False).log
    assert not value_axis("x", [np.array([1.0, 1000.0])], False, zero=True).log
    assert number_axis("nodes", [8, 16, 32, 64, 128]).log
    assert not number_axis("nodes", [8, 40, 72, 104, 136]).log


def test_too_many_series_become_small_charts_and_then_means_that_are_told():
    by_nodes = first_output(figures("a name of nine"))[1]
    assert len(by_nodes.charts) == 9
    by_d = first_output(figures("four keys"))[3]
    assert (len(by_d.charts), len(by_d.charts[0].series)) == (6, 3)
    assert "Means over" not in by_d.caption
    many = sweep_figures(swept({"a": tuple(range(20)), "b": tuple(range(20))}, seeds=2), Asked())
    by_a = first_output(many)[0]
    assert (len(by_a.charts), len(by_a.charts[0].series)) == (1, 1)
    assert by_a.caption.startswith("Means over all settings of b, seed by seed.")


def test_a_margin_is_the_mean_over_the_others_on_each_seed():
    rows = [("x", 1, 0, 1.0), ("x", 1, 1, 3.0), ("x", 2, 0, 5.0), ("x", 2, 1, 9.0), ("y", 1, 0, 2.0), ("y", 2, 0, None)]
    names = ("k", "n", "seed", "out")
    table = Table("t", ("k", "n"), ("out",), names, tuple(dict(zip(names, row, strict=True)) for row in rows))
    x, y = margins(table, ["k"], "out")
    # Seeds: (1 + 5) / 2 = 3 and (3 + 9) / 2 = 6; half-width 12.706 x 2.1213 / sqrt 2 = 19.06.
    assert (x.mean.value, x.mean.count) == (4.5, 2)
    assert x.mean.half == pytest.approx(19.06, abs=0.01)
    assert math.isnan(y.mean.value)  # one of its two variants failed: the other alone would pass for a change


def test_points_that_were_drawn_twice_count_once():
    points = [(2,), (3,), (2,), (1,), (3,)]  # five of a Sobol sequence over 1 to 3
    table = swept({"nodes": (1, 2, 3)}, seeds=3, points=points)
    found = margins(table, ["nodes"], "wait_s_mean")
    assert [(m.point, m.mean.count) for m in found] == [((2,), 3), ((3,), 3), ((1,), 3)]
    shown = first_output(sweep_figures(table, Asked()))[0]
    assert "have no value" not in shown.caption


def test_names_that_were_drawn_with_other_settings_each_are_points_not_bars():
    points = [("fifo" if n % 3 else "easy", float(n), f"{(7 * n) % 20} min") for n in range(1, 20)]
    found = sweep_figures(swept(dict.fromkeys(("use", "nodes", "mean")), points=points), Asked())
    shown = first_output(found)[0]
    assert (shown.title, kinds(shown)) == ("By use", {"points"})
    assert shown.caption.startswith("A point a variant; the other keys differ too.")
    (series,) = shown.charts[0].series
    assert (len(series.x), set(series.y.tolist())) == (19, {0.0, 1.0})
    assert all(
        f"use = {('fifo', 'easy')[int(y)]}," in found.labels[n] for n, y in zip(series.rows, series.y, strict=True)
    )


def test_runs_that_are_alike_have_no_interval_in_words():
    rows = tuple(row | {"wait_s_mean": 60.0 * row["nodes"]} for row in swept({"nodes": NODES}))
    table = replace(swept({"nodes": NODES}), rows=rows, outputs=("wait_s_mean",))
    found = sweep_figures(table, Asked())
    assert first_output(found)[0].caption == "All runs of a point are alike, over 3 seeds: there is no interval."
    text = "".join(Elements(sweep_html(found)).text)
    assert "95 % interval" not in text
    assert "seeds change nothing here" in text


def test_a_variant_that_failed_on_some_seeds_is_named_and_not_on_the_front():
    table = swept({"use": ("a", "bad"), "nodes": NODES}, fails=lambda row: row["use"] == "bad" and row["seed"] == 1)
    found = sweep_figures(table, Asked(pareto=("utilization_allocated", "accelerators")))
    assert found.front is not None
    assert {point[0] for point, _ in found.front.best} == {"a"}
    assert found.front.exhibit.caption.endswith("on some seeds: bad, 4; bad, 8; bad, 16.")
    drawn_points = [n for series in found.front.exhibit.charts[0].series for n in series.rows]
    assert sorted(drawn_points) == [0, 1, 2]
    text = "".join(Elements(sweep_html(found)).text)
    assert "which may be the hard ones (bad, 4: 2 of 3 seeds" in text
    assert "(2 of 3)" in text


def test_drawn_points_have_the_labels_of_their_variants():
    found = sweep_figures(drawn(), Asked())
    series: Series = first_output(found)[1].charts[0].series[1]
    assert series.name == "easy"
    for x, row in zip(series.x, series.rows, strict=True):
        assert re.search(rf"scheduler.use = easy, pools.0.nodes = {x:.6g}, ", found.labels[row])


def test_the_front_is_that_of_the_table():
    table = SWEEPS["numbers and names"]()
    front = sweep_figures(table, Asked()).front
    assert front is not None
    expected = table.pareto("wait_s_mean", "accelerators")
    assert [values for _, values in front.best] == [(p["wait_s_mean"], p["accelerators"]) for p in expected]
    assert [point for point, _ in front.best] == [(p["pools.0.nodes"], p["scheduler.use"]) for p in expected]
    other = sweep_figures(table, Asked(pareto=("accelerators", "wait_s_mean"), maximize=("wait_s_mean",))).front
    assert other is not None
    most = table.pareto("accelerators", "wait_s_mean", maximize=["wait_s_mean"])
    assert [values[1] for _, values in other.best] == [p["wait_s_mean"] for p in most]
    assert "larger is better" in other.exhibit.charts[0].y.title


def test_differences_are_paired_and_drawn_around_zero():
    found = figures("names", baseline="easy")
    shown = first_output(found)[-1]
    chart = shown.charts[0]
    drawn_values = sorted(value for series in chart.series for value in series.x.tolist())
    against = sorted(r.against.value for r in found.found.rows if r.output == "wait_s_mean" and r.against is not None)
    assert drawn_values == against
    assert len(against) == 2
    assert chart.level == ("x", 0.0)
    assert chart.x.low < 0.0 < chart.x.high
    assert "from scheduler.use = easy on the same seeds" in shown.caption


@pytest.fixture(scope="module", params=list(SWEEPS))
def page(request: pytest.FixtureRequest) -> str:
    return sweep_html(figures(request.param))


def test_every_page_opens_offline_and_holds_no_markup_of_the_user(page: str):
    elements = Elements(page)
    assert not [(tag, a) for tag, a in elements.tags for name in LOADS if name in a]
    assert all(f" {tag} " in TAGS for tag, _ in elements.tags)
    assert page.count("plotly.js v") == 1
    calls = page[page.rindex("<script>") + len("<script>") : page.rindex("</script>")]
    assert "<img" not in calls
    assert "http" not in calls


def test_names_of_a_wide_table_may_be_broken_and_it_scrolls_within_itself():
    page = sweep_html(figures("five keys", baseline="fifo"))
    head = "network<wbr>.topology<wbr>.uplink<wbr>_bandwidth (GB/s)"
    assert page.count(f"{head}</button>") == page.count(f"<th>{head}</th>") == 1
    assert "<div class='scroll'><table class='sortable'>" in page
    titles = [plot_chart(c)[1]["yaxis"]["title"]["text"] for shown in figures("five keys").all() for c in shown.charts]
    assert "network.topology.uplink<br>_bandwidth (GB/s)" in titles


def test_an_output_without_a_value_has_no_empty_charts():
    found = figures("nothing ended", baseline="pools.0.nodes=4")
    assert [shown for _, shown in found.of_outputs] == [(), ()]
    assert "".join(Elements(sweep_html(found)).text).count("No run gave a value.") == 2


def test_bars_are_pale_under_their_intervals_and_those_of_no_width_are_not_drawn():
    chart = figures("numbers and names").of_outputs[0][1][1].charts[0]
    for series in chart.series:
        assert (series.kind, series.whisker, ink_on(series.look.color)) == ("bars", INK, INK)
    exact = replace(chart.series[0], half=np.array([0.0, 2.0]))
    (bars,) = plot_chart(replace(chart, series=(exact,)))[0]
    assert np.isnan(unpacked(bars["error_x"]["array"])).tolist() == [True, False]


def test_no_label_of_a_chart_is_markup():
    found = figures("markup")
    labels = [text for shown in found.all() for chart in shown.charts for text in texts(list(plot_chart(chart)))]
    assert any("onerror" in text for text in labels)
    assert all(set(re.findall(r"<[^>]*>?", text)) <= {"<br>", "<extra>", "</extra>"} for text in labels)


def test_the_same_table_gives_the_same_bytes():
    assert sweep_html(figures("drawn points")) == sweep_html(figures("drawn points"))
    shown = list(figures("numbers and names").all())[:2]
    assert chart_images(shown) == chart_images(shown)


def test_errors_are_told_once_with_where_they_came_first():
    text = "".join(Elements(sweep_html(figures("failures"))).text)
    assert "6 runs of 2 variants, 3 seeds: 3 done, 3 failed." in text
    assert text.count(EVIL) == 1
    assert "scheduler.use = bad, seed = 0" in text
    assert "1 of 2 have no value" in text


@pytest.mark.parametrize("name", [name for name in SWEEPS if name not in MANY_CHARTS])
def test_every_kind_of_sweep_can_be_drawn_for_a_paper(name: str):
    shown = first_output(figures(name))
    found = chart_images(shown)
    assert set(found) == {f"{c.key}.{kind}" for exhibit in shown for c in exhibit.charts for kind in ("png", "svg")}
    for file, content in found.items():
        if file.endswith("svg"):
            assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.filterwarnings("error")
def test_long_titles_leave_room_for_what_they_stand_over():
    bars, *_, heat_map = first_output(figures("five keys"))  # matplotlib warns of axes that collapse
    for shown in (bars, heat_map):
        assert len(chart_images([replace(shown, charts=shown.charts[:1])])) == 2


@pytest.mark.parametrize("name", SWEEPS)
def test_every_chart_has_a_place_of_its_own_and_titles(name: str):
    charts = [chart for exhibit in figures(name).all() for chart in exhibit.charts]
    assert len({chart.key for chart in charts}) == len(charts)
    assert all(chart.x.title and chart.y.title for chart in charts)


def test_the_page_of_a_thousand_variants_stays_small():
    page = sweep_html(sweep_figures(drawn(500, seeds=2), Asked()))
    assert page.count("<tr>") > 1000
    without = len(sweep_html(figures("one run")))
    assert len(page) - without < 1_000_000


def test_long_names_keep_both_ends_in_four_short_lines():
    name = "begin-" + "middle-" * 20 + "end"
    lines = wrapped(name)
    assert len(lines) <= 4
    assert max(map(len, lines)) <= 21
    assert lines[0].startswith("begin-")
    assert lines[-1].endswith("end")
    assert wrapped("easy") == ["easy"]


def saved(folder: Path, table: Table) -> Path:
    """The folder of a finished sweep."""
    results.write_parquet(folder / "table.parquet", table.arrow())
    meta = {"name": table.name, "axes": list(table.axes), "outputs": list(table.outputs)}
    results.write_text(folder / "meta.json", json.dumps(meta))
    return folder


def test_the_command_writes_page_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = saved(tmp_path, SWEEPS["numbers and names"]())
    other = tmp_path / "other.html"
    base = "scheduler.use=fifo,pools.0.nodes=8"
    assert main(["sweep-report", str(folder), "--figures", "--out", str(other), "--baseline", base]) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert written[0] == other
    assert sorted(written[1:]) == sorted((folder / "figures").iterdir())
    assert main(["sweep-report", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    assert (folder / "report.html").read_text(encoding="utf-8") == sweep_html(figures("numbers and names"))


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("--outputs=wait_s_maen", """no such output (got "wait_s_maen"); did you mean 'wait_s_mean'?"""),
        ("--outputs=status", 'no such output (got "status")'),
        ("--pareto=jobs", 'not two outputs (got "jobs"); such as wait_s_mean,accelerators'),
        ("--maximize=waits", 'no such output (got "waits")'),
        ("--baseline=scheduler.use=fif", 'fits no variant (got "scheduler.use=fif")'),
        ("--baseline=scheduler=fifo", 'is not swept (got "scheduler")'),
        ("--out=scenario.toml", "is no page (got 'scenario.toml', expected a name that ends in .html)"),
    ],
)
def test_what_the_table_does_not_have_is_an_error(
    word: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = saved(tmp_path, SWEEPS["numbers and names"]())
    assert main(["sweep-report", str(folder), word]) == 2
    assert f"{word.split('=')[0]}: {told}" in capsys.readouterr().err


def test_all_unknown_names_are_told_at_once():
    with pytest.raises(ScenarioError) as caught:
        figures("names", outputs=("a",), maximize=("b", "c"))
    assert len(caught.value.problems) == 3


def test_a_folder_that_is_no_sweep_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["sweep-report", str(tmp_path)]) == 2
    assert "is not a finished sweep" in capsys.readouterr().err
    assert main(["sweep-report", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err
