"""Occupancy and bars: where jobs sat, against counting by hand and by brute force."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from dcsim.metrics.cells import held_in_cells
from dcsim.metrics.runs import stretches
from dcsim.report.bands import Bands
from dcsim.report.figure import Bars, Cells
from dcsim.report.figures import figures
from dcsim.report.lanes import job_bars
from dcsim.report.markup import shortened
from dcsim.report.occupancy import occupancy_figure
from dcsim.report.waits import longest_waiters, waiting_s
from dcsim.run import Run
from tests.report.runs import RUNS, made
from tests.simulate import pools, table


def cells(run: Run) -> Cells:
    mark = occupancy_figure(run, stretches(run.log, run.end_s)).panels[0].marks[0]
    assert isinstance(mark, Cells)
    return mark


def test_held_in_cells_is_the_overlap_of_pieces_and_slots():
    random = np.random.default_rng(5)
    start = random.uniform(0.0, 90.0, 300)
    end = np.minimum(start + random.exponential(20.0, 300), 100.0)
    weight, row = random.integers(1, 9, 300).astype(float), random.integers(0, 7, 300)
    slots = np.array([0.0, 10.0, 11.0, 40.0, 73.5, 100.0])
    found = held_in_cells(start, end, weight, row, 7, slots)
    expected = np.zeros((7, 5))
    for s, e, w, r in zip(start, end, weight, row, strict=True):
        for c in range(5):
            expected[r, c] += w * max(0.0, min(e, slots[c + 1]) - max(s, slots[c])) / (slots[c + 1] - slots[c])
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_node_half_taken_for_half_the_time_is_a_quarter_busy():
    # Four accelerators on each of two nodes: 2 of node 0 from 0 to 50 s of 100 s; all of node 1 until the end.
    run = made(table([0, 0], [50, 100], [2, 4]), 2, 4)
    assert cells(run).values.mean(axis=1).tolist() == [25.0, 100.0]


def test_without_node_walls_rows_are_job_sizes():
    run = made(table([0, 0], [50, 100], [2, 4]), 2, 4, "fifo", "pool")
    assert cells(run).values.mean(axis=1).tolist() == pytest.approx([12.5, 50.0], abs=0.5)


def test_the_map_is_bounded_whatever_the_number_of_nodes():
    run = made(table([0, 5], [50, 100], [2, 40_000]), 10_001, 4)
    mark = cells(run)
    assert mark.values.shape[0] <= 200
    assert mark.values.shape[1] <= 400
    assert mark.values.max() == 100


def test_the_map_holds_all_accelerator_time():
    run = RUNS["two pools"]()
    mark = cells(run)
    width = np.repeat([4, 16], [3, 2])
    held = (mark.values / 100 * width[:, None] * np.diff(mark.time_edges_s)).sum()
    assert held == pytest.approx(run.timeline.integral(run.timeline.allocated), rel=0.01)


@pytest.mark.parametrize("name", ["many jobs", "no node walls", "preempted", "unfinished", "two pools"])
def test_bars_never_overlap_and_show_every_accelerator(name):
    run = RUNS[name]()
    held = stretches(run.log, run.end_s)
    bars = job_bars(run.scenario, run.jobs, run.log, held)
    assert bars is not None
    shown = np.bincount([b.stretch for b in bars], [b.height for b in bars], len(held))
    assert shown.tolist() == run.jobs.accelerators[held.job].tolist()
    by_lane: dict[int, list[tuple[float, float]]] = {}
    for bar in bars:
        for lane in range(bar.low, bar.low + bar.height):
            by_lane.setdefault(lane, []).append((held.start_s[bar.stretch], held.end_s[bar.stretch]))
    for spans in by_lane.values():
        spans.sort()
        assert all(before[1] <= after[0] for before, after in pairwise(spans))


@pytest.mark.parametrize("name", RUNS)
def test_labels_beside_a_figure_never_overlap(name: str):
    for figure in figures(RUNS[name]()):
        room = figure.height - 110  # px inside the margins
        for panel in figure.panels:
            lines = 1 + max((text.count("\n") for _, text in panel.ticks), default=0)
            at = np.array([y for y, _ in panel.ticks])
            assert (np.abs(np.diff(at)) / panel.top * room >= 14 * lines).all(), figure.key


def test_a_thin_pool_has_room_for_its_name_and_a_place_of_its_own():
    # 90 % of the rows belong to b; a and c get a twentieth each and their share of what is left.
    bands = Bands.of(pools((5, 1), (90, 1), (1, 1)), [5, 90, 1])
    shares = [0.05 + 0.85 * part / 96 for part in (5, 90, 1)]
    assert (np.diff(bands.edges) / 96).tolist() == pytest.approx(shares)
    assert bands.y(np.array([0.0, 2.5, 5.0, 96.0])).tolist() == pytest.approx(
        [0.0, 48 * shares[0], 96 * shares[0], 96.0]
    )
    assert [text for _, text in bands.named()[1]] == ["a (5)", "b (90)", "c (1)"]


def test_nodes_of_several_pools_are_named_where_all_of_them_have_room():
    bands = Bands.of(pools((3, 4), (2, 8)), [12, 16])
    assert bands.named() == ("Node", ((2.0, "a 0"), (6.0, "a 1"), (10.0, "a 2"), (16.0, "b 0"), (24.0, "b 1")))


def test_long_names_show_where_they_differ():
    names = [f"a-rather-long-experiment-{n:03d}-of-the-department-of-physics" for n in range(30)]
    assert len(set(shortened(names))) == 30
    assert shortened(names)[7] == "…er-long-experiment-007…"
    assert shortened(["short", "the-only-name-that-is-too-long"]) == ["short", "the-only-…at-is-too-long"]
    assert all(len(name) <= 24 for name in shortened([*names, "x" * 99]))


def test_a_bar_lies_on_the_node_of_its_job():
    run = made(table([0, 0], [50, 100], [3, 2]), 1, 4, pools=pools((1, 4), (2, 4)))
    bars = job_bars(run.scenario, run.jobs, run.log, stretches(run.log, run.end_s))
    assert bars == [(0, 0, 3), (1, 4, 2)]


def test_few_jobs_are_bars_and_many_are_a_map():
    def keys(name: str) -> list[str]:
        return [figure.key for figure in figures(RUNS[name]())]

    assert keys("many jobs")[1] == "jobs"
    assert keys("more bars than can be read")[1] == "occupancy"
    assert keys("time-shared")[1] == "occupancy"
    assert "occupancy" not in keys("all rejected")


@pytest.mark.parametrize("name", RUNS)
def test_no_figure_has_more_bars_or_points_than_can_be_read(name):
    for figure in figures(RUNS[name]()):
        marks = [mark for panel in figure.panels for mark in panel.marks]
        assert sum(len(mark.y) for mark in marks if isinstance(mark, Bars)) <= 1500
        assert all(len(mark.y) <= 5000 for mark in marks if not isinstance(mark, Cells))


def test_waits_after_a_preemption_count():
    # One accelerator under SRTF: a (100 s) stops for b (10 s) at 20 s and goes on at 30 s.
    run = made(table([0, 20], [100, 10]), 1, 1, "srtf")
    assert waiting_s(run).tolist() == [10.0, 0.0]
    assert longest_waiters(waiting_s(run)).tolist() == [0]


def test_a_job_that_never_started_waits_to_the_end_and_one_that_never_came_not_at_all():
    run = made(table([0, 10, 90], [100, 5, 5]), 1, 1, horizon=50.0)
    assert waiting_s(run).tolist() == [0.0, 40.0, 0.0]
