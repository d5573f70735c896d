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
NONE = -1
GROWS = -1.0
"""Rate of a flow while filling has not held it."""


class Flows(NamedTuple):
    """Flows over links, and their rates now. An entry, flow x longest + hop, is one link on the path of one flow.

    The entries of running flows on one link form a list, so that flows come and go without anything being sorted.
    """

    capacity_b_per_s: Floats
    """Shape (links,), > 0."""
    path: Ints
    """Shape (flows, longest): the links of each flow's path, then -1."""
    head: Ints
    """Shape (links,): first entry of each link's list, -1 if it is empty."""
    after: Ints
    """Shape (flows x longest,): the entry behind each in its list, -1 for the last."""
    before: Ints
    """The entry ahead of each in its list, -1 for the first."""
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
    hops = np.diff(first)
    if not (hops > 0).all() or first[0] != 0 or first[-1] != len(link):
        raise ValueError("every flow must have a path of at least one link")
    made = idle_flows(capacity_b_per_s, len(hops), int(hops.max(initial=1)))
    made.path[np.arange(made.path.shape[1]) < hops[:, None]] = link
    return made


def idle_flows(capacity_b_per_s: Floats, count: int, longest: int) -> Flows:
    """Room for so many flows with paths of at most `longest` links.

    Whoever starts flow f first writes its path to `path[f]`, links and then -1, while it does not run. ValueError for a
    capacity that is not finite and > 0.
    """
    capacity = np.array(capacity_b_per_s, dtype=np.float64)
    if not (np.isfinite(capacity) & (capacity > 0.0)).all():
        raise ValueError("capacities must be finite and > 0")
    links, entries = len(capacity), count * longest
    return Flows(
        capacity_b_per_s=capacity,
        path=np.full((count, longest), NONE),
        head=np.full(links, NONE),
        after=np.full(entries, NONE),
        before=np.full(entries, NONE),
        rate_b_per_s=np.zeros(count),
        link_stamp=np.zeros(links, dtype=np.int64),
        flow_stamp=np.zeros(count, dtype=np.int64),
        changes=np.zeros(1, dtype=np.int64),
    )


def with_room(f: Flows, count: int, longest: int) -> Flows:
    """The same flows, running as before, with room for so many, each with a link of its own behind all others (as `lay`
    has it), and for paths of so many links; room never shrinks."""
    flows, hops = f.path.shape
    more = max(count - flows, 0)
    made = idle_flows(np.concatenate((f.capacity_b_per_s, np.ones(more))), flows + more, max(longest, hops))
    made.path[:flows, :hops] = f.path
    change(made, np.empty(0, np.int64), np.flatnonzero(f.rate_b_per_s))
    return made


def running_over(f: Flows, links: Ints) -> Ints:
    """Running flows whose paths have one of these links, in their order."""
    running = np.flatnonzero(f.rate_b_per_s)
    return running[np.isin(f.path[running], links).any(axis=1)]


@njit(cache=True, error_model="numpy")
def change(f: Flows, leaving: Ints, coming: Ints) -> Ints:
    """Stop and start flows; the flows whose rates were found anew, in order of discovery.

    leaving: running flows; coming: flows that do not run. Changes `f` in place.
    """
    floor = np.inf
    for flow in leaving:
        floor = min(floor, f.rate_b_per_s[flow])
        f.rate_b_per_s[flow] = 0.0
        _unlink(f, flow)
    for flow in coming:
        f.rate_b_per_s[flow] = np.inf
        _link(f, flow)
    for flow in coming:
        for link in f.path[flow]:
            if link != NONE:
                floor = min(floor, _full_at(f, link))
    seeds = np.concatenate((f.path[leaving].ravel(), f.path[coming].ravel()))
    return _anew(f, seeds, floor)


