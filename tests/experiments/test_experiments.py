"""Every experiment that ships is legal at every point; the smallest is run, and gives what its page says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import dcsim
from dcsim.sweep.prepared import prepare
from experiments.drawing import panels, save
from experiments.size_and_wait.figure import draw_costs, draw_waits, mark_sizes
from experiments.size_and_wait.newsvendor import CLOUD, Demand, best_size
from tests.conftest import ROOT

HOME = ROOT / "experiments"
FILES = sorted(path for path in HOME.rglob("*.toml") if "sweep" in tomllib.loads(path.read_text(encoding="utf-8")))
QUESTIONS = sorted(path.parent for path in HOME.rglob("README.md") if path.parent != HOME)
SIZES = HOME / "size_and_wait"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOME)))
def test_every_point_of_an_experiment_is_legal(path: Path, request: pytest.FixtureRequest):
    base = path.parent / tomllib.loads(path.read_text(encoding="utf-8"))["base"]
    needs_data = "--data" in base.read_text(encoding="utf-8")
    prepared = prepare(path, data=request.getfixturevalue("traces") if needs_data else None)
    assert len(prepared.keys) == len(set(prepared.keys)) > 1


def test_the_shoot_out_has_every_built_in_scheduler():
    built_in = {path.stem for path in (ROOT / "dcsim/policies/schedulers").glob("*.py")} - {"__init__"}
    for path in (HOME / "shootout").glob("*.toml"):
        assert set(tomllib.loads(path.read_text(encoding="utf-8"))["sweep"]["scheduler.use"]) == built_in, path


@pytest.mark.parametrize("folder", QUESTIONS, ids=lambda folder: folder.name)
def test_a_question_has_its_command_its_answer_and_its_figure(folder: Path):
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert f"python -m experiments.{folder.name}.figure" in text
    assert "**Answer:**" in text
    for kind in ("png", "svg"):
        assert (ROOT / "docs" / "figures" / f"{folder.name}.{kind}").stat().st_size < 150_000
    assert f"docs/figures/{folder.name}.png" in text
    assert f"({folder.name}/README.md)" in (HOME / "README.md").read_text(encoding="utf-8")


def test_the_sizes_that_the_newsvendor_buys_have_the_waits_of_the_page(tmp_path: Path):
    demand = Demand.of(dcsim.run(SIZES / "scenario.toml"))
    owned = [best_size(demand, cloud) for cloud in CLOUD]
    table = dcsim.sweep(
        {
            "name": "tiny",
            "base": str(SIZES / "scenario.toml"),
            "sweep": {"pools.0.nodes": owned, "scheduler.use": ["fifo", "easy", "srtf"]},
        },
        tmp_path,
        workers=0,
    )
    wait_h = {(row["pools.0.nodes"], row["scheduler.use"]): row["wait_s_mean"] / 3600.0 for row in table}
    page = (SIZES / "README.md").read_text(encoding="utf-8")
    for cloud, size in zip(CLOUD, owned, strict=True):
        cost = demand.cost_usd_per_h(size, cloud)
        line = f"| {cloud:.2f} | {size} | {cost:.2f} | {wait_h[size, 'fifo']:.3g} | {wait_h[size, 'srtf']:.2g} |"
        assert line in page.splitlines()

    figure, (waits, costs) = panels(2, 2.9)
    draw_waits(waits, table)
    draw_costs(costs, demand)
    mark_sizes(waits, demand)
    save(figure, "tiny", tmp_path)
    assert [line.get_label() for line in waits.lines[:3]] == ["fifo", "easy", "srtf"]
    assert (tmp_path / "tiny.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "tiny.svg").read_bytes()
