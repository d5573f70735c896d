"""Where embedding and head stand, what comes once a step, and what stages send: by hand."""

from __future__ import annotations

import pytest

from dcsim.kernels.facts import BOUNDS, DUALPIPE, GPIPE, ONE_F_ONE_B, ZB_H1, ZB_H2, ZERO1, Device, Plan
from dcsim.kernels.layer import head
from dcsim.kernels.roofline import rates
from tests.kernels.by_hand import (
    ATTENTION,
    COMPUTES,
    MLP,
    MOVES,
    PLAN,
    ROUTED,
    SMALL,
    TABLE,
    TOKENS,
    filled,
    near,
    step,
)

CORE_S = 2 * 2 * 4 * 128 * filled(64) * 32 / 100e12
W_S = 2 * TOKENS * (ATTENTION + MLP) / 100e12
F_S, B_S = W_S + CORE_S, W_S + 2.5 * CORE_S
LAYER_S = F_S + B_S + W_S
HEAD_S = 3 * 2 * TOKENS * TABLE / 100e12
PIPE = PLAN._replace(pp=4.0, global_batch=16.0)  # eight micro-batches


@pytest.mark.parametrize(
    ("layers", "vocab", "plan", "counted"),
    [
        (12.0, 1000.0, {}, True),
        (12.0, 1000.0, {"pp": 4.0}, False),  # the last stage is the slowest: it has the head
        (12.0, 1.0, {"pp": 4.0}, True),  # a head of nothing: the first one is
        (10.0, 1.0, {"pp": 4.0}, False),  # three layers in the middle, two and a table on the first
        (10.0, 1.0, {"pp": 1.0}, True),
        (12.0, 1.0, {"pp": 2.0, "vpp": 3.0}, True),
    ],
)
def test_the_embedding_counts_where_it_stands(layers: float, vocab: float, plan: dict[str, float], counted: bool):
    # A look-up reads and writes 2 bytes an element, backward reads 2 and passes the table's gradient twice: by two
    # kinds of gradients the step differs by twice their 2 bytes an element and micro-batch.
    model, full = SMALL._replace(layers=layers, vocab=vocab), PIPE._replace(**{"pp": 1.0, **plan})
    four, two = (step(model, full._replace(gradient_bytes=size), MOVES).compute_s for size in (4.0, 2.0))
    assert four - two == pytest.approx(8 * 2 * 2 * TOKENS * 64 / 1e12 if counted else 0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("layers", "vocab", "plan", "fullest", "heads"),
    [
        (12.0, 1000.0, {"pp": 1.0}, 12.0, 1.0),
        (12.0, 1000.0, {}, 3.0, 1.0),
        (10.0, 100000.0, {}, 2.0, 1.0),  # three, three, two and two; the last with a large head
        (10.0, 100.0, {}, 3.0, 0.0),  # and with a small one, which takes less than a layer
        (11.0, 100000.0, {}, 2.5, 1.0),
        (10.0, 100000.0, {"pp": 2.0, "vpp": 2.0}, 5.0, 1.0),
    ],
)
def test_the_slowest_stage_decides(layers: float, vocab: float, plan: dict[str, float], fullest: float, heads: float):
    row = step(SMALL._replace(layers=layers, vocab=vocab), PIPE._replace(**plan))
    assert row.compute_s == near(8 * (fullest * LAYER_S + heads * HEAD_S * vocab / 1000))


def test_a_last_micro_batch_that_is_not_full_takes_as_long() -> None:
    whole = step(plan=PLAN._replace(global_batch=16.0)).compute_s
    assert step(plan=PLAN._replace(global_batch=15.0)).compute_s == whole


def test_the_head_moves_logits_and_their_soft_max() -> None:
    # Logits, input and table in two bytes; the loss passes 8 bytes a logit each way.
    for tp, columns in ((1.0, 1000), (4.0, 250)):
        found = head(SMALL, PLAN._replace(tp=tp), rates(MOVES, 2.0))
        product_b = 2 * (TOKENS * columns + TOKENS * 64 + 64 * columns)
        assert found.forward_s == near((product_b + 8 * TOKENS * columns) / 1e12)
        assert found.input_s == near(found.forward_s)
        assert found.weight_s == near(product_b / 1e12)


def test_the_head_stays_in_sixteen_bits() -> None:
    fast = rates(COMPUTES._replace(linear_flop_per_s=200e12), 1.0)
    assert head(SMALL, PLAN._replace(linear_bytes=1.0), fast).weight_s == near(HEAD_S / 3)


@pytest.mark.parametrize(("dp", "doublings"), [(1.0, 0), (8.0, 0), (16.0, 1), (64.0, 3)])
def test_a_step_grows_with_each_doubling_of_domains(dp: float, doublings: int) -> None:
    plan = PLAN._replace(dp=dp, global_batch=2.0 * dp)
    even, late = (step(plan=plan, device=COMPUTES._replace(straggling=share)).step_s for share in (0.0, 0.05))
    assert late == near(even * (1 + 0.05 * doublings))


