"""What data-parallel ranks do once a step: bytes over bandwidth by hand, scaling, edges."""

import pytest

from dcsim.kernels.facts import HSDP, UNSHARDED, ZERO1, ZERO2, ZERO3, Device, Model, Plan
from dcsim.kernels.synchronise import data_parallel, held_parameters

MODEL = Model(
    layers=10.0, hidden=1000.0, heads=10.0, kv_heads=10.0, head_dim=100.0, ffn_hidden=4000.0, gated=0.0, vocab=5000.0,
    tied=1.0,
)  # fmt: skip
PLAN = Plan(tp=1.0, pp=1.0, vpp=1.0, dp=8.0, cp=1.0, ep=1.0, micro_batch=1.0, global_batch=8.0, seq_len=1000.0)
BARE = PLAN._replace(overlap_dp=0.0, gradient_bytes=4.0)
DEVICE = Device(
    linear_flop_per_s=100e12, half_flop_per_s=100e12, vector_flop_per_s=5e12, memory_b=80e9, memory_b_per_s=1e12,
    link_b_per_s=100e9, domain=8.0, nic_b_per_s=25e9, memory_efficiency=1.0, link_efficiency=1.0, nic_efficiency=1.0,
    link_latency_s=0.0, nic_latency_s=0.0,
)  # fmt: skip
WEIGHTS = 10 * 12e6 + 5e6  # 12 h^2 a layer, and a tied table


def exposed_s(plan, device=DEVICE, forward_s=0.0, backward_s=0.0):
    return data_parallel(MODEL, plan, device, forward_s, backward_s).traffic_s


def test_parameters_of_a_rank_by_hand():
    assert held_parameters(MODEL, PLAN).dense == WEIGHTS
    assert held_parameters(MODEL._replace(tied=0.0), PLAN).dense == WEIGHTS + 5e6
    assert held_parameters(MODEL, PLAN._replace(tp=2.0)).dense == WEIGHTS / 2
    assert held_parameters(MODEL, PLAN._replace(pp=5.0)).dense == 2 * 12e6 + 5e6
    assert held_parameters(MODEL._replace(tied=0.0), PLAN._replace(pp=5.0)).dense == 2 * 12e6 + 5e6  # head or embedding
    assert held_parameters(MODEL, PLAN).routed == 0.0


def test_gradients_are_summed_once_a_step():
    # a ring of 8: 2 x 7/8 of 4 bytes a parameter at 100 GB/s
    assert exposed_s(BARE) == pytest.approx(2 * 7 / 8 * 4 * WEIGHTS / 100e9)
    assert exposed_s(BARE._replace(global_batch=64.0)) == exposed_s(BARE)


def test_zero_scatters_gradients_and_gathers_weights_of_two_bytes():
    assert exposed_s(BARE._replace(sharding=ZERO1)) == pytest.approx(7 / 8 * (4 + 2) * WEIGHTS / 100e9)


def test_zero_1_may_sum_gradients_whole_and_then_gathers_weights():
    # a ring all-reduce of 4 bytes a parameter counts twice; what is summed whole hides as what is scattered
    plan = BARE._replace(sharding=ZERO1, sum_whole=1.0)
    assert exposed_s(plan) == pytest.approx(7 / 8 * (2 * 4 + 2) * WEIGHTS / 100e9)
    gathered = 7 / 8 * 2 * WEIGHTS / 100e9
    assert exposed_s(plan._replace(overlap_dp=1.0), DEVICE, backward_s=9.0) == pytest.approx(gathered)
    for sharding in (UNSHARDED, ZERO3):
        other = BARE._replace(sharding=sharding)
        assert exposed_s(other._replace(sum_whole=1.0)) == exposed_s(other)


def test_zero_3_gathers_twice_and_scatters_once_each_micro_batch():
    once = 7 / 8 * (2 + 2 + 4) * WEIGHTS / 100e9
    assert exposed_s(BARE._replace(sharding=ZERO3)) == pytest.approx(once)
    assert exposed_s(BARE._replace(sharding=ZERO3, global_batch=64.0)) == pytest.approx(8 * once)


