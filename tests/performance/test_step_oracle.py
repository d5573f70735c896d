"""Closed forms of pipelines and whole steps, against the step in which everything is an event."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim.kernels import facts
from dcsim.kernels.facts import Device, Model, Plan, Step
from dcsim.kernels.pipeline import Pipeline, bubble_s, exposed_sends_s
from dcsim.kernels.step import steps
from tests.performance.step_oracle import (
    BACKWARD,
    FORWARD,
    INPUT,
    Oracle,
    Order,
    Task,
    gpipe,
    interleaved,
    one_f_one_b,
    step_s,
    zero_bubble_1,
    zero_bubble_2,
)

F, B, W = 3.0, 4.0, 2.0  # s a micro-batch on a stage
GPT = Model(16.0, 4096.0, 32.0, 32.0, 128.0, 16384.0, 0.0, 32000.0, 1.0)
H100 = Device(989e12, 989e12, 67e12, 80e9, 3.35e12, 450e9, 8.0, 50e9, 132.0, launch_s=0.0)


def durations(f: float, b: float, w: float, chunks: int = 1):
    times = {FORWARD: (f,), INPUT: (b,), BACKWARD: (b, w)}
    return lambda stage, task: [time / chunks for time in times.get(task.kind, (w,))]


def length(order: Order, stages: int, micros: int, times=(F, B, W), chunks: int = 1) -> float:
    _, ended = Oracle(stages, micros, order, durations(*times, chunks), chunks=chunks).run()
    return max(ended.values())


@pytest.mark.parametrize("stages", [1, 2, 4, 8])
@pytest.mark.parametrize("micros", [1, 3, 8, 32])
@pytest.mark.parametrize(("schedule", "order"), [(facts.GPIPE, gpipe), (facts.ONE_F_ONE_B, one_f_one_b)])
def test_the_bubble_of_gpipe_and_1f1b_is_exact(schedule: float, order: Order, stages: int, micros: int) -> None:
    expected = micros * (F + B + W) + bubble_s(Pipeline(schedule, stages, 1.0, micros), F, B, W)
    assert length(order, stages, micros) == pytest.approx(expected)


@pytest.mark.parametrize("chunks", [2, 4])
@pytest.mark.parametrize(("stages", "micros"), [(2, 4), (4, 4), (4, 16), (8, 32)])
def test_the_bubble_of_interleaving_is_exact(stages: int, micros: int, chunks: int) -> None:
    expected = micros * (F + B + W) + bubble_s(Pipeline(facts.ONE_F_ONE_B, stages, chunks, micros), F, B, W)
    assert length(interleaved(chunks), stages, micros, chunks=chunks) == pytest.approx(expected)


@pytest.mark.parametrize(("stages", "micros"), [(2, 4), (4, 8), (4, 16), (8, 32), (8, 8), (8, 4), (8, 1), (4, 3)])
def test_the_bubble_of_zb_h1_is_that_of_the_paper(stages: int, micros: int) -> None:
    """arXiv 2401.10241, table 1, for passes of equal length, which the schedule was drawn for."""
    expected = micros * 3.0 + bubble_s(Pipeline(facts.ZB_H1, stages, 1.0, micros), 1.0, 1.0, 1.0)
    assert length(zero_bubble_1, stages, micros, (1.0, 1.0, 1.0)) == pytest.approx(expected)


@pytest.mark.parametrize(("stages", "micros"), [(2, 4), (4, 8), (4, 16), (8, 32)])
def test_zb_h2_leaves_no_stage_idle(stages: int, micros: int) -> None:
    """No bubble for passes of equal length; stages begin and end one after the other (figure 3)."""
    began, ended = Oracle(stages, micros, zero_bubble_2, durations(1.0, 1.0, 1.0)).run()
    assert bubble_s(Pipeline(facts.ZB_H2, stages, 1.0, micros), 1.0, 1.0, 1.0) == 0.0
    assert [ended[s] - began[s] for s in range(stages)] == pytest.approx([3.0 * micros] * stages)


@pytest.mark.parametrize("micros", [1, 2, 4, 8, 12])
def test_too_few_micro_batches_for_zb_h2_take_what_the_longest_way_takes(micros: int) -> None:
    """No schedule is faster than 8 stages forward and back, the last of which does all micro-batches; the order of the
    paper, which was drawn for 2 p - 1 and more, comes within a tenth of that."""
    least = (micros + 7.0) * 2.0 + 1.0
    expected = micros * 3.0 + bubble_s(Pipeline(facts.ZB_H2, 8, 1.0, micros), 1.0, 1.0, 1.0)
    assert expected == least
    began, ended = Oracle(8, micros, zero_bubble_2, durations(1.0, 1.0, 1.0)).run()
    assert least <= ended[0] - began[0] <= 1.1 * least


def test_the_slowest_stage_sets_the_pace() -> None:
    """The last stage takes one second more forward: m times its work, and the others' fill and drain."""

    def pieces(stage: int, task: Task) -> list[float]:
        return [F + (stage == 3)] if task.kind == FORWARD else [B, W]

    _, ended = Oracle(4, 16, one_f_one_b, pieces).run()
    assert max(ended.values()) == pytest.approx(
        16 * (F + B + W + 1.0) + bubble_s(Pipeline(facts.ONE_F_ONE_B, 4, 1, 16), F, B, W)
    )


