"""Whole steps: sums of parts, scaling, shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim.kernels.facts import BOUNDS, FULL, GPIPE, NONE, SELECTIVE, ZERO1, ZERO3, Device, Model, Plan, Step
from dcsim.kernels.step import steps

MODEL = Model(
    layers=96.0, hidden=12288.0, heads=96.0, kv_heads=96.0, head_dim=128.0, ffn_hidden=49152.0, gated=0.0,
    vocab=51200.0, tied=1.0,
)  # fmt: skip
PLAN = Plan(tp=8.0, pp=8.0, vpp=1.0, dp=8.0, cp=1.0, ep=1.0, micro_batch=1.0, global_batch=512.0, seq_len=2048.0)
DEVICE = Device(
    linear_flop_per_s=312e12, half_flop_per_s=312e12, vector_flop_per_s=19.5e12, memory_b=80e9, memory_b_per_s=2e12,
    link_b_per_s=300e9, domain=8.0, nic_b_per_s=25e9, multiprocessors=108.0,
)  # fmt: skip


def step(model=MODEL, plan=PLAN, device=DEVICE):
    return Step(*steps(np.array([model]), np.array([plan]), np.array([device]))[0])


def test_a_step_is_the_sum_of_its_parts():
    row = step(device=DEVICE._replace(straggling=0.0))
    parts = row.compute_s + row.tp_s + row.pp_s + row.dp_s + row.cp_s + row.ep_s + row.bubble_s + row.optimizer_s
    assert row.step_s == pytest.approx(parts)


def test_model_flop_is_the_formula_of_narayanan():
    # 72 B L s h^2 (1 + s/(6h) + V/(12 L h))
    wanted = 72 * 512 * 96 * 2048 * 12288**2 * (1 + 2048 / (6 * 12288) + 51200 / (12 * 96 * 12288))
    assert step().model_flop == pytest.approx(wanted)


def test_the_bubble_is_that_of_its_schedule():
    row, chunked = step(), step(plan=PLAN._replace(vpp=6.0))
    assert chunked.bubble_s == pytest.approx(row.bubble_s / 6)


def test_twice_the_batch_costs_everything_but_the_bubble_and_the_end_twice():
    one, two = step(), step(plan=PLAN._replace(global_batch=1024.0))
    assert two.compute_s == pytest.approx(2 * one.compute_s)
    assert (two.bubble_s, two.dp_s, two.optimizer_s) == pytest.approx((one.bubble_s, one.dp_s, one.optimizer_s))


def test_stages_send_shares_and_gather_them_by_links():
    # 96 layers on 8 stages, 64 micro-batches: 14 sends to fill and drain; the last stage, with the head, is the slowest
    # and its wait hides the others. 2 s h bytes, an eighth by NIC, then seven eighths of the whole by NVLink.
    plain = DEVICE._replace(
        nic_latency_s=0.0, link_latency_s=0.0, nic_efficiency=1.0, link_efficiency=1.0, nic_b_per_s=25e12
    )
    size_b = 2 * 2048 * 12288
    gathered = step(device=plain).pp_s - step(plan=PLAN._replace(sequence_parallel=1.0), device=plain).pp_s
    assert gathered == pytest.approx(14 * 7 / 8 * size_b / 300e9)


def test_twice_the_nic_halves_gradient_traffic_that_nothing_hides():
    bare = PLAN._replace(overlap_dp=0.0)
    slow = step(plan=bare, device=DEVICE._replace(nic_latency_s=0.0))
    fast = step(plan=bare, device=DEVICE._replace(nic_latency_s=0.0, nic_b_per_s=50e9))
    assert fast.dp_s == pytest.approx(slow.dp_s / 2)


def test_more_bandwidth_or_clock_never_slows_a_step():
    base = step().step_s
    for better in ({"memory_b_per_s": 4e12}, {"link_b_per_s": 600e9}, {"nic_b_per_s": 50e9}, {"clock": 1.1}):
        assert step(device=DEVICE._replace(**better)).step_s <= base


MIXED = MODEL._replace(layers=32.0, hidden=4096.0, heads=32.0, kv_heads=8.0, ffn_hidden=14336.0, gated=1.0)
ROUTED = MIXED._replace(experts=8.0, top_k=2.0, expert_hidden=14336.0)


@given(
    model=st.sampled_from([MIXED, ROUTED, MIXED._replace(trainable=0.003)]),
    degrees=st.tuples(*(st.sampled_from([1.0, 2.0, 4.0, 8.0]) for _ in range(4))),
    ep=st.sampled_from([1.0, 2.0, 8.0]),
    micro=st.sampled_from([1.0, 4.0]),
    seq_len=st.sampled_from([64.0, 1024.0, 16384.0]),
    kinds=st.tuples(
        st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0]), st.sampled_from([0.0, 1.0, 2.0]), *[st.sampled_from([0.0, 1.0])] * 3
    ),
    schedule=st.sampled_from([0.0, 1.0]),
)
@settings(max_examples=300, deadline=None)
def test_nothing_better_ever_slows_a_step(model, degrees, ep, micro, seq_len, kinds, schedule):
    tp, pp, dp, cp = degrees
    sharding, recompute, sequence_parallel, flash, cut = kinds
    plan = Plan(
        tp, pp, 1.0, dp, cp, ep if model.experts else 1.0, micro, dp * micro * 8.0, seq_len, sharding,
        sequence_parallel, recompute, flash, schedule, cut_experts=cut,
    )  # fmt: skip
    host = DEVICE._replace(launch_s=2e-5, straggling=0.01, step_latency_s=0.01)
    base = step(model, plan, host).step_s
    for name in ("memory_b_per_s", "link_b_per_s", "nic_b_per_s", "clock", "half_flop_per_s", "overlap"):
        better = {name: min(2.0 * getattr(host, name), 1.0) if name == "overlap" else 2.0 * getattr(host, name)}
        # A thousandth: waiting for the host is rounded where host and device take about as long.
        assert step(model, plan, host._replace(**better)).step_s <= base * 1.001, name


@pytest.mark.parametrize("flash", [0.0, 1.0])
@pytest.mark.parametrize("recompute", [NONE, SELECTIVE, FULL])
def test_a_slower_clock_slows_by_no_more_than_itself(recompute: float, flash: float):
    plan = PLAN._replace(recompute=recompute, flash=flash)
    device = DEVICE._replace(straggling=0.02, launch_s=2e-5, step_latency_s=0.01)
    base = step(plan=plan, device=device).step_s
    assert base < step(plan=plan, device=device._replace(clock=0.8)).step_s < base / 0.8


def test_everything_that_is_sent_in_four_bytes_takes_twice_as_long():
    plan = PLAN._replace(overlap_dp=0.0, cp=2.0, dp=4.0)
    device = DEVICE._replace(link_latency_s=0.0, nic_latency_s=0.0, overlap=0.0)
    narrow, wide = (step(plan=plan._replace(linear_bytes=size), device=device) for size in (2.0, 4.0))
    assert (wide.tp_s, wide.cp_s) == pytest.approx((2 * narrow.tp_s, 2 * narrow.cp_s))


def test_sharded_optimisers_divide_the_update():
    whole, shared = step(), step(plan=PLAN._replace(sharding=ZERO1))
    assert shared.optimizer_s == pytest.approx(whole.optimizer_s / 8)


def test_gathering_weights_each_micro_batch_costs_more_traffic_than_reducing_once():
    bare = PLAN._replace(overlap_dp=0.0, tp=1.0, dp=64.0)
    assert step(plan=bare._replace(sharding=ZERO3)).dp_s > 5 * step(plan=bare).dp_s


def test_bounds_are_named():
    assert BOUNDS[int(step().bound)] == "compute"
    slow = DEVICE._replace(link_b_per_s=1e9)
    assert BOUNDS[int(step(device=slow).bound)] == "tensor-parallel traffic"
    assert BOUNDS[int(step(device=DEVICE._replace(launch_s=1.0)).bound)] == "host time"


def test_one_row_serves_many():
    plans = np.array([PLAN, PLAN._replace(tp=4.0, pp=16.0), PLAN])
    many = steps(np.array([MODEL]), plans, np.array([DEVICE]))
    assert many.shape == (3, len(Step._fields))
    assert many[0] == pytest.approx(many[2])
    assert many[1][0] != many[0][0]


def test_rows_of_another_width_or_number_are_refused():
    with pytest.raises(ValueError, match="columns"):
        steps(np.ones((1, 3)), np.array([PLAN]), np.array([DEVICE]))
    with pytest.raises(ValueError, match="same number"):
        steps(np.array([MODEL] * 2), np.array([PLAN] * 3), np.array([DEVICE]))


def test_what_the_host_does_once_a_step_adds_to_it():
    late = step(device=DEVICE._replace(step_latency_s=0.03, straggling=0.0))
    assert late.step_s - step(device=DEVICE._replace(straggling=0.0)).step_s == pytest.approx(0.03)


def test_stages_smaller_than_a_domain_send_over_nics_where_they_cross_its_border():
    # Stages of two on domains of eight: of 1, 3, 7 and 15 boundaries none, none, one and three are borders.
    device = DEVICE._replace(domain=8.0, link_latency_s=0.0, nic_latency_s=0.0)
    for stages, borders in ((2.0, 0.0), (4.0, 0.0), (8.0, 1.0), (16.0, 3.0)):
        plan = PLAN._replace(tp=2.0, pp=stages, dp=1.0, sequence_parallel=1.0, schedule=GPIPE)
        size_b = 2.0 * plan.seq_len * MODEL.hidden / plan.tp
        link_s = size_b / (device.link_b_per_s * device.link_efficiency)
        nic_s = size_b / (device.nic_b_per_s * device.nic_efficiency)
        expected = 2.0 * ((stages - 1.0 - borders) * link_s + borders * nic_s)  # filling and draining
        assert step(device=device, plan=plan).pp_s == pytest.approx(expected)
