"""`dcsim trace`: figures against hand sums and published ones, fits against the laws that they should find."""

from __future__ import annotations

import json
import math
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dcsim.__main__ import main
from dcsim.scenario import load
from dcsim.scenario.jobs import JobTable
from dcsim.sim.rng import stream
from dcsim.units import DAY, HOUR
from dcsim.workloads import _presets
from dcsim.workloads._describe import demand_at, describe
from dcsim.workloads._durations import Phases, Service
from dcsim.workloads._fit import fit
from dcsim.workloads._laws import fit_phases, fit_service, ks_distance
from dcsim.workloads._rhythm import rounded
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.synthetic import Synthetic

HAND = """job_id,submit_s,accelerators,service_s
a,0,1,100
b,0,8,7200
c,3600,1,300
d,7200,8,3600
e,10800,3,100
"""
"""Accelerator-seconds: 100 + 57,600 + 300 + 28,800 + 300 = 87,100."""


@pytest.fixture
def trace(tmp_path: Path) -> str:
    path = tmp_path / "hand.csv"
    path.write_text(HAND)
    return str(path)


def table(submit_s: Any, service_s: Any, accelerators: Any) -> JobTable:
    times = np.asarray(service_s, dtype=np.float64)
    sizes = np.broadcast_to(np.asarray(accelerators, dtype=np.int32), times.shape)
    return JobTable(np.asarray(submit_s, dtype=np.float64), times, sizes, requested_s=times)


def generated(keys: dict[str, Any], seed: int = 1) -> JobTable:
    context = WorkloadContext(Path, lambda name: stream(seed, name), capacity=8)
    typed = _presets.typed({k: v for k, v in keys.items() if k != "use"}, Synthetic)
    return Synthetic(**typed).load(context)


# Description


