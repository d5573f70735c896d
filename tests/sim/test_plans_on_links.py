"""Plans on shared links: each kind of their traffic has a share of its own, and ranks follow the network."""

from __future__ import annotations

import math
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest

from dcsim.performance.plan_traffic import Legs
from dcsim.performance.shares import DP, PP, WHOLE
from dcsim.sim.hosts import ring_order
from dcsim.sim.links import SharedLinks
from dcsim.topologies import fat_tree, torus
from dcsim.topologies._routes import compiled
from dcsim.topologies.leaf_spine import LeafSpine, build
from tests.sim.test_failing_links import failing
from tests.sim.test_links import FOUR, everyone, graph, links, pool, shares
from tests.sim.test_rates import at


def stages(job: int, pool: int, counts: tuple[int, ...]) -> tuple[Legs, float]:
    """Two pipeline stages of half of the nodes each: rings of 300 B a hop within, 100 B each way between."""
    half = len(counts) // 2
    here = np.arange(len(counts))
    around = np.concatenate([np.roll(here[:half], -1), np.roll(here[half:], -1)])
    across = (here + half) % len(counts)
    kind = np.repeat([DP, PP], len(counts))
    sent_b = np.repeat([300.0, 100.0], len(counts))
    there = np.concatenate([around, across])
    away = np.tile(here, 2) != there
    return Legs(kind[away], np.tile(here, 2)[away], there[away], sent_b[away], counts), math.inf


def test_a_plan_alone_is_slowed_down_kind_by_kind():
    # Stages on leaves 0 and 1: rings stay there; four flows of 100 between stages want two uplinks of 100 each way.
    here = links(uplink=100.0, sends=stages)
    here.join(0, at(0, 0, 1, 2, 3, each=2))
    assert here.shares(0) == WHOLE._replace(pp=0.5)
    assert here.share(0) == 0.5


def test_neighbours_slow_down_what_meets_them_and_nothing_else():
    # Job 0's stages are on leaves 0 and 1, nodes 0, 1 and 3, 4. Alone, sends between them take 100 B at half of 100 B/s
    # and rings 300 B at 100 B/s: 2 + 3 s, over which 20 B/s of each node go up. Job 1 wants all of an uplink.
    of = (pool(6),)
    here = SharedLinks(compiled(build(LeafSpine(2, 1, 3, 100.0, 100.0, 1e-6))), of, stages)
    here.join(0, at(0, 0, 1, 3, 4, each=2))
    assert here.shares(0) == WHOLE._replace(pp=0.5)
    assert here.join(1, at(0, 2, 5, each=2)) == []  # two stages of a node each: pp alone
    assert here.shares(1) == WHOLE._replace(pp=0.6)  # 100 - 2 x 20, and job 0 keeps what it asks for
    assert here.shares(0) == WHOLE._replace(pp=0.5)
    one = SharedLinks(compiled(build(LeafSpine(2, 1, 3, 100.0, 50.0, 1e-6))), of, stages)
    one.join(0, at(0, 0, 1, 3, 4, each=2))  # 4 s for sends at a quarter: 100/7 B/s each
    assert one.shares(0) == pytest.approx(WHOLE._replace(pp=0.25))
    assert one.join(1, at(0, 2, 5, each=2)) == []
    assert one.shares(1) == pytest.approx(WHOLE._replace(pp=0.5 * (50 - 2 * 100 / 7) / 50))


def test_of_kinds_that_a_neighbour_meets_each_has_its_own_share():
    # The ring of the first stage crosses the uplink that job 1 fills, sends between stages do too.
    of = (pool(6),)
    here = SharedLinks(compiled(build(LeafSpine(3, 1, 2, 100.0, 100.0, 1e-6))), of, stages)
    here.join(0, at(0, 0, 2, 1, 3, each=2))  # stages (0, 1) and (2, 3): between leaves 0 and 1 pp alone
    assert here.shares(0) == WHOLE._replace(pp=0.5)
    here.leave(0)
    mixed = SharedLinks(compiled(build(LeafSpine(3, 1, 2, 100.0, 100.0, 1e-6))), of, stages, [[0, 2, 1, 3, 4, 5]])
    mixed.join(0, at(0, 0, 1, 2, 3, each=2))  # ranks by that order: stages (0, 2) and (1, 3), rings cross, pp does not
    assert mixed.shares(0) == WHOLE._replace(dp=0.5)


