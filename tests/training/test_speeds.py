"""`[speeds]`: jobs of a trace in other pools, at ratios of rooflines or of measured throughputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dcsim.__main__ import main
from dcsim.errors import ScenarioError, TraceError
from dcsim.performance.devices import device_row
from dcsim.performance.roofline import work_on_one
from dcsim.run import load_jobs, run, verify
from dcsim.scenario.presets import accelerator, model
from tests.training.given import job, loaded, pool, ran

TRACE = "job_id,submit_s,accelerators,service_s,pool\nold,0,1,100,v\nnew,0,1,100,h\n"
CSV = '[workload]\nuse = "csv"\npath = "trace.csv"'
POOLS = pool("v", '"V100-SXM2-32GB"'), pool("h", '"H100-SXM"')


def roofline(name: str = "gpt-2", **keys: str) -> str:
    more = "\n".join(f"{key} = {value}" for key, value in keys.items())
    return f'[speeds]\nuse = "roofline"\naccelerator = "V100-SXM2-32GB"\nmodel = "{name}"\n{more}'


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "trace.csv").write_text(TRACE, encoding="utf-8")
    return tmp_path


def test_by_default_a_trace_runs_alike_everywhere(here: Path):
    assert ran(here, *POOLS, CSV).results.run_s.tolist() == [100, 100]


def test_a_product_runs_faster_by_the_ratio_of_sustained_rates(here: Path):
    # 8192 x 8192 x 8192 products: V100 125 TFLOP/s in fp16, H100 989 in bf16, times what each family sustains.
    times = ran(here, *POOLS, CSV, roofline("matmul-8192")).results.run_s
    v100, h100 = (work_on_one(model("matmul-8192"), accelerator(name), 8) for name in ("V100-SXM2-32GB", "H100-SXM"))
    assert times.tolist() == pytest.approx([100, 100 * h100.step_s / v100.step_s])
    rows = [device_row(accelerator(name)).device for name in ("V100-SXM2-32GB", "H100-SXM")]
    sustained = [row.linear_flop_per_s * row.product_efficiency for row in rows]
    # Tiles and waves that are not full cost the two a few per cent each.
    assert times[0] / times[1] == pytest.approx(sustained[1] / sustained[0], rel=0.1)
    assert [v100.core_clock_share, h100.core_clock_share] == pytest.approx([1.0, 1.0], abs=0.01)


def test_a_job_bound_by_memory_gains_less_and_ignores_the_clock(here: Path):
    product, small = (ran(here, *POOLS, CSV, roofline(name)).results.run_s[1] for name in ("matmul-8192", "text-cnn"))
    assert product < small < 100
    slow = pool("h", '"H100-SXM"', more="clock = 0.5")
    half = ran(here, POOLS[0], slow, CSV, roofline("matmul-8192")).results.run_s[1]
    assert half == pytest.approx(2 * product, rel=0.01)
    share = work_on_one(model("text-cnn"), accelerator("H100-SXM"), 8).core_clock_share
    slowed = ran(here, POOLS[0], slow, CSV, roofline("text-cnn")).results.run_s[1]
    assert slowed == pytest.approx(small * (1 + share))
    assert share < 0.5


def test_all_samples_of_a_step_are_computed_at_once():
    # One by one, 32 sequences of BERT large would wait for their launches on any device: A100 / H100 1.06.
    a100, h100 = (work_on_one(model("bert-large"), accelerator(name), 32) for name in ("A100-SXM4-80GB", "H100-SXM"))
    assert 1.8 < a100.step_s / h100.step_s < 3.2  # peaks 3.2, bandwidths 1.6
    eight = work_on_one(model("bert-large"), accelerator("H100-SXM"), 8)
    assert eight.step_s < h100.step_s < 4 * eight.step_s


def test_a_step_that_waits_for_the_host_ignores_the_clock():
    one, many = (work_on_one(model("gpt-2"), accelerator("H100-SXM"), batch) for batch in (1, 64))
    assert one.core_clock_share < 0.02  # launches fill nearly all of it, and slower kernels still fit under them
    assert 0.2 < many.core_clock_share < 0.9


@pytest.mark.parametrize("name", ["gpt-2", "text-cnn"])
def test_pools_that_compute_in_no_precision_are_told_with_line_and_key(here: Path, name: str):
    fpgas = [pool(other, '"Alveo-U280"') for other in ("f", "g")]
    with pytest.raises(ScenarioError) as caught:
        ran(here, *POOLS, *fpgas, CSV, roofline(name))
    assert [p.key for p in caught.value.problems] == ["pools.2.accelerator", "pools.3.accelerator"]
    text = (here / "train.toml").read_text().splitlines()
    assert [text[(p.line or 0) - 1] for p in caught.value.problems] == ['accelerator = "Alveo-U280"'] * 2
    said = "no peak rate in any floating-point precision is known (got 'Alveo-U280')"
    assert all(said in str(p) and p.file.endswith("train.toml") for p in caught.value.problems)


def test_without_a_model_all_of_a_jobs_time_follows_the_clock(here: Path):
    slow = pool("h", '"H100-SXM"', more="clock = 0.8")
    assert ran(here, POOLS[0], slow, CSV).results.run_s.tolist() == pytest.approx([100, 125])


THROUGHPUTS = {
    "v100": {"('A', 1)": {"null": 10.0}, "('A', 2)": {"null": 18.0}, "('B', 1)": {"null": 4.0}},
    "k80": {"('A', 1)": {"null": 2.0}, "('A', 2)": {"null": 3.0}, "('B', 1)": {"null": 2.0}},
}
ROWS = [("A", 100, 1), ("A", 180, 2), ("B", 40, 1)]  # job type, steps, GPUs: 10 s each on V100


@pytest.fixture
def gavel(tmp_path: Path) -> Path:
    rows = ["\t".join([kind, "run", "-n", "0", str(steps), "0", str(gpus)]) for kind, steps, gpus in ROWS]
    (tmp_path / "jobs.trace").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "rates.json").write_text(json.dumps(THROUGHPUTS), encoding="utf-8")
    return tmp_path


GAVEL = '[workload]\nuse = "gavel"\npath = "jobs.trace"\nthroughputs = "rates.json"'


def measured(pools: str) -> str:
    return f'[speeds]\nuse = "measured"\nthroughputs = "rates.json"\naccelerator = "v100"\npools = {pools}'


def test_measured_throughputs_tell_how_long_each_job_type_takes_on_each_gpu(gavel: Path):
    for pools, times in (('{ a = "v100" }', [10, 10, 10]), ('{ a = "k80" }', [50, 60, 20])):
        run = ran(gavel, pool(), GAVEL, measured(pools))
        assert run.results.run_s.tolist() == pytest.approx(times)
    assert [run.jobs.model.name(row) for row in range(3)] == ["A", "A", "B"]


def test_rooflines_may_stand_for_the_models_that_a_trace_names(gavel: Path):
    plain = ran(gavel, pool(), GAVEL, roofline("text-cnn")).results.run_s
    named = ran(gavel, pool(), GAVEL, roofline("text-cnn", models='{ B = "matmul-8192" }')).results.run_s
    assert named[:2].tolist() == plain[:2].tolist()
    assert named[2] < plain[2]


@pytest.mark.parametrize(
    ("speeds", "said"),
    [
        (roofline("gpt-22"), r"speeds\.model: no preset of the name 'gpt-22'; nearest: 'gpt-2'"),
        (roofline().replace("V100-SXM2-32GB", "V100"), r"speeds\.accelerator: no preset of the name 'V100'"),
        (roofline(models='{ A = "nothing" }'), r"speeds\.models: no preset of the name 'nothing'"),
        (roofline(batch="0"), r"speeds\.batch: out of range"),
        ('[speeds]\nuse = "rooflines"', r"speeds\.use: no speeds of that name \(got 'rooflines'\); did you mean 'ro"),
        (measured("{ b = 'k80' }"), r"speeds\.pools\.a: is missing: no GPU type(?s:.*)speeds\.pools\.b: no pool of t"),
        (measured("{ a = 'k81' }"), r"no throughputs for this GPU type"),
    ],
)
def test_bad_speeds_are_told(gavel: Path, speeds: str, said: str):
    with pytest.raises(ScenarioError, match=said) if "k81" not in speeds else pytest.raises(Exception, match=said):
        ran(gavel, pool(), GAVEL, speeds)


LEAVES = """\
[network.topology]
use = "leaf_spine"
leaves = 2
spines = 1
hosts_per_leaf = 3
bandwidth = "1 GB/s"
uplink_bandwidth = "1 GB/s"
latency = "1 us"
"""
BAD = {
    "jobs.0.plan.tp": job("j", '"gpt-2"', accelerators=8, plan="{ tp = 5 }"),
    "speeds.pools.a": measured("{ b = 'k80' }"),
    "network.topology": LEAVES,
}


@pytest.mark.parametrize("act", [run, verify])
def test_bad_speeds_are_told_beside_bad_plans_and_networks(gavel: Path, act):
    with pytest.raises(ScenarioError) as caught:
        act(loaded(gavel, pool(), GAVEL, *BAD.values()))
    assert {*BAD} <= {p.key for p in caught.value.problems}


def test_a_bad_trace_is_told_beside_bad_plans_speeds_and_networks(gavel: Path):
    (gavel / "jobs.trace").write_text("A\trun\n", encoding="utf-8")
    with pytest.raises(TraceError) as caught:
        ran(gavel, pool(), GAVEL, *BAD.values())
    told = {p.key for p in caught.value.problems}
    assert {*BAD} <= told
    assert "jobs.trace" in str(caught.value)


def test_measured_speeds_need_a_trace_that_names_models(here: Path, gavel: Path):
    with pytest.raises(ScenarioError, match=r"speeds\.use: the workload does not name the models of its jobs"):
        ran(here, pool("v"), pool("h"), CSV, measured("{ v = 'v100', h = 'k80' }"))


def test_jobs_keep_away_from_pools_in_which_they_do_not_fit(gavel: Path):
    lacking = json.loads(json.dumps(THROUGHPUTS))
    lacking["k80"]["('B', 1)"]["null"] = 0.0
    (gavel / "rates.json").write_text(json.dumps(lacking), encoding="utf-8")
    both = pool("a", '"P100-SXM2-16GB"'), pool("b", '"V100-SXM2-32GB"')
    run = ran(gavel, *both, GAVEL, measured('{ a = "k80", b = "v100" }'))
    assert run.results.pool.tolist() == [0, 0, 1]
    assert run.results.run_s.tolist() == pytest.approx([50, 60, 10])
    alone = ran(gavel, both[0], GAVEL, measured('{ a = "k80" }'))
    assert alone.summary["jobs_rejected"] == 1
    assert alone.results.run_s[:2].tolist() == pytest.approx([50, 60])


def test_gavels_own_table_slows_its_trace_on_k80(traces: Path, tmp_path: Path):
    """OSDI 2020, figure 1: K80 are several times slower than V100, by an amount that depends on the model."""
    trace, table = "gavel/physical_cluster/max_min_fairness.trace.gz", "gavel/simulation_throughputs.json.gz"
    parts = [
        pool(nodes=64),
        f'[workload]\nuse = "gavel"\npath = "{trace}"\nthroughputs = "{table}"',
        f'[speeds]\nuse = "measured"\nthroughputs = "{table}"\naccelerator = "v100"\npools = {{ a = "k80" }}',
    ]
    source = loaded(tmp_path, *parts, data=traces)
    slow = run(source)
    ran_there = slow.results.state == 0
    ratio = (slow.results.run_s / load_jobs(source).service_s)[ran_there]
    assert ran_there.sum() > 50
    assert 1.5 < ratio.min() < ratio.max() < 15
    assert ratio.max() / ratio.min() > 2


def test_speeds_of_ones_own_are_a_file_with_one_dataclass(here: Path, capsys: pytest.CaptureFixture[str]):
    (here / "mine").mkdir()
    file = here / "mine" / "twice.py"
    file.write_text(OWN, encoding="utf-8")
    run = ran(here, *POOLS, CSV, '[speeds]\nuse = "twice"\nfactor = 4.0', plugins=[here / "mine"])
    assert run.results.run_s.tolist() == [25, 25]
    assert main(["check", str(file)]) == 0
    assert "twice" in capsys.readouterr().out


OWN = '''
"""Speeds of my own."""
from dataclasses import dataclass

import numpy as np

from dcsim.speeds.base import TraceSpeeds


@dataclass(frozen=True)
class Twice:
    """Every pool is faster than the trace says."""

    factor: float = 2.0
    """How much faster."""

    def speeds(self, jobs, context):
        ones = np.ones((1, len(context.pools)))
        return TraceSpeeds(np.zeros(len(jobs), np.intp), self.factor * ones, ones)
'''
