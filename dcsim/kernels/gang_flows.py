"""Flows of gangs: several that make one kind of traffic, which is as fast as the slowest of them.

Each flow has a link of its own behind all links of the graph, in the order of the flows, which holds it at what it asks
for. What is here is called for every gang, so it is handed no more arrays of `fairshare.Flows` than it needs: handing
over all of them takes longer than the work.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dcsim.kernels.fairshare import NONE, Floats, Flows, Ints, change


@njit(cache=True, error_model="numpy")
def lay(path: Ints, capacity_b_per_s: Floats, flows: Ints, first: Ints, link: Ints, own_b_per_s: Floats) -> None:
    """Write the paths of flows that do not run: flow flows[k] takes link[first[k]:first[k + 1]], and then a link of its
    own that holds it at own_b_per_s[k]. path, capacity_b_per_s: of `Flows`.
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

    rate_b_per_s, capacity_b_per_s: of `Flows`. group, following, told: shape
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
def settle(f: Flows, leaving: Ints, coming: Ints, group: Ints, following: Ints, told: Floats) -> tuple[Ints, Floats]:
    """`fairshare.change`, and `slowest` of the flows whose rates that found anew."""
    found = change(f, leaving, coming)
    return slowest(f.rate_b_per_s, f.capacity_b_per_s, found, group, following, told)


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
