"""Two jobs on one oversubscribed spine: the slow-down by hand, and the fix by placement."""

from __future__ import annotations

import math

import pytest

from dcsim.performance.devices import device_row
from dcsim.scenario import presets
from tests.scenarios.conftest import Ran

# llama-3-8b on ranks of 8: attention and feed-forward of 32 layers, embedding and head; fp32 gradients.
LAYER = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336
GRADIENTS_B = 4 * (32 * LAYER + 2 * 128256 * 4096) / 8
LATER_S = 600.0  # when the second job comes


def slow_down(step_s: float) -> float:
    """Step time with half of the NIC over that with all of it.

    Four replicas, one on each node, sum their gradients around a ring: 2 (n - 1)/n S/B once a step, of which a part is
    exposed already, so that with B/2 the step grows by as much again; waiting for the slowest of four nodes adds its
    share for each doubling.
    """
    device = device_row(presets.accelerator("H100-SXM")).device
    ring_s = 2 * 3 / 4 * GRADIENTS_B / (50e9 * device.nic_efficiency)
    return 1.0 + ring_s * (1.0 + math.log2(4) * device.straggling) / step_s


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


def test_without_contention_each_takes_its_own_time(ran: Ran):
    run = ran("two-jobs-one-spine", "network.contention=none")
    service_s = 10_000 * run.trained[1].step_time_s
    assert run.results.end_s[1:].tolist() == pytest.approx([service_s, LATER_S + service_s], rel=1e-9)


@pytest.mark.parametrize("placement", ["topology_aware", "locality", "least_contention"])
def test_a_leaf_for_each_job_mends_it(ran: Ran, placement: str):
    run = ran("two-jobs-one-spine", f"placement.use={placement}")
    alone = ran("two-jobs-one-spine", "network.contention=none")
    assert run.results.end_s.tolist() == alone.results.end_s.tolist()
