"""Training jobs through the simulator: rates from models, in pools, places, clocks and among neighbours."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dcsim import results
from dcsim.__main__ import main
from dcsim.errors import ScenarioError
from dcsim.eventlog.schema import COMPLETE, RATE, START
from dcsim.kernels.facts import Plan
from dcsim.performance.devices import device_row
from dcsim.performance.models import model_row
from dcsim.performance.placed import Place, cut, packed, together
from dcsim.performance.step_time import step_time
from dcsim.performance.waiting import Input
from dcsim.policies.decisions import Allocation, Preempt, Start, WakeAt
from dcsim.report.page import html
from dcsim.run import trainings_of
from dcsim.scenario import presets
from dcsim.scenario.presets import accelerator
from dcsim.scenario.spec import Pool
from tests.sim.test_rates import Told as Script
from tests.training.given import PASS, PRODUCT, by_hand, job, loaded, pool, ran, trained

HALF = "clock = 0.5"
CHIP = '{ name = "slow", device_class = "gpu", bf16 = "100 TFLOP/s", memory = "80 GB", memory_bandwidth = "1 TB/s" }'
TWO = pool("slow", CHIP), pool("fast", CHIP.replace("slow", "fast").replace("1 TB/s", "4 TB/s"))
GPT_KEYS = {"global_batch": 64, "sequence_length": 1024}
ELASTIC = {"accelerators": None, "min_accelerators": 2, **GPT_KEYS}
GPT = '"gpt-2"'


def ends(log) -> dict[int, float]:
    rows = log.of_kind(COMPLETE)
    return dict(zip(log.job[rows].tolist(), log.time_s[rows].tolist(), strict=True))


def test_a_job_runs_for_its_steps_times_the_step_time(tmp_path: Path):
    run = ran(tmp_path, pool(), job(steps=1000))
    (told,) = run.trained
    assert run.summary["makespan_s"] == pytest.approx(1000 * told.step_time_s)
    # Forward and two products backward, 2 x 8192^3 FLOP each, at no more than the dense peak of 989 TFLOP/s.
    least_s = 3 * 2 * 8192**3 / 989e12
    assert least_s / 1.0 < told.step_time_s < least_s / 0.4
    assert told.mfu == pytest.approx(least_s / told.step_time_s, rel=1e-3)
    assert told.bound == "compute"


def test_half_the_clock_is_half_the_speed_where_computing_bounds_and_the_same_where_memory_does(tmp_path: Path):
    for model, factor, bound in ((PRODUCT, 2.0, "compute"), (PASS, 1.0, "memory bandwidth")):
        full, half = (ran(tmp_path, pool(more=more), job(model=model)) for more in ("", HALF))
        assert half.summary["makespan_s"] == pytest.approx(factor * full.summary["makespan_s"])
        assert half.log.value[half.log.of_kind(START)].tolist() == pytest.approx([1 / factor])
        assert [told.bound for told in half.trained] == [bound]
        assert half.trained[0].step_time_s == pytest.approx(factor * full.trained[0].step_time_s)


def test_a_clock_that_is_lowered_while_a_job_runs_slows_what_is_left(tmp_path: Path):
    source = loaded(tmp_path, pool(), job("product"), job("pass", PASS))
    full = [training.service_s for training in trainings_of(source)]
    script = Script([(0.0, Start(0, at(0, 0))), (0.0, Start(1, at(0, 0)))])
    told = by_hand(source, script, [(0.25 * full[0], 0, 0.5)])
    assert ends(told.log) == pytest.approx({0: (0.25 + 2 * 0.75) * full[0], 1: full[1]})
    assert told.log.job[told.log.of_kind(RATE)].tolist() == [0]  # memory does not care


def at(number: int, *nodes: int, each: int = 1) -> Allocation:
    return Allocation(number, nodes, (each,) * len(nodes))


def test_four_times_the_memory_bandwidth_is_four_times_the_rate_of_a_memory_bound_job(tmp_path: Path):
    run = ran(tmp_path, *TWO, job("s", PASS, pool='"slow"'), job("f", PASS, pool='"fast"'))
    assert run.log.value[run.log.of_kind(START)].tolist() == [1.0, 1.0]  # each by its own reference
    assert ends(run.log)[0] == pytest.approx(4 * ends(run.log)[1])
    # Nine jobs that may use both: eight fit into the first pool, one runs in the second at four times the rate.
    both = ran(tmp_path, *TWO, job("any", PASS, count=9))
    assert both.log.value[both.log.of_kind(START)].tolist() == pytest.approx([1.0] * 8 + [4.0])
    assert both.results.run_s.tolist() == pytest.approx([both.results.run_s[0]] * 8 + [both.results.run_s[0] / 4])


def test_a_job_that_is_stopped_in_one_pool_goes_on_in_another_at_its_rate(tmp_path: Path):
    source = loaded(tmp_path, *TWO, job("moves", PASS, steps=1000))
    service_s = trainings_of(source)[0].service_s
    moves_s = 0.75 * service_s
    script = WakingScript([(0.0, Start(0, at(0, 0))), (moves_s, Preempt(0)), (moves_s, Start(0, at(1, 0)))])
    assert ends(by_hand(source, script).log)[0] == pytest.approx((0.75 + 0.25 / 4) * service_s)


class WakingScript(Script):
    """Asks to be woken for its next line."""

    def decide(self, view):
        yield from super().decide(view)
        if self.script:
            yield WakeAt(self.script[0][0])


def test_a_tensor_parallel_group_that_leaves_its_node_slows_the_job(tmp_path: Path):
    keys = {"steps": 10, "global_batch": 16, "accelerators": 8, "plan": "{ tp = 8 }", "sequence_length": 2048}
    (training,) = trained(tmp_path, pool(nodes=2), job("tp", '"llama-3-8b"', **keys))
    together = training.step(0, 8, Place((8,), None))
    apart = training.step(0, 8, Place((4, 4), None))
    assert together == training.step(0, 8, training.place(0, 8))
    # Half a group on each node: the kernels are told of a scale-up domain of four.
    plan, of_four = training.works[0].plans[8], device_row(accelerator("H100-SXM"), domain=4.0)
    assert apart.step_s() == pytest.approx(step_time(model_row(presets.model("llama-3-8b")), plan, of_four).step_s)
    assert apart.step_s() > together.step_s()
    assert (together.bound(), apart.bound()) == ("compute", "tensor-parallel traffic")
    source = loaded(tmp_path, pool(nodes=2), job("tp", '"llama-3-8b"', **keys))
    told = by_hand(source, Script([(0.0, Start(0, at(0, 0, 1, each=4)))]))
    assert told.log.value[told.log.of_kind(START)].tolist() == pytest.approx([together.step_s() / apart.step_s()])


def test_gangs_share_few_nics_and_one_nic_each_is_nobodys_but_theirs(tmp_path: Path):
    keys = {"steps": 50, "accelerators": 8, "plan": '{ sharding = "zero3" }', **GPT_KEYS}
    halves = [(0.0, Start(0, at(0, 0, 1, each=4))), (5.0, Start(1, at(0, 0, 1, each=4)))]
    jobs = job("one", GPT, **keys), job("two", GPT, submit='"5 s"', **keys)
    slow = 'nic_bandwidth = "2 GB/s"\nnics_per_node = 1'
    shared = by_hand(loaded(tmp_path, pool(nodes=2, more=slow), *jobs), Script(list(halves)))
    rates = shared.log.of_kind(RATE)
    reasons = [shared.log.reasons[code] for code in shared.log.reason[rates]]
    assert reasons == ["a neighbour has come", "a neighbour is gone"]
    first, then = shared.log.value[rates].tolist()
    assert first < then  # the neighbour takes half of the NIC, and gives it back
    own = by_hand(loaded(tmp_path, pool(nodes=2, more=slow.replace("= 1", "= 8")), *jobs), Script(list(halves)))
    assert not len(own.log.of_kind(RATE))


def test_a_gang_in_its_place_counts_accelerators_by_domain():
    h100 = Pool(name="a", accelerator=accelerator("H100-SXM"), nodes=4, accelerators_per_node=8)
    assert packed(h100, 20) == (8, 8, 4)
    assert packed(h100, 4) == (4,)
    assert cut(h100, together(h100, (0, 2), (8, 4))) == (8, 4)
    rack = Pool(name="b", accelerator=accelerator("GB200"), nodes=36, accelerators_per_node=4)
    assert packed(rack, 72) == (72,)
    assert cut(rack, together(rack, (0, 17, 18), (4, 4, 4))) == (8, 4)  # 18 nodes of 4 share a domain of 72
    plan = Plan(1, 1, 1, 1, 1, 1, 1, 64, 1024)
    assert Place((8, 8), None).domain(plan._replace(tp=8)) == 8
    assert Place((8, 4), None).domain(plan._replace(tp=4)) == 4
    assert Place((8, 6), None).domain(plan._replace(tp=4)) == 2  # groups of 4 would cross from one node to the other
    assert Place((6, 6), None).domain(plan._replace(ep=4)) == 2
    assert Place((72, 72), None).domain(plan._replace(tp=2, cp=8)) == 8
    assert Place((72, 72), None).domain(plan._replace(tp=2, ep=12)) == 72
    assert Place((72, 72), None).domain(plan._replace(tp=2, ep=16, cut_experts=1)) == 8
    assert Place((8, 7), None).domain(plan) == 7


def test_noise_turns_batch_into_steps_as_mccandlish_says(tmp_path: Path):
    # Eq. 2.7: S = S_min (1 + B_noise / B), E = E_min (1 + B / B_noise); batch 64, noise scale 256.
    by_steps, by_samples, plain = trained(
        tmp_path,
        pool(),
        job("s", steps=1000, global_batch=64, noise_scale=256.0),
        job("e", steps=None, samples=256_000.0, global_batch=64, noise_scale=256.0),
        job("p", steps=None, samples=256_000.0, global_batch=64),
    )
    assert by_steps.steps == 1000 * (1 + 256 / 64)
    assert by_samples.steps == 256_000 * (1 + 64 / 256) / 64
    assert by_samples.steps == by_steps.steps  # E_min = S_min B_noise
    assert plain.steps == 4000


def test_tokens_and_losses_become_steps(tmp_path: Path):
    keys = {"steps": None, "global_batch": 32, "sequence_length": 1024}
    law = '{ name = "mine", irreducible = 1.0, a = 400.0, alpha = 0.5, b = 400.0, beta = 0.5 }'
    tokens, loss = trained(
        tmp_path,
        pool(),
        job("t", GPT, tokens=32 * 1024 * 10.5, **keys),
        job("l", GPT, target_loss=1.2, law=law, **keys),
    )
    assert tokens.steps == 11  # the last batch is begun
    # 1.2 = 1 + (400 / N^0.5) + (400 / D^0.5): D = (400 / (0.2 - 400 / N^0.5))^2 with N = 124,439,808 parameters.
    needed = (400 / (0.2 - 400 / math.sqrt(124_439_808))) ** 2
    assert loss.steps == math.ceil(needed / (32 * 1024))


def test_an_elastic_job_starts_on_the_largest_gang_that_fits(tmp_path: Path):
    keys = ELASTIC | {"max_accelerators": 8}
    parts = pool(), job("holds", accelerators=3, global_batch=3, steps=10**6), job("e", GPT, **keys)
    run, (_, training) = ran(tmp_path, *parts), trained(tmp_path, *parts)
    assert training.sizes == (2, 4, 8)
    assert run.jobs.accelerators.tolist() == [3, 4]  # five are free
    assert run.summary["accelerator_hours"] * 3600 == pytest.approx(float((run.results.run_s * [3, 4]).sum()))
    rate = training.speed_at(0, 4)
    of_two, of_four = (training.step(0, size, training.place(0, size)).step_s() for size in (2, 4))
    assert rate == pytest.approx(of_two / of_four)
    assert 1.0 < rate < 2.0  # twice the accelerators of its reference, the smallest gang, less what traffic costs
    assert run.results.run_s[1] == pytest.approx(training.service_s / rate)
    alone = ran(tmp_path, pool(), job("e", GPT, **keys))
    assert alone.jobs.accelerators.tolist() == [8]


@pytest.mark.parametrize("scheduler", ["easy", "conservative", "srtf", "least_attained_service", "fifo_skip", "sjf"])
def test_elastic_jobs_go_through_every_queue(tmp_path: Path, scheduler: str):
    parts = [
        job("e", GPT, count=12, every='"10 s"', steps=300, **ELASTIC | {"max_accelerators": 16}),
        job("r", PRODUCT, count=12, every='"7 s"', submit='"3 s"', accelerators=4, global_batch=4, steps=500),
    ]
    run = ran(tmp_path, pool(nodes=3), *parts, overrides=[f"scheduler.use={scheduler}"])
    assert run.summary["jobs_completed"] == 24
    assert set(run.jobs.accelerators.tolist()) <= {2, 4, 8, 16}
    jobs = trained(tmp_path, pool(nodes=3), *parts)
    speeds = [jobs[t].speed_at(0, n) for t, n in zip(run.jobs.training, run.jobs.accelerators, strict=True)]
    once = run.results.preemptions == 0
    # A placement may part a gang of 16, which slows it a little.
    assert (run.results.run_s * speeds)[once] == pytest.approx(run.jobs.service_s[once], rel=0.05)


def test_the_slowest_of_n_workers_stretches_a_step():
    assert Input(jitter=0.1).stretch(1) == 1.0
    # Expected largest of n log-normal times; for a small deviation that of normal ones: 1 + 0.01 x 1.4236 for n = 8.
    assert Input(jitter=0.01).stretch(8) == pytest.approx(1 + 0.01 * 1.4236, abs=2e-4)
    assert Input(jitter=0.1).stretch(512) > Input(jitter=0.1).stretch(8)


def test_jitter_slows_a_job_by_that_and_may_be_what_bounds_it(tmp_path: Path):
    plain, jittery, wild = trained(
        tmp_path,
        pool(),
        job("p", accelerators=8, global_batch=8),
        job("j", accelerators=8, global_batch=8, jitter=0.01),
        job("w", accelerators=8, global_batch=8, jitter=1.0),
    )
    assert jittery.service_s == pytest.approx(plain.service_s * Input(jitter=0.01).stretch(8))
    assert (jittery.reference_step.bound(), wild.reference_step.bound()) == ("compute", "stragglers")


def test_data_bound_a_step_whose_loading_takes_longer(tmp_path: Path):
    # 2,048 images of 110 kB a step over 1.5 GB/s: 0.150 s, or eight loaders of 50 MB/s each: 0.563 s.
    keys = {"steps": 100, "global_batch": 2048, "accelerators": 8, "optimizer": '"sgd"', "sample_size": '"110 kB"'}
    storage = ran(tmp_path, pool(), job("s", '"resnet-50"', storage_bandwidth='"1.5 GB/s"', **keys))
    loaders = ran(tmp_path, pool(), job("l", '"resnet-50"', loader_rate='"50 MB/s"', **keys))
    enough = ran(tmp_path, pool(), job("e", '"resnet-50"', loader_rate='"50 GB/s"', **keys))
    assert storage.trained[0].step_time_s == pytest.approx(2048 * 110e3 / 1.5e9)
    assert loaders.trained[0].step_time_s == pytest.approx(2048 * 110e3 / 8 / 50e6)
    assert [run.trained[0].bound for run in (storage, loaders)] == ["data loading"] * 2
    assert enough.trained[0].bound != "data loading"
    assert enough.trained[0].step_time_s < storage.trained[0].step_time_s


def test_what_a_run_leaves_says_what_each_job_was_bound_by(tmp_path: Path):
    run = ran(tmp_path, pool(), job("a"), job("b", GPT, global_batch=32, accelerators=4, submit='"1 s"'))
    place = results.save(run, tmp_path / "out")
    again = results.read(place)
    assert again.trained == run.trained
    assert again.scenario == run.scenario
    other = results.save(again, tmp_path / "other")
    assert (place / "jobs.parquet").read_bytes() == (other / "jobs.parquet").read_bytes()
    rows = pq.read_table(place / "jobs.parquet").to_pylist()
    assert [row["model"] for row in rows] == ["product", "gpt-2"]
    assert [row["bound"] for row in rows] == [told.bound for told in run.trained]
    assert [row["step_time_s"] for row in rows] == [told.step_time_s for told in run.trained]
    assert rows[1]["plan"].startswith("dp 4")
    assert all(0 < row["mfu"] < 1 for row in rows)


def test_jobs_of_a_trace_and_training_jobs_are_one_table(tmp_path: Path):
    trace = "job_id,submit_s,accelerators,service_s\nx,0,1,10\ny,100,2,10\n"
    (tmp_path / "trace.csv").write_text(trace)
    workload = '[workload]\nuse = "csv"\npath = "trace.csv"'
    run = ran(tmp_path, pool(), job("own", submit='"50 s"', tenant='"us"', priority=3), workload)
    assert run.jobs.job_ids == ["x", "own", "y"]
    assert [run.jobs.tenant.name(row) for row in range(3)] == [None, "us", None]
    assert run.jobs.priority.tolist() == [0, 3, 0]
    assert run.results.run_s[[0, 2]].tolist() == [10, 10]
    assert [told.job for told in run.trained] == [1]


def test_a_preempted_elastic_job_keeps_its_size(tmp_path: Path):
    # The long one starts on all eight; short ones of eight take its place, and it comes back on eight.
    parts = [
        job("long", GPT, **ELASTIC | {"max_accelerators": 8, "steps": 5000}),
        job("short", PRODUCT, count=3, every='"30 s"', submit='"5 s"', accelerators=8, global_batch=8, steps=100),
    ]
    run = ran(tmp_path, pool(), *parts, overrides=["scheduler.use=srtf"])
    assert run.results.preemptions[0] == 3
    starts = run.log.of_kind(START)
    own = starts[run.log.job[starts] == 0]
    assert [run.log.counts[run.log.offsets[row]] for row in own] == [8] * 4
    (training, _) = trained(tmp_path, pool(), *parts)
    assert run.results.run_s[0] == pytest.approx(training.service_s / training.speed_at(0, 8))


def test_report_explain_and_answer_name_what_bounds_each_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    loaded(tmp_path, pool(), job("a"), job("b", GPT, global_batch=256, accelerators=4), job("c", PASS))
    assert main(["run", str(tmp_path / "train.toml"), "--out", str(tmp_path / "out")]) == 0
    assert "training jobs   2 bound by compute, 1 by memory bandwidth" in capsys.readouterr().out
    (folder,) = (tmp_path / "out").iterdir()
    page = (folder / "report.html").read_text(encoding="utf-8")
    rows = re.findall(r"<tr><td>(\w)</td><td>([\w ]+)</td><td>([\w-]+)</td>", page[page.index("Training jobs") :])
    assert rows[:3] == [("a", "compute", "product"), ("b", "compute", "gpt-2"), ("c", "memory bandwidth", "pass")]
    assert main(["explain", str(folder), "b"]) == 0
    said = capsys.readouterr().out
    assert "it trains gpt-2 for 100 steps, bound by compute" in said
    assert "in a, 4 accelerators: dp 4, micro-batch" in said
    assert "speed" not in said
    assert main(["explain", str(folder), "c", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["training"]["bound"] == "memory bandwidth"
    assert main(["report", str(folder)]) == 0
    assert (folder / "report.html").read_text(encoding="utf-8") == page


def test_plans_of_jobs_tell_schedule_experts_and_optimizer_where_they_are_not_the_usual(tmp_path: Path):
    own = {"global_batch": 32, "accelerators": 4}
    pipes = [f'{{ tp = 1, pp = 4, micro_batch = 1, schedule = "{name}" }}' for name in ("1f1b", "zb-h1", "dualpipe")]
    of_pipes = [job(f"p{number}", GPT, **own, plan=plan) for number, plan in enumerate(pipes)]
    flat = job("flat", GPT, **own, plan='{ pp = 1, schedule = "zb-h1" }', optimizer='"sgd"')
    mixed = {"global_batch": 64, "accelerators": 64, "sequence_length": 4096, "steps": 1}
    plan = '{ tp = 2, pp = 1, cp = 1, ep = 4, experts = "cut" }'
    cut = job("cut", '"mixtral-8x7b"', **mixed, plan=plan)
    run = ran(tmp_path, pool(nodes=8), *of_pipes, flat, cut, job("net", PRODUCT, optimizer='"adam"'))
    ends = [told.plan.split("micro-batch ")[1].split(", ")[1:] for told in run.trained]
    unusual = [[word for word in words if word.split()[0] in ("schedule", "experts", "optimizer")] for words in ends]
    assert unusual[:3] == [[], ["schedule zb-h1"], ["schedule dualpipe"]]
    assert unusual[3:] == [["optimizer sgd"], ["experts cut"], ["optimizer adam"]]
    assert len({told.plan for told in run.trained[:3]}) == 3
    table = pq.read_table(results.save(run, tmp_path / "out") / "jobs.parquet")
    assert [str(plan) for plan in table["plan"]] == [told.plan for told in run.trained]


def test_who_runs_the_plans_of_transformers_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    own = {"global_batch": 32, "accelerators": 4}
    parts = [job("a"), job("b", GPT, **own), job("c", GPT, **own, framework='"pytorch"'), job("d", GPT, **own)]
    run = ran(tmp_path, pool(), *parts)
    usual, other = "as Megatron Core runs it, fp32 gradients", "as PyTorch with FSDP runs it, fp32 gradients"
    assert [told.run_as for told in run.trained] == [None, usual, other, usual]  # a network is nobody's in particular
    assert f"Transformers: 2 {usual}; 1 {other}." in html(run)
    assert f"Transformers: {usual}." in html(ran(tmp_path, pool(), parts[1]))
    assert "Transformers" not in html(ran(tmp_path, pool(), parts[0]))
    place = results.save(run, tmp_path / "out")
    assert main(["explain", str(place), "c"]) == 0
    assert other in capsys.readouterr().out
    older = pq.read_table(place / "jobs.parquet").drop_columns("run_as")  # as written before the column was there
    pq.write_table(older, place / "jobs.parquet")
    assert [told.run_as for told in results.read(place).trained] == [None] * 4


def test_explain_says_how_fast_a_job_ran_against_its_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    loaded(tmp_path, pool("half", more=HALF), job("a"))
    assert main(["run", str(tmp_path / "train.toml"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    (folder,) = (tmp_path / "out").iterdir()
    assert main(["explain", str(folder), "a"]) == 0
    assert re.search(r"speed +0.5 x +that for which its service is told", capsys.readouterr().out)


def test_pools_of_one_accelerator_must_agree_on_what_fits(tmp_path: Path):
    # HSDP divides states over a node: on nodes of two they do not fit, on nodes of eight they do.
    keys = {"steps": 10, "global_batch": 64, "accelerators": 16, "sequence_length": 4096}
    plan = "{ tp = 1, pp = 1, cp = 1, dp = 16, micro_batch = 1, recompute = 'full', sharding = 'hsdp' }"
    two = pool("small", nodes=8, width=2), pool("large", nodes=2)
    with pytest.raises(ScenarioError, match=r"jobs\.0\.pool: has a plan in another pool of H100-SXM, but none in sm"):
        trained(tmp_path, *two, job("j", '"llama-3-8b"', plan=plan, **keys))
    named = trained(tmp_path, *two, job("j", '"llama-3-8b"', plan=plan, pool='"large"', **keys))
    assert named[0].reference == 1


def test_jobs_that_share_by_time_run_at_their_share_of_the_reference(tmp_path: Path):
    parts = pool(width=2), job("one", accelerators=2, global_batch=2), job("two", accelerators=2, global_batch=2)
    run = ran(tmp_path, *parts, overrides=["scheduler.use=processor_sharing"])
    (one, _) = trained(tmp_path, *parts)
    assert run.results.end_s.tolist() == pytest.approx([2 * one.service_s] * 2)
    assert [told.pool for told in run.trained] == [None, None]
    assert [told.bound for told in run.trained] == ["compute"] * 2  # their share of time is nobody's traffic
    assert run.summary["utilization_allocated"] == pytest.approx(1.0)


def test_a_share_of_time_is_nobodys_traffic(tmp_path: Path):
    # 64 accelerators on eight nodes send their gradients over NICs; each job has half of the time.
    keys = {"accelerators": 64, "global_batch": 64, "sequence_length": 2048}
    parts = pool(nodes=8), *(job(name, '"llama-3-8b"', **keys) for name in ("one", "two"))
    shared, alone = (ran(tmp_path, *parts, overrides=[f"scheduler.use={use}"]) for use in ("processor_sharing", "fifo"))
    assert [told.bound for told in shared.trained] == [told.bound for told in alone.trained] == ["compute"] * 2


def test_the_bound_of_a_step_is_that_at_its_clock(tmp_path: Path):
    # resnet-50 is bound by memory at the nominal clock; computing takes a third of it and grows as 1 / clock.
    (training,) = trained(tmp_path, pool(accelerator='"A100-SXM4-80GB"'), job("v", '"resnet-50"', global_batch=256))
    step = training.reference_step
    parts = dict(step.parts)
    turns = parts["compute"] / parts["memory bandwidth"]
    assert [step.bound(clock) for clock in (1.0, 1.01 * turns, 0.99 * turns)] == ["memory bandwidth"] * 2 + ["compute"]


def test_what_step_times_assume_of_an_accelerator_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bare = '{ name = "mine", device_class = "gpu", bf16 = "100 TFLOP/s", memory = "80 GB" }'
    loaded(tmp_path, pool(), pool("b", bare), job("a", count=2), job("b", PASS))
    assert main(["run", str(tmp_path / "train.toml"), "--out", str(tmp_path / "out")]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("dcsim: note: training jobs in ")]
    assert len(notes) == len(set(notes))
    assert "dcsim: note: training jobs in b: memory_bandwidth not in the preset: 333 GB/s assumed" in notes
    assert not any("training jobs in a" in note for note in notes)
    (folder,) = (tmp_path / "out").iterdir()
    assert "memory_bandwidth not in the preset" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_job_may_train_in_int8_where_its_device_has_it(tmp_path: Path):
    keys = {"global_batch": 64, "accelerators": 16, "sequence_length": 4096}
    times = []
    for precision in ("bf16", "int8"):
        (training,) = trained(
            tmp_path,
            pool(accelerator='"TPU-v6e"', nodes=2),
            job("v", '"llama-3-8b"', precision=f'"{precision}"', **keys),
        )
        times.append(training.reference_step.step_s())
    assert times[1] < times[0]