def test_hsdp_shards_inside_and_sums_outside_of_its_group():
    # 16 ranks in groups of 8: gathers and scatter run on links; meanwhile a ring of 2 over each rank's NIC sums an
    # eighth, and of the last backward pass the longer counts.
    plan = BARE._replace(sharding=HSDP, dp=16.0, global_batch=16.0, shard_ranks=8.0)
    forward_s, backward_s = (7 / 8 * moved_b * WEIGHTS / 100e9 for moved_b in (2, 2 + 4))
    sum_s = 2 * 1 / 2 * 4 * WEIGHTS / 8 / 25e9
    assert exposed_s(plan) == pytest.approx(forward_s + backward_s)
    slow = DEVICE._replace(nic_b_per_s=2.5e9)
    assert exposed_s(plan, slow) == pytest.approx(forward_s + 10 * sum_s)
    twice = plan._replace(global_batch=32.0)
    assert exposed_s(twice, slow) == pytest.approx(2 * forward_s + backward_s + 10 * sum_s)
    assert exposed_s(plan, slow, backward_s=4 * sum_s) == pytest.approx(forward_s + 6 * sum_s)


EXPERTS = MODEL._replace(experts=8.0, top_k=2.0, expert_hidden=500.0)
ROUTED = 10 * 8 * 2 * 1000 * 500  # of all experts
DENSE = 10 * 4e6 + 5e6


def test_sharded_experts_are_gathered_among_those_that_hold_the_same():
    # 16 ranks on two servers, all eight experts on the ranks of a server: pairs across servers hold the same ones, each
    # pair has a NIC a rank; all 16 hold the rest, and have eight NICs.
    plan = BARE._replace(sharding=ZERO3, dp=16.0, ep=8.0, global_batch=16.0)
    moved_b = 2 + 2 + 4
    dense_s, routed_s = 15 / 16 * moved_b * DENSE / 100e9, 1 / 2 * moved_b * (ROUTED / 8) / 25e9
    found = data_parallel(EXPERTS, plan, DEVICE, 0.0, 0.0)
    assert found.traffic_s == pytest.approx(dense_s + routed_s)
    assert found.optimizer_s == pytest.approx(30 * (DENSE / 16 + ROUTED / 8 / 2) / 1e12)
    alone = data_parallel(EXPERTS, plan._replace(ep=16.0), DEVICE, 0.0, 0.0)  # nobody holds the same experts
    assert alone.traffic_s == pytest.approx(dense_s)


def test_experts_of_a_domain_that_all_differ_are_summed_across_domains_under_hsdp():
    plan = BARE._replace(sharding=HSDP, dp=16.0, ep=8.0, global_batch=16.0, shard_ranks=8.0)
    forward_s = 7 / 8 * 2 * DENSE / 100e9
    across_s = 2 * 1 / 2 * 4 * (DENSE / 8 + ROUTED / 8) / 25e9
    assert across_s > 3 * forward_s  # what links gather and scatter backward meanwhile
    assert data_parallel(EXPERTS, plan, DEVICE, 0.0, 0.0).traffic_s == pytest.approx(forward_s + across_s)


def test_weights_of_four_bytes_are_read_and_written_once():
    wide = data_parallel(MODEL, BARE._replace(linear_bytes=4.0), DEVICE, 0.0, 0.0)
    assert wide.optimizer_s == pytest.approx((2 * 8 + 4 + 8) * WEIGHTS / 1e12)  # two moments, gradient, weight
    assert exposed_s(BARE._replace(sharding=ZERO3, linear_bytes=4.0)) == pytest.approx(
        7 / 8 * (4 + 4 + 4) * WEIGHTS / 100e9
    )


def test_twice_the_links_halve_the_traffic():
    fast = DEVICE._replace(link_b_per_s=200e9)
    for sharding in (UNSHARDED, ZERO1, ZERO3):
        plan = BARE._replace(sharding=sharding)
        assert exposed_s(plan, fast) == pytest.approx(exposed_s(plan) / 2)


