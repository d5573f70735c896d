"""Jobs that ask for no accelerator: they wait their turn, hold nothing, and are in nobody's way."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim import plugins
from dcsim.report.figures import figures
from dcsim.run import Run
from tests.oracle import Oracle
from tests.replay import final
from tests.simulate import simulate, table

PLACEMENTS = [name for name in plugins.names("placement") if name != "topology_aware"]


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_they_start_at_once_beside_full_nodes_and_hold_nothing(placement: str):
    run = simulate(table([0, 1, 2], [10, 5, 3], [8, 0, 0]), 2, 4, placement=placement)
    assert run.start_s == [0, 1, 2]
    assert run.summary["accelerator_hours"] == pytest.approx(80 / 3600)
    assert run.summary["jobs_completed"] == 3


def test_they_wait_behind_a_blocked_head_where_the_line_is_strict():
    jobs = table([0, 1, 2], [10, 5, 3], [8, 4, 0])
    assert simulate(jobs, 2, 4, "fifo").start_s == [0, 10, 10]
    assert simulate(jobs, 2, 4, "fifo_skip").start_s == [0, 10, 2]
    assert simulate(jobs, 2, 4, "easy").start_s == [0, 10, 2]


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("scheduler", plugins.names("scheduler"))
def test_others_start_as_if_they_were_not_there(scheduler: str, placement: str):
    """Requests are exact for easy: while jobs are overdue, each look at the queue moves a reservation."""
    random = np.random.default_rng(5)
    count = 90
    submit, service = np.cumsum(random.exponential(2.0, count)), random.exponential(6.0, count)
    gang, priority = random.integers(0, 9, count), random.integers(0, 3, count)
    wrong = 1.0 if scheduler == "easy" else random.uniform(0.5, 2.0, count)
    columns = submit, service, gang, service * wrong, priority
    with_them = simulate(table(*columns), 3, 4, scheduler, placement)
    others = gang > 0
    without = simulate(table(*(column[others] for column in columns)), 3, 4, scheduler, placement)
    assert 5 < np.count_nonzero(~others) < 20
    assert final(with_them).waiting == final(without).waiting
    if placement != "random" or scheduler == "processor_sharing":
        assert np.array_equal(np.array(with_them.start_s)[others], without.start_s, equal_nan=True)
        assert np.array_equal(np.array(with_them.end_s)[others], without.end_s, equal_nan=True)
    assert with_them.summary["jobs_completed"] == without.summary["jobs_completed"] + np.count_nonzero(~others)


@pytest.mark.parametrize("placement", ["pack", "spread", "pool"])
@pytest.mark.parametrize("scheduler", ["fifo", "fifo_skip", "sjf", "easy"])
def test_they_start_when_the_reference_starts_them(scheduler: str, placement: str):
    random = np.random.default_rng(8)
    submit, service, gang = (random.integers(low, high, 80).tolist() for low, high in ((0, 90), (1, 12), (0, 9)))
    rows = sorted(zip(submit, gang, service, random.integers(1, 20, 80).tolist(), strict=True), key=lambda row: row[0])
    expected = [job.first_start for job in Oracle(rows, 3, 4, scheduler, placement).run()]
    submit, gang, service, requested = (list(column) for column in zip(*rows, strict=True))
    assert simulate(table(submit, service, gang, requested), 3, 4, scheduler, placement).start_s == expected


def test_figures_are_drawn_with_them():
    made = simulate(table([0, 1, 2], [10, 5, 3], [8, 0, 2]), 2, 4)
    run = Run(made.scenario, made.jobs, made.log, made.outcome.end_s, made.outcome.events, 0.0)
    assert len(figures(run)) > 3
