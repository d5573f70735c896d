"""Bubbles against the papers' formulae."""

import pytest

from dcsim.kernels.facts import DUALPIPE, GPIPE, ONE_F_ONE_B, ZB_H1, ZB_H2
from dcsim.kernels.pipeline import Pipeline, bubble_s, exposed_sends_s, stage_layers


def test_bubbles_are_those_of_the_papers():
    # p = 8, F = 1, B = 1, W = 1
    assert bubble_s(Pipeline(GPIPE, 8.0, 1.0, 64.0), 1.0, 1.0, 1.0) == 21.0
    assert bubble_s(Pipeline(ONE_F_ONE_B, 8.0, 1.0, 64.0), 1.0, 1.0, 1.0) == 21.0
    assert bubble_s(Pipeline(ONE_F_ONE_B, 8.0, 3.0, 64.0), 1.0, 1.0, 1.0) == 7.0
    assert bubble_s(Pipeline(ZB_H1, 8.0, 1.0, 64.0), 1.0, 1.0, 1.0) == 7.0
    assert bubble_s(Pipeline(ZB_H2, 8.0, 1.0, 64.0), 1.0, 1.0, 1.0) == 0.0
    assert bubble_s(Pipeline(DUALPIPE, 8.0, 1.0, 64.0), 1.0, 1.0, 1.0) == 6.0  # (8/2 - 1)(F&B 3 + B 2 - 3 W), B whole


def test_one_stage_has_no_bubble():
    assert all(
        bubble_s(Pipeline(s, 1.0, 1.0, 64.0), 1.0, 1.0, 1.0) == 0.0
        for s in (GPIPE, ONE_F_ONE_B, ZB_H1, ZB_H2, DUALPIPE)
    )


def test_layers_that_do_not_divide_leave_room_where_embedding_and_head_stand():
    assert stage_layers(126.0, 16.0, 1.0) == (8.0, 7.0)
    assert stage_layers(96.0, 8.0, 1.0) == (12.0, 12.0)
    assert stage_layers(12.0, 1.0, 1.0) == (12.0, 12.0)


@pytest.mark.parametrize(
    ("layers", "stages", "chunks", "fullest", "last"),
    [
        (10.0, 4.0, 1.0, 3.0, 2.0),  # 2, 3, 3, 2
        (11.0, 4.0, 1.0, 3.0, 2.5),  # 2 or 3 at either end
        (32.0, 4.0, 2.0, 8.0, 8.0),
        (46.0, 4.0, 2.0, 12.0, 11.0),  # embedding and head stand for a layer each (Megatron Core)
        (2.0, 8.0, 1.0, 1.0, 0.0),  # never fewer than none
    ],
)
def test_layers_of_stages_by_hand(layers: float, stages: float, chunks: float, fullest: float, last: float) -> None:
    assert stage_layers(layers, stages, chunks) == (fullest, last)


@pytest.mark.parametrize("chunks", [1.0, 2.0, 4.0])
def test_interleaving_divides_the_bubble(chunks):
    assert bubble_s(Pipeline(ONE_F_ONE_B, 4.0, chunks, 64.0), 1.0, 1.0, 1.0) == pytest.approx(9.0 / chunks)


def test_no_bubble_is_below_zero_and_twice_the_work_doubles_it():
    # Weight gradients that take long fill all gaps of the zero-bubble schedules; two stages of DualPipe have none.
    assert bubble_s(Pipeline(ZB_H1, 8.0, 1.0, 64.0), 1.0, 1.0, 9.0) == 0.0
    assert bubble_s(Pipeline(ZB_H2, 8.0, 1.0, 64.0), 1.0, 1.0, 9.0) == 0.0
    assert bubble_s(Pipeline(DUALPIPE, 2.0, 1.0, 64.0), 1.0, 1.0, 1.0) == 0.0
    for schedule in (GPIPE, ONE_F_ONE_B, ZB_H1, ZB_H2, DUALPIPE):
        once, twice = (bubble_s(Pipeline(schedule, 8.0, 1.0, 64.0), 3.0 * k, 2.0 * k, 1.0 * k) for k in (1.0, 2.0))
        assert twice == pytest.approx(2 * once)


@pytest.mark.parametrize(
    ("schedule", "batches", "idle"),
    [
        # Four stages, F = B = W = 1: (m + 3) (F + B) + W at least, of which m (F + B + W) is work.
        (ZB_H1, 1.0, 6.0),
        (ZB_H1, 2.0, 5.0),
        (ZB_H1, 8.0, 3.0),
        (ZB_H2, 2.0, 5.0),
        (ZB_H2, 8.0, 0.0),
        (DUALPIPE, 2.0, 3.0),  # one from each end: (1 + 3) (F + B) + W
        (DUALPIPE, 8.0, 2.0),
    ],
)
def test_few_micro_batches_leave_gaps_that_no_schedule_fills(schedule: float, batches: float, idle: float) -> None:
    assert bubble_s(Pipeline(schedule, 4.0, 1.0, batches), 1.0, 1.0, 1.0) == idle


def test_sends_that_nothing_hides():
    # 4 stages, 16 micro-batches: 6 to fill and drain; 1F1B waits 3/4 of a round trip for each of 15 more
    assert exposed_sends_s(Pipeline(GPIPE, 4.0, 1.0, 16.0), 1.0, 0.0) == 6.0
    assert exposed_sends_s(Pipeline(ONE_F_ONE_B, 4.0, 1.0, 16.0), 1.0, 0.0) == 6.0 + 2 * 11
    assert exposed_sends_s(Pipeline(ONE_F_ONE_B, 4.0, 2.0, 16.0), 1.0, 0.0) == 14.0
    assert exposed_sends_s(Pipeline(ZB_H1, 4.0, 1.0, 16.0), 1.0, 0.0) == 12.0
    assert exposed_sends_s(Pipeline(ZB_H2, 4.0, 1.0, 16.0), 1.0, 0.0) == 6.0
    assert exposed_sends_s(Pipeline(ONE_F_ONE_B, 1.0, 1.0, 16.0), 1.0, 0.0) == 0.0


def test_waiting_for_the_slowest_stage_hides_sends():
    # 0.6 s more work on one stage: the average stage waits 0.45 s, 4/3 of which each of 11 waits gets back
    assert exposed_sends_s(Pipeline(ONE_F_ONE_B, 4.0, 1.0, 16.0), 1.0, 0.45) == pytest.approx(6.0 + 11 * (2.0 - 0.6))
    assert exposed_sends_s(Pipeline(ONE_F_ONE_B, 4.0, 1.0, 16.0), 0.1, 0.45) == pytest.approx(0.6)
