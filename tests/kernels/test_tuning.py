"""Ways of collectives: NCCL's formulae by hand, laws that hold for every way, and who wins where."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim.kernels.tuning import ALGORITHMS, COLLECTIVES, PROTOCOLS, WAYS, Group, Tuned
from dcsim.performance.collectives import answers, table, times_s, usual_algorithms

PLAIN = Tuned(0.8, 0.7, 0.9, 0.9, 0.0, 0.0, 141e9, 45e9, 35e9)
"""No pipeline to fill, no time of a call: NCCL's own form."""
FILLED = PLAIN._replace(fill_s=2e-6, call_s=5e-6)
NODE = Group(8.0, 1.0, 450e9, 450e9, 50e9, 0.0, 0.0, 1.0)
FOUR = NODE._replace(ranks=32.0, domains=4.0)
MIB = 2.0**20
COLUMN = {f"{ALGORITHMS[a]}/{PROTOCOLS[p]}": column for column, (a, p) in enumerate(WAYS)}


def time_s(way: str, collective: str, size_b: float, group: Group, tuned: Tuned = PLAIN) -> float:
    return float(times_s([collective], np.array([size_b]), [group], np.array([tuned]))[0, COLUMN[way]])


def test_rings_of_a_node_are_nccls_latency_and_bandwidth() -> None:
    # NCCL: base + 2(n-1) steps; bus bandwidth: LL min(llMax, half), LL128 x 0.92, Simple whole.
    expected = {"LL": (6.6, 0.6, 141e9), "LL128": (14.0, 1.9, 0.92 * 360e9), "Simple": (8.4, 3.4, 360e9)}
    for protocol, (base, step, bus) in expected.items():
        by_hand = (base + 14 * step) * 1e-6 + 2 * 7 / 8 * MIB / bus
        assert time_s(f"ring/{protocol}", "all_reduce", MIB, NODE) == pytest.approx(by_hand, rel=1e-12)
        by_hand = (base + 7 * step) * 1e-6 + 7 / 8 * MIB / (min(141e9, 180e9) if protocol == "LL" else bus)
        assert time_s(f"ring/{protocol}", "all_gather", MIB, NODE) == pytest.approx(by_hand, rel=1e-12)


def test_a_ring_over_nodes_crosses_the_network_once_a_node_and_pass() -> None:
    # 2(32 - 4) steps inside, 2 x 3 outside; plateau 1.4 under Simple; 8 NICs of 50 GB/s at 0.9 against 360 GB/s.
    by_hand = (8.4 + 1.4 * (56 * 3.4 + 6 * 14.0)) * 1e-6 + 2 * 31 / 32 * MIB / 360e9
    assert time_s("ring/Simple", "all_reduce", MIB, FOUR) == pytest.approx(by_hand, rel=1e-12)
    slow = FOUR._replace(nic_b_per_s=25e9)
    by_hand += 2 * 31 / 32 * MIB * (1 / (8 * 25e9 * 0.9) - 1 / 360e9)
    assert time_s("ring/Simple", "all_reduce", MIB, slow) == pytest.approx(by_hand, rel=1e-12)


def test_a_tree_climbs_by_doublings_and_carries_the_size_twice() -> None:
    # base + 2(7 x 0.6 x 1.8 + 2 x 5.0) under LL; a tiny message is latency alone.
    assert time_s("tree/LL", "all_reduce", 0.0, FOUR) == pytest.approx(6.8e-6 + 2 * (7 * 1.08 + 2 * 5.0) * 1e-6)
    large = 2.0**34  # where NCCL's correction of trees is 0.9
    by_hand = (8.4 + 2 * (7 * 4.0 + 2 * 14.0)) * 1e-6 + 2 * large / (360e9 * 0.92) / 0.9
    assert time_s("tree/Simple", "all_reduce", large, FOUR) == pytest.approx(by_hand, rel=1e-12)


def test_sums_in_the_switch_take_the_size_and_an_eighth() -> None:
    by_hand = 25e-6 + MIB * 9 / 8 / (450e9 * 0.7)
    assert time_s("in_network/Simple", "all_reduce", MIB, NODE) == pytest.approx(by_hand, rel=1e-12)
    assert time_s("in_network/Simple", "all_reduce", MIB, NODE._replace(in_network=0.0)) == np.inf


def test_switches_of_the_network_take_the_size_once_from_each_node() -> None:
    # NCCL's latencies of CollNetDirect, CollNetChain and NVLS, 8 ranks a node; 8 NICs of 50 GB/s at 0.9 carry S up and
    # the sum down at once. Inside: 2 x 7/8 S by all ranks at 0.85, 2 S down a chain and back, 9/8 S by switches.
    slow = FOUR._replace(nic_b_per_s=5e9)
    latency_s = {"direct": (2 * (3.7 + 7 * 0.4) + 31) * 1e-6, "chain": (2 * 7 * 2.8 + 30) * 1e-6, "nvls": 43e-6}
    inside_s = {"direct": 2 * 7 / 8 * MIB / (0.85 * 360e9), "chain": 2 * MIB / 360e9, "nvls": 9 / 8 * MIB / 315e9}
    for name, bytes_s in inside_s.items():
        found = [time_s(f"collnet_{name}/Simple", "all_reduce", MIB, group) for group in (FOUR, slow)]
        by_hand = [latency_s[name] + max(bytes_s, MIB / (8 * rate * 0.9)) for rate in (50e9, 5e9)]
        assert found == pytest.approx(by_hand, rel=1e-12)
        # Nodes beyond two cost nothing more: that is what such a network is for.
        many = FOUR._replace(ranks=8192.0, domains=1024.0)
        assert time_s(f"collnet_{name}/Simple", "all_reduce", MIB, many) == found[0]
        assert time_s(f"collnet_{name}/Simple", "all_reduce", MIB, NODE) == np.inf
        assert time_s(f"collnet_{name}/Simple", "all_gather", MIB, FOUR) == np.inf


