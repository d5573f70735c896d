"""Two of three spines fail for half an hour: what that costs by hand, rerouted, stopped and slowed down."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim.contract import same
from dcsim.run import run as run_anew
from dcsim.scenario.network_failure import NetworkFailure
from tests.conftest import ROOT
from tests.scenarios.conftest import Ran
from tests.scenarios.test_two_jobs import GRADIENTS_B, LATER_S, sending_s, slow_down

DOWN_S, FOR_S, SAVED_S = 1500.0, 1800.0, 600.0


def service_s(ran: Ran) -> float:
    """Of both large jobs."""
    return 10_000 * ran("spine-down", "network.failures=[]").trained[1].step_time_s


def test_jobs_that_are_left_one_spine_are_slower_by_the_closed_form(ran: Ran):
    alone_s = service_s(ran)
    assert ran("spine-down", "network.failures=[]").results.end_s[1:].tolist() == pytest.approx(
        [alone_s, LATER_S + alone_s], rel=1e-9
    )
    run = ran("spine-down")
    costs_s = FOR_S * (1.0 - 1.0 / slow_down(alone_s / 10_000))
    assert run.results.end_s[1:].tolist() == pytest.approx([alone_s + costs_s, LATER_S + alone_s + costs_s], rel=1e-9)
    assert (run.summary["network_failures"], run.summary["interruptions"]) == (2, 0)


def test_the_spine_that_is_left_carries_everything_and_those_that_are_down_nothing(ran: Ran):
    # Four nodes in a ring, over two leaves, are two flows through a spine: of each job 2 x 8 x 2 x 3/4 S bytes a step.
    run = ran("spine-down")
    found = run.traffic(np.array([0.0, DOWN_S, DOWN_S + FOR_S, run.end_s]))
    assert run.interconnect is not None
    assert found is not None
    switches = [run.interconnect.nodes[place] for place in found.switches.tolist()]
    spines = found.into_b_per_s[[switches.index(("spine", number)) for number in range(3)]]
    step_s, of_one_b = service_s(ran) / 10_000, 2 * 8 * 2 * 3 / 4 * GRADIENTS_B
    both_b_per_s = 2 * of_one_b / (step_s * slow_down(step_s))
    assert spines[:, 1] == pytest.approx([both_b_per_s, 0.0, 0.0], rel=1e-9, abs=1e-12 * both_b_per_s)  # of sums
    assert (spines[1:, [0, 2]] > 0.0).any(axis=1).all()
    assert (spines * np.diff(found.slots_s)).sum() == pytest.approx(2 * 10_000 * of_one_b, rel=1e-9)


def test_slow_down_counts_the_spines_that_are_down(ran: Ran):
    # Nobody slows anybody down as long as all spines work.
    assert ran("spine-down", "network.failures=[]").slowdown.tolist() == [1.0, 1.0, 1.0]
    run = ran("spine-down")
    taken_s = run.results.end_s - run.results.start_s
    assert run.slowdown.tolist() == pytest.approx([1.0, *(taken_s[1:] / service_s(ran))], rel=1e-9)


def test_each_way_to_fail_has_a_cost_of_its_own_by_the_closed_form(ran: Ran):
    # Half of the links for `reroute` and `stop`, a quarter for `slow`. Checkpoints come every 600 s of work: "first" is
    # stopped after 1500 s of it, 300 s of them since its last one, and "second" after 900 s, 300 s too.
    alone_s, sent_s = service_s(ran) / 10_000, sending_s(4)
    quarter = 1.0 + 3.0 * sent_s / alone_s
    costs_s = {
        "reroute": FOR_S * (1.0 - 1.0 / slow_down(alone_s)),
        "stop": FOR_S * (1.0 - 1.0 / slow_down(alone_s)) + DOWN_S % SAVED_S,
        "slow": FOR_S * (1.0 - 1.0 / quarter),
    }
    assert [round(cost_s / 60, 1) for cost_s in costs_s.values()] == [8.9, 13.9, 16.7]  # as the scenario says
    for way, cost_s in costs_s.items():
        left = ("network.failures.0.bandwidth=0.25",) if way == "slow" else ()
        run = ran("spine-down", f"network.failures.0.on_failure={way}", *left)
        expected = [10_000 * alone_s + cost_s, LATER_S + 10_000 * alone_s + cost_s]
        assert run.results.end_s[1:].tolist() == pytest.approx(expected, rel=1e-9)
        lost_s = DOWN_S % SAVED_S if way == "stop" else 0.0
        assert run.results.lost_work_s.tolist() == [0.0, lost_s, lost_s]
        assert run.results.restarts.tolist() == [0, *[int(way == "stop")] * 2]


def test_a_run_that_stops_while_a_job_is_cut_off_tells_its_last_step(ran: Ran):
    down = ("network.failures.0.parts=['switches']", "network.failures.0.on_failure=stop", "horizon=40 min")
    run = ran("spine-down", *down)
    assert run.summary["interruptions"] == 3
    assert run.trained[1].step_time_s == service_s(ran) / 10_000


def test_failures_at_random_come_from_the_seed(ran: Ran):
    random = ("network.failures=[{parts=['links'],mtbf='10 h',mttr='1 h',on_failure='slow',bandwidth=0.5}]", "seed=4")
    run = ran("spine-down", *random)
    assert run.summary["network_failures"] > 5
    again = run_anew(ROOT / "scenarios" / "spine-down.toml", overrides=random)
    assert same(run.log, again.log)
    assert run.results.end_s.tolist() != ran("spine-down", random[0], "seed=5").results.end_s.tolist()


RANDOM = {"parts": "['leaf-1']", "mtbf": "'20 min'", "mttr": "'5 min'", "on_failure": "'slow'", "bandwidth": "0.5"}
TIMED = {"parts": "['leaf-1']", "at": "'20 min'", "duration": "'5 min'"}
CHANGES = {
    "parts": (RANDOM, {"parts": "['leaf-2']"}),
    "mtbf": (RANDOM, {"mtbf": "'15 min'"}),
    "mttr": (RANDOM, {"mttr": "'10 min'"}),
    "bandwidth": (RANDOM, {"bandwidth": "0.4"}),
    "on_failure": (TIMED, {"on_failure": "'slow'", "bandwidth": "0.5"}),
    "at": (TIMED, {"at": "'25 min'"}),
    "duration": (TIMED, {"duration": "'10 min'"}),
}


def test_every_key_of_a_failure_is_looked_at_here():
    assert sorted(CHANGES) == sorted(NetworkFailure.model_fields)


@pytest.mark.parametrize("key", CHANGES)
def test_a_key_of_a_failure_changes_what_comes_of_the_jobs(ran: Ran, key: str):
    before, change = CHANGES[key]
    tables = (", ".join(f"{k} = {v}" for k, v in keys.items()) for keys in (before, before | change))
    one, other = (ran("spine-down", f"network.failures=[{{{table}}}]").results.end_s.tolist() for table in tables)
    assert one != other
