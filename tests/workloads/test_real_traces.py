"""Loaders against the real traces: counts and totals as published or counted by hand, first and last rows."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from dcsim.errors import TraceError
from dcsim.scenario.jobs import END_STATES

SHIPPED = Path(__file__).parents[2] / "scenarios" / "data"


def row(jobs, number):
    """Id, submission s, service s, accelerators."""
    number %= len(jobs)
    return (
        jobs.job_id(number),
        float(jobs.submit_s[number]),
        float(jobs.service_s[number]),
        int(jobs.accelerators[number]),
    )


def test_helios_agrees_with_the_published_summary_of_venus(real):
    jobs = real("helios", "helios/helios_trace.csv.gz")
    assert len(jobs) == 125_303
    assert jobs.accelerators.mean() == pytest.approx(6.736, abs=5e-4)
    assert np.median(jobs.service_s) == 204
    assert int((jobs.service_s == 172_800).sum()) == 2_379  # clamped
    assert row(jobs, 0) == ("363167#0", 0.0, 172_800.0, 32)
    assert row(jobs, -1) == ("804102#246707", 16_747_071.0, 12_892.0, 4)
    assert jobs.requested_s is jobs.service_s
    assert jobs.warnings == ()


def test_helios_arrivals_reproduce_the_clusters_own_10_minute_log(real, traces):
    # Second 0 is 2020-03-18 04:01:39 local time; the log begins on 1 April.
    with gzip.open(traces / "helios" / "venus_cluster_throughput.csv.gz", "rt") as log:
        header = next(log).strip().split(",")
        place = header.index("submit_gpu_job")
        submitted = np.array([float(line.split(",")[place]) for line in log])
    jobs = real("helios", "helios/helios_trace.csv.gz")
    april = np.datetime64("2020-04-01") - np.datetime64("2020-03-18T04:01:39")
    bins = np.floor((jobs.submit_s - april.astype(float)) / 600).astype(int)
    counted = np.bincount(bins[bins >= 0], minlength=len(submitted))
    assert np.abs(counted[: len(submitted)] - submitted).sum() == 0


def test_the_two_shipped_weeks_are_a_window_of_the_whole_trace(real, load_from):
    whole = real("helios", "helios/helios_trace.csv.gz")
    begin = float((np.datetime64("2020-08-24") - np.datetime64("2020-03-18T04:01:39")).astype(float))
    window = real("helios", "helios/helios_trace.csv.gz", since=begin, until=begin + 14 * 86400)
    shipped = load_from(SHIPPED)("helios", "helios_two_weeks.csv.gz")
    assert len(shipped) == len(window) == 11_129
    assert len(whole) == 125_303
    assert list(shipped.job_ids) == list(window.job_ids)
    for column in ("submit_s", "service_s", "accelerators"):
        np.testing.assert_array_equal(getattr(shipped, column), getattr(window, column))


def test_the_shipped_weeks_are_the_file_that_their_page_describes(load_from):
    jobs = load_from(SHIPPED)("helios", "helios_two_weeks.csv.gz")
    assert jobs.origin["sha256"] in (SHIPPED / "README.md").read_text()
    assert row(jobs, 0) == ("758049#210799", 860.0, 416.0, 8)
    assert row(jobs, -1) == ("771543#223063", 1_209_537.0, 111.0, 2)
    load = float((jobs.service_s * jobs.accelerators).sum()) / (96 * 8 * 14 * 86400)
    assert load == pytest.approx(0.82, abs=0.005)
    assert (int(jobs.accelerators.min()), int(jobs.accelerators.max())) == (1, 200)
    assert (SHIPPED / "helios_two_weeks.csv.gz").stat().st_size <= 200_000


def test_philly_slice_is_sorted_and_keeps_its_tenants(real):
    jobs = real("philly", "philly/philly.csv.gz")
    assert len(jobs) == 55_803
    assert jobs.origin["start"] == "2017-09-04T10:30:41"
    assert row(jobs, 0)[1:] == (0.0, 2_240_194.0, 8)
    assert jobs.tenant.name(0) == "7f04ca"
    seconds = (np.datetime64("2017-11-05T23:52:13") - np.datetime64("2017-09-04T10:30:41")).astype(float)
    assert row(jobs, -1)[1:] == (seconds, 61.0, 1)
    assert bool(np.all(np.diff(jobs.submit_s) >= 0))
    assert len(jobs.warnings) == 1
    assert jobs.job_id(0) != "0"  # ids are the row numbers of the file


def test_pai_hours_become_seconds(real):
    jobs = real("pai", "pai2020/pai-100k.csv.gz")
    assert len(jobs) == 99_998
    assert row(jobs, 0) == ("0", 0.0, pytest.approx(25.408055555555556 * 3600), 1)
    assert row(jobs, -1) == ("99997", pytest.approx(8759.450277777776 * 3600), pytest.approx(2048), 1)
    gpu_hours = float((jobs.service_s * jobs.accelerators).sum()) / 3600
    assert gpu_hours == pytest.approx(1_011_246, abs=1)


def test_openb_pods_share_gpus_and_name_models(real):
    jobs = real("openb", "openb2023/openb_pod_list_gpuspec33.csv.gz")
    assert len(jobs) == 8_152
    assert int((jobs.accelerators == 0).sum()) == 1_088  # CPU-only pods
    one_gpu = jobs.accelerators == 1
    assert round(float((jobs.share[one_gpu] < 1).mean()), 2) == 0.44
    assert bool(np.all(jobs.share[~one_gpu] == 1))
    assert row(jobs, 0) == ("openb-pod-0000", 0.0, 12_537_496.0, 1)
    second = jobs.job_ids.index("openb-pod-0001")
    assert (jobs.share[second], jobs.cpus[second], jobs.memory_b[second]) == (0.46, 6.0, 12_288 * 2**20)
    pending = jobs.job_ids.index("openb-pod-0061")
    assert row(jobs, pending)[1:3] == (10_001_278.0, 125.0)  # wanted for 10001403 - 10001278 s
    assert END_STATES[jobs.end_state[pending]] == "cancelled"
    assert [int((jobs.end_state == code).sum()) for code in range(3)] == [5193 + 192, 1870, 897]
    assert jobs.accelerator_names.names[:2] == ("V100M16|V100M32", "T4")
    assert int((jobs.accelerator_names.codes < 0).sum()) == 5_764


def test_muri_milliseconds_become_seconds(real):
    jobs = real("muri", "muri/cluster_trace.csv.gz")
    assert len(jobs) == 400
    assert row(jobs, 1) == ("1", 1534.0, 281.0, 8)
    assert row(jobs, -1) == ("399", 2_344_695.0, 10_596.0, 8)
    assert jobs.priority[:3].tolist() == [0, 1, 0]
    gpu_hours = float((jobs.service_s * jobs.accelerators).sum()) / 3600
    assert gpu_hours == pytest.approx(61_344, abs=1)
    assert len(real("muri", "muri/trace1.csv.gz")) == 1_494


def test_tiresias_jobs(real):
    jobs = real("tiresias", "tiresias/60_job.csv")
    assert len(jobs) == 60
    assert row(jobs, 1) == ("1", 30.0, 147.0, 8)
    assert row(jobs, -1) == ("59", 1779.0, 122.0, 1)


def test_swf_nasa_keeps_jobs_of_0_s(real):
    jobs = real("swf", "swf/NASA-iPSC-1993-3.1-cln.swf.gz")
    assert len(jobs) == 18_239
    assert int((jobs.service_s == 0).sum()) == 173
    assert row(jobs, 0) == ("1", 0.0, 1451.0, 128)
    assert row(jobs, -1) == ("42264", 7_948_936.0, 86.0, 128)
    assert jobs.origin["header"]["MaxProcs"] == "128"
    assert jobs.origin["start"] == "1993-10-01T07:00:03+00:00"  # 00:00:03 PDT
    busy = float((jobs.service_s * jobs.accelerators).sum()) / (128 * 92 * 86400)
    assert busy == pytest.approx(0.47, abs=0.005)


def test_swf_hpc2n_passes_over_jobs_that_never_ran(real):
    jobs = real("swf", "swf/hpc2n.swf.gz")
    assert len(jobs) == 3_170 - 25
    assert row(jobs, 0) == ("1", 0.0, 31_405.0, 30)
    assert jobs.requested_s[0] == 37_980
    assert np.median(jobs.requested_s / np.maximum(jobs.service_s, 1)) == pytest.approx(2.24, abs=0.01)
    assert len(jobs.warnings) == 1
    assert "passed over 25 of 3,170 rows" in jobs.warnings[0]


RATES = "gavel/simulation_throughputs.json.gz"


def test_gavel_with_10_fields(real):
    jobs = real("gavel", "gavel/physical_cluster/max_min_fairness.trace.gz", throughputs=RATES)
    assert len(jobs) == 96
    assert row(jobs, 0) == ("0", 0.0, pytest.approx(925_982 / 69.95051765177759), 4)
    assert set(jobs.priority.tolist()) == {1}
    assert jobs.warnings == ()


def test_gavel_with_7_fields_scales_gangs_that_were_not_measured(real):
    jobs = real("gavel", "gavel/msr_seed0/925e2b.trace.gz", throughputs=RATES)
    assert len(jobs) == 4
    assert row(jobs, 0) == ("0", 0.0, pytest.approx(51_427 / 30.88352104398441), 8)
    assert row(jobs, 1) == ("1", 9357.0, pytest.approx(1033 / (2.841510364354536 * 8)), 8)
    assert "1 of 4 jobs have a gang size without a measured throughput" in jobs.warnings[0]
    assert jobs.priority is None


def test_gavel_on_another_gpu_type_takes_its_throughputs(real):
    jobs = real("gavel", "gavel/msr_seed0/925e2b.trace.gz", throughputs=RATES, accelerator="k80")
    assert jobs.service_s[0] == pytest.approx(51_427 / 5.25701364575837)


def test_gavel_refuses_an_unknown_gpu_type(real):
    with pytest.raises(TraceError, match="did you mean 'v100'"):
        real("gavel", "gavel/msr_seed0/925e2b.trace.gz", throughputs=RATES, accelerator="v10")


def test_sia_run_times_come_from_the_artifacts_measurements(real):
    jobs = real("sia", "sia/workloads/philly/workload-1.csv", models="sia/models")
    assert len(jobs) == 160
    assert row(jobs, 0)[:2] == ("cifar10-0", 107.0)
    # bert on 6 replicas, batch 384: 64 a replica, at most 12 measured: 6 passes of 11, on nodes of 2 and 4.
    step_s, sync_s = 2.3917264491319656, 1.5968457107543945
    bert = next(i for i, name in enumerate(jobs.job_ids) if name.startswith("bert") and jobs.accelerators[i] == 6)
    assert jobs.service_s[bert] == pytest.approx(480 * (6 * step_s - 5 * sync_s))


def test_sia_refuses_what_was_not_measured(real):
    with pytest.raises(TraceError, match="no placement of 6 replicas was measured"):
        real("sia", "sia/workloads/philly/workload-1.csv", models="sia/models", device="quad")
