"""Deadlines: what some number of accelerators meets is met, with the fewest; what none meets is refused, with advice
that holds."""

from __future__ import annotations

import re

import numpy as np
import pytest

import dcsim
from dcsim.errors import Problem
from dcsim.performance.answers import Estimate, Paced
from dcsim.performance.ask import read
from dcsim.performance.estimate import estimate
from dcsim.performance.plan_rules import MOST_VALUES
from dcsim.performance.planner import question
from dcsim.performance.search import STEP, ranks, search
from dcsim.performance.transformer_run import TransformerRun
from dcsim.units import TIME

SLOW_DATA = {"tokens": 1e12, "global_batch": 512, "sample_size": "10 MB", "loader_rate": "1 MB/s"}
SMALL = {"tokens": 1e11, "global_batch": 1024}
DATA_PARALLEL = {"tokens": 1e10, "global_batch": 100, "tp": 1, "pp": 1, "cp": 1}


def refusal(model: str, chip: str, **options: object) -> Problem:
    """Why a question has no answer."""
    with pytest.raises(dcsim.ScenarioError) as caught:
        estimate(model, chip, **options)
    (problem,) = caught.value.problems
    return problem


def advised(problem: Problem) -> tuple[str, int]:
    """Time and accelerators that a refusal names."""
    found = re.fullmatch(r"at least (\S+ \S+) on (\S+) accelerators", problem.expected or "")
    assert found is not None, problem
    return found[1], int(found[2].replace(",", ""))


@pytest.mark.parametrize(
    ("model", "chip", "options", "counts"),
    [
        ("llama-3-8b", "H100-SXM", SLOW_DATA, (64, 256)),  # waits for data: 0.6 % of the peak
        ("gpt-2", "A100-SXM4-80GB", SMALL, (256, 1024, 4096)),  # waits for launches
        ("llama-3-70b", "H100-SXM", {"tokens": 1e12}, (96, 131_072)),
        ("llama-3-8b", "GB200", {"tokens": 1e12, "global_batch": 512, "jitter": 0.1}, (72, 16_384)),
        ("mixtral-8x7b", "TPU-v5p", {"tokens": 1e12, "schedule": "zb-h1"}, (992, 65_536)),
        (
            "llama-3-70b",
            "GB200",
            {"tokens": 1e11, "global_batch": 96, "tp": 16},
            (64, 128),
        ),  # of a domain of 72, or not
        # GPipe keeps all micro-batches: no fewer than 2,048 fit.
        (
            "qwen-2.5-7b",
            "V100-SXM2-32GB",
            {"tokens": 1e11, "global_batch": 3600, "schedule": "gpipe", "pp": 2},
            (3600,),
        ),
        ("resnet-50", "T4", {"samples": 1e8, "global_batch": 100}, (4, 100)),  # 100 fills no servers
        ("gpt-2", "H100-SXM", DATA_PARALLEL, (4, 100)),
    ],
)
def test_a_deadline_that_a_number_meets_is_met_with_no_more(model: str, chip: str, options: dict, counts: tuple):
    for count in counts:
        given = estimate(model, chip, count=count, **options)
        for slack in (1.0, 1.0001):
            found = estimate(model, chip, deadline=slack * given.time_s, **options)
            assert found.time_s <= slack * given.time_s * (1 + 1e-8)
            assert found.accelerators == found.fewest_for_deadline <= count
            both = estimate(model, chip, deadline=slack * given.time_s, count=count, **options)
            assert both.fewest_for_deadline == found.accelerators


@pytest.mark.parametrize(
    ("model", "chip", "options"),
    [
        ("llama-3-70b", "H100-SXM", {"tokens": 1e12}),
        ("gpt-2", "A100-SXM4-80GB", SMALL | {"jitter": 0.2}),
        ("llama-3-8b", "H100-SXM", SLOW_DATA),
        ("resnet-50", "T4", {"samples": 1e8, "global_batch": 100}),
    ],
)
def test_what_a_refused_deadline_is_told_holds_and_is_the_least(model: str, chip: str, options: dict):
    least, count = advised(refusal(model, chip, deadline="1 s", **options))
    found = estimate(model, chip, deadline=least, **options)
    assert found.accelerators <= count
    assert estimate(model, chip, count=count, **options).time_s <= TIME.parse(least)
    problem = refusal(model, chip, deadline=0.99 * TIME.parse(least), **options)
    assert advised(problem)[0] == least


def test_a_refused_deadline_says_how_far_numbers_were_looked_at_and_what_helps():
    problem = refusal("gpt-2", "A100-SXM4-80GB", deadline="60 min", **SMALL)
    assert problem.what == "none of up to 4,194,304 accelerators is that fast with a batch of 1024"
    assert problem.fix == "a larger batch can use more accelerators, e.g. global_batch=2048"
    assert estimate("gpt-2", "A100-SXM4-80GB", deadline="60 min", tokens=1e11, global_batch=2048).time_s <= 3600
    fixed = refusal("gpt-2", "A100-SXM4-80GB", deadline="60 min", dp=8, **SMALL)  # a larger batch takes no more of them
    assert fixed.fix == f'write deadline="{advised(fixed)[0]}"'


def test_storage_bounds_every_number_of_accelerators_and_the_fewest_as_slow_are_named():
    # 238,419 steps of 512 samples of 10 MB from 1 GB/s: 5.12 s each, 14.13 d.
    shared = {"tokens": 1e12, "global_batch": 512, "sample_size": "10 MB", "storage_bandwidth": "1 GB/s"}
    problem = refusal("llama-3-8b", "H100-SXM", deadline="1 d", **shared)
    least, count = advised(problem)
    assert least == "14.2 d"
    assert problem.fix == "data come no faster from storage: raise storage_bandwidth"
    fewer = estimate("llama-3-8b", "H100-SXM", count=count - 8, **shared)
    assert fewer.time_s > 1.001 * 238_419 * 5.12


def test_the_number_to_take_is_the_one_that_the_whole_search_has():
    run = TransformerRun(read("gpt-2", "A100-SXM4-80GB", SMALL))
    every = search(question(run.request, run.request.setting(None, most=MOST_VALUES)), top=1)  # of whole servers
    counts, time_s = ranks(every.plans), every.results[:, STEP["step_s"]]
    for step_s in np.geomspace(0.999 * time_s.min(), 1.0, 12):
        taken = run.in_time(float(step_s))
        assert taken is not None
        wanted = counts[time_s <= step_s].min() if np.any(time_s <= step_s) else counts[time_s.argmin()]
        assert taken.accelerators == wanted


def test_numbers_in_time_go_before_late_ones_whole_servers_before_others_then_fewer_or_quicker_ones():
    paces = [Paced(8, 5.0), Paced(12, 4.0), Paced(16, 3.0), Paced(20, 2.0), Paced(36, 1.0)]

    def taken(step_s: float) -> int:
        return min(paces, key=lambda pace: pace.wanted(step_s, 8)).accelerators

    assert [taken(step_s) for step_s in (9.0, 4.0, 2.5, 0.5)] == [8, 16, 20, 36]


def test_a_given_number_that_is_in_time_counts_though_it_fills_no_servers():
    asked = {"tokens": 1e10, "global_batch": 48}
    alone = estimate("gpt-2", "H100-SXM", count=12, **asked)
    found: Estimate = estimate("gpt-2", "H100-SXM", count=12, deadline=alone.time_s * 1.0001, **asked)
    assert found.fewest_for_deadline == 12
    assert estimate("gpt-2", "H100-SXM", deadline=alone.time_s * 1.0001, **asked).accelerators in (16, 24)
