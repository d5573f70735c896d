"""Two jobs on one oversubscribed spine: the slow-down by hand, and the fix by placement."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dcsim.performance.devices import device_row
from dcsim.performance.shares import WHOLE
from dcsim.policies.decisions import Allocation
from dcsim.run import load_jobs, speeds_of, trainings_of
from dcsim.scenario import presets
from dcsim.scenario.load import load
from tests.conftest import ROOT
from tests.scenarios.conftest import Ran

# llama-3-8b on ranks of 8: attention and feed-forward of 32 layers, embedding and head; fp32 gradients.
LAYER = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336
GRADIENTS_B = 4 * (32 * LAYER + 2 * 128256 * 4096) / 8
LATER_S = 600.0  # when the second job comes


def sending_s(nodes: int) -> float:
    """How long a replica on each of so many nodes sends in a step.

    They sum their gradients around a ring: 2 (n - 1)/n S/B once a step; waiting for the slowest of n nodes adds its
    share for each doubling.
    """
    device = device_row(presets.accelerator("H100-SXM")).device
    ring_s = 2 * (nodes - 1) / nodes * GRADIENTS_B / (50e9 * device.nic_efficiency)
    return ring_s * (1.0 + math.log2(nodes) * device.straggling)


def slow_down(step_s: float, nodes: int = 4) -> float:
    """Step time with half of the NIC over that with all of it: of what is sent a part is exposed already, so that with
    B/2 the step grows by as much again."""
    return 1.0 + sending_s(nodes) / step_s


def test_jobs_that_share_one_uplink_slow_each_other_down_by_the_closed_form(ran: Ran):
    run = ran("two-jobs-one-spine")
    alone_s = run.trained[2].step_time_s  # the second job's last steps: the first has ended
    expected = slow_down(alone_s)
    assert run.trained[1].step_time_s / alone_s == pytest.approx(expected, rel=1e-9)
    # The first: 600 s alone, the rest slowed down. The second: slowed down until then, what is left alone.
    service_s = 10_000 * alone_s
    first_s = LATER_S + (service_s - LATER_S) * expected
    second_s = first_s + service_s - (first_s - LATER_S) / expected
    assert run.results.end_s[1:].tolist() == pytest.approx([first_s, second_s], rel=1e-9)


def test_a_job_is_bound_by_what_its_last_rate_leaves_of_its_traffic(ran: Ran):
    # At half of the links the first waits 0.2 s for gradients and computes 0.135 s; the second ends alone.
    run = ran("two-jobs-one-spine")
    assert [told.bound for told in run.trained[1:]] == ["data-parallel traffic", "compute"]
    alone = ran("two-jobs-one-spine", "network.contention=none")
    assert [told.bound for told in alone.trained[1:]] == ["compute", "compute"]


def test_without_contention_each_takes_its_own_time(ran: Ran):
    run = ran("two-jobs-one-spine", "network.contention=none")
    service_s = 10_000 * run.trained[1].step_time_s
    assert run.results.end_s[1:].tolist() == pytest.approx([service_s, LATER_S + service_s], rel=1e-9)


@pytest.mark.parametrize("placement", ["topology_aware", "locality", "least_contention"])
def test_a_leaf_for_each_job_mends_it(ran: Ran, placement: str):
    run = ran("two-jobs-one-spine", f"placement.use={placement}")
    alone = ran("two-jobs-one-spine", "network.contention=none")
    assert run.results.end_s.tolist() == alone.results.end_s.tolist()


def test_the_report_of_contention_is_the_closed_form(ran: Ran):
    # Both take as long by the clock, and the second ends alone: time taken over time alone.
    run = ran("two-jobs-one-spine")
    service_s = 10_000 * run.trained[2].step_time_s
    taken_s = run.results.end_s - run.results.start_s
    assert run.slowdown is not None
    assert run.slowdown.tolist() == pytest.approx([1.0, *(taken_s[1:] / service_s)], rel=1e-9)
    assert run.summary["contention_slowdown_max"] == pytest.approx(taken_s[1] / service_s, rel=1e-9)


def test_the_uplink_of_the_middle_leaf_carries_the_gradients_of_both_jobs(ran: Ran):
    # Around a ring of four nodes, 2 (n - 1)/n of its gradients leave each of a node's eight accelerators in a step, of
    # 10,000 steps, whatever the others do; half of the first job's nodes and half of the second's are on leaf 1.
    run = ran("two-jobs-one-spine")
    graph, found = run.interconnect, run.traffic(np.array([0.0, run.end_s]))
    assert graph is not None
    assert found is not None
    one_job_b = 10_000 * 8 * 2 * 3 / 4 * GRADIENTS_B
    carried = {graph.name(link): carried_b for link, carried_b in enumerate(found.carried_b.tolist())}
    for leaf, jobs in ((0, 1), (1, 2), (2, 1)):
        cable = ("leaf", leaf), ("spine", 0)
        assert [carried[cable], carried[cable[::-1]]] == pytest.approx([jobs * one_job_b] * 2, rel=1e-9)


# Five nodes each: whatever the placement, one leaf has nodes of both, and both rings use its uplink.
TAKE_TURNS = "placement={{use='{}',interleave=true}}"


def on_five_nodes(batch: int, micro_batch: int) -> list[str]:
    keys = {"accelerators": 40, "global_batch": batch, "plan.micro_batch": micro_batch}
    return [f"jobs.{job}.{key}={value}" for job in (1, 2) for key, value in keys.items()]


@pytest.mark.parametrize("use", ["topology_aware", "locality", "least_contention"])
def test_jobs_that_send_for_less_than_half_of_a_step_take_turns(ran: Ran, use: str):
    jobs = on_five_nodes(40, 8)
    alone = ran("two-jobs-one-spine", "network.contention=none", *jobs)
    step_s = alone.trained[1].step_time_s
    assert 0.4 * step_s < sending_s(5) < 0.5 * step_s
    met = ran("two-jobs-one-spine", f"placement.use={use}", *jobs)
    assert met.trained[1].step_time_s == pytest.approx(step_s * slow_down(step_s, 5), rel=1e-9)
    assert (
        ran("two-jobs-one-spine", TAKE_TURNS.format(use), *jobs).results.end_s.tolist() == alone.results.end_s.tolist()
    )


def test_jobs_that_send_for_more_than_half_of_a_step_slow_each_other_down_all_the_same(ran: Ran):
    jobs = on_five_nodes(20, 4)
    alone = ran("two-jobs-one-spine", "network.contention=none", *jobs)
    assert sending_s(5) > 0.5 * alone.trained[1].step_time_s
    ways = ("placement.use=least_contention", TAKE_TURNS.format("least_contention"))
    met, turns = (ran("two-jobs-one-spine", use, *jobs) for use in ways)
    assert turns.results.end_s.tolist() == met.results.end_s.tolist() != alone.results.end_s.tolist()


def test_the_phase_of_a_job_is_its_step_and_what_it_sends_hidden_or_not():
    source = load(ROOT / "scenarios" / "two-jobs-one-spine.toml")
    trainings = trainings_of(source)
    _, rates = speeds_of(source, load_jobs(source, trainings), trainings)
    assert rates is not None
    place = Allocation(0, (0, 1, 2, 3), (8, 8, 8, 8))
    for share in (1.0, 0.5):
        phase = rates.phase(1, place, WHOLE.times(share))
        assert phase.sending_s == pytest.approx(sending_s(4) / share, rel=1e-6)
        assert phase.period_s == pytest.approx(rates.phase(1, place, WHOLE).period_s + sending_s(4) * (1 / share - 1))