def test_all_degrees_count_as_accelerators_that_straggle() -> None:
    plan = PLAN._replace(tp=2.0, pp=2.0, cp=2.0, dp=4.0, ep=4.0, global_batch=64.0)  # 32: four domains
    even, late = (step(plan=plan, device=COMPUTES._replace(straggling=share)).step_s for share in (0.0, 0.05))
    assert late == near(1.1 * even)


def test_what_the_host_does_once_a_step_is_computing_that_waits_for_it() -> None:
    plan = PLAN._replace(global_batch=64.0)
    soon, late = (step(plan=plan, device=COMPUTES._replace(step_latency_s=s)) for s in (0.0, 0.03))
    for column in ("step_s", "compute_s", "launch_s"):
        assert getattr(late, column) - getattr(soon, column) == near(0.03)


def test_traffic_of_a_layer_counts_for_all_layers_and_micro_batches() -> None:
    # Eight micro-batches of four layers. A quarter of the tokens a rank: half of the context, two tensor ranks.
    plan = PLAN._replace(tp=2.0, cp=2.0, dp=2.0, ep=2.0, global_batch=32.0)
    stream_b = 2 * TOKENS / 2 * 64
    row = step(ROUTED, plan)
    assert row.tp_s == near(8 * 4 * 2 * 1 * 2 * 1 / 2 * stream_b / 100e9)  # attention's sum alone, each way
    assert row.cp_s == near(8 * 4 * 3 * 1 / 2 * 2 * TOKENS * 1 * 32 / 100e9)
    assert row.ep_s == near(8 * 4 * 4 * 2 * 1 / 2 * stream_b / 2 / 100e9)
    parts = row.compute_s + row.tp_s + row.cp_s + row.ep_s + row.dp_s + row.optimizer_s
    assert row.step_s == near(parts)


@pytest.mark.parametrize(("sharding", "forward"), [(0.0, 0.0), (ZERO1, 1.0)])
def test_gradients_hide_behind_the_last_backward_pass_and_weights_behind_the_first_forward(
    sharding: float, forward: float
) -> None:
    # Four layers, and the head once forward and twice backward; half of what they compute can hide traffic.
    plan = PLAN._replace(dp=2.0, global_batch=16.0, sharding=sharding)
    device = COMPUTES._replace(link_b_per_s=1e9)
    bare, hidden = (step(plan=plan, device=device._replace(overlap=share)).dp_s for share in (0.0, 0.5))
    cover_s = 4 * (B_S + W_S) + HEAD_S * 2 / 3 + forward * (4 * F_S + HEAD_S / 3)
    assert bare - hidden == near(0.5 * cover_s)
    assert step(plan=plan._replace(overlap_dp=0.0), device=device._replace(overlap=0.5)).dp_s == bare


ALIKE = PIPE._replace(schedule=GPIPE, sequence_parallel=1.0)  # filling and draining alone: 2 (p - 1) sends


@pytest.mark.parametrize(
    ("plan", "share", "rate"),
    [
        ({}, 1.0, 100e9),  # four stages of one in a domain of eight
        ({"tp": 2.0}, 1 / 2, 100e9),
        ({"cp": 2.0}, 1 / 2, 100e9),
        ({"tp": 2.0, "cp": 2.0, "dp": 2.0}, 1 / 4, 25e9),  # eight to a stage
        ({"dp": 8.0}, 1.0, 25e9),
        ({"cp": 8.0}, 1 / 8, 25e9),
        ({"dp": 2.0, "linear_bytes": 4.0}, 2.0, 100e9),
    ],
)
def test_stages_send_each_ranks_share_by_links_or_nics(plan: dict[str, float], share: float, rate: float) -> None:
    full = ALIKE._replace(**plan)
    full = full._replace(global_batch=16.0 * full.dp)
    assert step(plan=full).pp_s == near(6 * share * 2 * TOKENS * 64 / rate)


def test_stages_smaller_than_a_domain_cross_its_border_now_and_then() -> None:
    # 16 stages of two on domains of eight: of 15 boundaries three are borders.
    plan = ALIKE._replace(pp=16.0, dp=2.0, global_batch=64.0)
    size_b = 2 * TOKENS * 64
    found = step(SMALL._replace(layers=16.0), plan)
    assert found.pp_s == near(2 * (12 * size_b / 100e9 + 3 * size_b / 25e9))


def test_latency_and_the_share_of_nics_count_once_a_send() -> None:
    late = COMPUTES._replace(nic_latency_s=1e-5, nic_share_pp=0.5)
    plan = ALIKE._replace(dp=8.0, global_batch=128.0)
    assert step(plan=plan, device=late).pp_s == near(6 * (2 * TOKENS * 64 / 12.5e9 + 1e-5))


def test_stages_gather_shares_by_links_where_they_want_the_whole() -> None:
    plan = ALIKE._replace(tp=2.0, sequence_parallel=0.0)
    size_b = 2 * TOKENS * 64
    assert step(plan=plan).pp_s == near(6 * (size_b / 2 + size_b / 2) / 100e9)


