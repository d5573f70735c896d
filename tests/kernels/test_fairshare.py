"""Fair shares: hand sums, the definition of max-min, and plain filling from nothing at every change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dcsim.kernels.fairshare import (
    Flows,
    change,
    finish_times_s,
    flows,
    idle_flows,
    lay,
    resize,
    running_over,
    shares_alone,
    slowest,
    with_room,
)

Paths = list[list[int]]


def over(capacity: list[float], paths: Paths) -> Flows:
    first = np.cumsum([0, *map(len, paths)])
    return flows(np.array(capacity, dtype=float), first, np.array([link for path in paths for link in path]))


def numbers(*values: int) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def filled(capacity: list[float], paths: Paths, running: list[int]) -> dict[int, float]:
    """Progressive filling as the textbook has it: the tightest link first, from nothing."""
    left, rates, growing = list(capacity), dict[int, float](), list(running)
    while growing:
        entries = [sum(paths[f].count(link) for f in growing) for link in range(len(left))]
        share, tight = min((left[link] / n, link) for link, n in enumerate(entries) if n)
        for f in [f for f in growing if tight in paths[f]]:
            rates[f] = share
            growing.remove(f)
            for link in paths[f]:
                left[link] -= share
    return rates


def finished(capacity: list[float], paths: Paths, size_b: list[float], start_s: list[float]) -> list[float]:
    """Fluid time by steps from change to change, every rate found from nothing at each."""
    left, end, now = list(size_b), [np.inf] * len(paths), 0.0
    while True:
        running = [f for f in range(len(paths)) if start_s[f] <= now and end[f] == np.inf]
        later = [s for s in start_s if s > now]
        if not running and not later:
            return end
        rates = filled(capacity, paths, running)
        ends = [now + left[f] / rates[f] for f in running]
        after = min(ends + later)
        for f, until in zip(running, ends, strict=True):
            left[f] -= rates[f] * (after - now)
            if until <= after * (1 + 1e-12):
                end[f] = after
        now = after


def test_two_flows_halve_a_link_and_the_longer_one_gets_it_all_at_the_end() -> None:
    ends = finish_times_s(over([10.0], [[0], [0]]), np.array([10.0, 30.0]), np.zeros(2))
    assert ends.tolist() == [2.0, 4.0]  # 5 B/s each for 2 s, then 20 B at 10 B/s


def test_the_parking_lot_has_its_textbook_shares() -> None:
    # Bertsekas and Gallager, section 6.5.2: a long flow over both links, short ones on each.
    made = over([1.0, 2.0], [[0, 1], [0], [1]])
    change(made, numbers(), numbers(0, 1, 2))
    assert made.rate_b_per_s.tolist() == [0.5, 0.5, 1.5]


def test_a_link_that_a_path_names_twice_carries_the_flow_twice() -> None:
    made = over([9.0], [[0, 0], [0]])
    change(made, numbers(), numbers(0, 1))
    assert made.rate_b_per_s.tolist() == [3.0, 3.0]


def test_a_flow_without_bytes_ends_as_it_starts() -> None:
    assert finish_times_s(over([1.0], [[0], [0]]), np.array([0.0, 4.0]), np.array([1.0, 0.0])).tolist() == [1.0, 4.0]


def test_a_change_leaves_flows_alone_that_no_shared_link_joins_to_it_or_that_are_slower() -> None:
    made = over([1.0, 8.0, 8.0], [[0, 1], [1], [1], [2]])
    change(made, numbers(), numbers(0, 1, 2, 3))
    assert made.rate_b_per_s.tolist() == [1.0, 3.5, 3.5, 8.0]
    assert change(made, numbers(2), numbers()).tolist() == [1]
    assert made.rate_b_per_s.tolist() == [1.0, 7.0, 0.0, 8.0]


def test_a_link_that_loses_or_gains_capacity_changes_the_flows_that_it_holds() -> None:
    made = over([1.0, 8.0, 8.0], [[0, 1], [1], [2]])
    change(made, numbers(), numbers(0, 1, 2))
    assert resize(made, 0, 6.0).tolist() == [0, 1]
    assert made.rate_b_per_s.tolist() == [4.0, 4.0, 8.0]
    resize(made, 1, 2.0)
    assert made.rate_b_per_s.tolist() == [1.0, 1.0, 8.0]
    assert resize(made, 0, 3.0).tolist() == []  # nobody fills it


def test_the_place_of_a_flow_that_left_takes_another_path() -> None:
    made = idle_flows(np.array([4.0, 6.0]), 2, 2)
    made.path[0, 0], made.path[1, 0] = 0, 1
    change(made, numbers(), numbers(0, 1))
    assert made.rate_b_per_s.tolist() == [4.0, 6.0]
    change(made, numbers(0), numbers())
    made.path[0] = [1, -1]
    change(made, numbers(), numbers(0))
    assert made.rate_b_per_s.tolist() == [3.0, 3.0]


def test_flows_without_a_path_or_links_without_capacity_are_refused() -> None:
    for capacity, paths in (([1.0], [[0], []]), ([0.0], [[0]]), ([np.inf], [[0]]), ([np.nan], [[0]])):
        with pytest.raises(ValueError, match="must"):
            over(capacity, paths)


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[float], Paths]:
    capacity = draw(st.lists(st.sampled_from([1.0, 2.0, 3.0, 10.0]), min_size=1, max_size=6))
    path = st.lists(st.integers(0, len(capacity) - 1), min_size=1, max_size=4)
    return capacity, draw(st.lists(path, min_size=1, max_size=12))


@given(networks(), st.data())
@settings(max_examples=150, deadline=None)
def test_finish_times_equal_those_of_filling_from_nothing(
    network: tuple[list[float], Paths], data: st.DataObject
) -> None:
    capacity, paths = network
    many = {"min_size": len(paths), "max_size": len(paths)}
    size_b = data.draw(st.lists(st.sampled_from([1.0, 2.0, 5.0, 7.5]), **many))
    start_s = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 4.0]), **many))
    ours = finish_times_s(over(capacity, paths), np.array(size_b), np.array(start_s))
    np.testing.assert_allclose(ours, finished(capacity, paths, size_b, start_s), rtol=1e-9)


@given(networks(), st.data())
@settings(max_examples=150, deadline=None)
def test_after_any_changes_each_flow_has_a_full_link_on_which_none_is_faster(
    network: tuple[list[float], Paths], data: st.DataObject
) -> None:
    capacity, paths = network
    made, running = over(capacity, paths), set[int]()
    for _ in range(4):
        turned = data.draw(st.sets(st.integers(0, len(paths) - 1)))
        change(made, numbers(*sorted(running & turned)), numbers(*sorted(turned - running)))
        running ^= turned
        link = data.draw(st.integers(0, len(capacity) - 1))
        resize(made, link, data.draw(st.sampled_from([0.5, 2.0, 20.0])))
        capacity = made.capacity_b_per_s.tolist()
    rate, load = made.rate_b_per_s, np.zeros(len(capacity))
    for f in running:
        np.add.at(load, paths[f], rate[f])
    assert (load <= np.array(capacity) * (1 + 1e-9)).all()
    for f in running:
        full = [link for link in paths[f] if load[link] >= capacity[link] * (1 - 1e-9)]
        fastest = [max(rate[other] for other in running if link in paths[other]) for link in full]
        assert any(rate[f] >= most * (1 - 1e-9) for most in fastest)
    assert all(rate[f] == 0.0 for f in range(len(paths)) if f not in running)


@given(networks(), st.data())
@settings(max_examples=50, deadline=None)
def test_with_room_for_longer_paths_all_flows_run_as_before(
    network: tuple[list[float], Paths], data: st.DataObject
) -> None:
    capacity, paths = network
    made = over(capacity, paths)
    running = sorted(data.draw(st.sets(st.integers(0, len(paths) - 1))))
    change(made, numbers(), numbers(*running))
    more = data.draw(st.integers(0, 5))
    larger = with_room(made, len(paths) + more, 9)
    assert larger.path.shape == (len(paths) + more, 9)
    assert larger.capacity_b_per_s.tolist() == [*made.capacity_b_per_s, *[1.0] * more]
    np.testing.assert_allclose(larger.rate_b_per_s[: len(paths)], made.rate_b_per_s, rtol=1e-9)
    assert with_room(larger, 1, 2).path.shape == (len(paths) + more, 9)
    change(larger, numbers(*running), numbers())
    assert not larger.rate_b_per_s.any()


def test_flows_over_a_link_are_those_that_run_and_have_it_on_their_path():
    made = over([1.0, 1.0, 1.0], [[0, 1], [1], [2], [1, 2]])
    change(made, numbers(), numbers(0, 1, 2))
    assert running_over(made, numbers(1)).tolist() == [0, 1]
    assert running_over(made, numbers(0, 2)).tolist() == [0, 2]


def test_the_slowest_flow_of_each_group_is_found_from_any_of_its_flows():
    # Rates 4, 2, 2, 9 of 16, 8, 4, 18 that their own links, the last four, would carry.
    here = over([6.0, 4.0, 9.0, 16.0, 8.0, 4.0, 18.0], [[0], [0, 1], [1], [2]])
    change(here, numbers(), numbers(0, 1, 2, 3))
    group, following = numbers(5, 3, 5, 1), numbers(2, 1, 0, 3)
    for found, expected in (((2,), [(5, 0.25)]), ((3, 2, 0, 1), [(1, 0.5), (3, 0.25), (5, 0.25)]), ((), [])):
        told = np.zeros(4)
        for again in (expected, []):  # what was told is not told again
            groups, shares = slowest(here.rate_b_per_s, here.capacity_b_per_s, numbers(*found), group, following, told)
            assert list(zip(groups.tolist(), shares.tolist(), strict=True)) == again
    told[:] = 0.25
    assert slowest(here.rate_b_per_s, here.capacity_b_per_s, numbers(0, 1, 2, 3), group, following, told)[
        0
    ].tolist() == [1]


def test_kinds_of_traffic_alone_are_slowed_down_by_the_link_that_lacks_most():
    # Kind 0: 6 + 4 over link 0 of 5, 4 over link 1 of 3. Kind 1: 2 over link 1, which is enough. Kind 2: twice over 2.
    first, link, kind = numbers(0, 1, 3, 4, 6), numbers(0, 0, 1, 1, 2, 2), numbers(0, 0, 1, 2)
    asked = np.array([6.0, 4.0, 2.0, 4.0])
    load, here = np.zeros(3), idle_flows(np.array([5.0, 3.0, 6.0]), 0, 1)
    assert shares_alone(here.capacity_b_per_s, load, first, link, kind, asked).tolist() == [0.5, 1.0, 0.75]
    assert not load.any()


def test_a_laid_flow_is_held_at_its_own_rate_wherever_it_lay_before():
    here = idle_flows(np.array([10.0, 8.0, 1.0, 1.0]), 2, 3)  # links 2 and 3 are the flows' own
    for way, expected in (((0, 1), [3.0, 3.0]), ((0,), [3.0, 3.0])):
        lay(
            here.path,
            here.capacity_b_per_s,
            numbers(1, 0),
            numbers(0, len(way), len(way) + 1),
            numbers(*way, 0),
            np.array([3.0, 3.0]),
        )
        assert here.path[1].tolist() == [*way, 3, -1][:3]
        change(here, numbers(), numbers(0, 1))
        assert here.rate_b_per_s.tolist() == expected
        change(here, numbers(0, 1), numbers())
