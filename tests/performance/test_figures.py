"""Figures that documents quote are those that the benchmarks find."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.memory_accuracy import judge, left_out_sizes, read_grid, right
from benchmarks.training_accuracy import untested
from dcsim.performance.calibrate import calibrate, predict
from dcsim.performance.memory import eager, shipped
from dcsim.performance.predictions import predict as predictions
from dcsim.performance.rows import Configurations, configurations, read
from tests.conftest import ROOT

RESULTS, MODELS = ((ROOT / name).read_text(encoding="utf-8") for name in ("benchmarks/RESULTS.md", "docs/models.md"))
FAR = 0.35  # from this error on a row is said to be missed


def quoted(question: str) -> str:
    """The line of a table in RESULTS.md that answers a question."""
    (line,) = (line for line in RESULTS.splitlines() if line.startswith(f"| {question}"))
    return line


def quotes(line: str, share: float) -> bool:
    """Whether a line has this share in %; the last digit may be another one where a sum is rounded otherwise."""
    found = (float(number) for number in re.findall(r"(\d+\.\d) %", line))
    return any(abs(number - 100.0 * share) < 0.11 for number in found)


def test_memory(shared: Path) -> None:
    grid = read_grid(shared / "strategy_grid_h100.csv")
    told = right(grid, grid.needed_b(grid.factors), shipped())
    untold = right(grid, grid.needed_b(eager().kept_factor), shipped())
    assert quotes(quoted("strategy grid, ran or ran out of memory"), told.mean())
    assert quotes(quoted("of them 1,049"), told[grid.sound].mean())
    assert quotes(quoted("of them 1,238"), told[~grid.sound].mean())
    assert quotes(quoted("all, if it is not told"), untold.mean())
    for share, _ in left_out_sizes(grid).values():
        assert quotes(quoted("strategy grid, each model size left out"), share)
    ran = judge(shared / "training_measured.csv")
    assert quotes(quoted("measured runs said to fit"), ran.fits.mean())
    assert quotes(quoted("those of them that say recompute and micro-batch"), ran.fits[ran.told].mean())


def test_rows_that_are_said_to_fit(shared: Path) -> None:
    path = shared / "training_measured.csv"
    primary = {row["id"] for row in read(path) if row["primary"] == "1"}
    fits = np.array([row.fits for row in predictions(path).rows if row.id in primary and row.fits is not None])
    assert f"{len(fits):,} primary rows" in quoted("runs that `estimate --rows` says fit")
    assert quotes(quoted("runs that `estimate --rows` says fit"), fits.mean())
    wrong = int((~fits).sum())
    assert f"{wrong} ({100 * wrong / len(fits):.1f} %) are said not to fit" in MODELS


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
        assert quotes(quoted("ordinary rows, whole sources left out, median"), np.median(usual))
        assert quotes(quoted("the same, 90th percentile"), np.quantile(usual, 0.9))
        assert quotes(all_, np.median(outside))
        assert quotes(all_, np.quantile(outside, 0.9))
        for value in (np.median(ships[of.ordinary]), np.quantile(ships[of.ordinary], 0.9)):
            assert quotes(quoted("ordinary rows, the constants that ship"), value)
    of, outside, _ = both[0]
    assert quotes(quoted("rows told"), len(of.rows) / of.total)
    missed, without = (int((errors[rows.ordinary] > FAR).sum()) for rows, errors, _ in both)
    assert f"{missed} of {of.ordinary.sum():,} ordinary rows miss by more than 35 %" in MODELS
    assert quoted("a network is as fast as").endswith(f"| {missed} |")
    assert quoted("llm-foundry ran kernels").endswith(f"| {without} |")
