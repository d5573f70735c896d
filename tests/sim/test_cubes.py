"""Slices of cubes on optical switches: which are free, and what a fragmented pod can still place."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from dcsim.policies.grids import Cubes, Grid
from dcsim.policies.placement.least_contention import LeastContention
from dcsim.policies.placement.locality import Locality
from dcsim.policies.placement.topology_aware import TopologyAware
from dcsim.scenario.spec import Accelerator, Pool
from dcsim.sim.hosts import blocks, grid
from dcsim.topologies import optical_torus, torus
from dcsim.topologies._routes import compiled
from dcsim.topologies.optical_torus import OpticalTorus
from tests.sim.test_places import places
from tests.simulate import simulate, table

TPU = Accelerator(name="tpu", accelerators_per_server=4, scale_up_domain="256")


def pod(placement, params: OpticalTorus | torus.Torus, chips: int):
    """The placement on a pod of nodes of four chips, and its pool."""
    of = (Pool(name="a", accelerator=TPU, nodes=chips // 4, accelerators_per_node=4),)
    module = optical_torus if isinstance(params, OpticalTorus) else torus
    links = compiled(module.build(params))  # type: ignore[arg-type]
    placement.blocks, placement.grid = blocks(links, of), grid(params, links, of)
    return placement, of


def brute_boxes(pod_: Cubes, empty: np.ndarray, count: int) -> set[frozenset[int]]:
    """All free boxes within a cube of the least volume >= count whose sides are 1, 2 or 4, node by node."""
    shapes = [
        s for s in itertools.product((1, 2, 4), repeat=3) if all(n <= m for n, m in zip(s, pod_.sides, strict=True))
    ]
    least = min(math.prod(s) for s in shapes if math.prod(s) >= count)
    found = set()
    for cube, shape in itertools.product(range(pod_.cubes), [s for s in shapes if math.prod(s) == least]):
        for corner in itertools.product(*(range(m - n + 1) for n, m in zip(shape, pod_.sides, strict=True))):
            cells = itertools.product(*(range(a, a + n) for a, n in zip(corner, shape, strict=True)))
            box = [int(np.ravel_multi_index((cube, *cell), (pod_.cubes, *pod_.sides))) for cell in cells]
            if empty[box].all():
                found.add(frozenset(box))
    return found


@pytest.mark.parametrize("sides", [(4, 4, 1), (4, 4, 2), (4, 4, 4)])
def test_slices_within_a_cube_are_those_found_cell_by_cell(sides):
    whole, random = Cubes(3, sides, (0,)), np.random.default_rng(5)
    for count in (1, 2, 3, 5, 8, 11, 16):
        for share in (1.0, 0.9, 0.6):
            empty = random.random(3 * math.prod(sides)) < share
            boxes = [frozenset(box.tolist()) for box in whole.boxes(0, empty, count)]
            assert len(boxes) == len(set(boxes))
            assert set(boxes) == brute_boxes(whole, empty, count)


def test_slices_of_several_cubes_are_any_free_ones_and_of_one_the_fullest_cube_first():
    whole, empty = Cubes(6, (4, 4, 1), (0,)), np.ones(96, bool)
    empty[[0, 20, 21, 33, 70]] = False  # of cubes 0, 1, 2 and 4
    (slice_,) = whole.boxes(0, empty, 17)  # two cubes
    assert slice_.tolist() == [*range(48, 64), *range(80, 96)]
    assert not list(whole.boxes(0, empty, 33))
    assert whole.holds(0, 96, 96)
    assert not whole.holds(0, 96, 97)
    first = next(whole.boxes(0, empty, 4))  # 2 x 2 in cube 1, which has most nodes taken
    assert set((first // 16).tolist()) == {1}


def test_cubes_that_two_pools_share_are_no_whole_cubes_of_either():
    whole = Cubes(3, (4, 4, 1), (0, 24))  # one and a half each
    assert [box.tolist() for box in whole.boxes(1, np.ones(24, bool), 16)] == [list(range(8, 24))]
    assert not whole.holds(0, 24, 17)
    assert [len(list(whole.boxes(pool, np.ones(24, bool), 8))) for pool in (0, 1)] == [6 + 1, 6 + 1]


def test_nodes_that_are_rows_of_a_cube_make_a_grid_of_cubes_and_others_none():
    links = compiled(optical_torus.build(OpticalTorus(2, 1.0, 0.0)))
    for width, found in ((4, Cubes(2, (4, 4, 1), (0,))), (2, Cubes(2, (4, 4, 2), (0,))), (8, None)):
        of = Pool(name="a", accelerator=TPU, nodes=128 // width, accelerators_per_node=width)
        assert grid(OpticalTorus(2, 1.0, 0.0), links, (of,)) == found


# Four cubes in a square. Two that are free touch at an edge alone, so that they are no box.
ONES = table([0, 0, 0, 0, 1], [50, 10, 10, 80, 5], [64, 64, 64, 64, 128])


@pytest.mark.parametrize("placement", [TopologyAware(), Locality("forever"), LeastContention()])
@pytest.mark.parametrize("scheduler", ["fifo", "easy", "conservative", "fifo_skip"])
def test_a_fragmented_pod_has_a_slice_by_optical_switches_that_a_static_torus_has_not(placement, scheduler):
    # Cubes 1 and 2 are free from 10 s. On the square 0 touches 1 and 2, and 3 does: wired once and for all, the slice
    # waits until cube 0 is done at 50 s.
    for params, start_s, taken in (
        (OpticalTorus(4, 1.0, 0.0), 10, [*range(16, 48)]),
        (torus.Torus((8, 8, 4), 1.0, 0.0), 50, None),
    ):
        on, of = pod(placement, params, 256)
        run = simulate(ONES, 0, 0, scheduler, on, pools=of)
        assert run.start_s[:4] == [0, 0, 0, 0]
        assert run.start_s[4] == start_s
        if taken is not None:
            assert places(run)[4] == (4, taken)


def test_slices_never_overlap_and_are_cubes_or_boxes_of_one():
    random = np.random.default_rng(2)
    needs = random.choice([4, 16, 32, 60, 64, 128, 192], 120)
    jobs = table(np.cumsum(random.exponential(1.0, 120)), random.exponential(8, 120), needs)
    on, of = pod(TopologyAware(), OpticalTorus(6, 1.0, 0.0), 384)
    run = simulate(jobs, 0, 0, "fifo_skip", on, pools=of)
    for job, nodes in places(run):
        cubes = {node // 16 for node in nodes}
        assert len(cubes) == max(-(-int(needs[job]) // 64), 1)
    assert not np.isnan(run.end_s).any()


def test_an_optical_pod_is_never_busier_than_it_can_be_and_no_gang_waits_for_cubes_that_are_free():
    # Whole cubes alone, first come, first served: starts are those of a pool that knows numbers only.
    random = np.random.default_rng(7)
    needs = 64 * random.integers(1, 5, 200)
    jobs = table(np.cumsum(random.exponential(3.0, 200)), random.exponential(8, 200), needs)
    on, of = pod(TopologyAware(), OpticalTorus(6, 1.0, 0.0), 384)
    slices = simulate(jobs, 0, 0, "fifo", on, pools=of)
    assert slices.start_s == simulate(jobs, 0, 0, "fifo", "pool", pools=of).start_s
    on, of = pod(TopologyAware(), torus.Torus((12, 8, 4), 1.0, 0.0), 384)
    boxes = simulate(jobs, 0, 0, "fifo", on, pools=of)
    assert sum(boxes.start_s) > sum(slices.start_s)
    assert isinstance(on.grid, Grid)