def test_collnet_has_the_limits_of_nccl() -> None:
    wide = FOUR._replace(ranks=64.0)  # 16 a node
    assert time_s("collnet_direct/Simple", "all_reduce", MIB, wide) == np.inf
    assert time_s("collnet_chain/Simple", "all_reduce", MIB, wide) == np.inf
    assert time_s("collnet_nvls/Simple", "all_reduce", MIB, FOUR._replace(in_network=0.0)) == np.inf
    one = FOUR._replace(ranks=4.0)  # one a node: nothing happens inside
    by_hand = 31e-6 + MIB / (50e9 * 0.9)
    assert time_s("collnet_direct/Simple", "all_reduce", MIB, one) == pytest.approx(by_hand, rel=1e-12)


def test_aggregated_trees_are_for_one_rank_a_node() -> None:
    # NCCL: 8 us, log2(k) x 14 us / 3.5, 2.8 us a rank; 0.75 of the NIC.
    ranks = FOUR._replace(ranks=32.0, domains=32.0)
    by_hand = (8 + 5 * 14 / 3.5 + 32 * 2.8) * 1e-6 + 31 / 32 * MIB / (0.75 * 50e9 * 0.9)
    for collective in ("all_gather", "reduce_scatter"):
        assert time_s("pat/Simple", collective, MIB, ranks) == pytest.approx(by_hand, rel=1e-12)
    assert time_s("pat/Simple", "all_reduce", MIB, ranks) == np.inf
    assert time_s("pat/Simple", "all_gather", MIB, FOUR) == np.inf


def test_what_no_measured_row_backs_is_not_enabled_by_default() -> None:
    assert usual_algorithms() == ("ring", "tree", "in_network", "direct")
    free = answers("all_reduce", [MIB], FOUR, PLAIN, usual_algorithms())[0]
    sharp = answers("all_reduce", [MIB], FOUR, PLAIN, (*usual_algorithms(), "collnet_nvls"))[0]
    assert not free.way.startswith("collnet")
    assert sharp.way == "collnet_nvls/Simple"
    assert sharp.time_s < free.time_s


def test_filling_the_pipeline_costs_the_square_root() -> None:
    whole = time_s("in_network/Simple", "all_reduce", MIB, NODE, PLAIN._replace(fill_s=4e-6))
    bytes_s = MIB * 9 / 8 / (450e9 * 0.7)
    assert whole == pytest.approx(25e-6 + bytes_s + 2 * (4e-6 * bytes_s) ** 0.5, rel=1e-12)


def test_all_to_all_is_bound_by_nics_beyond_the_node() -> None:
    size = 2.0**34
    by_hand = (8.4 + 7 * 3.4 + 14.0) * 1e-6 + size * 24 / 32 / (50e9 * 0.9)
    assert time_s("direct/Simple", "all_to_all", size, FOUR) == pytest.approx(by_hand, rel=1e-12)


@settings(deadline=None)
@given(
    st.sampled_from(COLLECTIVES),
    st.floats(1.0, 1e11),
    st.floats(1.1, 100.0),
    st.sampled_from([1, 2, 3, 4, 16, 128]),
    st.sampled_from([1, 2, 7, 8]),
)
def test_more_bytes_and_slower_links_never_shorten_any_way(
    collective: str, size: float, more: float, domains: int, local: int
) -> None:
    group = NODE._replace(ranks=float(domains * local), domains=float(domains))
    slower = group._replace(link_b_per_s=450e9 / more, pair_b_per_s=450e9 / more, nic_b_per_s=50e9 / more)
    tuned = np.array([FILLED] * 3)
    base, slow, tiny = times_s([collective] * 3, np.array([size, size, 0.0]), [group, slower, group], tuned)
    assert (slow >= base).all()
    assert (base >= tiny).all()
    if domains * local == 1:
        assert (base == 0.0).all()


def test_the_fastest_enabled_way_wins_and_is_named() -> None:
    sizes = [8 * 1024.0, MIB, 2.0**34]
    free = answers("all_reduce", sizes, NODE, PLAIN, usual_algorithms())
    assert [answer.way for answer in free] == ["ring/LL", "ring/LL", "in_network/Simple"]
    rings = answers("all_reduce", sizes, NODE, PLAIN, ("ring",))
    assert [answer.way for answer in rings] == ["ring/LL", "ring/LL", "ring/Simple"]
    for one, other in zip(free, rings, strict=True):
        assert one.time_s <= other.time_s
        assert all(time_s >= one.time_s for _, time_s in one.others)
    assert answers("broadcast", sizes, NODE, PLAIN, ("tree",))[0].way == "none"


def test_the_table_of_latencies_has_a_row_for_each_algorithm_and_kind_of_link() -> None:
    found = table()
    shapes = [array.shape for array in (found.base_s, found.hop_s, found.tree_share, found.collnet_s)]
    assert shapes == [(3, 3), (3, 3, 3), (3, 24), (3, 3)]
