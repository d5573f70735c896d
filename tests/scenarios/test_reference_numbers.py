"""Real traces against numbers that were computed or published elsewhere."""

from __future__ import annotations

import csv
import gzip
import statistics
from pathlib import Path

import pytest

from tests.scenarios.conftest import Ran

# Strict FIFO over one pool of GPUs: scenario, nodes of 8, jobs; wait mean, p50, p90, p99, max; JCT mean; use; waited.
# Source: the project's notes on traces, table 6.1, computed by an independent program.
FIFO = [
    ("helios-fifo-768", 96, 125_303, 1_450.4, 0, 4_834, 23_864, 46_583, 10_538.2, 0.6715, 0.1612),
    ("helios-fifo-896", 112, 125_303, 29.1, 0, 0, 238, 16_058, 9_116.8, 0.5756, 0.0153),
    ("helios-fifo-768", 128, 125_303, 1.6, 0, 0, 0, 2_795, 9_089.3, 0.5036, 0.0038),
    ("helios-fifo-768", 160, 125_303, 0.0, 0, 0, 0, 0, 9_087.7, 0.4029, 0.0),
    ("philly-fifo-768", 96, 55_803, 1_957.2, 0, 5_129, 32_070, 47_058, 15_927.7, 0.4731, 0.3493),
    ("philly-fifo-768", 128, 55_803, 16.9, 0, 0, 481, 7_343, 13_987.5, 0.3548, 0.0186),
    ("pai-fifo-400", 50, 99_998, 1_110.8, 0, 0, 37_986, 212_511, 9_271.3, 0.2886, 0.0163),
    ("pai-fifo-400", 64, 99_998, 0.7, 0, 0, 0, 6_316, 8_161.3, 0.2255, 0.0003),
]

MURI = {"muri-srtf": "SRTF", "muri-las": "tiresias"}


@pytest.mark.parametrize("row", FIFO, ids=lambda row: f"{row[0]}-on-{8 * row[1]}")
def test_strict_fifo_over_a_pool_gives_the_reference_numbers(row: tuple, ran: Ran):
    name, nodes, jobs, *expected = row
    written = int(name.rsplit("-", 1)[1]) == 8 * nodes  # the scenario as it stands: run once for all tests
    s = ran(name, *(() if written else (f"pools.0.nodes={nodes}",))).summary
    waits = [s[f"wait_s_{part}"] for part in ("mean", "p50", "p90", "p99", "max")]
    found = [round(waits[0], 1), *map(round, waits[1:]), round(s["jct_s_mean"], 1)]
    found += [round(s["utilization_allocated"], 4), round(s["jobs_waited"] / s["jobs"], 4)]
    assert s["jobs_completed"] == jobs
    assert found == expected


def test_node_walls_make_gangs_wait_longer_than_a_pool_does(ran: Ran):
    walls, pool = (ran(name).summary["wait_s_mean"] for name in ("venus", "helios-fifo-768"))
    assert walls > pool


def test_two_orders_of_one_trace_do_the_same_work(ran: Ran):
    hours = [ran(name).summary["accelerator_hours"] for name in ("helios-fifo-768", "helios-fifo-896", "venus")]
    assert hours == pytest.approx([2_423_407] * 3, abs=0.5)  # GPU-h of the trace: notes on traces, section 2


@pytest.fixture(scope="module")
def testbed(traces: Path) -> dict[str, float]:
    """Mean completion time that Muri's authors published for the same jobs on 64 V100, s."""
    means = {}
    for scenario, policy in MURI.items():
        with gzip.open(traces / "muri" / "testbed_results" / f"{policy}_job.csv.gz", "rt") as file:
            means[scenario] = statistics.fmean(float(row["JCT"]) for row in csv.DictReader(file))
    return means


def test_srtf_beats_tiresias_on_muris_jobs_as_published(testbed: dict[str, float], ran: Ran):
    ours = {name: ran(name).summary["jct_s_mean"] for name in MURI}
    assert ours["muri-srtf"] < ours["muri-las"]
    assert testbed["muri-srtf"] < testbed["muri-las"]


def test_without_rounds_and_overheads_muris_jobs_are_up_to_a_sixth_faster_than_on_the_testbed(
    testbed: dict[str, float], ran: Ran
):
    for name in MURI:
        assert 5 / 6 < ran(name).summary["jct_s_mean"] / testbed[name] < 1