def test_a_hand_made_trace_is_described_by_hand_sums(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", trace, "--format", "csv", "--accelerators", "16", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["jobs"] == 5
    assert figures["span_s"] == 10800
    assert figures["jobs_per_hour"] == pytest.approx(5 / 3)
    assert figures["accelerator_hours"] == pytest.approx(87_100 / 3600)
    assert figures["accelerators_mean"] == pytest.approx(21 / 5)
    assert list(figures["classes"]) == ["1", "3-4", "8", "all"]
    eight = figures["classes"]["8"]
    assert (eight["jobs"], eight["service_s_max"], eight["service_s_mean"]) == (2, 7200, 5400)
    assert eight["accelerator_hours_share"] == pytest.approx(86_400 / 87_100)
    assert eight["service_cv"] == pytest.approx(1800 / 5400)
    arrivals = figures["arrivals"]
    assert (arrivals["hourly_max"], arrivals["hourly_p50"]) == (2, 1)
    assert arrivals["hourly_variance_over_mean"] == pytest.approx((7 / 4 - 25 / 16) / (5 / 4))
    assert arrivals["same_second_share"] == pytest.approx(1 / 4)
    assert (arrivals["batch_mean"], arrivals["batch_max"]) == (5 / 4, 2)
    load = figures["load"]
    assert load["accelerators_mean"] == pytest.approx(87_100 / 10_800)
    assert load["accelerators_peak"] == 9  # a and b; at 7,200 s b ends as d begins
    assert load["load_peak"] == pytest.approx(9 / 16)


def test_the_description_is_one_aligned_screen(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", trace, "--format", "csv", "--start", "2020-03-18T04:00:00+08:00"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 110
    rows = [line for line in lines if line.startswith(("accelerators ", "3-4", "all"))]
    assert len({len(line) for line in rows}) == 1
    assert lines[1] == "5 jobs in 3 h, 1.67 an hour; 4.2 accelerators a job, 24 accelerator-hours"


def test_demand_counts_jobs_from_submission_to_end() -> None:
    jobs = table([0, 10, 20], [15, 15, 5], [1, 2, 4])
    assert demand_at(jobs, np.array([-1.0, 0, 10, 15, 20, 25])).tolist() == [0, 1, 3, 2, 6, 0]


def test_hours_and_weekdays_follow_the_start() -> None:
    """48 hourly jobs, and 24 more in the hour from 12 to 13 on both days; Wednesday and Thursday."""
    hours = np.arange(48.0) * HOUR
    noon = np.array([6.0, 30.0]) * HOUR
    submit_s = np.sort(np.concatenate((hours, np.repeat(noon, 24) + 60)))
    jobs = table(submit_s, np.ones(len(submit_s)), 1)
    figures = describe(jobs, datetime.fromisoformat("2020-03-18T06:00:00"))
    factors = figures["hour_factors"]
    assert int(np.argmax(factors)) == 12
    assert factors[12] / factors[0] == pytest.approx(25)
    assert np.mean(factors) == pytest.approx(1)
    assert sum(f == 1 for f in figures["weekday_factors"]) >= 4  # days without jobs say nothing


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nowhere.csv", "--format", "csv"], 2, "nowhere.csv"),
        (["{trace}", "--format", "helois"], 2, "did you mean 'helios'"),
        (["{trace}", "--format", "synthetic"], 2, "reads no trace file"),
        (["{trace}", "--format", "csv", "--start", "noon"], 2, "--start"),
        (["{trace}", "--format", "helios"], 2, "arrival_s"),
        (["{one}", "--format", "csv"], 2, "one instant"),
        (["{cpu}", "--format", "csv", "--fit"], 2, "fewer than two jobs take accelerators"),
    ],
)
def test_what_cannot_be_described_is_an_error_line(
    words: list[str], code: int, said: str, trace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"trace": trace, "one": str(tmp_path / "one.csv"), "cpu": str(tmp_path / "cpu.csv")}
    Path(files["one"]).write_text("\n".join(HAND.splitlines()[:3]) + "\n")
    Path(files["cpu"]).write_text("job_id,submit_s,accelerators,service_s\na,0,0,9\nb,5,0,9\n")
    assert main(["trace", *(word.format(**files) for word in words)]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dcsim: error: ")
    assert said in err


# Fit


def test_expectation_maximisation_finds_the_phases_again() -> None:
    true = Phases((0.6, 0.25, 0.15), (100.0, 2000.0, 60_000.0))
    found, _ = fit_phases(true.draw(stream(1, "phases"), 50_000))
    assert found.weights == pytest.approx(true.weights, rel=0.06)
    assert found.means == pytest.approx(true.means, rel=0.06)


def test_expectation_maximisation_sees_past_a_cut() -> None:
    """15 % of jobs have a mean of 60,000 s, but none ran longer than 48 h: the mean beyond is still found."""
    true = Phases((0.6, 0.25, 0.15), (100.0, 2000.0, 60_000.0))
    times = np.minimum(true.draw(stream(1, "phases"), 50_000), 172_800.0)
    found, _ = fit_phases(times, limit=172_800.0)
    assert found.means[2] == pytest.approx(60_000, rel=0.05)


@pytest.mark.parametrize("cap", [None, 50_000.0])
def test_a_fitted_law_has_the_mean_of_the_sample(cap: float | None) -> None:
    times = stream(2, "sample").lognormal(6.0, 2.5, 20_000)
    times = times if cap is None else np.minimum(times, cap)
    assert fit_service(times, cap=cap).expected == pytest.approx(times.mean(), rel=1e-6)


def test_a_log_normal_sample_with_a_light_tail_is_fitted_by_a_log_normal_law() -> None:
    law = fit_service(stream(2, "sample").lognormal(6.0, 0.8, 20_000))
    assert law.law == "lognormal"
    assert law.median == pytest.approx(math.exp(6), rel=0.03)
    assert law.sigma == pytest.approx(0.8, rel=0.03)


def test_few_or_equal_run_times_are_fitted_by_their_moments() -> None:
    assert fit_service(np.full(10_000, 7.0)) == Service("deterministic", mean=7.0)
    assert fit_service(np.array([1.0, 1.0, 10.0])).law == "hyperexponential"  # scv 1.125
    assert fit_service(np.array([1.0, 2.0, 3.0])).law == "lognormal"  # scv 1/6


def test_a_fit_finds_the_keys_of_a_generated_workload_again() -> None:
    keys = {
        "jobs": 60_000,
        "span": "100 d",
        "arrivals": "bursty",
        "hour_factors": [0.5] * 8 + [2.0] * 8 + [0.5] * 8,
        "levels": [{"every": "1 d", "sigma": 0.5, "correlation": 0.5}],
        "batch_sizes": {"1": 0.9, "10": 0.1},
        "batch_gap": "5 s",
        "batch_together": 0.5,
        "batch_alike": 0.4,
        "classes": {
            "1": {"share": 0.7, "accelerators": {"1": 1}, "service": {"law": "exponential", "mean": "1 h"}},
            "8": {"share": 0.3, "accelerators": {"8": 1}, "service": {"law": "exponential", "mean": "2 h"}},
        },
    }
    found = fit(generated(keys))
    assert np.array(found["hour_factors"][8:16]) == pytest.approx(2.0, abs=0.3)
    daily = found["levels"][0]
    assert (daily["every"], daily["sigma"]) == ("1 d", pytest.approx(0.5, abs=0.15))
    assert found["batch_sizes"]["1"] == pytest.approx(0.9, abs=0.02)
    assert found["batch_together"] == pytest.approx(0.5, abs=0.03)
    assert found["batch_alike"] == pytest.approx(0.4, abs=0.03)
    assert found["classes"]["8"]["share"] == pytest.approx(0.3, abs=0.01)
    again = describe(generated(found))
    assert again["load"]["accelerators_mean"] == pytest.approx(60_000 / (100 * DAY) * 5.5 * HOUR, rel=0.1)


def test_rounding_keeps_four_digits() -> None:
    assert [rounded(v) for v in (0.123456, 2635.4, 129_916.0, 2.0)] == [0.1235, 2635, 129_900, 2]


def test_a_printed_table_runs_in_a_scenario(trace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", trace, "--format", "csv", "--fit"]) == 0
    text = capsys.readouterr().out
    assert list(tomllib.loads(text)) == ["workload"]
    pool = '[[pools]]\nname = "p"\naccelerator = "T4"\nnodes = 2\naccelerators_per_node = 8\n'
    scenario = tmp_path / "scenario.toml"
    scenario.write_text('name = "imitation"\n' + pool + text)
    load(scenario)
    assert main(["trace", trace, "--format", "csv", "--fit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == tomllib.loads(text)["workload"]


# Real traces


@pytest.fixture(scope="module")
def venus(traces: Path) -> JobTable:
    from dcsim.workloads.helios import Helios

    path = traces / "helios" / "helios_trace.csv.gz"
    return Helios(path=str(path)).load(WorkloadContext(Path, lambda name: stream(0, name), capacity=1))


VENUS_START = datetime.fromisoformat("2020-03-18T04:01:39+08:00")


def test_venus_is_described_by_the_figures_counted_elsewhere(venus: JobTable) -> None:
    """Counted with pandas on the same file: jobs, shares, percentiles, burstiness, hours and peak."""
    figures = describe(venus, VENUS_START, 768)
    assert figures["jobs"] == 125_303
    assert figures["accelerator_hours"] == pytest.approx(2_423_407, abs=1)
    assert figures["classes"]["8"]["accelerator_hours_share"] == pytest.approx(0.280, abs=5e-4)
    whole = figures["classes"]["all"]
    percentiles = [round(whole[f"service_s_{p}"]) for p in ("p10", "p50", "p90", "p99")]
    assert percentiles == [18, 204, 18_201, 172_800]
    arrivals = figures["arrivals"]
    assert arrivals["hourly_variance_over_mean"] == pytest.approx(41, abs=0.5)
    assert arrivals["gap_cv"] == pytest.approx(14.7, abs=0.05)
    assert arrivals["same_second_share"] == pytest.approx(0.092, abs=5e-4)
    assert (round(arrivals["batch_mean"], 2), arrivals["batch_max"]) == (1.22, 713)
    published = (0.90, 0.66, 0.60, 0.38, 0.27, 0.21, 0.19, 0.22, 0.37, 0.80, 1.29, 1.47,
                 1.16, 1.30, 1.56, 1.66, 1.73, 1.73, 1.28, 1.31, 1.35, 1.37, 1.15, 1.04)  # fmt: skip
    assert figures["hour_factors"] == pytest.approx(published, abs=0.01)
    assert figures["load"]["accelerators_peak"] == 1240


def test_a_fit_of_venus_is_near_its_run_times_and_always_the_same(venus: JobTable) -> None:
    found = fit(venus, VENUS_START)
    assert found == fit(venus, VENUS_START)
    laws = _presets.typed({"classes": found["classes"]}, Synthetic)["classes"]
    for name, bound in {"1": 0.04, "8": 0.05, "9-16": 0.06}.items():
        row = np.isin(venus.accelerators, laws[name].sizes.values)
        assert ks_distance(venus.service_s[row], laws[name].service) <= bound


# Formats that need more than the trace

GAVEL = "kind\tcmd\t-n\t0\t{steps}\t{at}\t1\n"


@pytest.fixture
def gavel(tmp_path: Path) -> tuple[str, str]:
    """Two jobs of 500 and 1,000 steps at 10 and 5 steps/s, and the file that says so."""
    path, rates = tmp_path / "two.trace", tmp_path / "rates.json"
    path.write_text(GAVEL.format(steps=500, at=0) + GAVEL.format(steps=1000, at=3600))
    rates.write_text(json.dumps({t: {"('kind', 1)": {"null": r}} for t, r in (("v100", 10.0), ("k80", 5.0))}))
    return str(path), str(rates)


def test_keys_that_a_format_needs_are_set_as_in_a_workload_table(
    gavel: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    trace, rates = gavel
    command = ["trace", trace, "--format", "gavel", "--set", f"throughputs={rates}", "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["accelerator_hours"] == pytest.approx((50 + 100) / 3600)
    assert main([*command, "--set", "accelerator=k80"]) == 0
    assert json.loads(capsys.readouterr().out)["accelerator_hours"] == pytest.approx((100 + 200) / 3600)
    assert main([*command, "--fit"]) == 0
    assert json.loads(capsys.readouterr().out)["use"] == "synthetic"


def test_mistakes_in_keys_of_a_format_are_told_at_once(gavel: Any, capsys: pytest.CaptureFixture[str]) -> None:
    trace, _ = gavel
    assert main(["trace", trace, "--format", "gavel"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dcsim: error: --set: throughputs: 'gavel' cannot do without this key; --set throughputs=")
    keys = ["since=4", "throughput=1", f"path={trace}", "limit=nan", "throughputs=nowhere.json"]
    assert main(["trace", trace, "--format", "gavel", *(w for key in keys for w in ("--set", key))]) == 2
    told = capsys.readouterr().err
    for words in (
        "since: 4 has no unit", "throughput: unknown key; did you mean 'throughputs'?", "path: is the trace file",
        "limit: must be finite", 'throughputs: no such file (got "nowhere.json")',
    ):  # fmt: skip
        assert f"dcsim: error: --set: {words}" in told
    assert len(told.splitlines()) == len(keys)


@pytest.mark.parametrize(
    ("trace", "keys"),
    [("gavel/msr_seed0/0e4a51.trace.gz", {"throughputs": "gavel/simulation_throughputs.json.gz"}),
     ("sia/workloads/philly/workload-1.csv", {"models": "sia/models", "device": "rtx"})],
)  # fmt: skip
def test_traces_of_work_are_described(traces: Path, trace: str, keys: Any, capsys: pytest.CaptureFixture[str]) -> None:
    words = [w for key, value in keys.items() for w in ("--set", f"{key}={traces / value if '/' in value else value}")]
    assert main(["trace", str(traces / trace), "--format", trace.partition("/")[0], *words, "--fit"]) == 0
    assert tomllib.loads(capsys.readouterr().out)["workload"]["use"] == "synthetic"