@njit(cache=True, error_model="numpy")
def lay(path: Ints, capacity_b_per_s: Floats, flows: Ints, first: Ints, link: Ints, own_b_per_s: Floats) -> None:
    """Write the paths of flows that do not run: flow flows[k] takes link[first[k]:first[k + 1]], and then a link of its
    own that holds it at own_b_per_s[k]. The flows' own links are the last ones, in their order.

    path, capacity_b_per_s: of `Flows`. Like the two below it is called for every gang, with no more arrays of `Flows`
    than it needs: handing over all of them takes longer than its work.
    """
    own = len(capacity_b_per_s) - len(path)
    for place, flow in enumerate(flows):
        begin, end = first[place], first[place + 1]
        path[flow, : end - begin] = link[begin:end]
        path[flow, end - begin] = own + flow
        path[flow, end - begin + 1 :] = NONE
        capacity_b_per_s[own + flow] = own_b_per_s[place]


@njit(cache=True, error_model="numpy")
def slowest(
    rate_b_per_s: Floats, capacity_b_per_s: Floats, found: Ints, group: Ints, following: Ints, told: Floats
) -> tuple[Ints, Floats]:
    """The groups of some flows, ascending, for which the least share that any of their flows has of what its own link
    carries is not the one that was told last, and that share.

    rate_b_per_s, capacity_b_per_s: of `Flows` whose own links are the last ones. group, following, told: shape
    (flows,): the number of a flow's group, the next flow of it, round and round, and what was told last, which is
    written.
    """
    own = len(capacity_b_per_s) - len(rate_b_per_s)
    order = found[np.argsort(group[found], kind="mergesort")]
    groups, shares, count, before = np.empty(len(order), np.int64), np.empty(len(order)), 0, NONE
    for flow in order:
        if group[flow] == before:
            continue
        before, least, other = group[flow], np.inf, flow
        while True:
            least = min(least, rate_b_per_s[other] / capacity_b_per_s[own + other])
            other = following[other]
            if other == flow:
                break
        if least == told[flow]:
            continue
        groups[count], shares[count] = before, least
        count += 1
        while True:
            told[other] = least
            other = following[other]
            if other == flow:
                break
    return groups[:count], shares[:count]


@njit(cache=True, error_model="numpy")
def shares_alone(
    capacity_b_per_s: Floats, load: Floats, first: Ints, link: Ints, kind: Ints, asked_b_per_s: Floats
) -> Floats:
    """Share of what it asks for that each kind of some flows gets if they alone are sent, shape (kinds,).

    All of a kind are slowed down alike, to what the link leaves that lacks most. Flow k, of kind[k], takes
    link[first[k]:first[k + 1]] and asks for asked_b_per_s[k]. load: shape (links,), room for sums, 0 before and after.
    """
    shares = np.ones(kind.max() + 1)
    for own in range(len(shares)):
        for place, flow_kind in enumerate(kind):
            if flow_kind == own:
                for crossed in link[first[place] : first[place + 1]]:
                    load[crossed] += asked_b_per_s[place]
        for crossed in link:
            if load[crossed] > 0.0:
                shares[own] = min(shares[own], capacity_b_per_s[crossed] / load[crossed])
                load[crossed] = 0.0
    return shares


@njit(cache=True, error_model="numpy")
def resize(f: Flows, link: int, capacity_b_per_s: float) -> Ints:
    """Give a link another capacity, finite and > 0; the flows whose rates were found anew.

    Filling runs alike up to the rate at which the link is full first, before the change or after it.
    """
    larger = capacity_b_per_s > f.capacity_b_per_s[link]
    floor = _full_at(f, link) if larger else np.inf
    f.capacity_b_per_s[link] = capacity_b_per_s
    if not larger:
        floor = _full_at(f, link)
    return _anew(f, np.full(1, link), floor)


@njit(cache=True, error_model="numpy")
def _anew(f: Flows, seeds: Ints, floor: float) -> Ints:
    """Finds the rates of flows not below the floor that shared links join to the seeds; those flows."""
    f.changes[0] += 1
    found, links = _touched(f, seeds, floor * (1.0 - TOGETHER))
    _fill(f, found, links)
    return found


@njit(cache=True, error_model="numpy")
def _link(f: Flows, flow: int) -> None:
    """Put the entries of a flow at the heads of its links' lists."""
    longest = f.path.shape[1]
    for hop in range(longest):
        link, entry = f.path[flow, hop], flow * longest + hop
        if link == NONE:
            return
        old = f.head[link]
        f.after[entry], f.before[entry], f.head[link] = old, NONE, entry
        if old != NONE:
            f.before[old] = entry


