"""The planner's answer: sums by hand, and what must not get worse when more is allowed."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

import dcsim
from dcsim.performance import models, planning, scaling_laws
from dcsim.performance.ask import read
from dcsim.performance.estimate import Estimate, estimate
from dcsim.performance.planner import question
from dcsim.performance.request import Options
from dcsim.performance.search import STEP, search
from dcsim.performance.transformer_run import TransformerRun
from dcsim.scenario import presets
from dcsim.units import DAY, HOUR

GPT_3 = {"tokens": 300e9, "global_batch": 1536}


def gpt_3(accelerator: str = "H100-SXM", **options: object) -> Estimate:
    return estimate("gpt-3-175b", accelerator, **(GPT_3 | options))


@pytest.fixture(scope="module")
def on_1024() -> Estimate:
    return gpt_3(count=1024)


def test_the_face_of_the_package_has_it():
    assert dcsim.estimate is estimate


def test_the_face_shows_its_names_and_their_options():
    assert set(dcsim.__all__) <= set(dir(dcsim))
    told = [set(re.findall(r"`(\w+)`", face.__doc__ or "")) for face in (dcsim.estimate, dcsim.plan)]
    assert set(Options.__annotations__) - {"top"} <= told[0]
    assert set(Options.__annotations__) - {"tokens", "samples", "target_loss", "law", "deadline"} <= told[1]


def test_steps_are_tokens_over_batch_rounded_up(on_1024: Estimate):
    assert on_1024.steps == math.ceil(300e9 / (1536 * 2048))
    assert on_1024.time_s == on_1024.steps * on_1024.plan.step_time_s


def test_flop_are_those_of_the_paper(on_1024: Estimate):
    # Brown 2020 (arXiv 2005.14165), table D.1: 3.14e23 without attention; with it (s / 6 h = 2.8 %) 3.23e23.
    assert on_1024.flop == pytest.approx(3.14e23, rel=0.04)


def test_mfu_is_flop_over_what_the_peak_would_do_in_that_time(on_1024: Estimate):
    done = on_1024.steps * 1536 * 2048 * models.flop_per_token(models.model_row(presets.model("gpt-3-175b")), 2048)
    assert on_1024.plan.mfu == pytest.approx(done / on_1024.time_s / (1024 * 989e12), rel=1e-9)
    assert 0.2 < on_1024.plan.mfu < 0.7


@pytest.mark.parametrize(
    ("accelerator", "serving"),
    [
        ("H800-SXM", "constants of family 'hopper' serve, fitted to those of H100-SXM and H200-SXM"),
        ("H20", "constants of family 'hopper' serve, fitted to those of H100-SXM and H200-SXM"),
        ("A800-SXM4-80GB", "constants of family 'ampere' serve, fitted to those of A100-SXM4-40GB and A100-SXM4-80GB"),
        ("RTX-4090", "no constants of RTX-4090's family: those of class 'gpu' and of all serve"),
        ("MI250", "no constants of MI250's family: those of class 'gpu' and of all serve"),
    ],
)
def test_an_accelerator_without_rows_is_estimated_by_its_family_or_class_which_is_said(accelerator, serving):
    found = estimate("llama-3-8b", accelerator, tokens=1e11, count=64, global_batch=512)
    chip = presets.accelerator(accelerator)
    flop = 512 * 8192 * models.flop_per_token(models.model_row(presets.model("llama-3-8b")), 8192)
    assert found.plan.step_time_s > flop / (64 * chip.bf16)  # no faster than the peak
    assert 0.2 < found.plan.mfu < 0.8
    (said,) = (a for a in found.assumptions if serving in a.what)
    assert said.grade == "assumed"


@pytest.mark.parametrize("options", [{"dp": 64}, {"dp": 16, "tp": 4, "sharding": "zero1"}, {"dp": 1024}])
@pytest.mark.parametrize(("older", "newer"), [("TPU-v5p", "TPU-v7x"), ("TPU-v6e", "TPU-v7x")])
def test_a_newer_generation_of_tpus_is_not_slower_under_the_same_plan(older: str, newer: str, options: Options):
    kept: Options = {"tp": 1, "pp": 1, "cp": 1, "micro_batch": 1, "recompute": "full", "sharding": "zero3"}
    asked: Options = {**kept, **options, "global_batch": 1024, "tokens": 1e11}
    old, new = (estimate("llama-3-8b", chip, **asked).plan for chip in (older, newer))
    assert new.step_time_s < old.step_time_s


def test_fewer_links_make_narrower_tensor_parallel_groups_and_longer_steps():
    cut, whole = gpt_3("A800-SXM4-80GB", count=512), gpt_3("A100-SXM4-80GB", count=512)
    assert cut.plan.tp < whole.plan.tp
    assert 1.0 < cut.plan.step_time_s / whole.plan.step_time_s < 1.05  # most of it is computing


@pytest.mark.parametrize(("precision", "accelerator"), [("fp32", "V100-SXM2-32GB"), ("tf32", "A100-SXM4-80GB")])
def test_a_transformer_wider_than_16_bits_stays_below_the_peak_of_its_precision(precision: str, accelerator: str):
    wide = estimate("gpt-2", accelerator, tokens=1e9, count=8, global_batch=256, precision=precision)
    half = estimate("gpt-2", accelerator, tokens=1e9, count=8, global_batch=256, precision="fp16")
    # Head and attention too: no more of that peak than tensor cores reach of theirs, save where both wait for memory.
    assert wide.plan.mfu < 0.6
    assert wide.plan.step_time_s > half.plan.step_time_s


def test_energy_is_tdp_servers_and_pue_times_time(on_1024: Estimate):
    # 700 W x 1.25 (8xH100 nodes: 7.0 kW AC over 8 x 700 W) x PUE 1.12 = 980 W an accelerator
    assert on_1024.power_w == pytest.approx(1024 * 980.0)
    assert on_1024.energy_j == pytest.approx(1024 * 980.0 * on_1024.time_s)


def test_rent_is_the_preset_price_times_accelerator_hours(on_1024: Estimate):
    assert on_1024.cost_usd == pytest.approx(1024 * on_1024.time_s / HOUR * 2.95)


def test_what_presets_do_not_know_is_none():
    found = gpt_3("A100-SXM4-80GB", count=1024)
    assert found.cost_usd is None
    assert found.power_w == pytest.approx(1024 * 400 * 1.25 * 1.12)


def test_data_and_checkpoints_by_hand(on_1024: Estimate):
    assert on_1024.dataset_b == 600e9  # vocabulary of 50,257: two bytes a token
    assert on_1024.read_b_per_s == pytest.approx(600e9 / on_1024.time_s)
    assert on_1024.checkpoint.size_b == pytest.approx(14 * on_1024.parameters)


def test_checkpoints_come_at_youngs_interval(on_1024: Estimate):
    mtbf_s = 50_677 * HOUR / 1024
    kept = on_1024.checkpoint
    assert kept.interval_s == pytest.approx(math.sqrt(2 * kept.write_s * mtbf_s))
    assert kept.write_s / kept.interval_s == pytest.approx(0.01)
    assert kept.bandwidth_b_per_s * kept.write_s == pytest.approx(kept.size_b)
    assert on_1024.interruptions == pytest.approx(on_1024.time_s / mtbf_s)


def test_checkpoints_on_slower_storage_come_at_youngs_interval_too():
    asked = {"tokens": 1e12, "count": 64, "global_batch": 512}
    needed = estimate("llama-3-8b", "H100-SXM", **asked)
    assert needed.checkpoint_at_given is None
    assert needed.checkpoint.share == 0.01
    assert needed.checkpoint.bandwidth_b_per_s == pytest.approx(197e6, rel=0.01)
    found = estimate("llama-3-8b", "H100-SXM", **asked, storage_bandwidth="100 MB/s")
    assert found.checkpoint == needed.checkpoint
    given = found.checkpoint_at_given
    assert given is not None
    assert given.write_s == pytest.approx(14 * found.parameters / 100e6)  # 18.7 min
    assert given.interval_s == pytest.approx(math.sqrt(2 * given.write_s * 50_677 * HOUR / 64))  # 22.2 h
    assert given.share == given.write_s / given.interval_s
    assert given.share == pytest.approx(0.01 * math.sqrt(1.97), rel=0.01)  # as the root of the time of a write
    assert estimate("llama-3-8b", "H100-SXM", **asked, storage_bandwidth="198 MB/s").checkpoint_at_given is None


def test_slow_storage_of_a_small_run_writes_once_a_day_and_at_worst_all_the_time():
    daily, always = (planning.checkpoints_at(rate, 14e9, mtbf_s=50_677 * HOUR / 8) for rate in (14e9 / HOUR, 1e5))
    assert (daily.write_s, daily.interval_s, daily.share) == pytest.approx((HOUR, DAY, 1 / 24))
    assert (always.write_s, always.interval_s, always.share) == (1.4e5, 1.4e5, 1.0)


def test_a_small_run_still_saves_once_a_day():
    kept = planning.checkpoints(14e9, mtbf_s=50_677 * HOUR / 8)
    assert kept.interval_s == DAY
    assert kept.bandwidth_b_per_s == pytest.approx(14e9 / (0.01 * DAY))


def test_an_earlier_deadline_never_needs_fewer_accelerators():
    found = [gpt_3(deadline=f"{days} d") for days in (120, 60, 30, 15)]
    counts = [e.fewest_for_deadline for e in found]
    assert counts == sorted(counts)
    assert all(e.time_s <= e.deadline_s for e in found)
    assert all(e.accelerators == e.fewest_for_deadline >= e.fewest_that_fit for e in found)


@pytest.mark.parametrize(
    ("model", "tokens", "count", "every"),
    [("llama-3.1-405b", 15.6e12, 28_672, 1024), ("llama-3-70b", 15e12, 3_584, 64)],
)
def test_no_number_that_meets_the_deadline_is_below_the_fewest(model: str, tokens: float, count: int, every: int):
    deadline = 60 * DAY
    found = estimate(model, "H100-SXM", tokens=tokens, deadline=deadline)
    fewest = found.fewest_for_deadline
    assert fewest is not None
    assert estimate(model, "H100-SXM", tokens=tokens, count=count).time_s <= deadline  # so that the fewest are no more
    assert fewest <= count
    assert found.time_s <= deadline
    request = read(model, "H100-SXM", {"tokens": tokens})
    run = TransformerRun(request)  # by the whole search, number by number, not by branch and bound
    for fewer in range(fewest - every, fewest // 2, -every):
        whole = search(question(run.request, run.request.setting(fewer)), top=1)
        assert not len(whole) or whole.results[0, STEP["step_s"]] * found.steps > deadline, fewer


@pytest.mark.parametrize(
    ("model", "chip", "options", "counts"),
    [
        ("llama-3.1-405b", "H100-SXM", {"count": 28_672}, [4096, 8192, 16384, 28672, 32768, 65536]),
        # Groups of 16 lie in a domain of 72, or some across its border.
        ("llama-3-70b", "GB200", {"count": 64, "tp": 16, "global_batch": 96}, [16, 32, 64, 128, 256]),
    ],
)
def test_numbers_beside_the_answer_say_what_they_would_say_as_the_answer(model, chip, options, counts):
    found = estimate(model, chip, tokens=15.6e12, **options)
    assert [size.accelerators for size in found.sizes] == counts
    for size in found.sizes:
        alone = estimate(model, chip, tokens=15.6e12, **options | {"count": size.accelerators})
        assert size.time_s == pytest.approx(alone.time_s, rel=1e-8)


def test_the_fewest_that_fit_are_the_fewest_that_the_whole_search_fits():
    fewest = estimate("llama-3.1-405b", "H100-SXM", tokens=15.6e12, count=1024).fewest_that_fit
    run = TransformerRun(read("llama-3.1-405b", "H100-SXM", {"tokens": 15.6e12}))
    fits = [n for n in range(8, 128, 8) if len(search(question(run.request, run.request.setting(n)), top=1))]
    assert fewest == fits[0]


def test_tensor_parallel_groups_are_not_proposed_across_a_servers_border():
    # 96 heads and 672 accelerators would allow tp 3 and 6, two in three of whose groups lie on two servers.
    found = dcsim.plan("gpt-3-175b", "A100-SXM4-80GB", count=672, global_batch=1344, top=50)
    assert {plan.tp for plan in found.plans} <= {1, 2, 4, 8, 16, 24, 32, 48, 96}
    inside = dcsim.plan("gpt-2", "A100-SXM4-80GB", count=6, global_batch=6, tp=6)
    assert inside.plans[0].tp == 6


def test_tensor_parallel_groups_that_a_user_wants_across_a_border_are_priced_so():
    both = [gpt_3("A100-SXM4-80GB", count=672, global_batch=1344, tp=tp).plan for tp in (3, 4)]
    assert both[0].shares["tp"] > 3 * both[1].shares["tp"]


@pytest.mark.parametrize(
    ("model", "accelerator", "options"),
    [
        ("qwen-2.5-7b", "A100-SXM4-40GB", {"global_batch": 1024}),
        ("llama-3.1-8b", "H100-SXM", {"global_batch": 512, "recompute": "none"}),
    ],
)
def test_activations_of_long_sequences_may_decide_how_many_fit(model: str, accelerator: str, options: dict):
    found = estimate(model, accelerator, tokens=1e12, seq_len=131072, **options)
    assert found.accelerators == found.fewest_that_fit == 16
    with pytest.raises(dcsim.ScenarioError, match="fit"):
        dcsim.plan(model, accelerator, count=8, seq_len=131072, **options)


@pytest.mark.parametrize(
    ("model", "accelerator", "options", "fewest"),
    [
        ("llama-3-8b", "H100-SXM", {"global_batch": 96, "tp": 8, "vpp": 4}, 16),  # chunks need two stages
        ("llama-3-8b", "GB200", {"global_batch": 96, "tp": 16, "vpp": 2}, 32),
        ("llama-2-13b", "H100-SXM", {"global_batch": 1024, "tp": 1, "pp": 1, "sharding": "zero1"}, 64),  # states alone
    ],
)
def test_the_fewest_that_fit_are_looked_for_as_far_as_plans_need(model, accelerator, options, fewest):
    found = estimate(model, accelerator, tokens=1e11, **options)
    assert found.accelerators == found.fewest_that_fit == fewest
    assert estimate(model, accelerator, tokens=1e11, deadline="1000 d", **options).fewest_for_deadline == fewest


def test_a_deadline_may_be_met_by_numbers_that_fill_no_server_where_no_others_fit():
    found = estimate("dlrm-dcnv2", "Trainium2", samples=1e7, global_batch=6, deadline="1 d")
    assert (found.accelerators, found.fewest_that_fit, found.fewest_for_deadline) == (3, None, 3)
    with pytest.raises(dcsim.ScenarioError, match="does not fit into Trainium2"):
        estimate("dlrm-dcnv2", "Trainium2", samples=1e7, global_batch=6)


def test_without_count_or_deadline_the_answer_is_the_fewest_that_fit():
    found = gpt_3()
    assert found.accelerators == found.fewest_that_fit
    # 175 B parameters times 16 bytes (weights, fp32 gradients, ZeRO states) need more than 32 devices of 80 GB.
    assert 32 < found.accelerators <= 96
    assert found.plan.memory_b <= found.memory_available_b


def test_a_seconds_deadline_is_that_of_the_text():
    assert gpt_3(deadline=60 * DAY).fewest_for_deadline == gpt_3(deadline="60 d").fewest_for_deadline


def test_target_loss_and_tokens_are_two_sides_of_one_law():
    there = estimate("llama-3-8b", "H100-SXM", target_loss=2.2, count=64)
    back = estimate("llama-3-8b", "H100-SXM", tokens=there.tokens, count=64)
    assert there.loss == pytest.approx(2.2)
    assert back.loss == pytest.approx(2.2)
    law = presets.scaling_law("chinchilla-corrected")
    assert there.tokens == pytest.approx(scaling_laws.tokens_for(law, there.active_parameters, 2.2))


def test_the_law_can_be_chosen():
    other = gpt_3(count=1024, law="chinchilla")
    n, d = other.active_parameters, 300e9
    assert other.loss == pytest.approx(1.69 + 406.4 / n**0.34 + 410.7 / d**0.28)  # Hoffmann 2022, approach 3


@pytest.mark.parametrize(
    ("flop", "seq_len", "sequences"),
    [(1e21, 2048, 256), (3e23, 2048, 2048), (4e25, 8192, 2048), (1e25, 1 << 30, 1)],
)
def test_the_usual_batch_grows_with_compute(flop: float, seq_len: int, sequences: int):
    assert planning.usual_batch(flop, seq_len) == sequences


def test_every_assumption_has_a_source_and_a_grade(on_1024: Estimate):
    grades = {"measured", "vendor", "paper", "weak", "assumed"}
    assert all(a.what and a.source and a.grade in grades for a in on_1024.assumptions)
    words = " ".join(a.what for a in on_1024.assumptions)
    for known in ("PUE 1.12", "1.25 x TDP", "50,677 h", "2.95 USD", "chinchilla-corrected", "sequences of 2,048"):
        assert known in words
    assert "usual for" not in words  # the batch was given


def test_an_estimate_says_what_published_runs_reached_of_a_plan_that_was_searched(on_1024: Estimate):
    (told,) = (a for a in on_1024.assumptions if a.what.startswith("this model's fastest plan"))
    known = planning.usual().published_over_best_plan
    words = f"nine in ten of {known.runs} published runs reached {known.low:g} to {known.high:g} of it"
    assert (told.what, told.grade, told.about) == (f"this model's fastest plan: {words}", "measured", "speed")
    assert known.low < 1.0 < known.high  # the best plan by this model is no bound
    fixed = {"tp": 8, "pp": 8, "cp": 1, "dp": 16, "ep": 1, "vpp": 1, "micro_batch": 1}
    assert not any("fastest plan" in a.what for a in gpt_3(**fixed).assumptions)


def test_lighter_optimiser_states_take_less_time_memory_and_checkpoints(on_1024: Estimate):
    fixed = {"tp": 8, "pp": 8, "dp": 16, "micro_batch": 1, "recompute": "full", "sharding": "none", "vpp": 1}
    adam, sgd = gpt_3(**fixed), gpt_3(**fixed, optimizer="sgd")
    assert on_1024.checkpoint.size_b == pytest.approx(14 * on_1024.parameters)  # 2 + 12
    assert sgd.checkpoint.size_b == pytest.approx(10 * sgd.parameters)  # 2 + 8
    times_s = [found.plan.shares["optimizer"] * found.plan.step_time_s for found in (adam, sgd)]
    assert times_s[1] / times_s[0] == pytest.approx((2 * 8 + 6) / (2 * 12 + 6))  # states both ways, gradient, weight
    worst = 4 * (adam.parameters / 64)  # states are whole on each of tp x pp ranks; the first stage has more than 1/64
    assert adam.plan.memory_b - sgd.plan.memory_b == pytest.approx(worst, rel=0.1)
    by_bytes = gpt_3(**fixed, optimizer_bytes=8).plan
    assert replace(by_bytes, optimizer="sgd") == sgd.plan
    assert by_bytes.optimizer == "states of 8 B"


def test_what_a_plan_was_asked_for_is_in_it_where_it_has_it():
    asked = {"count": 64, "global_batch": 256, "schedule": "zb-h1", "optimizer": "sgd", "experts": "cut"}
    for tp, pp, ep in ((2, 4, 4), (2, 1, 4), (2, 4, 1)):
        found = dcsim.plan("mixtral-8x7b", "H100-SXM", tp=tp, pp=pp, ep=ep, **asked)
        (plan,) = found.plans
        assert plan.schedule == ("zb-h1" if pp > 1 else None)
        assert plan.experts == ("cut" if ep > 1 else None)
        assert plan.optimizer == "sgd"
        assert found.notes[1] == "SGD with momentum, zb-h1 pipelines, experts cut"
    usual = dcsim.plan("mixtral-8x7b", "H100-SXM", count=64, global_batch=256, pp=4, ep=4).plans[0]
    assert (usual.schedule, usual.experts, usual.optimizer) == ("1f1b", "whole", "adam")
    network = dcsim.plan("resnet-50", "H100-SXM", count=8, global_batch=256)
    assert (network.plans[0].schedule, network.plans[0].optimizer) == (None, "sgd")  # its own
    assert network.notes[0].startswith("SGD with momentum: 8 B of states a parameter")


def test_what_the_search_leaves_as_it_is_stands_among_the_assumptions():
    told = [a.what for a in gpt_3(count=1024).assumptions]
    assert "Adam, 1f1b pipelines (optimizer, schedule)" in told
    told = [a.what for a in estimate("mixtral-8x7b", "H100-SXM", tokens=1e12, optimizer_bytes=8, count=64).assumptions]
    assert "optimizer states of 8 B, 1f1b pipelines, experts whole (optimizer, schedule, experts)" in told


def test_schedules_of_a_pipeline_differ_in_bubble_and_memory():
    fixed = {"tp": 8, "pp": 8, "cp": 1, "dp": 16, "micro_batch": 1, "recompute": "none", "sharding": "zero1", "vpp": 1}
    plans = {name: gpt_3(**fixed, schedule=name).plan for name in ("1f1b", "zb-h1", "zb-h2", "dualpipe")}
    bubble_s = {name: plan.shares["bubble"] * plan.step_time_s for name, plan in plans.items()}
    assert bubble_s["1f1b"] > bubble_s["zb-h1"] > bubble_s["zb-h2"]  # Qi 2023, arXiv 2401.10241, table 2
    assert bubble_s["1f1b"] > bubble_s["dualpipe"]  # DeepSeek-AI 2024, arXiv 2412.19437, table 2
    assert plans["zb-h2"].memory_b > plans["1f1b"].memory_b
    lean = fixed | {"recompute": "full", "dp": 32, "cp": 1}
    whole = [
        gpt_3(**lean, schedule=name).plan for name in ("gpipe", "1f1b")
    ]  # all micro-batches in flight, or p of them
    assert whole[0].memory_b > whole[1].memory_b
    assert whole[0].shares["bubble"] == pytest.approx(whole[1].shares["bubble"])


def test_only_one_f_one_b_is_interleaved():
    with pytest.raises(dcsim.ScenarioError, match="vpp: only 1F1B is interleaved"):
        gpt_3(count=1024, vpp=2, pp=8, schedule="zb-h1")
    assert {plan.vpp for plan in dcsim.plan("gpt-2", "H100-SXM", count=8, global_batch=64, schedule="gpipe").plans} == {
        1
    }
    with pytest.raises(dcsim.ScenarioError, match="pp: DualPipe needs an even number of stages"):
        gpt_3(count=1152, pp=3, schedule="dualpipe")


def test_optimizer_and_its_bytes_exclude_each_other():
    with pytest.raises(dcsim.ScenarioError, match="optimizer and optimizer_bytes exclude each other"):
        gpt_3(count=1024, optimizer="adam", optimizer_bytes=8)


def test_a_batch_that_nobody_gave_is_an_assumption():
    found = estimate("gpt-3-175b", "H100-SXM", tokens=300e9, count=1024)
    assert found.global_batch == 2048
    assert any("2,048 sequences of 2,048 tokens a step" in a.what for a in found.assumptions)


@pytest.mark.parametrize(
    ("written", "note"),
    [
        ("", "scale_up_domain not in the preset: 8 assumed"),
        ("accelerators_per_server = 4", "scale_up_domain not in the preset: 4 assumed"),
        ('scale_up_domain = "NVSwitch"', "scale_up_domain tells no size: 8 assumed"),
        ('scale_up_domain = "16"', None),
    ],
)
def test_a_scale_up_domain_that_nobody_gave_is_an_assumption(written: str, note: str | None, tmp_path: Path):
    chip = tmp_path / "mine.toml"
    chip.write_text(f'name = "mine"\nbf16 = "100 TFLOP/s"\nmemory = "80 GB"\n{written}\n')
    found = estimate("gpt-2", str(chip), tokens=1e9, count=16, global_batch=64)
    plans = dcsim.plan("gpt-2", str(chip), count=16, global_batch=64)
    expected = [] if note is None else [note]
    assert [a.what for a in found.assumptions if "scale_up_domain" in a.what] == expected
    assert [told for told in plans.notes if "scale_up_domain" in told] == expected


def test_sizes_hold_the_answer_and_double_it_without_doubling_speed_by_more(on_1024: Estimate):
    sizes = {size.accelerators: size for size in on_1024.sizes}
    assert sizes[1024].time_s == on_1024.time_s
    assert sorted(sizes) == list(sizes)
    assert sizes[2048].time_s >= 0.5 * sizes[1024].time_s * 0.95


def test_degrees_that_are_all_fixed_say_the_number_of_accelerators():
    found = gpt_3(tp=8, pp=12, cp=1, dp=4)
    assert found.accelerators == 384
    assert (found.plan.tp, found.plan.pp, found.plan.dp) == (8, 12, 4)


def test_a_number_that_fills_no_server_can_be_asked_for():
    found = estimate("gpt-2", "H100-SXM", tokens=1e10, global_batch=36, tp=3, pp=4, cp=1, dp=1)
    assert found.accelerators == 12
    assert found.fewest_that_fit is None
    assert [size.accelerators for size in found.sizes] == [12]


def test_an_open_question_shows_eight_numbers_from_the_fewest_up():
    found = gpt_3()
    counts = [size.accelerators for size in found.sizes]
    assert found.open
    assert len(counts) == 8
    assert counts[0] == found.fewest_that_fit
    assert all(count == 2 ** round(math.log2(count)) for count in counts[1:])
    times = [size.time_s for size in found.sizes]
    assert times == sorted(times, reverse=True)
    assert not gpt_3(count=1024).open


def test_samples_are_sequences():
    assert estimate("bert-large", "H100-SXM", samples="1e6*3", seq_len=512, count=8).tokens == 3e6 * 512


def test_late_data_make_every_number_of_accelerators_equally_fast():
    # 1,536 samples of 1 GB from 10 GB/s: 153.6 s a step, more than any of these numbers of accelerators computes.
    found = gpt_3(count=1024, sample_size="1 GB", storage_bandwidth="10 GB/s")
    assert found.plan.bound == "data loading"
    assert found.plan.step_time_s == pytest.approx(153.6)
    assert {round(size.time_s) for size in found.sizes if size.accelerators >= 512} == {round(found.time_s)}
    assert found.read_b_per_s == pytest.approx(10e9, rel=1e-3)


def test_jitter_stretches_a_step_by_the_slowest_of_all_accelerators(on_1024: Estimate):
    found = gpt_3(count=1024, jitter=0.05)
    late = found.plan.step_time_s / on_1024.plan.step_time_s
    assert 1.1 < late < 1.25  # some 3.2 deviations above the mean, of a distribution with a longer tail than the normal
    assert found.plan.shares["stragglers"] == pytest.approx(1 - 1 / late)


def test_comparisons_say_that_the_batch_stays(on_1024: Estimate):
    assert any("the same batches" in a.what for a in on_1024.assumptions)


def test_an_option_that_does_not_exist_is_refused_with_its_nearest_name():
    with pytest.raises(dcsim.ScenarioError, match=r"dealine: is no option .*did you mean 'deadline'"):
        estimate("gpt-2", "H100-SXM", tokens=1e10, dealine="60 d")
    with pytest.raises(dcsim.ScenarioError, match=r"batch: is no option"):
        dcsim.plan("gpt-2", "H100-SXM", count=8, global_batch=64, batch=64)


def test_kaplans_law_counts_no_embeddings():
    # GPT-2: 12 layers of 12 x 768^2 weights, beside biases and norms; all parameters are 124 M (arXiv 2001.08361, 2.1)
    law = presets.scaling_law("kaplan")
    counted = models.law_parameters(presets.model("gpt-2"), law)
    assert counted == pytest.approx(12 * 12 * 768**2, rel=0.002)
    found = estimate("gpt-2", "H100-SXM", tokens=1e10, count=8, law="kaplan")
    assert found.loss == pytest.approx(scaling_laws.loss(law, counted, 1e10))


@pytest.mark.parametrize(
    ("model", "tokens", "words"),
    [
        ("bert-large", 1e11, "causal language models"),
        ("t5-base", 1e11, "causal language models"),
        ("llama-3-8b", 1.0, "outside of what the law 'chinchilla-corrected' was fitted to"),
    ],
)
def test_no_loss_is_told_where_no_law_speaks(model: str, tokens: float, words: str):
    found = estimate(model, "H100-SXM", tokens=tokens, count=16)
    assert found.loss is None
    assert found.compute_optimal is None
    assert any("no loss" in a.what and words in a.what for a in found.assumptions)


@pytest.mark.parametrize(("law", "fewer"), [("chinchilla-corrected", "5 B"), ("kaplan", "22 M")])
def test_a_target_loss_is_taken_where_the_law_was_fitted_and_refused_above(law: str, fewer: str):
    asked = {"model": "llama-3-8b", "accelerator": "H100-SXM", "law": law, "count": 16}
    known = presets.scaling_law(law)
    least = known.least_tokens
    highest = scaling_laws.loss(known, models.law_parameters(presets.model("llama-3-8b"), known), least)
    with pytest.raises(dcsim.ScenarioError) as caught:
        estimate(**asked, target_loss=99)
    (problem,) = caught.value.problems
    assert problem.what == f"takes fewer than {fewer} tokens, of which the law '{law}' tells nothing"
    assert problem.fix == "give tokens or samples"
    told = float((problem.expected or "").removeprefix("at most "))
    assert highest - 1e-3 < told <= highest  # rounded down, so that it can be asked for
    found = estimate(**asked, target_loss=told)
    assert found.tokens == pytest.approx(least, rel=0.01)
    assert found.loss == pytest.approx(told)
    with pytest.raises(dcsim.ScenarioError, match="target_loss: takes fewer than"):
        estimate(**asked, target_loss=highest + 1e-3)


def test_a_model_smaller_than_all_that_a_law_was_fitted_to_has_no_target_loss(tmp_path: Path):
    tiny = tmp_path / "tiny.toml"
    widths = "layers = 2\nhidden = 128\nheads = 2\nffn_hidden = 512\nvocab = 1000\ntied = true\n"
    tiny.write_text(f'name = "tiny"\nkind = "transformer"\nmlp = "gelu"\n{widths}')
    with pytest.raises(dcsim.ScenarioError) as caught:
        estimate(str(tiny), "H100-SXM", target_loss=3.0, count=1)
    (problem,) = caught.value.problems
    assert problem.what == "the law 'chinchilla-corrected' tells nothing of so small a model"
    assert problem.expected == "70 M parameters or more"


def test_a_loss_beyond_the_fitted_sizes_is_said_to_be_so(on_1024: Estimate):
    assert any("outside of what it was fitted to: at most 16 B" in a.what for a in on_1024.assumptions)


def test_an_encoder_has_no_target_loss():
    with pytest.raises(dcsim.ScenarioError, match="target_loss: scaling laws tell the loss of causal"):
        estimate("bert-large", "H100-SXM", target_loss=2.0, count=16)


def test_the_compute_optimal_split_takes_the_same_compute_and_reaches_no_higher_loss(on_1024: Estimate):
    best = on_1024.compute_optimal
    assert best is not None
    assert on_1024.loss is not None
    assert best.parameters * best.tokens == pytest.approx(on_1024.parameters * 300e9, rel=0.01)
    assert best.loss <= on_1024.loss
