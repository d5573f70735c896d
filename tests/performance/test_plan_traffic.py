"""What plans send between domains: against the kernels' own time at 1 B/s, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim.kernels.facts import FULL, HSDP, ZERO1, ZERO3, Plan
from dcsim.performance import models
from dcsim.performance.devices import DeviceRow, device_row
from dcsim.performance.plan_traffic import PEERS, Legs, of_network, of_transformer, ring
from dcsim.performance.shares import DP, EP, PP, TP, Shares
from dcsim.performance.step_time import step_time
from dcsim.scenario import presets

DENSE, MIXED = (models.model_row(presets.model(name)) for name in ("llama-3-70b", "mixtral-8x7b"))
ONE = Plan(tp=8, pp=1, vpp=1, dp=4, cp=1, ep=1, micro_batch=1, global_batch=32, seq_len=4096)


def slow(**shares: float) -> DeviceRow:
    """H100s in eights whose NICs carry 1 B/s, before efficiency: nothing hides what they send."""
    found = device_row(presets.accelerator("H100-SXM"), domain=8.0, nic_b_per_s=1.0)
    device = found.device._replace(link_latency_s=0.0, nic_latency_s=0.0, straggling=0.0, **shares)
    return DeviceRow(device, found.linear_bytes)


def by_kind(legs: Legs) -> list[float]:
    """Bytes that a NIC of the busiest domain sends, of each kind."""
    found = [0.0] * len(Shares._fields)
    for kind, nic_b in zip(legs.kinds.tolist(), legs.nic_b.tolist(), strict=True):
        found[kind] = nic_b
    return found


PLANS = {
    "all-reduce": (DENSE, {}),
    "sharded optimizer": (DENSE, {"sharding": ZERO1}),
    "fully sharded": (DENSE, {"sharding": ZERO3}),
    "sharded in servers": (DENSE, {"tp": 2.0, "dp": 16.0, "sharding": HSDP, "shard_ranks": 4.0}),
    "tensor-parallel over servers": (DENSE, {"tp": 16.0, "dp": 2.0, "recompute": FULL}),
    "context-parallel": (DENSE, {"dp": 2.0, "cp": 2.0}),
    "data-parallel": (DENSE, {"tp": 1.0, "dp": 32.0}),
    "experts over servers": (MIXED, {"tp": 1.0, "dp": 32.0, "ep": 32.0, "recompute": FULL}),
    "experts in servers": (MIXED, {"tp": 1.0, "dp": 32.0, "ep": 8.0}),
    "whole experts over servers": (MIXED, {"tp": 4.0, "dp": 8.0, "ep": 16.0}),
    "cut experts over servers": (MIXED, {"tp": 4.0, "dp": 8.0, "ep": 8.0, "cut_experts": 1.0}),
    "experts of tensor groups over servers": (MIXED, {"tp": 16.0, "dp": 2.0, "ep": 2.0, "cut_experts": 1.0}),
    "experts fully sharded": (MIXED, {"tp": 1.0, "dp": 32.0, "ep": 8.0, "sharding": ZERO3}),
    "experts sharded in servers": (MIXED, {"tp": 1.0, "dp": 32.0, "ep": 4.0, "sharding": HSDP, "shard_ranks": 8.0}),
    "experts alone in servers": (MIXED, {"tp": 2.0, "dp": 16.0, "ep": 8.0, "sharding": HSDP, "shard_ranks": 4.0}),
}


@pytest.mark.parametrize("name", PLANS)
def test_legs_carry_what_the_step_waits_for_where_nics_are_slow(name: str):
    # The kernels know groups by their sizes and strides, legs by the domain of each rank: neither is made of the other.
    model, changes = PLANS[name]
    plan = ONE._replace(**changes)
    device = slow()
    step = step_time(model, plan, device)
    efficiency = device.device.nic_efficiency
    waited = Shares(step.tp_s, step.cp_s, step.ep_s, step.dp_s, step.pp_s)
    expected = [seconds * efficiency if seconds > 1e3 else 0.0 for seconds in waited]  # less is what links take
    assert by_kind(of_transformer(model, plan, (8,) * 4)) == pytest.approx(expected, rel=1e-6)
    assert sum(expected) > 0.0


def test_stages_send_every_micro_batch_on_and_gradients_back():
    # Two stages of a server each, four micro-batches of 4,096 tokens of 8,192 values of 2 B, an eighth from each rank.
    plan = ONE._replace(pp=2.0, dp=1.0, global_batch=4.0)
    one_way_b = 4 * 4096 * 8192 * 2
    legs = of_transformer(DENSE, plan, (8, 8))
    assert [legs.kind.tolist(), legs.here.tolist(), legs.there.tolist()] == [[PP, PP], [0, 1], [1, 0]]
    assert legs.sent_b.tolist() == [one_way_b] * 2
    # Two chunks a stage: forward 0 1 0 1, so over each boundary twice one way and once back, and so do gradients.
    chunks = of_transformer(DENSE, plan._replace(vpp=2.0), (8, 8))
    assert chunks.sent_b.tolist() == [3 * one_way_b] * 2
    # Ranks that have a stage for themselves send all of it.
    alone = of_transformer(DENSE, plan._replace(tp=1.0, dp=8.0, global_batch=8.0), (8, 8))
    assert alone.sent_b[alone.kind == PP].tolist() == [8 * 4096 * 8192 * 2] * 2


def test_data_parallel_rings_stay_among_the_servers_of_their_stage():
    legs = of_transformer(DENSE, ONE._replace(pp=2.0, dp=2.0), (8,) * 4)
    pairs = {kind: set(zip(legs.here[own].tolist(), legs.there[own].tolist(), strict=True))
             for kind in (DP, PP) for own in [legs.kind == kind]}  # fmt: skip
    assert pairs == {DP: {(0, 1), (1, 0), (2, 3), (3, 2)}, PP: {(0, 2), (1, 3), (2, 0), (3, 1)}}


def test_ranks_fill_servers_of_any_size_in_their_order():
    # Groups of two on 3 + 1 accelerators: only the second group is cut.
    legs = of_transformer(DENSE, ONE._replace(tp=2.0, dp=2.0), (3, 1))
    own = legs.kind == TP
    assert list(zip(legs.here[own].tolist(), legs.there[own].tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_what_stays_in_a_domain_is_no_leg():
    assert len(of_transformer(DENSE, ONE._replace(dp=1.0), (8,))) == 0


def test_legs_of_a_kind_end_together_those_of_the_busiest_domain_with_all_of_its_nics():
    legs = of_transformer(MIXED, ONE._replace(tp=2.0, pp=2.0, dp=8.0, cp=1.0, ep=8.0), (8,) * 4)
    for kind in legs.kinds:
        own = legs.kind == kind
        assert np.bincount(legs.here[own], legs.part[own]).max() == pytest.approx(8.0)
        assert legs.sent_b[own] / legs.part[own] == pytest.approx(legs.nic_b[legs.number[own]])


def test_embedding_tables_go_to_all_and_gradients_around():
    # 3 servers of 2: each rank has 1/6 of 60 B for each other one, and passes 2 x 12 x 5/6 B of gradients on.
    legs = of_network(12.0, 60.0, (2, 2, 2))
    ring_legs, others = legs.kind == DP, legs.kind == EP
    assert legs.sent_b[ring_legs].tolist() == pytest.approx([20.0] * 3)
    assert legs.sent_b[others].tolist() == pytest.approx([2 * 2 * 10.0] * 6)
    assert of_network(12.0, 0.0, (2, 2, 2)).kinds.tolist() == [DP]


def test_few_shifts_stand_for_an_all_to_all_among_many_domains():
    # The bytes are all there, from and to each domain alike, and half of them cross the middle as of all shifts.
    count = 64
    legs = of_network(0.0, 64.0, (1,) * count)
    assert len(legs) == PEERS * count
    for ends in (legs.here, legs.there):
        assert np.bincount(ends, legs.sent_b) == pytest.approx([63.0] * count)
    crossing = legs.sent_b[(legs.here < count // 2) != (legs.there < count // 2)].sum()
    every = np.array([(a, b) for a in range(count) for b in range(count) if a != b])
    whole = ((every[:, 0] < count // 2) != (every[:, 1] < count // 2)).mean()
    assert crossing / legs.sent_b.sum() == pytest.approx(whole, rel=0.05)


def test_a_share_of_nics_is_that_of_its_kind_alone():
    plan = ONE._replace(tp=16.0, pp=2.0, dp=2.0, cp=2.0, sequence_parallel=1.0)
    whole = step_time(MIXED, plan, slow())
    for kind in Shares._fields:
        half = step_time(MIXED, plan, slow(**{f"nic_share_{kind}": 0.5}))
        for other in Shares._fields:
            grows = 2.0 if other == kind != "ep" else 1.0
            assert getattr(half, f"{other}_s") == pytest.approx(grows * getattr(whole, f"{other}_s"), rel=1e-9), kind
    routed = ONE._replace(tp=1.0, dp=32.0, ep=32.0)
    whole, half = (step_time(MIXED, routed, slow(nic_share_ep=share)) for share in (1.0, 0.5))
    assert half.ep_s == pytest.approx(2.0 * whole.ep_s, rel=1e-6)
    assert half.dp_s == pytest.approx(whole.dp_s, rel=1e-12)


def test_a_ring_goes_round_once():
    legs = ring((4, 2, 4))
    assert list(zip(legs.here.tolist(), legs.there.tolist(), strict=True)) == [(0, 1), (1, 2), (2, 0)]
    assert (legs.kinds.tolist(), legs.part.tolist()) == ([DP], [2.0, 2.0, 2.0])  # through two NICs everywhere
