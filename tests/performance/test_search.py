"""The plan search against the whole enumeration, evaluated row by row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dcsim.kernels import facts
from dcsim.kernels.step import steps
from dcsim.performance.plan_rows import legal_plans
from dcsim.performance.plan_rules import Setting
from dcsim.performance.search import PLAN, STEP, Question, fastest, ranks, search

MODEL = facts.Model(
    layers=8, hidden=1024, heads=8, kv_heads=8, head_dim=128, ffn_hidden=4096, gated=0, vocab=32000, tied=0
)
DEVICE = facts.Device(
    linear_flop_per_s=1e15,
    half_flop_per_s=1e15,
    vector_flop_per_s=6e13,
    memory_b=80e9,
    memory_b_per_s=3e12,
    link_b_per_s=4.5e11,
    domain=8,
    nic_b_per_s=5e10,
    multiprocessors=132,
)
SETTING = Setting(MODEL, global_batch=32, seq_len=2048, accelerators=16)


def everything(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    plans = np.vstack(list(legal_plans(setting)))
    return plans, steps(np.array([setting.model]), plans, np.array([DEVICE]))


def middle_memory(setting: Setting = SETTING) -> float:
    """Memory that half of the plans need at most."""
    return float(np.median(everything(setting)[1][:, STEP["memory_b"]]))


def test_the_best_plan_is_the_fastest_of_all_that_fit():
    available = middle_memory()
    plans, results = everything(SETTING)
    fits = results[:, STEP["memory_b"]] <= available
    found = search(Question(SETTING, DEVICE, available), top=7)
    assert found.evaluated == len(plans)
    assert found.fitting == fits.sum()
    assert found.results[:, STEP["step_s"]] == pytest.approx(np.sort(results[fits, STEP["step_s"]])[:7], rel=1e-8)
    assert np.all(found.results[:, STEP["memory_b"]] <= available)


def test_equal_times_go_to_the_plan_that_needs_less_memory():
    found = search(Question(SETTING, DEVICE, 1e15), top=50)
    time_s, memory_b = found.results[:, STEP["step_s"]], found.results[:, STEP["memory_b"]]
    alike = np.abs(np.diff(time_s) / time_s[1:]) < 1e-12
    assert np.all(np.diff(memory_b)[alike] >= 0)


def test_plans_shown_apart_differ_and_each_is_the_best_of_its_kind():
    plans, results = everything(SETTING)
    found = search(Question(SETTING, DEVICE, 1e15), top=4, apart=("tp", "pp"))
    layouts = [tuple(row) for row in found.plans[:, [PLAN["tp"], PLAN["pp"]]]]
    assert len(set(layouts)) == len(layouts) == 4
    for rank, (tp, pp) in enumerate(layouts):
        same = (plans[:, PLAN["tp"]] == tp) & (plans[:, PLAN["pp"]] == pp)
        assert found.step(rank).step_s == pytest.approx(results[same, STEP["step_s"]].min(), rel=1e-8)


def test_nothing_fits_into_no_memory_and_the_leanest_plan_is_named():
    results = everything(SETTING)[1]
    found = search(Question(SETTING, DEVICE, 0.0))
    assert len(found) == found.fitting == 0
    assert found.smallest is not None
    assert found.smallest[1].memory_b == results[:, STEP["memory_b"]].min()


def test_more_memory_never_makes_the_best_plan_slower():
    best = [
        search(Question(SETTING, DEVICE, share * middle_memory()), top=1).results[0, STEP["step_s"]]
        for share in (1.0, 1.5, 3.0, 10.0)
    ]
    assert np.all(np.diff(best) <= 0)


def test_open_numbers_of_accelerators_each_get_their_own_best():
    at = replace(SETTING, accelerators=None, most=64)
    found = search(Question(at, DEVICE, 1e15), top=1)
    counts = ranks(found.plans)
    assert counts.tolist() == sorted(set(counts.tolist()))
    alone = search(Question(SETTING, DEVICE, 1e15), top=1)
    row = counts.tolist().index(16)
    assert found.results[row, STEP["step_s"]] <= alone.step(0).step_s * (1 + 1e-8)


def test_choices_are_kept():
    found = search(Question(SETTING, DEVICE, 1e15, choices={"tp": [4], "recompute": [facts.FULL]}), top=9)
    assert set(found.plans[:, PLAN["tp"]]) == {4.0}
    assert set(found.plans[:, PLAN["recompute"]]) == {facts.FULL}


@pytest.mark.parametrize("available_b", [1e15, 3e9, 1.2e9, 8e8])
def test_branch_and_bound_finds_what_the_whole_search_finds(available_b: float):
    question = Question(replace(SETTING, accelerators=None, most=64), DEVICE, available_b)
    whole, found = search(question, top=1), fastest(question)
    assert len(whole)
    assert np.array_equal(ranks(found.plans), ranks(whole.plans))
    assert found.results[:, STEP["step_s"]] == pytest.approx(whole.results[:, STEP["step_s"]], rel=1e-8)
    assert found.results[:, STEP["memory_b"]] == pytest.approx(whole.results[:, STEP["memory_b"]])
    assert found.evaluated < whole.evaluated


def test_branch_and_bound_leaves_out_what_comes_too_late():
    question = Question(replace(SETTING, accelerators=None, most=64), DEVICE, 1e15)
    time_s = search(question, top=1).results[:, STEP["step_s"]]
    within_s = float(np.median(time_s))
    found = fastest(question, within_s)
    assert len(found) == np.sum(time_s <= within_s)
    assert np.all(found.results[:, STEP["step_s"]] <= within_s)


def test_a_window_of_numbers_has_the_plans_of_each_number():
    window = Question(replace(SETTING, accelerators=None, least=20, most=50), DEVICE, 1e15)
    found = fastest(window)
    assert list(ranks(found.plans)) == [24, 32, 40, 48]
    for count, time_s in zip(ranks(found.plans), found.results[:, STEP["step_s"]], strict=True):
        alone = search(Question(replace(SETTING, accelerators=int(count)), DEVICE, 1e15), top=1)
        assert time_s == pytest.approx(alone.results[0, STEP["step_s"]], rel=1e-8)
