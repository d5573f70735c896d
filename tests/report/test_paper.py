"""Figures for papers: PNG and SVG of the same figures, the same bytes every time."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib as mpl
import pytest

from dcsim import results
from dcsim.__main__ import main
from dcsim.report.dates import date_labels
from dcsim.report.figures import figures
from dcsim.report.page import html
from dcsim.report.paper import STYLE, draw, images
from tests.report.runs import RUNS


@pytest.mark.parametrize("name", RUNS)
def test_every_run_can_be_drawn(name: str):
    run = RUNS[name]()
    found = images(figures(run))
    assert set(found) == {f"{figure.key}.{kind}" for figure in figures(run) for kind in ("png", "svg")}
    assert all(content.startswith(b"\x89PNG") for file, content in found.items() if file.endswith("png"))
    for file, content in found.items():
        if file.endswith("svg"):
            assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_same_run_gives_the_same_bytes():
    for name in ("many jobs", "a calendar"):
        assert images(figures(RUNS[name]())) == images(figures(RUNS[name]()))


def test_every_axis_has_a_title():
    for figure in figures(RUNS["many jobs"]()):
        with mpl.rc_context(STYLE):
            axes = draw(figure).axes
        assert all(axis.get_ylabel() for axis in axes)
        assert axes[len(figure.panels) - 1].get_xlabel()


def test_every_date_on_an_axis_tells_its_month_and_the_first_and_changed_ones_their_year():
    christmas = 18620  # days since 1970 of 24 December 2020
    assert date_labels([christmas + n for n in (1, 5, 8, 12)]) == ["25 Dec\n2020", "29 Dec", "01 Jan\n2021", "05 Jan"]
    assert date_labels([christmas + n / 2 for n in (1, 2, 3)]) == ["12:00\n24 Dec 2020", "00:00\n25 Dec 2020", "12:00"]
    assert date_labels([christmas + n / 86400 for n in (5, 6)]) == ["00:00:05\n24 Dec 2020", "00:00:06"]
    assert date_labels([christmas + n for n in (8, 39, 67)]) == ["Jan\n2021", "Feb", "Mar"]
    assert date_labels([christmas + n for n in (8, 373)]) == ["2021", "2022"]


def test_the_command_writes_figures_and_page_into_the_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = results.save(RUNS["one job"](), tmp_path)
    assert main(["report", str(folder), "--figures"]) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert written
    assert sorted(written) == sorted((folder / "figures").iterdir())
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    assert results.is_run(folder)


def test_a_report_of_a_run_read_back_is_that_of_the_run(tmp_path: Path):
    run = RUNS["preempted"]()
    folder = results.save(run, tmp_path)
    assert html(results.read(folder)) == html(run)


def test_a_folder_that_is_no_run_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["report", str(tmp_path)]) == 2
    assert "is not the result of a run" in capsys.readouterr().err
