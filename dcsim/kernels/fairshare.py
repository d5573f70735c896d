"""Max-min fair shares of directed links, and when flows that share links so are done.

Progressive filling: all flows grow together; when a link is full, its flows are held at that rate and the others go on
(Bertsekas and Gallager, Data Networks, 2nd ed., section 6.5.2). The result is unique. A link that a path names twice
carries the flow twice.

A change costs what it touches. Filling runs alike with and without a flow up to the rate at which that flow is held,
so flows below that rate keep theirs; and a flow that no chain of shared links joins to the change keeps its own too.
A flow that must not exceed some rate has a link of its own with that capacity.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TOGETHER = 1e-12
"""Rates, or ends, that differ relatively by less are taken to be equal: rounding alone tells them apart."""


class Flows(NamedTuple):
    """Flows over links, and their rates now. An entry is one link on the path of one flow."""

    capacity_b_per_s: Floats
    """Shape (links,), > 0."""
    first: Ints
    """Shape (flows + 1,): flow f has the entries first[f] to first[f + 1]."""
    link: Ints
    """Link of each entry."""
    flow: Ints
    """Flow of each entry."""
    begin: Ints
    """Shape (links + 1,): where the entries of each link begin in `members`."""
    members: Ints
    """Entries by link, those of running flows before the others."""
    place: Ints
    """Where each entry stands in `members`."""
    running: Ints
    """Shape (links,): entries of running flows."""
    rate_b_per_s: Floats
    """Shape (flows,): 0 for a flow that does not run."""
    link_stamp: Ints
    """Shape (links,): number of the last change that looked at a link."""
    flow_stamp: Ints
    """Shape (flows,): number of the last change that looked at a flow."""
    changes: Ints
    """Shape (1,): how many changes there were."""


def flows(capacity_b_per_s: Floats, first: Ints, link: Ints) -> Flows:
    """Flows of which none runs yet.

    capacity_b_per_s: shape (links,). The path of flow f is link[first[f]:first[f + 1]]; one without links is
    ValueError, since nothing bounds its rate, as is a capacity that is not finite and > 0.
    """
    capacity = np.ascontiguousarray(capacity_b_per_s, dtype=np.float64)
    starts, links = np.asarray(first, dtype=np.int64), np.asarray(link, dtype=np.int64)
    if not (np.isfinite(capacity) & (capacity > 0.0)).all():
        raise ValueError("capacities must be finite and > 0")
    hops = np.diff(starts)
    if not (hops > 0).all() or starts[0] != 0 or starts[-1] != len(links):
        raise ValueError("every flow must have a path of at least one link")
    begin = np.concatenate(([0], np.cumsum(np.bincount(links, minlength=len(capacity)))))
    members = np.argsort(links, kind="stable")
    place = np.empty_like(members)
    place[members] = np.arange(len(members))
    numbers, zeros = np.repeat(np.arange(len(hops)), hops), np.zeros(len(capacity), dtype=np.int64)
    rates, stamps = np.zeros(len(hops)), np.zeros(len(hops), dtype=np.int64)
    return Flows(
        capacity, starts, links, numbers, begin, members, place, zeros, rates, zeros.copy(), stamps, zeros[:1].copy()
    )


@njit(cache=True, error_model="numpy")
def change(f: Flows, leaving: Ints, coming: Ints) -> Ints:
    """Stop and start flows; the flows whose rates were found anew, in order of discovery.

    leaving: running flows; coming: flows that do not run. Changes `f` in place.
    """
    f.changes[0] += 1
    floor = np.inf
    for flow in leaving:
        floor = min(floor, f.rate_b_per_s[flow])
        f.rate_b_per_s[flow] = 0.0
        for entry in range(f.first[flow], f.first[flow + 1]):
            f.running[f.link[entry]] -= 1
            _move(f, entry)
    for flow in coming:
        f.rate_b_per_s[flow] = np.inf
        for entry in range(f.first[flow], f.first[flow + 1]):
            _move(f, entry)
            f.running[f.link[entry]] += 1
    for flow in coming:
        for entry in range(f.first[flow], f.first[flow + 1]):
            floor = min(floor, _full_at(f, f.link[entry]))
    found, links = _touched(f, leaving, coming, floor * (1.0 - TOGETHER))
    _fill(f, found, links)
    return found


@njit(cache=True, error_model="numpy")
def _move(f: Flows, entry: int) -> None:
    """Swap an entry with the one at the border between running flows and others."""
    link = f.link[entry]
    border, here = f.begin[link] + f.running[link], f.place[entry]
    other = f.members[border]
    f.members[border], f.members[here] = entry, other
    f.place[entry], f.place[other] = border, here


@njit(cache=True, error_model="numpy")
def _full_at(f: Flows, link: int) -> float:
    """Rate at which flows that grow together, and stop at the rates that they have, fill a link, B/s."""
    level = 0.0
    while True:
        left, growing = f.capacity_b_per_s[link], 0
        for place in range(f.begin[link], f.begin[link] + f.running[link]):
            rate = f.rate_b_per_s[f.flow[f.members[place]]]
            if rate > level:
                growing += 1
            else:
                left -= rate
        if growing == 0 or left / growing <= level:
            return level
        level = left / growing


@njit(cache=True, error_model="numpy")
def _touched(f: Flows, leaving: Ints, coming: Ints, floor: float) -> tuple[Ints, Ints]:
    """Running flows not below the floor that shared links join to a change, and all those links."""
    stamp = f.changes[0]
    found, links = np.empty(len(f.rate_b_per_s), np.int64), np.empty(len(f.running), np.int64)
    flows_found, links_found = 0, 0
    for source in (leaving, coming):
        for flow in source:
            for entry in range(f.first[flow], f.first[flow + 1]):
                if f.link_stamp[f.link[entry]] != stamp:
                    f.link_stamp[f.link[entry]] = stamp
                    links[links_found] = f.link[entry]
                    links_found += 1
    looked_at = 0
    while looked_at < links_found:
        link = links[looked_at]
        looked_at += 1
        for place in range(f.begin[link], f.begin[link] + f.running[link]):
            flow = f.flow[f.members[place]]
            if f.flow_stamp[flow] == stamp or f.rate_b_per_s[flow] < floor:
                continue
            f.flow_stamp[flow] = stamp
            found[flows_found] = flow
            flows_found += 1
            for entry in range(f.first[flow], f.first[flow + 1]):
                if f.link_stamp[f.link[entry]] != stamp:
                    f.link_stamp[f.link[entry]] = stamp
                    links[links_found] = f.link[entry]
                    links_found += 1
    return found[:flows_found].copy(), links[:links_found].copy()


@njit(cache=True, error_model="numpy")
def _fill(f: Flows, found: Ints, links: Ints) -> None:
    """Progressive filling of what other flows leave of the links.

    What a link offers to each of its growing flows never falls while others are held, so a place in the heap that
    went stale is too low, and is mended when it comes up.
    """
    stamp = f.changes[0]
    left, growing = np.empty(len(f.running)), np.empty(len(f.running), np.int64)
    heap = [(0.0, 0) for _ in range(0)]
    for link in links:
        left[link], growing[link] = f.capacity_b_per_s[link], 0
        for place in range(f.begin[link], f.begin[link] + f.running[link]):
            flow = f.flow[f.members[place]]
            if f.flow_stamp[flow] == stamp:
                growing[link] += 1
            else:
                left[link] -= f.rate_b_per_s[flow]
        if growing[link] > 0:
            heap.append((left[link] / growing[link], link))
    heapq.heapify(heap)
    for flow in found:
        f.rate_b_per_s[flow] = -1.0  # grows
    while len(heap) > 0:
        share, link = heapq.heappop(heap)
        if growing[link] == 0:
            continue
        now = left[link] / growing[link]
        if now > share:
            heapq.heappush(heap, (now, link))
            continue
        for place in range(f.begin[link], f.begin[link] + f.running[link]):
            flow = f.flow[f.members[place]]
            if f.rate_b_per_s[flow] >= 0.0:
                continue
            f.rate_b_per_s[flow] = now
            for entry in range(f.first[flow], f.first[flow + 1]):
                left[f.link[entry]] -= now
                growing[f.link[entry]] -= 1


@njit(cache=True, error_model="numpy")
def finish_times_s(f: Flows, size_b: Floats, start_s: Floats) -> Floats:
    """When each flow has sent its bytes, s, shape (flows,).

    f: flows of which none runs; size_b >= 0 and start_s: shape (flows,). Rates hold between starts and ends; flows
    that start, or end, at one instant do so in one change.
    """
    count = len(size_b)
    left_b, since_s, end_s = size_b.copy(), start_s.copy(), np.full(count, np.inf)
    order = np.argsort(start_s, kind="mergesort")
    running, came = np.empty(count, np.int64), 0
    busy = 0
    none = np.empty(0, np.int64)
    while came < count or busy > 0:
        next_end_s = np.inf
        for number in range(busy):
            next_end_s = min(next_end_s, end_s[running[number]])
        next_start_s = start_s[order[came]] if came < count else np.inf
        now_s = min(next_end_s, next_start_s)
        leaving, coming = none, none
        if next_end_s <= now_s:
            leaving, busy = _ended(running, busy, end_s, now_s + TOGETHER * abs(now_s))
        if next_start_s <= now_s:
            last = came
            while last < count and start_s[order[last]] <= now_s:
                last += 1
            coming = order[came:last].copy()
            came = last
            running[busy : busy + len(coming)] = coming
            busy += len(coming)
        before = f.rate_b_per_s.copy()
        for flow in change(f, leaving, coming):
            left_b[flow] = max(left_b[flow] - before[flow] * (now_s - since_s[flow]), 0.0)
            since_s[flow] = now_s
            end_s[flow] = now_s + left_b[flow] / f.rate_b_per_s[flow]
    return end_s


@njit(cache=True, error_model="numpy")
def _ended(running: Ints, busy: int, end_s: Floats, now_s: float) -> tuple[Ints, int]:
    """Takes the flows that end by now out of the first `busy` of `running`; them, and how many are left."""
    ended, kept, gone = np.empty(busy, np.int64), 0, 0
    for number in range(busy):
        flow = running[number]
        if end_s[flow] <= now_s:
            ended[gone] = flow
            gone += 1
        else:
            running[kept] = flow
            kept += 1
    return ended[:gone].copy(), kept