def test_traffic_hides_behind_what_covers_it():
    all_of_it = exposed_s(BARE)
    assert exposed_s(BARE, backward_s=all_of_it / 4) == pytest.approx(all_of_it * 3 / 4)
    assert exposed_s(BARE, backward_s=2 * all_of_it) == 0.0
    assert exposed_s(BARE, forward_s=2 * all_of_it) == all_of_it


def test_one_rank_sends_nothing():
    for sharding in (UNSHARDED, ZERO1, ZERO3):
        assert exposed_s(BARE._replace(dp=1.0, global_batch=1.0, sharding=sharding)) == 0.0


def test_the_optimiser_passes_thirty_bytes_of_every_parameter_that_is_its_own():
    whole, sharded = (data_parallel(MODEL, BARE._replace(sharding=s), DEVICE, 0.0, 0.0) for s in (UNSHARDED, ZERO1))
    assert whole.optimizer_s == pytest.approx(30 * WEIGHTS / 1e12)
    assert sharded.optimizer_s == pytest.approx(whole.optimizer_s / 8)
    fast = data_parallel(MODEL, BARE, DEVICE._replace(memory_b_per_s=2e12), 0.0, 0.0)
    assert fast.optimizer_s == pytest.approx(whole.optimizer_s / 2)


def test_routed_parameters_of_a_rank_by_hand():
    held = held_parameters(EXPERTS, PLAN._replace(tp=2.0, pp=2.0, ep=4.0))
    assert (held.dense, held.routed) == (5 * 4e6 / 2 + 5e6 / 2, ROUTED / 2 / 4)
    half = held_parameters(EXPERTS._replace(dense_layers=5.0, shared_hidden=300.0), PLAN)
    assert (half.dense, half.routed) == (10 * 4e6 + 5 * 8e6 + 5 * 6e5 + 5e6, ROUTED / 2)
    assert held_parameters(MODEL._replace(cross_layers=5.0), PLAN).dense == WEIGHTS + 5 * 4e6


LATE = DEVICE._replace(link_latency_s=1e-3, nic_latency_s=1e-2)


@pytest.mark.parametrize(
    ("sharding", "plan", "latency_s"),
    [
        # 16 ranks on two servers: three doublings by links and one by NICs; pairs across servers hold the same experts.
        (UNSHARDED, {}, 2 * (13e-3 + 10e-3)),  # an all-reduce is two passes
        (ZERO1, {}, 2 * (13e-3 + 10e-3)),  # scatter, then gather
        (ZERO2, {"sum_whole": 1.0}, 3 * (13e-3 + 10e-3)),
        (ZERO3, {}, 10 * 3 * (13e-3 + 10e-3)),  # ten layers gathered twice and scattered once
        (ZERO3, {"pp": 2.0}, 5 * 3 * (13e-3 + 10e-3)),
        (ZERO3, {"global_batch": 64.0}, 4 * 10 * 3 * (13e-3 + 10e-3)),  # each of four micro-batches
    ],
)
def test_latency_counts_for_every_collective_of_every_layer(sharding, plan, latency_s):
    full = BARE._replace(sharding=sharding, dp=16.0, ep=8.0, shard_ranks=8.0)._replace(**{"global_batch": 16.0, **plan})
    late, soon = (data_parallel(EXPERTS, full, device, 0.0, 0.0).traffic_s for device in (LATE, DEVICE))
    assert late - soon == pytest.approx(latency_s)


def test_frozen_weights_send_no_gradients_and_need_no_update():
    half = MODEL._replace(trainable=0.5)
    for sharding, moved_b in ((UNSHARDED, 2 * 4 / 2), (ZERO1, (4 + 2) / 2)):
        found = data_parallel(half, BARE._replace(sharding=sharding), DEVICE, 0.0, 0.0)
        assert found.traffic_s == pytest.approx(7 / 8 * moved_b * WEIGHTS / 100e9)
    assert data_parallel(half, BARE, DEVICE, 0.0, 0.0).optimizer_s == pytest.approx(15 * WEIGHTS / 1e12)


