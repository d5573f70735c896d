"""Placements that know the graph: patience by hand and by a reference, slices of a torus, least used links."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim import plugins
from dcsim.eventlog.schema import START
from dcsim.policies.decisions import Preempt, Start
from dcsim.policies.grids import Grid
from dcsim.policies.placement.least_contention import LeastContention
from dcsim.policies.placement.locality import Locality
from dcsim.policies.placement.topology_aware import TopologyAware
from dcsim.sim.hosts import blocks, grid
from dcsim.sim.links import SharedLinks
from dcsim.topologies import torus
from dcsim.topologies._routes import compiled
from dcsim.topologies.leaf_spine import build
from tests.sim.test_links import ByShare, everyone, graph, links, pool
from tests.sim.test_rates import at
from tests.simulate import Simulated, pools, simulate, table

FOREVER = "forever"


def under(placement, leaves: list[int], *above: list[int]):
    """The placement, told which nodes of the one pool are under which leaf, and under which pod."""
    placement.blocks = [[np.array(level) for level in (leaves, *above)]]
    return placement


def places(run: Simulated) -> list[tuple[int, list[int]]]:
    """Job and nodes of each start."""
    bounds = run.log.offsets
    return [(int(run.log.job[row]), run.log.nodes[bounds[row] : bounds[row + 1]].tolist())
            for row in run.log.of_kind(START).tolist()]  # fmt: skip


# Locality: how long a job waits for a near place.

# Four nodes of one, two under each leaf; four jobs fill them. Node 1 is free from 3 s, node 2, under the other leaf,
# from 5 s, node 0 from 7 s. A gang of two comes at 4 s. All request the same, so that no order puts another first.
CROWD = table([0, 0, 0, 0, 4], [7, 3, 5, 100, 10], [1, 1, 1, 1, 2], [10] * 5)


@pytest.mark.parametrize("scheduler", ["fifo", "fifo_skip", "sjf", "easy", "conservative", "priority", "srtf"])
@pytest.mark.parametrize(
    ("patience", "start_s", "nodes"),
    [(0.0, 5, [1, 2]), (1.0, 6, [1, 2]), (1.5, 6.5, [1, 2]), (2.0, 7, [0, 1]), (9.0, 7, [0, 1]), (FOREVER, 7, [0, 1])],
)
def test_a_gang_waits_its_patience_for_one_leaf_and_no_longer(scheduler, patience, start_s, nodes):
    run = simulate(CROWD, 4, 1, scheduler, under(Locality(patience), [0, 0, 1, 1]))
    assert run.start_s[4] == start_s
    assert places(run)[-1] == (4, nodes)


def test_patience_does_not_begin_before_there_is_a_place_at_all():
    # Nobody leaves before 20 s: all that time says nothing about far places. Then it is 3 s.
    jobs = table([0, 0, 0, 0, 1], [99, 20, 20, 99, 10], [1, 1, 1, 1, 2])
    assert simulate(jobs, 4, 1, "fifo", under(Locality(3.0), [0, 0, 1, 1])).start_s[4] == 23


def test_a_gang_too_large_for_a_leaf_waits_for_a_pod_of_two():
    # Pods of nodes 0 to 3 and 4 to 7. Three nodes fit in no leaf, and 1, 2 and 4 are free first; 3 joins them at 9 s.
    jobs = table([0] * 8 + [1], [99, 5, 5, 9, 5, 99, 99, 99, 10], [1] * 8 + [3])
    for patience, start_s, nodes in ((0.0, 5, [1, 2, 4]), (FOREVER, 9, [1, 2, 3])):
        placement = under(Locality(patience), [0, 0, 1, 1, 2, 2, 3, 3], [0, 0, 0, 0, 1, 1, 1, 1])
        run = simulate(jobs, 8, 1, "fifo", placement)
        assert (run.start_s[8], places(run)[-1]) == (start_s, (8, nodes))


def test_a_near_place_in_a_later_pool_is_better_than_a_far_one_in_the_first():
    # A gang of two: nodes 1 and 2 of the first pool are free, which are under two leaves.
    placement = Locality(FOREVER)
    placement.blocks = [[np.array([0, 0, 1, 1])], [np.array([0, 0])]]
    jobs = table([0, 0, 0, 0, 1], [99, 1, 1, 99, 5], [1, 1, 1, 1, 2])
    run = simulate(jobs, 0, 0, "fifo", placement, pools=pools((4, 1), (2, 1)))
    assert (run.start_s[4], places(run)[-1]) == (1, (4, [0, 1]))


@dataclass
class StopsOnce:
    """Starts whoever fits; stops job 4 at 8 s and lets job 5 have a node of the leaf that becomes free."""

    done: bool = False

    def decide(self, view):
        if view.now == 8 and not self.done:
            self.done = True
            yield Preempt(4)
            yield Start(5, at(0, 0))
        for job in view.waiting():
            if (found := view.place(job)) is not None:
                yield Start(job, found)


def test_a_preempted_job_is_patient_anew():
    # Job 4 starts across leaves at 6 s, its patience of 1 s over. Stopped at 8 s, it waits another second.
    jobs = table([0, 0, 0, 0, 4, 8], [7, 3, 5, 100, 10, 100], [1, 1, 1, 1, 2, 1])
    run = simulate(jobs, 4, 1, StopsOnce(), under(Locality(1.0), [0, 0, 1, 1]))
    starts = [float(run.log.time_s[row]) for row in run.log.of_kind(START).tolist() if run.log.job[row] == 4]
    assert starts == [6, 9]


def fifo_reference(jobs, leaves: list[int], patience: float) -> list[float]:
    """Start times under strict first come, first served, instant by instant; nodes of one accelerator."""
    free, ends, starts = set(range(len(leaves))), [], []
    moments = {submit for submit, _, _ in jobs}
    waiting, since = list(range(len(jobs))), None
    largest = max(map(leaves.count, leaves))
    starts = [math.nan] * len(jobs)
    while waiting:
        now = min(moments)
        moments.discard(now)
        for end, nodes in [entry for entry in ends if entry[0] <= now]:
            ends.remove((end, nodes))
            free |= set(nodes)
        while waiting and jobs[waiting[0]][0] <= now:
            _, service, need = jobs[waiting[0]]
            rooms = sorted((len(free & on), min(on), on) for on in ({n for n in free if leaves[n] == leaf} for leaf in
                           set(leaves)) if len(on) >= need)  # fmt: skip
            near = rooms[0][2] if rooms else free if need > largest and len(free) >= need else None
            if near is None and len(free) >= need:
                since = now if since is None else since
                moments.add(since + patience)
                near = free if now >= since + patience else None
            if near is None:
                break
            taken = sorted(near)[:need] if need > 1 else [min(free)]
            starts[waiting.pop(0)], since = now, None
            free -= set(taken)
            ends.append((now + service, taken))
            moments.add(now + service)
    return starts


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9), st.integers(1, 5)), min_size=1, max_size=20),
    st.integers(0, 6),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_starts_under_fifo_equal_those_of_a_reference_instant_by_instant(jobs, patience):
    jobs, leaves = sorted(jobs, key=lambda job: job[0]), [0, 0, 1, 1, 2, 2]
    run = simulate(table(*zip(*jobs, strict=True)), 6, 1, "fifo", under(Locality(float(patience)), leaves))
    assert run.start_s == fifo_reference(jobs, leaves, float(patience))


def crowded(seed: int):
    random = np.random.default_rng(seed)
    service = random.exponential(6.0, 80)
    return table(np.cumsum(random.exponential(0.8, 80)), service, random.integers(1, 13, 80), service, [0, 1] * 40)


class Elastic(ByShare):
    """Job 4 may have two accelerators or one."""

    sizes = {4: (2, 1)}  # noqa: RUF012


def test_an_elastic_job_takes_the_largest_size_that_has_a_near_place():
    jobs = table([0, 0, 0, 0, 4], [7, 3, 5, 100, 10], [1, 1, 1, 1, 2])
    for placement, start_s, nodes in ((Locality(FOREVER), 4, [1]), (TopologyAware(), 4, [1])):
        run = simulate(jobs, 4, 1, "fifo", under(placement, [0, 0, 1, 1]), speeds=Elastic())
        assert (run.start_s[4], places(run)[-1]) == (start_s, (4, nodes))
    later = table([0, 0, 0, 0, 6], [7, 3, 5, 100, 10], [1, 1, 1, 1, 2])
    for placement, nodes in ((Locality(FOREVER), [1]), (TopologyAware(), [1, 2])):
        run = simulate(later, 4, 1, "fifo", under(placement, [0, 0, 1, 1]), speeds=Elastic())
        assert (run.start_s[4], places(run)[-1]) == (6, (4, nodes))


LEAVES, PODS = np.arange(16) // 2, np.arange(16) // 4


@pytest.mark.parametrize("scheduler", plugins.names("scheduler"))
def test_without_patience_it_is_topology_aware_and_with_endless_patience_nobody_is_spread(scheduler):
    for seed in range(3):
        jobs = crowded(seed)
        runs = [
            simulate(jobs, 16, 2, scheduler, under(p, LEAVES, PODS))
            for p in (TopologyAware(), Locality(0.0), Locality(2.0), Locality(FOREVER))
        ]
        if scheduler not in ("srtf", "least_attained_service"):  # whose preemptions look for near places
            assert places(runs[0]) == places(runs[1])
        for run in runs:
            assert not np.isnan(run.end_s).all()
        for job, nodes in places(runs[3]):
            switches = {2: LEAVES, 3: PODS, 4: PODS}.get(-(-int(jobs.accelerators[job]) // 2), np.zeros(16))
            assert len(set(switches[nodes].tolist())) <= 1


# Slices of a torus.


def brute_boxes(whole: Grid, empty: np.ndarray, count: int) -> set[frozenset[int]]:
    """All free boxes of the least volume >= count, node by node."""
    found: dict[int, set[frozenset[int]]] = {}
    fitting: set[int] = set()
    for shape in itertools.product(*(range(1, side + 1) for side in whole.sides)):
        for corner in itertools.product(*map(range, whole.sides)):
            spots = list(zip(corner, shape, whole.sides, whole.wraps, strict=True))
            if all(wrap or at_ + length <= side for at_, length, side, wrap in spots):
                cells = itertools.product(*([(at_ + k) % side for k in range(n)] for at_, n, side, _ in spots))
                box = frozenset(int(np.ravel_multi_index(cell, whole.sides)) for cell in cells)
                if len(box) >= count:
                    fitting.add(len(box))
                    if empty[list(box)].all():
                        found.setdefault(len(box), set()).add(box)
    return found.get(min(fitting), set())


@pytest.mark.parametrize(
    ("sides", "wraps"), [((4, 4), (True, True)), ((3, 5), (False, True)), ((2, 3, 4), (False,) * 3)]
)
def test_boxes_are_those_found_cell_by_cell(sides, wraps):
    whole, random = Grid(sides, wraps, (0,)), np.random.default_rng(5)
    for count in range(1, math.prod(sides) + 1):
        for share in (1.0, 0.9, 0.6):
            empty = random.random(math.prod(sides)) < share
            boxes = [frozenset(box.tolist()) for box in whole.boxes(0, empty, count)]
            assert len(boxes) == len(set(boxes))
            assert set(boxes) == brute_boxes(whole, empty, count)


def test_boxes_of_an_empty_torus_are_as_many_as_the_closed_form_and_most_like_a_cube_first():
    # Eight of 4 x 4 x 4: 2x2x2, of surface 24, before 1x2x4, of 28. Wrapped, a side of 2 has 4 corners, a whole one 1.
    wrapped = Grid((4, 4, 4), (True,) * 3, (0,))
    assert wrapped.shapes(0, 64, 8)[:2] == ((2, 2, 2), (1, 2, 4))
    assert len(wrapped.shapes(0, 64, 8)) == 7
    empty = np.ones(64, bool)
    assert len(list(wrapped.boxes(0, empty, 8))) == 4**3 + 6 * 4 * 4
    plain = Grid((4, 4, 4), (False,) * 3, (0,))
    assert len(list(plain.boxes(0, empty, 8))) == 3**3 + 6 * 4 * 3
    assert plain.shapes(0, 64, 7) == plain.shapes(0, 64, 8)  # no box of seven fits: sides are four


def on_torus(placement, sides: tuple[int, ...], wrap: str = "always"):
    """The placement on a torus of one accelerator a node, and its links."""
    params, nodes = torus.Torus(sides, 100.0, 0.0, wrap), math.prod(sides)
    of = tuple(p.model_copy(update={"nodes": nodes}) for p in pools((nodes, 1)))
    compact = compiled(torus.build(params))
    placement.blocks, placement.grid = blocks(compact, of), grid(params, compact, of)
    return placement, of, compact


def test_gangs_on_a_torus_take_boxes_and_wait_for_them():
    # 4 x 4, no wrap. A job of one takes node 0, so that a gang of 4 takes 2x2 at the corner (0, 1).
    placement, of, _ = on_torus(TopologyAware(), (4, 4), "never")
    run = simulate(table([0, 1, 2, 3], [50, 50, 10, 10], [1, 4, 8, 4]), 0, 0, "fifo", placement, pools=of)
    assert places(run)[:3] == [(0, [0]), (1, [1, 2, 5, 6]), (2, [8, 9, 10, 11, 12, 13, 14, 15])]
    # Nodes 3, 4 and 7 are left, no box for four: the last waits for the one of eight to go.
    assert (run.start_s[3], places(run)[3]) == (12, (3, [8, 9, 12, 13]))


def test_without_a_box_locality_takes_any_nodes_once_its_patience_is_over():
    for patience, start_s, nodes in ((2.0, 5, [3, 4]), (FOREVER, 12, [8, 9])):
        placement, of, _ = on_torus(Locality(patience), (4, 4), "never")
        placement.grid = Grid((4, 4), (False, False), (0,))
        run = simulate(table([0, 1, 2, 2, 3], [50, 50, 10, 50, 9], [1, 4, 8, 1, 2]), 0, 0, "fifo", placement, pools=of)
        # Job 3, of one, takes node 3; 4 and 7 are left, which do not touch.
        assert places(run)[3] == (3, [3])
        assert (run.start_s[4], places(run)[4]) == (start_s, (4, [4, 7] if patience == 2.0 else nodes))


def test_a_gang_for_which_no_box_of_its_pool_is_large_enough_takes_the_lowest_nodes():
    # The first of two pools has eight nodes of 3 x 3: no box of it has more than six.
    placement = TopologyAware()
    placement.grid = Grid((3, 3), (False, False), (0, 8))
    run = simulate(table([0], [5], [7]), 0, 0, "fifo", placement, pools=pools((8, 1), (1, 1)))
    assert places(run) == [(0, [0, 1, 2, 3, 4, 5, 6])]


@pytest.mark.parametrize("scheduler", plugins.names("scheduler"))
def test_every_scheduler_can_cut_a_torus_in_slices(scheduler):
    placement, of, _ = on_torus(TopologyAware(), (4, 4))
    run = simulate(crowded(7), 0, 0, scheduler, placement, pools=of)
    need = crowded(7).accelerators
    for job, nodes in places(run):
        side = [len(set(axis.tolist())) for axis in np.unravel_index(nodes, (4, 4))] if nodes else []
        assert math.prod(side) <= {5: 6, 7: 8, 10: 12, 11: 12}.get(int(need[job]), int(need[job]))


@pytest.mark.parametrize("scheduler", ["srtf", "least_attained_service"])
def test_a_preempting_job_gets_its_box_whoever_need_not_go_stays(scheduler):
    # Boxes of nodes of two, in which a remainder leaves an accelerator free, and gangs smaller than their box: a victim
    # that only touches these must go all the same.
    for seed, placement in itertools.product((0, 2, 4), (TopologyAware(), Locality(1.0))):
        placement.blocks, placement.grid = [[np.arange(8) // 2]] * 2, Grid((4, 4), (bool(seed), False), (0, 8))
        random = np.random.default_rng(seed)
        service = random.exponential(6, 60)
        arrivals, needs = np.cumsum(random.exponential(0.8, 60)), random.integers(1, 13, 60)
        jobs = table(arrivals, service, needs, service * random.uniform(0.5, 2, 60))
        run = simulate(jobs, 0, 0, scheduler, placement, pools=pools((8, 2), (8, 1)))
        assert not np.isnan(run.end_s).any()


def test_slices_of_a_torus_do_not_slow_each_other_down():
    # 8 x 8 in four quarters: routes stay inside, so each ring has what it has alone.
    placement, of, compact = on_torus(TopologyAware(), (8, 8))
    facts = tuple(p.model_copy(update={"nic_bandwidth": 100.0}) for p in of)
    together, empty = SharedLinks(compact, facts, everyone), np.ones(64, bool)
    for job in range(4):
        box = next(placement.grid.boxes(0, empty, 16))
        empty[box] = False
        place = at(0, *box.tolist())
        assert together.join(job, place) == []
        alone = SharedLinks(compact, facts, everyone)
        alone.join(job, place)
        assert together.share(job) == alone.share(job)


# Least contention.


def test_the_share_foretold_is_the_share_it_gets_and_asking_changes_nothing():
    random = np.random.default_rng(3)
    of = (pool(12),)
    here = links(70.0, pools=of, leaves=6)
    running: list[int] = []
    for job in range(150):
        if len(running) > 5:
            here.leave(running.pop(int(random.integers(len(running)))))
        place = at(0, *sorted(random.choice(12, random.integers(1, 5), replace=False).tolist()))
        flows = here._flows
        before = [flows.rate_b_per_s.copy(), flows.head.copy(), {j: here.share(j) for j in running}, list(here._idle)]
        foretold = here.share_there(job, place)
        assert flows.rate_b_per_s.tolist() == before[0].tolist()
        assert flows.head.tolist() == before[1].tolist()
        assert [{j: here.share(j) for j in running}, here._idle] == before[2:]
        here.join(job, place)
        running.append(job)
        assert here.share(job) == pytest.approx(foretold, rel=1e-9)


def test_a_gang_goes_around_an_uplink_that_others_use():
    # Leaves of two nodes. A gang on 0 and 2 fills the uplinks of leaves 0 and 1; nodes 4 and 6 are taken. The next gang
    # of two nodes goes under leaves 2 and 3, where `topology_aware` takes the lowest and halves both.
    of = (pool(8),)
    jobs = table([0, 1, 1, 2], [100, 100, 100, 10], [4, 2, 2, 4])
    told = [(0.0, Start(0, at(0, 0, 2, each=2))), (1.0, Start(1, at(0, 4, each=2))), (1.0, Start(2, at(0, 6, each=2)))]
    for placement, nodes, end_s in ((LeastContention(), [5, 7], 12), (TopologyAware(), [1, 3], 22)):
        near = under(placement, [0, 0, 1, 1, 2, 2, 3, 3])
        run = simulate(
            jobs, 0, 0, FirstTold(list(told)), near, pools=of, speeds=ByShare(), links=links(pools=of, leaves=4)
        )
        assert (places(run)[-1], run.end_s[3]) == ((3, nodes), end_s)


@dataclass
class FirstTold:
    """Does what it is told, then starts whoever fits."""

    script: list[tuple[float, object]]

    def decide(self, view):
        while self.script and self.script[0][0] <= view.now:
            yield self.script.pop(0)[1]
        for job in view.waiting():
            if (found := view.place(job)) is not None:
                yield Start(job, found)


def test_two_nodes_find_the_best_two_leaves_of_all():
    # Gangs of other sizes load the uplinks of eight leaves at random; all pairs of free nodes are tried by brute force.
    random, of = np.random.default_rng(8), (pool(32),)
    tree = compiled(build(graph(100.0, 1000.0, leaves=16)))
    for _ in range(40):
        here, free = SharedLinks(tree, of, everyone), list(range(0, 32, 2))
        for job in range(6):
            ends = random.choice(16, 2, replace=False) * 2 + 1  # one node of each leaf sends, the other is free
            here.join(job, at(0, *sorted(ends.tolist()), each=int(random.integers(1, 3))))
        free = sorted(random.choice(free, 9, replace=False).tolist())
        best = max(here.share_there(9, at(0, a, b, each=2)) for a, b in itertools.combinations(free, 2))
        request = simulate(table([0], [1], [4]), 0, 0, pools=of).outcome.world.facts.requests[0]
        left = simulate(table([0], [1], [1]), 0, 0, pools=of).outcome.world.fleet.pools
        for node in set(range(32)) - set(free):
            left[0].take(at(0, node, each=2), 2)
        near = under(LeastContention(), (np.arange(32) // 2).tolist())
        found = near.place_by_share(request, left, lambda place, here=here: here.share_there(9, place))
        assert here.share_there(9, found) == best
