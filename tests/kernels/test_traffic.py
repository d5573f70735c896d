"""Collectives on two levels: hand sums, scaling, edges."""

import pytest

from dcsim.kernels.facts import Device
from dcsim.kernels.traffic import all_reduce_s, all_to_all_s, dispatch_s, exposed_s, gather_s, road, send_s
from tests.kernels.by_hand import near

DEVICE = Device(
    linear_flop_per_s=100e12,
    half_flop_per_s=100e12,
    vector_flop_per_s=5e12,
    memory_b=80e9,
    memory_b_per_s=1e12,
    link_b_per_s=400e9,
    domain=8.0,
    nic_b_per_s=50e9,
    link_efficiency=0.5,
    nic_efficiency=0.5,
    link_latency_s=0.0,
    nic_latency_s=0.0,
)


def test_a_ring_inside_the_domain_runs_on_links():
    # 2 x 7/8 of 1 GB at 200 GB/s
    assert all_reduce_s(1e9, road(DEVICE, 1.0, 8.0)) == pytest.approx(2 * 7 / 8 / 200, rel=1e-12)


def test_a_ring_of_one_rank_a_server_has_one_nic():
    # 16 ranks, 8 apart: 15/16 of 1 GB at 25 GB/s
    assert gather_s(1e9, road(DEVICE, 8.0, 16.0)) == pytest.approx(15 / 16 / 25, rel=1e-12)


def test_a_ring_over_whole_servers_has_all_their_nics_but_no_more_than_the_links():
    assert road(DEVICE, 1.0, 64.0).b_s == near(1 / 200e9)  # 8 x 25 = 200 GB/s
    assert road(DEVICE._replace(nic_b_per_s=400e9), 1.0, 64.0).b_s == near(1 / 200e9)


def test_one_rank_sends_nothing():
    way = road(DEVICE, 1.0, 1.0)
    assert (gather_s(1e9, way), all_reduce_s(1e9, way), all_to_all_s(1e9, DEVICE, 1.0, 1.0)) == (0.0, 0.0, 0.0)


def test_latency_grows_with_each_doubling():
    late = DEVICE._replace(link_latency_s=1e-6, nic_latency_s=1e-5)
    assert road(late, 1.0, 8.0).latency_s == near(3e-6)
    assert road(late, 1.0, 64.0).latency_s == pytest.approx(3e-6 + 3e-5)


def test_twice_the_nic_halves_a_nic_bound_send():
    one = send_s(1e9, DEVICE, 8.0)
    assert send_s(1e9, DEVICE._replace(nic_b_per_s=100e9), 8.0) == pytest.approx(one / 2)
    assert send_s(1e9, DEVICE, 1.0) == pytest.approx(1 / 200)


def test_all_to_all_splits_between_links_and_nics():
    # 16 ranks, 8 a domain: 7/16 by links at 200, 8/16 by the NIC at 25 GB/s
    assert all_to_all_s(1e9, DEVICE, 1.0, 16.0) == pytest.approx(7 / 16 / 200 + 8 / 16 / 25)


def test_a_token_crosses_to_a_domain_once_however_many_of_its_experts_are_there():
    # 2 domains, 8 experts: 2 (1 - 1/2^8) domains are reached, half of them away
    away = 2 * (1 - 0.5**8) / 2 / 25
    assert dispatch_s(1e9, 8.0, DEVICE, 16.0) == pytest.approx(8 * 7 / 8 / 200 + away)


def test_nothing_is_exposed_when_computing_is_longer():
    assert exposed_s(1.0, 2.0) == 0.0
    assert exposed_s(2.0, 1.5) == pytest.approx(0.5)


def test_twice_the_links_and_nics_halve_every_collective():
    fast = DEVICE._replace(link_b_per_s=800e9, nic_b_per_s=100e9)
    for ranks in (8.0, 64.0):
        assert gather_s(1e9, road(fast, 1.0, ranks)) == pytest.approx(gather_s(1e9, road(DEVICE, 1.0, ranks)) / 2)
        assert all_to_all_s(1e9, fast, 1.0, ranks) == pytest.approx(all_to_all_s(1e9, DEVICE, 1.0, ranks) / 2)
        assert dispatch_s(1e9, 2.0, fast, ranks) == pytest.approx(dispatch_s(1e9, 2.0, DEVICE, ranks) / 2)


def test_tokens_of_one_rank_go_nowhere():
    assert dispatch_s(1e9, 8.0, DEVICE, 1.0) == 0.0


LATE = DEVICE._replace(link_latency_s=1e-3, nic_latency_s=1e-2)


def test_a_message_waits_once_for_what_it_crosses():
    assert send_s(1e9, LATE, 7.0) == pytest.approx(1 / 200 + 1e-3)
    assert send_s(1e9, LATE, 8.0) == pytest.approx(1 / 25 + 1e-2)
    assert send_s(1e9, LATE._replace(nic_share_pp=0.5), 8.0) == pytest.approx(1 / 12.5 + 1e-2)


@pytest.mark.parametrize(
    ("inside", "ranks", "local", "latency_s"),
    [
        (1.0, 4.0, 4, 2e-3),
        (1.0, 16.0, 8, 3e-3 + 1e-2),
        (1.0, 64.0, 8, 3e-3 + 1e-2),  # all NICs at once
        (4.0, 16.0, 2, 1e-3 + 1e-2),
        (16.0, 4.0, 1, 1e-2),  # farther apart than a domain is large
    ],
)
def test_all_to_all_and_dispatch_of_a_spread_group_by_hand(inside, ranks, local, latency_s):
    # What stays in the domain goes by links at 200 GB/s, the rest by a rank's own NIC, its share 20 GB/s of 25.
    device, domains = LATE._replace(nic_share_ep=0.8), ranks / local
    sent_s = (local - 1) / ranks / 200 + (ranks - local) / ranks / 20
    assert all_to_all_s(1e9, device, inside, ranks) == pytest.approx(sent_s + latency_s)
    away = domains * (1 - (1 - 1 / domains) ** 2) * (1 - 1 / domains)  # domains that two experts are in, but the own
    tokens_s = 2 * (1 - 1 / local) / 200 + away / 20
    assert dispatch_s(1e9, 2.0, device, ranks, inside) == pytest.approx(tokens_s + latency_s)


def test_a_ring_farther_apart_than_a_domain_has_one_nic_and_its_share():
    way = road(LATE, 16.0, 4.0, 0.5)
    assert (way.b_s, way.latency_s) == near((1 / 12.5e9, 2e-2))
    assert road(LATE, 1.0, 4.0).latency_s == near(2e-3)  # half of a domain
    assert road(LATE, 1.0, 0.0).ranks == 1.0  # a group of nobody is one rank