@pytest.mark.parametrize("changes", [{"sharding": ZERO3}, {"sharding": HSDP, "dp": 16.0, "global_batch": 16.0}])
def test_sharded_frozen_weights_are_gathered_and_nothing_else(changes):
    found = data_parallel(MODEL._replace(trainable=0.0), BARE._replace(**changes), DEVICE, 0.0, 0.0).traffic_s
    assert found == pytest.approx(7 / 8 * (2 + 2) * WEIGHTS / 100e9)


def test_each_way_hides_behind_its_own_computing():
    gather_s, scatter_s = 7 / 8 * 2 * WEIGHTS / 100e9, 7 / 8 * 4 * WEIGHTS / 100e9
    for sharding, forth_s, back_s in ((ZERO1, gather_s, scatter_s), (ZERO3, gather_s, gather_s + scatter_s)):
        plan = BARE._replace(sharding=sharding)
        half = exposed_s(plan, forward_s=forth_s / 2, backward_s=back_s / 4)
        assert half == pytest.approx(forth_s / 2 + back_s * 3 / 4)
        assert exposed_s(plan, forward_s=1.0) == pytest.approx(back_s)
        assert exposed_s(plan, backward_s=1.0) == pytest.approx(forth_s)


def test_sharded_gradients_hide_in_each_micro_batch():
    plan = BARE._replace(sharding=ZERO3, global_batch=64.0)
    once_s = exposed_s(plan._replace(global_batch=8.0))
    assert exposed_s(plan, forward_s=once_s / 8) == pytest.approx(8 * (once_s - once_s / 8))


def test_gradients_travel_by_the_share_of_nics_that_is_theirs():
    plan = BARE._replace(tp=8.0, dp=2.0, global_batch=2.0)  # a rank a server
    whole, half = (exposed_s(plan, DEVICE._replace(nic_share_dp=share)) for share in (1.0, 0.5))
    assert (whole, half) == pytest.approx((4 * WEIGHTS / 8 / 25e9, 4 * WEIGHTS / 8 / 12.5e9))


def test_the_update_moves_states_twice_a_gradient_and_a_weight():
    plan = BARE._replace(gradient_bytes=2.0, optimizer_bytes=8.0)  # SGD with momentum
    slow = DEVICE._replace(memory_efficiency=0.5)
    assert data_parallel(MODEL, plan, slow, 0.0, 0.0).optimizer_s == pytest.approx((2 * 8 + 2 + 2) * WEIGHTS / 0.5e12)


def test_gradients_of_spread_experts_are_summed_among_those_that_hold_the_same():
    # As above: pairs across servers have a NIC a rank, all sixteen ranks eight NICs, which is what links have.
    plan = BARE._replace(dp=16.0, ep=8.0, global_batch=16.0)
    byte_s = 15 / 16 * DENSE / 100e9 + 1 / 2 * ROUTED / 8 / 25e9
    for sharding, moved_b in ((UNSHARDED, 2 * 4), (ZERO1, 4 + 2)):
        found = data_parallel(EXPERTS, plan._replace(sharding=sharding), DEVICE, 0.0, 0.0)
        assert found.traffic_s == pytest.approx(moved_b * byte_s)
    assert data_parallel(EXPERTS, plan, DEVICE, 0.0, 0.0).optimizer_s == pytest.approx(30 * (DENSE + ROUTED / 8) / 1e12)
    adapters = EXPERTS._replace(trainable=0.5)
    assert data_parallel(adapters, plan, DEVICE, 0.0, 0.0).traffic_s == pytest.approx(4 * byte_s)


def test_shards_of_half_a_server_are_summed_by_links_and_nics():
    # Groups of 4 of 16 ranks: of a rank's three copies one is in its server, so both ranks there share two NICs.
    plan = BARE._replace(sharding=HSDP, dp=16.0, global_batch=16.0, shard_ranks=4.0)
    forward_s, outside_s = 3 / 4 * 2 * WEIGHTS / 100e9, 2 * 3 / 4 * 4 * WEIGHTS / 4 / 50e9
    quarter, eighth = (exposed_s(plan, DEVICE._replace(nic_share_dp=share)) for share in (0.25, 0.125))
    assert (quarter, eighth) == pytest.approx((forward_s + 4 * outside_s, forward_s + 8 * outside_s))