def test_sends_hide_while_stages_wait_for_the_one_with_the_head() -> None:
    # Four stages of a layer, and the head on the last: the average one waits 3/4 of the head a micro-batch, of which
    # each of 5 waits of 1F1B (7 x 3/4) gets 4/3 back.
    send_s = 0.8 * HEAD_S
    device = COMPUTES._replace(link_b_per_s=2 * TOKENS * 64 / send_s)
    found = step(plan=PIPE._replace(schedule=ONE_F_ONE_B), device=device)
    assert found.pp_s == near(6 * send_s + 5 * (2 * send_s - HEAD_S))


def idle(schedule: float, device=COMPUTES, plan: Plan = PIPE) -> float:
    return step(plan=plan._replace(schedule=schedule), device=device).bubble_s


@pytest.mark.parametrize(
    ("schedule", "wanted"),
    [
        (GPIPE, 3 * (F_S + B_S + W_S)),
        (ONE_F_ONE_B, 3 * (F_S + B_S + W_S)),
        (ZB_H1, 3 * (F_S + B_S - W_S)),
        (ZB_H2, 3 * (F_S + B_S - 2 * W_S)),
        (DUALPIPE, 1 * ((F_S + B_S + W_S) + (B_S + W_S) - 3 * W_S)),
    ],
)
def test_the_bubble_of_a_step_is_that_of_its_layers(schedule: float, wanted: float) -> None:
    assert idle(schedule) == near(wanted)
    eight = step(SMALL._replace(layers=8.0), PIPE._replace(schedule=schedule))
    assert eight.bubble_s == near(2 * wanted)  # two layers a stage


@pytest.mark.parametrize(("schedule", "passes"), [(ONE_F_ONE_B, 3.0), (ZB_H1, 3.0), (DUALPIPE, 1 + 2 / 3)])
def test_a_third_of_traffic_stands_still_forward(schedule: float, passes: float) -> None:
    # DualPipe's bubble has one forward and two backward passes; tensor traffic is four all-reduces a layer.
    plan = PIPE._replace(tp=2.0, sequence_parallel=1.0)
    traffic_s = 4 * 2 * 1 / 2 * 2 * TOKENS * 64 / 100e9
    more_s = idle(schedule, plan=plan) - idle(schedule, COMPUTES._replace(link_b_per_s=1e30), plan)
    assert more_s == near(passes * traffic_s)


@pytest.mark.parametrize(
    ("schedule", "launches"),
    [(ONE_F_ONE_B, 3 * 64), (ZB_H1, 3 * 22), (ZB_H2, 3 * 1), (DUALPIPE, 64 + 42 - 3 * 21)],
)
def test_launches_stand_still_as_the_work_that_they_start(schedule: float, launches: int) -> None:
    # 22 launches of 1 ms a layer forward, 21 with either kind of gradients: the device waits for nearly all of it.
    slow = COMPUTES._replace(launch_s=1e-3)
    assert idle(schedule, slow) == pytest.approx(launches * 1e-3, rel=2e-3, abs=1e-4)


SLOW = COMPUTES._replace(link_b_per_s=1e7)


@pytest.mark.parametrize(
    ("bound", "plan", "device"),
    [
        ("compute", {}, COMPUTES),
        ("memory bandwidth", {"global_batch": 64.0}, MOVES),
        ("tensor-parallel traffic", {"tp": 2.0}, SLOW),
        ("pipeline traffic", {"pp": 2.0, "schedule": GPIPE}, SLOW),
        ("data-parallel traffic", {"dp": 2.0, "global_batch": 4.0}, SLOW),
        ("context-parallel traffic", {"cp": 2.0, "global_batch": 64.0}, SLOW),
        ("expert traffic", {"dp": 2.0, "ep": 2.0, "global_batch": 640.0}, SLOW),
        ("pipeline bubble", {"pp": 4.0}, COMPUTES),
        ("optimizer", {"micro_batch": 1.0, "seq_len": 1.0}, MOVES),
        ("host time", {}, COMPUTES._replace(launch_s=1e-3)),
    ],
)
def test_a_step_names_its_largest_part(bound: str, plan: dict[str, float], device: Device) -> None:
    model = ROUTED if bound == "expert traffic" else SMALL
    assert BOUNDS[int(step(model, PLAN._replace(**plan), device).bound)] == bound


def test_computing_is_bound_by_memory_where_computing_takes_no_time() -> None:
    assert step(device=MOVES).memory_bound_s == near(step(device=MOVES).compute_s)
    assert step(device=COMPUTES).memory_bound_s == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("clock", [0.5, 0.8, 1.25])
def test_the_core_clock_moves_what_computes_and_the_bubble_of_its_kind_alone(clock: float) -> None:
    def growth(plan: Plan, device: Device) -> float:
        return step(plan=plan, device=device._replace(clock=clock)).step_s / step(plan=plan, device=device).step_s

    assert growth(PLAN, MOVES) == near(1.0)
    assert growth(PLAN, COMPUTES) == near(1.0 / clock)
    assert growth(PIPE, COMPUTES._replace(link_b_per_s=1e30)) == near(1.0 / clock)