@pytest.mark.parametrize(
    ("changes", "order"),
    [
        ({}, one_f_one_b),
        ({"tp": 4.0, "sequence_parallel": 1.0}, one_f_one_b),
        ({"pp": 4.0}, one_f_one_b),
        ({"tp": 2.0, "pp": 4.0, "sequence_parallel": 1.0}, one_f_one_b),
        ({"tp": 2.0, "pp": 4.0}, one_f_one_b),
        ({"pp": 4.0, "accumulate_b": 10.0}, one_f_one_b),
        ({"pp": 4.0, "schedule": facts.GPIPE}, gpipe),
        ({"pp": 2.0, "vpp": 4.0}, interleaved(4)),
    ],
)
def test_a_whole_step_agrees_within_one_percent(changes: dict[str, float], order: Order) -> None:
    plan = Plan(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 16.0, 2048.0)._replace(**changes)
    found = Step(*steps(np.array([GPT]), np.array([plan]), np.array([H100]))[0])
    assert found.step_s - found.optimizer_s == pytest.approx(step_s(GPT, plan, H100, order), rel=0.01)


@pytest.mark.parametrize("send_s", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("stages", [2, 4, 8])
@pytest.mark.parametrize("micros", [1, 3, 8, 30])
@pytest.mark.parametrize(("schedule", "order"), [(facts.GPIPE, gpipe), (facts.ONE_F_ONE_B, one_f_one_b)])
def test_sends_of_any_length_are_exact(schedule: float, order: Order, micros: int, stages: int, send_s: float) -> None:
    _, ended = Oracle(stages, micros, order, durations(F, B, W), send_s).run()
    sends_s = exposed_sends_s(Pipeline(schedule, stages, 1.0, micros), send_s, 0.0)
    assert max(ended.values()) == pytest.approx(length(order, stages, micros) + sends_s)


@pytest.mark.parametrize("chunks", [2, 4])
@pytest.mark.parametrize(("stages", "micros"), [(2, 8), (4, 4), (4, 16), (8, 32)])
def test_interleaving_hides_sends_as_long_as_the_forward_pass_of_a_chunk(stages: int, micros: int, chunks: int) -> None:
    send_s = F / chunks
    _, ended = Oracle(stages, micros, interleaved(chunks), durations(F, B, W, chunks), send_s, chunks).run()
    sends_s = exposed_sends_s(Pipeline(facts.ONE_F_ONE_B, stages, chunks, micros), send_s, 0.0)
    expected = length(interleaved(chunks), stages, micros, chunks=chunks) + sends_s
    assert max(ended.values()) == pytest.approx(expected)


@pytest.mark.parametrize(("stages", "micros"), [(2, 8), (4, 16), (8, 32)])
def test_zero_bubbles_hide_short_sends(stages: int, micros: int) -> None:
    """ZB-H1 exactly; ZB-H2 keeps one more micro-batch than it needs and hides half of what is counted."""
    for schedule, order, share in ((facts.ZB_H1, zero_bubble_1, 1.0), (facts.ZB_H2, zero_bubble_2, 0.5)):
        _, ended = Oracle(stages, micros, order, durations(1.0, 1.0, 1.0), 0.1).run()
        sends_s = share * exposed_sends_s(Pipeline(schedule, stages, 1.0, micros), 0.1, 0.0)
        assert max(ended.values()) == pytest.approx(length(order, stages, micros, (1.0, 1.0, 1.0)) + sends_s)


@pytest.mark.parametrize(
    ("changes", "order", "link_b_per_s"),
    [
        ({"pp": 4.0}, one_f_one_b, 2e9),  # a send takes longer than the forward pass of a stage
        ({"pp": 4.0}, one_f_one_b, 20e9),
        ({"pp": 4.0, "tp": 2.0}, one_f_one_b, 20e9),
        ({"pp": 4.0, "schedule": facts.GPIPE}, gpipe, 2e9),
        ({"pp": 2.0, "vpp": 2.0}, interleaved(2), 5e9),  # as long as the forward pass of a chunk
    ],
)
def test_a_whole_step_agrees_where_sends_are_slow(changes: dict[str, float], order: Order, link_b_per_s: float) -> None:
    slow = H100._replace(link_b_per_s=link_b_per_s)
    plan = Plan(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 16.0, 2048.0)._replace(**changes)
    found = Step(*steps(np.array([GPT]), np.array([plan]), np.array([slow]))[0])
    assert found.step_s - found.optimizer_s == pytest.approx(step_s(GPT, plan, slow, order), rel=0.01)