@njit(cache=True, error_model="numpy")
def _unlink(f: Flows, flow: int) -> None:
    """Take the entries of a flow out of the lists."""
    longest = f.path.shape[1]
    for hop in range(longest):
        link, entry = f.path[flow, hop], flow * longest + hop
        if link == NONE:
            return
        ahead, behind = f.before[entry], f.after[entry]
        if ahead == NONE:
            f.head[link] = behind
        else:
            f.after[ahead] = behind
        if behind != NONE:
            f.before[behind] = ahead


@njit(cache=True, error_model="numpy")
def _full_at(f: Flows, link: int) -> float:
    """Rate at which flows that grow together, and stop at the rates that they have, fill a link, B/s."""
    level = 0.0
    while True:
        left, growing = f.capacity_b_per_s[link], 0
        entry = f.head[link]
        while entry != NONE:
            rate = f.rate_b_per_s[entry // f.path.shape[1]]
            if rate > level:
                growing += 1
            else:
                left -= rate
            entry = f.after[entry]
        if growing == 0 or left / growing <= level:
            return level
        level = left / growing


@njit(cache=True, error_model="numpy")
def _touched(f: Flows, seeds: Ints, floor: float) -> tuple[Ints, Ints]:
    """Running flows not below the floor that shared links join to the seeds, and all those links."""
    stamp = f.changes[0]
    found, links = np.empty(len(f.rate_b_per_s), np.int64), np.empty(len(f.head), np.int64)
    flows_found, links_found = 0, _add(f, seeds, links, 0)
    looked_at = 0
    while looked_at < links_found:
        entry = f.head[links[looked_at]]
        looked_at += 1
        while entry != NONE:
            flow = entry // f.path.shape[1]
            entry = f.after[entry]
            if f.flow_stamp[flow] != stamp and f.rate_b_per_s[flow] >= floor:
                f.flow_stamp[flow] = stamp
                found[flows_found] = flow
                flows_found += 1
                links_found = _add(f, f.path[flow], links, links_found)
    return found[:flows_found].copy(), links[:links_found].copy()


@njit(cache=True, error_model="numpy")
def _add(f: Flows, path: Ints, links: Ints, count: int) -> int:
    """Append links that this change has not looked at yet to the first `count` of `links`; how many they are then."""
    for link in path:
        if link != NONE and f.link_stamp[link] != f.changes[0]:
            f.link_stamp[link] = f.changes[0]
            links[count] = link
            count += 1
    return count


@njit(cache=True, error_model="numpy")
def _fill(f: Flows, found: Ints, links: Ints) -> None:
    """Progressive filling of what other flows leave of the links.

    What a link offers to each of its growing flows never falls while others are held, so a place in the heap that
    went stale is too low, and is mended when it comes up.
    """
    left, growing = np.empty(len(f.head)), np.empty(len(f.head), np.int64)
    heap = [(0.0, 0) for _ in range(0)]
    for flow in found:
        f.rate_b_per_s[flow] = GROWS
    for link in links:
        left[link], growing[link] = f.capacity_b_per_s[link], 0
        entry = f.head[link]
        while entry != NONE:
            rate = f.rate_b_per_s[entry // f.path.shape[1]]
            if rate == GROWS:
                growing[link] += 1
            else:
                left[link] -= rate
            entry = f.after[entry]
        if growing[link] > 0:
            heap.append((left[link] / growing[link], link))
    heapq.heapify(heap)
    while len(heap) > 0:
        share, link = heapq.heappop(heap)
        if growing[link] == 0:
            continue
        now = left[link] / growing[link]
        if now > share:
            heapq.heappush(heap, (now, link))
        else:
            _hold(f, link, now, left, growing)


@njit(cache=True, error_model="numpy")
def _hold(f: Flows, link: int, rate_b_per_s: float, left: Floats, growing: Ints) -> None:
    """Holds the growing flows of a full link at that rate."""
    entry = f.head[link]
    while entry != NONE:
        flow = entry // f.path.shape[1]
        entry = f.after[entry]
        if f.rate_b_per_s[flow] == GROWS:
            f.rate_b_per_s[flow] = rate_b_per_s
            for other in f.path[flow]:
                if other != NONE:
                    left[other] -= rate_b_per_s
                    growing[other] -= 1


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
