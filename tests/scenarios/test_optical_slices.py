"""A pod of cubes with optical switches and without: the same jobs wait less, and the pod is busier."""

from __future__ import annotations

import numpy as np
import pytest

from tests.scenarios.conftest import Ran

STATIC = "network.topology={use='torus',sides=[16,8,8],bandwidth='45 GB/s',latency='1 us'}"


@pytest.mark.parametrize("scheduler", ["fifo", "easy", "fifo_skip"])
def test_optical_switches_make_a_pod_busier_and_waits_shorter(ran: Ran, scheduler: str):
    found = [ran("optical-slices", f"scheduler.use={scheduler}", *static).summary for static in ((), (STATIC,))]
    assert found[0]["utilization_allocated"] > found[1]["utilization_allocated"]
    assert found[0]["wait_s_mean"] < found[1]["wait_s_mean"]


def test_slices_of_cubes_wait_for_nothing_but_free_cubes(ran: Ran):
    # Without slices below a cube, first come, first served: as in a pool without places.
    cubes = "workload.accelerators={64=0.4,128=0.3,256=0.2,512=0.1}"
    slices, anywhere = ran("optical-slices", cubes), ran("optical-slices", cubes, "placement.use=pool")
    assert np.array_equal(slices.results.start_s, anywhere.results.start_s)
