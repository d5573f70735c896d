"""Eight V100 in one server or in eight: the direction of the penalty, its bounds by hand, and Gavel's measurement."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gavel_accuracy import JUDGED, calibrated_length, measured, penalty, predicted
from dcsim.performance.devices import device_row
from dcsim.scenario import presets
from tests.scenarios.conftest import Ran

# Vaswani 2017, table 3, base: six encoder layers (4 + 8 squares of 512), six decoder layers (8 + 8), one embedding.
GRADIENTS_B = 4 * (512**2 * (6 * 12 + 6 * 16) + 6000 * 512)


def steps_s(run) -> dict[str, float]:
    return {job.pool: job.step_time_s for job in run.trained}


def test_spread_out_a_step_is_longer_by_what_of_the_ring_no_computing_hides(ran: Ran):
    found = steps_s(ran("packed-or-spread"))
    device = device_row(presets.accelerator("V100-SXM2-16GB"), "fp32").device
    ring_s = 2 * 7 / 8 * GRADIENTS_B / (1.25e9 * device.nic_efficiency)
    whole_s = 1.02 * ring_s + 0.03 * found["spread"]  # and biases, norms, latency; and the slowest of eight servers
    assert ring_s - device.overlap * found["packed"] < found["spread"] - found["packed"] < whole_s
    assert found["alone"] <= found["packed"]


def test_a_faster_network_brings_the_spread_gang_nearer(ran: Ran):
    slow, fast = (ran("packed-or-spread", *more) for more in ((), ("pools.2.nic_bandwidth=12.5 GB/s",)))
    assert steps_s(fast)["packed"] == steps_s(slow)["packed"]
    assert steps_s(fast)["packed"] < steps_s(fast)["spread"] < 0.6 * steps_s(slow)["spread"]


def test_the_penalty_is_the_measured_one_within_a_quarter(traces: Path):
    found = measured(traces, JUDGED)
    assert penalty(found) == pytest.approx(30.88 / 13.03, rel=1e-3)
    for ours in (predicted(JUDGED), predicted(JUDGED, calibrated_length(found["alone"]))):
        assert penalty(ours) == pytest.approx(penalty(found), rel=0.25)
