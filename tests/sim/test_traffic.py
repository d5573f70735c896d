"""What links and switches carried, and slow-downs by contention, against sums by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dcsim.eventlog.schema import START
from dcsim.metrics.contention import paces, slowdowns
from dcsim.policies.decisions import Preempt, Start
from dcsim.sim.alone import rates_alone
from dcsim.sim.links import SharedLinks, who_sends
from dcsim.sim.traffic import traffic
from dcsim.topologies import torus
from dcsim.topologies._routes import Links, compiled
from tests.sim.test_failing_links import ACROSS, OTHERS, SAVED, clos, failing, run_on, told
from tests.sim.test_links import ByShare, everyone, links, pool
from tests.sim.test_rates import Told, at
from tests.simulate import Simulated, simulate, table

SIX = (pool(6),)
FIRST, SECOND = at(0, 0, 2, each=2), at(0, 1, 3, each=2)


def history(horizon: float | None = None) -> Simulated:
    """Two gangs on one uplink that halve each other: 0 runs from 0 to 14 s, 1 from 4 to 8 s and from 10 to 15 s."""
    script = [(0.0, Start(0, FIRST)), (4.0, Start(1, SECOND)), (8.0, Preempt(1)), (10.0, Start(1, SECOND))]
    brief = [(8.0, Start(2, at(0, 4))), (10.0, Start(3, at(0, 4)))]  # of no length: the scheduler is asked then
    told = Told(sorted([*script, *brief], key=lambda step: step[0]))
    jobs = table([0, 4, 8, 10], [10, 5, 0, 0], [4, 4, 1, 1])
    shared = links(pools=SIX, leaves=3)
    return simulate(jobs, 0, 0, told, pools=SIX, speeds=ByShare(), links=shared, horizon=horizon)


def shared(of: Simulated) -> SharedLinks:
    return links(pools=of.scenario.pools, leaves=3)


def measured(run: Simulated, slots: list[float], sent_b: float = 3.0) -> tuple[dict, dict]:
    """Bytes by link and mean B/s into each switch by slot, by their names; jobs 0 and 1 send `sent_b`."""
    here = shared(run)
    found = traffic(run.log, here, np.array([sent_b, sent_b, 0.0, 0.0]), np.array(slots))
    carried = {here.graph.name(link): b for link, b in enumerate(found.carried_b.tolist()) if b}
    names = [here.graph.nodes[place] for place in found.switches.tolist()]
    return carried, dict(zip(names, found.into_b_per_s.tolist(), strict=True))


def test_links_carry_what_the_service_of_their_jobs_sends_however_slowly():
    # A ring of two nodes is a flow each way. Two accelerators behind each flow, 3 B each in a second of service: job 0
    # sends 2 x 3 x 10 s of service over each of its links, job 1 as much of 5.
    carried, _ = measured(history(), [0.0, 15.0])
    leaves, spine = [("leaf", 0), ("leaf", 1)], ("spine", 0)
    for link in [(leaves[0], spine), (spine, leaves[1]), (leaves[1], spine), (spine, leaves[0])]:
        assert carried.pop(link) == pytest.approx(60.0 + 30.0)
    own = {("host", 0): 60.0, ("host", 2): 60.0, ("host", 1): 30.0, ("host", 3): 30.0}
    for host, bytes_ in own.items():
        leaf = leaves[host[1] // 2]
        assert (carried.pop((host, leaf)), carried.pop((leaf, host))) == pytest.approx((bytes_, bytes_))
    assert not carried


def test_switches_see_traffic_when_it_flows():
    # Into the spine come both flows of a ring: 12 B/s at rate 1. Job 0 alone until 4 s and from 8 to 10 s, both at half
    # rate until 8 s and until 14 s, then job 1 alone: as much all the time, since they halve each other.
    _, into = measured(history(), [0.0, 4.0, 8.0, 10.0, 14.0, 15.0])
    assert into["spine", 0] == pytest.approx([12.0] * 5)
    # A leaf sees one flow come up from its host and one down from the spine.
    assert into["leaf", 0] == pytest.approx([12.0] * 5)
    assert into["leaf", 2] == [0.0] * 5


def test_a_run_that_stops_early_counts_to_its_end():
    carried, _ = measured(history(horizon=6.0), [0.0, 6.0])
    assert carried[("leaf", 0), ("spine", 0)] == pytest.approx(6.0 * 4.0 + 2.0 * 6.0 * 0.5 * 2.0)


def test_a_graph_without_switches_has_all_of_its_nodes_as_such():
    grid = compiled(torus.build(torus.Torus(sides=(2, 3), bandwidth=100.0, latency=0.0)))
    run = history()
    found = traffic(run.log, SharedLinks(grid, SIX, everyone), np.array([3.0, 3.0, 0.0, 0.0]), np.array([0.0, 15.0]))
    assert found.switches.tolist() == list(range(6))
    assert found.into_b_per_s.sum() * 15.0 == pytest.approx(found.carried_b.sum())


def test_slots_hold_all_that_links_carried():
    run, slots = history(), np.array([0.0, 0.7, 3.1, 9.9, 15.0])
    here = shared(run)
    found = traffic(run.log, here, np.array([3.0, 5.0, 0.0, 0.0]), slots)
    inner = ~np.isin(here.graph.neighbour, here.graph.endpoints)
    assert (found.into_b_per_s * np.diff(slots)).sum() == pytest.approx(found.carried_b[inner].sum())


def alone(run: Simulated, here: SharedLinks) -> np.ndarray:
    return rates_alone(run.log, np.array([True, True, False, False]), ByShare(), [1.0], here)


def test_slow_down_is_time_on_the_links_over_time_alone():
    # Job 0: 14 s for 10 s of work. Job 1: 4 s and 5 s for 2 s (lost: no checkpoints) and 2 + 1 s.
    run = history()
    found = slowdowns(run.log, alone(run, shared(run)), 4, 15.0)
    done = 14.0 / 10.0, 9.0 / (2.0 + 2.0 + 1.0)
    assert found[:2] == pytest.approx(done)
    assert np.isnan(found[2:]).all()


def test_links_that_are_too_slow_for_a_gang_alone_are_no_contention():
    # Cables carry half of what the NICs of two accelerators send, so that alone, too, the rate is a half.
    run = history()
    slow = links(cable=50.0, pools=SIX, leaves=3)
    assert np.nanmax(alone(run, slow)) == 1.0  # these runs were as fast as their NICs for a while
    only = simulate(
        table([0], [10], [4]), 0, 0, Told([(0.0, Start(0, FIRST))]), pools=SIX, speeds=ByShare(), links=slow
    )
    rate = rates_alone(only.log, np.array([True]), ByShare(), [1.0], slow.idle())
    assert only.end_s == [20.0]
    assert slowdowns(only.log, rate, 1, 20.0).tolist() == [1.0]


def test_a_gang_that_always_shared_its_links_is_told_what_it_would_have_had():
    # Both start and end together: neither was ever alone.
    script = [(0.0, Start(0, FIRST)), (0.0, Start(1, SECOND))]
    shares = links(pools=SIX, leaves=3)
    run = simulate(table([0, 0], [5, 5], [4, 4]), 0, 0, Told(script), pools=SIX, speeds=ByShare(), links=shares)
    rate = rates_alone(run.log, np.array([True, True]), ByShare(), [1.0], shares.idle())
    assert slowdowns(run.log, rate, 2, 10.0) == pytest.approx([2.0, 2.0])


# While links fail.


def through(links: Links, run: Simulated, *slots: float, trace_b_per_s: float = 0.0) -> dict:
    """Bytes through switches in each slot; one accelerator of a job sends 1 B in a second of service, or what is said
    of a trace."""
    sends, steps_per_s = (who_sends(None, (), trace_b_per_s), math.nan) if trace_b_per_s else (everyone, 1.0)
    here, edges = SharedLinks(links, run.scenario.pools, sends), np.array([0.0, *slots])
    found = traffic(run.log, here, np.full(len(run.jobs), steps_per_s), edges)
    into_b = found.into_b_per_s * np.diff(edges)
    return {links.nodes[n]: pytest.approx(row) for n, row in zip(found.switches.tolist(), into_b.tolist(), strict=True)}


SPINE = ("spine", 0)


def test_a_dead_spine_carries_nothing_and_its_neighbour_all():
    # As in test_failing_links: a spine for each, from 4 to 9 s one for both, at rate 1/2. Rings are two flows of two
    # accelerators.
    links = clos(spines=2)
    starts = Told([(0.0, Start(0, ACROSS)), (0.0, Start(4, OTHERS))])
    jobs = table([0] * 5, [10, 0, 0, 0, 10], [4, 0, 0, 0, 4])
    run = run_on(links, jobs, starts, failing(links, "spine-0", at=4.0, duration=5.0), horizon=20.0)
    carried = through(links, run, 4.0, 9.0, 20.0)
    assert carried[SPINE] == [16.0, 0.0, 14.0]
    assert carried["spine", 1] == [16.0, 2 * 10.0, 14.0]


@pytest.mark.parametrize("on_failure", ["reroute", "stop"])
def test_a_gang_carries_nothing_while_no_way_joins_it_and_does_lost_work_twice(on_failure: str):
    # 4 s done, of which 1 is lost; it stands still until 9 s, and has 7 s of service left.
    links = clos(hosts=1)
    dead = failing(links, "spine-0", at=4.0, duration=5.0, on_failure=on_failure)
    run = run_on(links, table([0], [10], [4]), "fifo", dead, overheads=SAVED)
    assert through(links, run, 4.0, 9.0, 16.0)[SPINE] == [4 * 4.0, 0.0, 4 * 7.0]


def test_a_degraded_link_carries_what_it_can_of_a_trace_and_of_training_what_is_done():
    links = clos()
    slow = failing(links, "leaf-0 -- spine-0", at=4.0, duration=5.0, on_failure="slow", bandwidth=0.5)
    run = run_on(links, table([0], [10], [4]), told(ACROSS), slow)
    assert through(links, run, 4.0, 9.0, 12.5)[SPINE] == [4 * 4.0, 5 * 2.0, 3.5 * 4.0]
    # Of 2 x 40 B/s that a job of a trace would send each way, 50 go over half of the link.
    trace = through(links, run, 4.0, 9.0, 12.5, trace_b_per_s=40.0)
    assert trace[SPINE] == [4 * 160.0, 5 * 100.0, 3.5 * 160.0]


def test_parts_of_one_name_are_told_apart_by_what_is_left_of_them():
    # Down from 2 to 10 s, and at half of its bandwidth from 4 to 6 s: nothing goes over it until 10 s.
    links = clos(spines=2)
    dead = failing(links, "spine-0", at=2.0, duration=8.0)
    slow = failing(links, "spine-0", at=4.0, duration=2.0, on_failure="slow", bandwidth=0.5)
    run = run_on(links, table([0], [20], [4]), told(ACROSS), dead, slow)
    carried = through(links, run, 2.0, 10.0, 20.0)
    assert carried[SPINE] == [2 * 4.0, 0.0, 10 * 4.0]
    assert carried["spine", 1] == [0.0, 8 * 4.0, 0.0]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_fails_links_carry_the_service_of_their_gangs_and_never_more_than_they_can(seed: int):
    random, links = np.random.default_rng(seed), clos(spines=2, leaves=8, hosts=1, uplink=80.0)
    jobs = table(np.cumsum(random.exponential(1.0, 60)), random.exponential(6.0, 60), random.integers(1, 9, 60))
    out = failing(links, "switches", mtbf=60.0, mttr=6.0, on_failure=("reroute", "stop")[seed % 2])
    slow = failing(links, "links", mtbf=60.0, mttr=6.0, on_failure="slow", bandwidth=0.3)
    run = run_on(links, jobs, "fifo", out, slow, seed=seed, overheads=SAVED)
    assert run.summary["interruptions"] > 5
    slots = np.linspace(0.0, run.outcome.end_s, 50)
    # Rates are shares of 50 B/s here: bytes by the logged rates are those by the shares of gangs that send once more.
    found, by_share = (
        traffic(run.log, SharedLinks(links, run.scenario.pools, sends), np.full(60, steps_per_s), slots)
        for sends, steps_per_s in ((everyone, 50.0), (who_sends(None, (), 50.0), math.nan))
    )
    assert found.carried_b == pytest.approx(by_share.carried_b)
    assert found.into_b_per_s == pytest.approx(by_share.into_b_per_s)
    assert (found.carried_b <= links.capacity_b_per_s * slots[-1]).all()
    spines = found.into_b_per_s[[links.nodes[n][0] == "spine" for n in found.switches.tolist()]]
    assert (spines <= 8 * 80.0 * (1 + 1e-9)).all()
    ran = paces(run.log, run.outcome.end_s)
    service = np.bincount(ran.start, (ran.end_s - ran.start_s) * ran.rate, len(run.log))
    places = {row: run.log.place(row) for row in run.log.of_kind(START).tolist()}
    rings = [50.0 * service[row] * len(nodes) * min(counts) for row, (_, nodes, counts) in places.items() if nodes[1:]]
    up = [links.name(n)[0][0] == "host" for n in range(len(links.neighbour))]
    assert found.carried_b[up].sum() == pytest.approx(sum(rings))


def test_slow_down_counts_links_that_have_failed():
    # 12.5 s for 10 s of work on whole links, whether a link has half of its bandwidth or another gang has the rest.
    links = clos(spines=2)
    dead = failing(links, "spine-0", at=4.0, duration=5.0)
    starts = Told([(0.0, Start(0, ACROSS)), (0.0, Start(4, OTHERS))])
    met = run_on(links, table([0] * 5, [10, 0, 0, 0, 10], [4, 0, 0, 0, 4]), starts, dead, horizon=20.0)
    one = clos()
    slow = failing(one, "leaf-0 -- spine-0", at=4.0, duration=5.0, on_failure="slow", bandwidth=0.5)
    by_itself = run_on(one, table([0], [10], [4]), told(ACROSS), slow)
    for run, graph in ((met, links), (by_itself, one)):
        here = SharedLinks(graph, run.scenario.pools, everyone)
        counts = np.arange(len(run.jobs)) % 4 == 0
        rate = rates_alone(run.log, counts, ByShare(), [1.0], here)
        assert slowdowns(run.log, rate, len(run.jobs), run.outcome.end_s)[counts] == pytest.approx(1.25)


def test_slow_down_counts_time_without_a_way_but_not_the_wait_of_a_job_that_stopped():
    # It runs from 0 to 4 s, stands still from 4 to 9 s and runs to 16 s: 16 s for 4 + 7 s of work.
    links = clos(hosts=1)
    for on_failure in ("reroute", "stop"):
        dead = failing(links, "spine-0", at=4.0, duration=5.0, on_failure=on_failure)
        run = run_on(links, table([0], [10], [4]), "fifo", dead, overheads=SAVED)
        rate = rates_alone(
            run.log, np.array([True]), ByShare(), [1.0], SharedLinks(links, run.scenario.pools, everyone)
        )
        assert slowdowns(run.log, rate, 1, run.outcome.end_s).tolist() == pytest.approx([16.0 / 11.0])