def test_a_plan_has_its_shares_back_when_links_are_whole_again():
    tree = compiled(build(graph(400.0)))
    here = SharedLinks(tree, FOUR, stages)
    here.join(0, at(0, 0, 1, 2, 3, each=2))
    assert here.shares(0) == WHOLE
    (slow,) = failing(tree, "leaf-0 -- spine-0", at=0.0, duration=1.0, on_failure="slow", bandwidth=0.25)
    assert here.fail(slow) == ([], [0])
    assert here.shares(0) == WHOLE._replace(pp=0.5)
    (dead,) = failing(tree, "spine-0", at=0.0, duration=1.0)
    assert here.fail(dead) == ([0], [])
    (slow2,) = failing(tree, "leaf-1 -- spine-0", at=0.0, duration=1.0, on_failure="slow", bandwidth=0.25)
    here.fail(slow2)
    here.repair(dead)
    here.join(0, at(0, 0, 1, 2, 3, each=2))
    here.repair(slow)
    assert here.repair(slow2) == [0]
    assert here.shares(0) == WHOLE


def test_room_for_flows_grows_and_changes_no_share():
    many = (pool(1200),)
    here = links(1e9, pools=many, leaves=600)
    here.join(0, at(0, 0, 2, each=2))
    here.join(1, at(0, *range(1, 1200, 2), each=2))
    here.join(2, at(0, *range(4, 1200, 2), each=2))
    assert shares(here, 0, 1, 2) == [1.0, 1.0, 1.0]
    assert here.leave(1) == []
    assert shares(here, 0, 2) == [1.0, 1.0]


# The order of ranks.


def test_ranks_follow_switches_whatever_the_numbers_of_nodes():
    # Hosts of a fat tree of 4 ports in any order: next in the order is one on the same edge switch, then of the pod.
    tree = fat_tree.build(fat_tree.FatTree(k=4, bandwidth=1.0, latency=0.0))
    hosts = [node for node, kind in tree.nodes(data="kind") if kind == "host"]
    mixed = [hosts[n] for n in np.random.default_rng(1).permutation(16).tolist()]
    shuffled = nx.Graph(name="shuffled")
    shuffled.add_nodes_from((node, tree.nodes[node]) for node in (*mixed, *(n for n in tree if n not in set(hosts))))
    shuffled.add_edges_from(tree.edges(data=True))
    (place,) = ring_order(compiled(shuffled), (pool(16),))
    in_order = [mixed[node] for node in np.argsort(place).tolist()]
    apart = [nx.shortest_path_length(tree, a, b) for a, b in pairwise(in_order)]
    assert apart == [2, 4, 2, 6, 2, 4, 2, 6, 2, 4, 2, 6, 2, 4, 2]


def test_ranks_go_back_and_forth_through_a_torus():
    grid = compiled(torus.build(torus.Torus((4, 3, 2), 1.0, 0.0, "never")))
    (place,) = ring_order(grid, (pool(24).model_copy(update={"accelerators_per_node": 1}),))
    names = [grid.nodes[node][1:] for node in np.argsort(place).tolist()]
    assert all(sum(abs(x - y) for x, y in zip(a, b, strict=True)) == 1 for a, b in pairwise(names))
    box = [name for name in names if name[0] in (1, 2) and name[1] > 0]  # and through any box of it
    assert all(sum(abs(x - y) for x, y in zip(a, b, strict=True)) == 1 for a, b in pairwise(box))


def test_a_ring_in_order_of_switches_crosses_the_spine_once_each_way():
    # Nodes 0, 2, 4, 6 are on leaf 0 by wiring: in order of numbers each hop of a ring would cross.
    tree = build(graph(100.0, leaves=4))
    hosts = [("host", n) for n in (0, 2, 4, 6, 1, 3, 5, 7)]
    wired = nx.Graph(name="wired")
    wired.add_nodes_from((node, tree.nodes[node]) for node in (*hosts, *(n for n in tree if n[0] != "host")))
    wired.add_edges_from(tree.edges(data=True))
    compact, of = compiled(wired), (pool(8),)
    here = SharedLinks(compact, of, everyone, ring_order(compact, of))
    here.join(0, at(0, *range(8), each=2))
    assert here.share(0) == 1.0
    numbers = SharedLinks(compact, of, everyone)
    numbers.join(0, at(0, *range(8), each=2))
    assert numbers.share(0) == 0.5
