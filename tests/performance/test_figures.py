"""Figures that documents quote are those that the benchmarks find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.memory_accuracy import eager, judge, left_out_sizes, read_grid, right, shipped
from benchmarks.training_accuracy import untested
from dcsim.performance.calibrate import calibrate, predict
from dcsim.performance.predictions import predict as predictions
from dcsim.performance.rows import Configurations, configurations, read
from tests.conftest import ROOT

RESULTS, MODELS = ((ROOT / name).read_text(encoding="utf-8") for name in ("benchmarks/RESULTS.md", "docs/models.md"))
FAR = 0.35  # from this error on a row is said to be missed


def quoted(question: str) -> str:
    """The line of a table in RESULTS.md that answers a question."""
    (line,) = (line for line in RESULTS.splitlines() if line.startswith(f"| {question}"))
    return line


def percent(share: float) -> str:
    return f"{100.0 * share:.1f} %"


def test_memory(shared: Path) -> None:
    grid = read_grid(shared / "strategy_grid_h100.csv")
    told = right(grid, grid.needed_b(grid.factors), shipped())
    untold = right(grid, grid.needed_b(eager().kept_factor), shipped())
    assert percent(told.mean()) in quoted("strategy grid, ran or ran out of memory")
    assert percent(told[grid.sound].mean()) in quoted("of them 1,049")
    assert percent(told[~grid.sound].mean()) in quoted("of them 1,238")
    assert percent(untold.mean()) in quoted("all, those taken as sound")
    for share, _ in left_out_sizes(grid).values():
        assert percent(share) in quoted("strategy grid, each model size left out")
    ran = judge(shared / "training_measured.csv")
    assert percent(ran.fits.mean()) in quoted("measured runs said to fit")
    assert percent(ran.fits[ran.told].mean()) in quoted("those of them that say recompute and micro-batch")


def test_rows_that_are_said_to_fit(shared: Path) -> None:
    path = shared / "training_measured.csv"
    primary = {row["id"] for row in read(path) if row["primary"] == "1"}
    fits = np.array([row.fits for row in predictions(path).rows if row.id in primary and row.fits is not None])
    assert f"{len(fits):,} primary rows" in quoted("runs that `estimate --rows` says fit")
    assert percent(fits.mean()) in quoted("runs that `estimate --rows` says fit")
    wrong = int((~fits).sum())
    assert f"{wrong} ({percent(wrong / len(fits))}) are said not to fit" in MODELS


@pytest.fixture(scope="module")
def both(shared: Path) -> list[tuple[Configurations, np.ndarray, np.ndarray]]:
    """Rows, errors with sources left out and errors of the constants that ship; with tests of networks and without."""
    rows = read(shared / "training_measured.csv")
    found = []
    for given in (rows, untested(rows)):
        of = configurations(given)
        outside, ships = (predicted / of.measured - 1.0 for predicted in (calibrate(of).outside, predict(of)))
        found.append((of, np.abs(outside), np.abs(ships)))
    return found


def test_step_times(both) -> None:
    for of, outside, ships in both:
        usual, all_ = outside[of.ordinary], quoted("all rows, whole sources left out")
        assert percent(np.median(usual)) in quoted("ordinary rows, whole sources left out, median")
        assert percent(np.quantile(usual, 0.9)) in quoted("the same, 90th percentile").replace(", missed by 1.5", " ")
        assert percent(np.median(outside)) in all_
        assert percent(np.quantile(outside, 0.9)) in all_
        for value in (np.median(ships[of.ordinary]), np.quantile(ships[of.ordinary], 0.9)):
            assert percent(value) in quoted("ordinary rows, the constants that ship")
    of, outside, _ = both[0]
    assert percent(len(of.rows) / of.total) in quoted("rows told")
    missed = (outside[of.ordinary] > FAR).sum()
    assert f"{missed} of {of.ordinary.sum():,} ordinary rows miss by more than 35 %" in MODELS
    assert (both[1][1][both[1][0].ordinary] > FAR).sum() == missed + 13  # 135, in RESULTS.md
