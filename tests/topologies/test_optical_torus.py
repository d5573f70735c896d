"""Cubes on optical switches: the counts of TPU v4, ways that keep to their cubes, slices that are tori of their own."""

from __future__ import annotations

import itertools
import math

import networkx as nx
import numpy as np
import pytest

from dcsim.errors import ScenarioError
from dcsim.topologies import optical_torus, torus
from dcsim.topologies._hosts import outside
from dcsim.topologies._routes import compiled
from dcsim.topologies.optical_torus import EDGES, OpticalTorus
from tests.topologies.test_closed_forms import of_kind

GB = 1e9


def test_a_pod_of_tpu_v4_has_4096_chips_on_48_switches_of_128_ports() -> None:
    # Jouppi et al., ISCA 2023, section 2: 64 cubes of 64, six faces of 16 links, 48 switches.
    graph = optical_torus.build(OpticalTorus(64, 45 * GB, 1e-6))
    assert len(of_kind(graph, "accelerator")) == 4096
    switches = of_kind(graph, "switch")
    assert len(switches) == 48
    assert {graph.degree(switch) for switch in switches} == {128}
    assert len(of_kind(graph, "port")) == 64 * 96
    assert graph.number_of_edges() == 64 * EDGES


def test_a_cube_alone_is_a_wrapped_torus() -> None:
    graph = optical_torus.build(OpticalTorus(2, 45 * GB, 1e-6))
    cube = graph.subgraph([node for node in of_kind(graph, "accelerator") if node[1] == 1])
    alone = torus.build(torus.Torus((4, 4, 4), 45 * GB, 1e-6))
    assert nx.utils.edges_equal(
        [(a[2:], b[2:]) for a, b in cube.edges()], [(a[1:], b[1:]) for a, b in alone.edges()], directed=False
    )


def test_ways_cross_one_switch_between_two_cubes_and_none_within_one() -> None:
    links = compiled(optical_torus.build(OpticalTorus(3, GB, 0.0)))
    source, target = (column.ravel() for column in np.meshgrid(links.endpoints, links.endpoints))
    first, link = links.routes(source, target, np.arange(len(source)))
    ends = links.neighbour[link]
    cube = np.array([node[1] if node[0] != "ocs" else -1 for node in links.nodes])
    flow = np.repeat(np.arange(len(source)), np.diff(first))
    crossed = np.bincount(flow, np.isin(ends, links.switches), len(source))
    assert (crossed == (cube[source] != cube[target])).all()
    stays = (cube[ends] < 0) | (cube[ends] == cube[source[flow]]) | (cube[ends] == cube[target[flow]])
    assert stays.all()


def neighbours(cubes: list[int], shape: tuple[int, int, int]) -> list[tuple[object, object]]:
    """Every accelerator of a slice of these cubes with each neighbour of its torus, both ways."""
    where = dict(zip(itertools.product(*map(range, shape)), cubes, strict=True))
    sides = [4 * side for side in shape]

    def node(place: tuple[int, ...]) -> object:
        return ("accelerator", where[tuple(at // 4 for at in place)], *(at % 4 for at in place))  # type: ignore[index]

    found = []
    for place in itertools.product(*map(range, sides)):
        for axis, step in itertools.product(range(3), (1, -1)):
            there = (*place[:axis], (place[axis] + step) % sides[axis], *place[axis + 1 :])
            found.append((node(place), node(there)))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_all_rings_of_all_slices_have_every_link_to_themselves(seed: int) -> None:
    # Slices of cubes drawn at random: each accelerator sends to all six neighbours at once, as on a torus of its own.
    links = compiled(optical_torus.build(OpticalTorus(16, GB, 0.0)))
    free = np.random.default_rng(seed).permutation(16).tolist()
    pairs: list[tuple[object, object]] = []
    for shape in ((2, 2, 1), (1, 1, 3), (1, 4, 1), (1, 1, 1), (2, 1, 1)):
        count = math.prod(shape)
        pairs += neighbours(free[:count], shape)
        free = free[count:]
    ends = np.array([(links.number[a], links.number[b]) for a, b in pairs])  # type: ignore[index]
    _, link = links.routes(ends[:, 0], ends[:, 1])
    assert np.bincount(link).max() == 1


def test_a_picture_has_the_cubes_as_points_under_the_switches() -> None:
    outer, place = outside(compiled(optical_torus.build(OpticalTorus(3, GB, 0.0))))
    assert [outer.nodes[n] for n in outer.endpoints.tolist()] == [("cube", 0), ("cube", 1), ("cube", 2)]
    assert len(outer.switches) == 48
    assert len(outer.neighbour) == 2 * 3 * 48
    assert set(outer.capacity_b_per_s.tolist()) == {2 * GB}  # both faces
    assert len(place) == 3 * (64 + 96) + 48


def test_too_many_cubes_are_refused_before_they_are_made() -> None:
    with pytest.raises(ScenarioError, match="more than 2,000,000 edges"):
        optical_torus.build(OpticalTorus(10**9, GB, 0.0))
    with pytest.raises(ScenarioError, match="cubes: must be a whole number"):
        optical_torus.build(OpticalTorus(0, GB, 0.0))
