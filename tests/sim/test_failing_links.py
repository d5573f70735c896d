"""Links and switches that fail while jobs run: end times, shares, lost work and counts by hand and by theory."""

from __future__ import annotations

from math import sqrt

import networkx as nx
import numpy as np
import pytest

from dcsim import plugins
from dcsim.cli.story import lines
from dcsim.contract import same
from dcsim.errors import PolicyError
from dcsim.eventlog.schema import BREAK, INTERRUPT, NOBODY, RATE, REPAIR, START
from dcsim.metrics.jobs import COMPLETED
from dcsim.metrics.spent import spent
from dcsim.metrics.story import Teller
from dcsim.policies.decisions import Start
from dcsim.scenario.network_failure import NetworkFailure
from dcsim.scenario.spec import Overheads
from dcsim.sim.links import SharedLinks
from dcsim.sim.parts import Part
from dcsim.topologies import leaf_spine
from dcsim.topologies._parts import parts
from dcsim.topologies._routes import Links, compiled
from tests.claims.test_theory import agrees
from tests.replay import final
from tests.sim.test_links import ByShare, everyone, pool
from tests.sim.test_rates import Told, at
from tests.simulate import Simulated, simulate, table

ACROSS = at(0, 0, 2, each=2)  # one node of each leaf


def clos(spines: int = 1, leaves: int = 2, uplink: float = 100.0, hosts: int = 2) -> Links:
    """Hosts of 100 B/s on leaves, two on each. With one on each, every gang that spans nodes crosses spines."""
    return compiled(leaf_spine.build(leaf_spine.LeafSpine(leaves, spines, hosts, 100.0, uplink, 1e-6)))


def failing(links: Links, *words: str, **facts) -> list[Part]:
    """What fails; at random or at a time, and how."""
    known = NetworkFailure(parts=words, **facts)
    return [Part(name, of, 0, known) for word in words for name, of in parts(links, word).items()]


def run_on(links: Links, jobs, scheduler="fifo", *failures: list[Part], **fields) -> Simulated:
    here = (pool(len(links.endpoints)),)
    contention = SharedLinks(links, here, everyone)
    out = [part for some in failures for part in some]
    return simulate(jobs, 0, 0, scheduler, pools=here, speeds=ByShare(), links=contention, parts=out, **fields)


def told(*starts) -> Told:
    """Starts at second 0."""
    return Told([(0.0, Start(job, place)) for job, place in enumerate(starts)])


def rows(run: Simulated, *kinds: int) -> list[tuple]:
    log = run.log
    at_rows = log.of_kind(*kinds)
    columns = (log.time_s, log.job, log.value, np.array(log.reasons)[log.reason])
    return list(zip(*(column[at_rows].tolist() for column in columns), strict=True))


# Slower.


def test_a_link_that_halves_for_five_seconds_costs_two_and_a_half():
    # 10 s of service: 4 s at rate 1, 5 s at 1/2, then 3.5 s of service are left: 12.5 s.
    links = clos()
    slow = failing(links, "leaf-0 -- spine-0", at=4.0, duration=5.0, on_failure="slow", bandwidth=0.5)
    run = run_on(links, table([0], [10], [4]), told(ACROSS), slow)
    assert run.end_s == [12.5]
    assert rows(run, BREAK) == [(4.0, NOBODY, 0.5, "leaf-0 -- spine-0")]
    assert rows(run, REPAIR) == [(9.0, NOBODY, 0.5, "leaf-0 -- spine-0")]
    why = ("leaf-0 -- spine-0 has failed", "leaf-0 -- spine-0 is repaired")
    assert rows(run, RATE) == [(4.0, 0, 0.5, why[0]), (9.0, 0, 1.0, why[1])]
    assert (run.summary["network_failures"], run.summary["interruptions"]) == (1, 0)


def test_a_switch_slows_all_its_links_and_jobs_elsewhere_nothing():
    links = clos()
    slow = failing(links, "leaf-0", at=4.0, duration=5.0, on_failure="slow", bandwidth=0.5)
    run = run_on(links, table([0, 0], [10, 10], [4, 4]), told(at(0, 0, 1, each=2), at(0, 2, 3, each=2)), slow)
    assert run.end_s == [12.5, 10]


def test_of_failures_at_one_time_the_worst_counts_until_it_is_repaired():
    # 1/2 from 2 to 10 s, 1/4 from 4 to 6 s: done 2 + 1 + 0.5 + 2 by 10 s, and 4.5 s are left.
    links = clos()
    half = failing(links, "spine-0", at=2.0, duration=8.0, on_failure="slow", bandwidth=0.5)
    quarter = failing(links, "leaf-0 -- spine-0", at=4.0, duration=2.0, on_failure="slow", bandwidth=0.25)
    assert run_on(links, table([0], [10], [4]), told(ACROSS), half, quarter).end_s == [14.5]


# Other ways.


def crossed(links: Links, job: int, place) -> set[str]:
    """Spines that the ring of a job on two nodes crosses: a hash of job and nodes decides (ECMP)."""
    ends = links.endpoints[list(place.nodes)]
    _, link = links.routes(ends, ends[::-1].copy(), np.full(2, job))
    return {f"spine-{node[1]}" for node in (links.name(n)[1] for n in link.tolist()) if node[0] == "spine"}


OTHERS = at(0, 1, 3, each=2)


def test_around_a_dead_spine_two_jobs_share_the_other_until_it_is_repaired():
    # Each has a spine of its own. From 4 to 9 s both take one, at 1/2: as above, 12.5 s.
    links = clos(spines=2)
    assert (crossed(links, 0, ACROSS), crossed(links, 4, OTHERS)) == ({"spine-0"}, {"spine-1"})
    jobs = table([0] * 5, [10, 0, 0, 0, 10], [4, 0, 0, 0, 4])
    starts = [(0.0, Start(0, ACROSS)), (0.0, Start(4, OTHERS))]
    dead = failing(links, "spine-0", at=4.0, duration=5.0)
    run = run_on(links, jobs, Told(starts), dead, horizon=20.0)
    assert [run.end_s[job] for job in (0, 4)] == [12.5, 12.5]
    assert rows(run, BREAK) == [(4.0, NOBODY, 0.0, "spine-0")]
    why = ("spine-0 has failed", "spine-0 is repaired")
    assert rows(run, RATE) == [(t, job, r, w) for t, r, w in ((4.0, 0.5, why[0]), (9.0, 1.0, why[1])) for job in (0, 4)]


def test_a_job_that_starts_while_a_spine_is_dead_goes_around_it_and_comes_back():
    links = clos(spines=2)
    here = SharedLinks(links, (pool(4),), everyone)
    (dead,) = failing(links, "spine-0", at=0.0, duration=1.0)
    assert here.fail(dead) == ([], [])
    here.join(4, OTHERS)  # over spine-1, which is its own
    assert here.join(0, ACROSS) == [4]  # over spine-1 too
    assert (here.share(0), here.share(4)) == (0.5, 0.5)
    assert here.repair(dead) == [0, 4]
    assert (here.share(0), here.share(4)) == (1.0, 1.0)


def test_a_detour_may_be_longer_than_any_way_before():
    # Eight hosts in a circle of slow cables, and a fast hub that joins all: without it, hosts 0 and 4 are 4 hops apart.
    graph = nx.Graph(name="wheel")
    graph.add_nodes_from(range(8), kind="host")
    graph.add_node("hub", kind="switch")
    graph.add_edges_from(((i, "hub") for i in range(8)), bandwidth_b_per_s=100.0, latency_s=0.0)
    graph.add_edges_from(((i, (i + 1) % 8) for i in range(8)), bandwidth_b_per_s=25.0, latency_s=0.0)
    links = compiled(graph)
    here = SharedLinks(links, (pool(8),), everyone)
    here.join(0, at(0, 0, 4, each=2))
    here.join(1, at(0, 2, 6, each=2))
    (hub,) = failing(links, "hub", at=0.0, duration=1.0)
    stopped, changed = here.fail(hub)
    assert (stopped, changed) == ([], [0, 1])
    shares = {here.share(0), here.share(1)}
    assert shares <= {0.25, 0.125}  # 25 of 100 B/s alone, half of it where the two ways have a cable in common
    assert here.repair(hub) == [0, 1]
    assert (here.share(0), here.share(1)) == (1.0, 1.0)


# Stops.

SAVED = Overheads(checkpoint_interval=3.0)


def test_a_job_without_another_way_stops_and_waits_in_its_place_for_the_repair():
    # 4 s done, 3 of them saved. From 4 to 9 s no way joins its nodes; then 7 s of service are left: 16 s.
    links = clos(hosts=1)
    dead = failing(links, "spine-0", at=4.0, duration=5.0)
    run = run_on(links, table([0], [10], [4]), "fifo", dead, overheads=SAVED)
    assert run.end_s == [16]
    assert rows(run, INTERRUPT) == [(4.0, 0, 1.0, "spine-0 has failed")]
    assert rows(run, START, RATE) == [(0.0, 0, 1.0, ""), (4.0, 0, 0.0, ""), (9.0, 0, 1.0, "spine-0 is repaired")]
    results = run.results
    assert (results.interruptions[0], results.restarts[0], results.preemptions[0]) == (1, 1, 0)
    assert results.lost_work_s[0] == 1.0
    parts = spent(run.jobs, run.log, SAVED, 0, 16.0)
    assert (parts.useful_s, parts.lost_s, parts.cut_off_s, parts.waiting_s) == (10.0, 1.0, 5.0, 0.0)


def test_without_periodic_checkpoints_a_failure_takes_all_the_work():
    links = clos(hosts=1)
    dead = failing(links, "spine-0", at=4.0, duration=5.0)
    run = run_on(links, table([0], [10], [4]), "fifo", dead)
    assert run.end_s == [9 + 10]
    assert run.results.lost_work_s[0] == 4.0


def test_that_is_also_the_work_done_at_other_rates():
    # 2 s at rate 1 and 2 s at 1/2 are lost: 3 s of service.
    links = clos(hosts=1)
    slow = failing(links, "spine-0", at=2.0, duration=20.0, on_failure="slow", bandwidth=0.5)
    dead = failing(links, "leaf-0", at=4.0, duration=5.0)
    run = run_on(links, table([0], [10], [4]), "fifo", slow, dead)
    assert run.results.lost_work_s[0] == 3.0
    assert run.end_s == [22 + (10 - 13 / 2)]  # from 9 to 22 s at 1/2


def test_a_job_that_is_to_stop_starts_again_at_once_where_there_is_another_way():
    # 4 s done, 3 of them saved, 2 s to start again: 4 + 2 + 7 = 13 s. It had 1 s to start before: 1 + 3 done at 4 s.
    links = clos(spines=2, hosts=1)
    costs = Overheads(start=1.0, restore=1.0, checkpoint_interval=2.0, preemption=100.0)
    assert crossed(links, 0, at(0, 0, 1, each=2)) == {"spine-0"}
    stop = failing(links, "spine-0", at=4.0, duration=5.0, on_failure="stop")
    run = run_on(links, table([0], [10], [4]), "fifo", stop, overheads=costs)
    # A failure gives no time to save (`preemption`); 3 s of service done, 2 saved, 8 left behind 2 s of start.
    assert run.end_s == [4 + 2 + 8]
    assert (run.results.lost_work_s[0], run.results.restarts[0]) == (1.0, 1)
    other = failing(links, "spine-1", at=4.0, duration=5.0, on_failure="stop")
    assert run_on(links, table([0], [10], [4]), "fifo", other).end_s == [10]


@pytest.mark.parametrize("scheduler", ["fifo", "sjf", "fifo_skip", "easy", "conservative", "priority"])
def test_a_job_that_stops_goes_before_jobs_that_came_later(scheduler: str):
    # All want all nodes. Job 0 stops at 4 s and starts again before the others.
    links = clos(spines=2, hosts=1)
    stop = failing(links, crossed(links, 0, at(0, 0, 1)).pop(), at=4.0, duration=50.0, on_failure="stop")
    run = run_on(links, table([0, 1, 2], [10, 10, 10], [4, 4, 4]), scheduler, stop)
    assert run.start_s == [0, 14, 24]
    assert run.results.restarts.tolist() == [1, 0, 0]


def test_a_job_that_stops_is_told_with_what_it_was_and_where_its_time_went():
    links = clos(hosts=1)
    dead = failing(links, "spine-0", at=4.0, duration=5.0)
    slow = failing(links, "leaf-1", at=1.0, duration=1.0, on_failure="slow", bandwidth=0.5)
    run = run_on(links, table([0], [10], [4]), "fifo", dead, slow, overheads=SAVED)
    shown = lines(Teller(run.scenario, run.jobs, run.log, run.outcome.end_s).story(0), run.scenario)
    told_of = shown[shown.index("interrupted 1 time") :]
    assert told_of[:6] == [
        "interrupted 1 time",
        "  1 x spine-0 has failed",
        "rate changed 3 times",
        "  1 x leaf-1 has failed",
        "  1 x leaf-1 is repaired",
        "  1 x spine-0 is repaired",
    ]
    assert any("no way between its nodes" in line and "5 s" in line for line in told_of)


def test_jobs_inside_a_leaf_run_on_when_the_spine_is_dead():
    links = clos()
    dead = failing(links, "spine-0", at=4.0, duration=5.0, on_failure="stop")
    run = run_on(links, table([0], [10], [4]), told(at(0, 0, 1, each=2)), dead)
    assert (run.end_s, run.summary["interruptions"]) == ([10], 0)


def test_a_job_that_comes_while_the_only_spine_is_dead_waits_in_its_place():
    links = clos(hosts=1)
    dead = failing(links, "spine-0", at=1.0, duration=5.0)
    run = run_on(links, table([2], [10], [4]), "easy", dead)
    assert (run.start_s, run.end_s, run.summary["interruptions"]) == ([2], [16], 0)


# At random.


def test_links_fail_as_often_and_for_as_long_as_their_means_say():
    # T11 of the reliability table: 1000 h to a failure, 8 h to its repair: up for A = 1000/1008 of the time.
    links, cycles = clos(spines=8, leaves=8), 60
    hours = cycles * 1008.0
    random_links = failing(links, "leaf -- spine", mtbf=1000.0, mttr=8.0, on_failure="slow", bandwidth=0.5)
    run = run_on(links, table([0], [hours]), "fifo", random_links)
    assert run.end_s == [hours]
    counts, down = {part.name: 0 for part in random_links}, dict.fromkeys([part.name for part in random_links], 0.0)
    since: dict[str, float] = {}
    events = [(row[0], kind == REPAIR, row[3]) for kind in (BREAK, REPAIR) for row in rows(run, kind)]
    for time, repaired, name in sorted(events):
        if not repaired:
            counts[name] += 1
            since[name] = time
        else:
            down[name] += time - since.pop(name)
    for name, time in since.items():
        down[name] += hours - time
    assert len(counts) == 64
    # Renewals of mean 1008 and variance 1000^2 + 8^2, the first time to a failure without a repair before it.
    spread = sqrt(hours * (1000.0**2 + 8.0**2) / 1008.0**3 / 64)
    assert abs(np.mean([*counts.values()]) - cycles) < 3 * spread
    share = np.array([*down.values()]) / hours
    assert abs(share.mean() - 8 / 1008) < 3 * share.std(ddof=1) / sqrt(64)


def test_a_job_over_a_link_that_fails_at_random_loses_what_availability_says():
    # Up for 3/4 of the time, else at 1/2: mean rate 7/8.
    links, service, ends = clos(), 4000.0, []
    for seed in range(20):
        flaky = failing(links, "leaf-0 -- spine-0", mtbf=3.0, mttr=1.0, on_failure="slow", bandwidth=0.5)
        run = run_on(links, table([0], [service], [4]), told(ACROSS), flaky, seed=seed)
        ends.append(run.end_s[0])
    assert agrees(ends, service / (7 / 8), 0.01)


def flaky(seed: int, *words: str) -> Simulated:
    links = clos(spines=2, leaves=6, hosts=1)
    out = [failing(links, word, mtbf=20.0, mttr=4.0) for word in words]
    jobs = table(np.arange(12.0), [20] * 12, [4] * 12)
    return run_on(links, jobs, "fifo", *out, seed=seed, overheads=SAVED)


def test_the_same_seed_gives_the_same_log_and_others_do_not():
    one, again, other = flaky(1, "switches"), flaky(1, "switches"), flaky(2, "switches")
    assert same(one.log, again.log)
    assert not same(one.log, other.log)


def test_each_link_fails_by_a_stream_of_its_own():
    few, more = flaky(3, "spine-0"), flaky(3, "spine-0", "leaf -- spine")
    last = few.log.time_s[-1]
    mine = [row for row in rows(more, BREAK, REPAIR) if row[3] == "spine-0" and row[0] <= last]
    assert mine == rows(few, BREAK, REPAIR)


# Whatever happens.


def test_shares_after_any_failures_and_repairs_are_those_of_links_that_never_failed():
    random = np.random.default_rng(6)
    links = clos(spines=3, leaves=6, uplink=70.0)
    pools = (pool(12),)
    here = SharedLinks(links, pools, everyone)
    words = ("spine-0", "spine-1", "leaf-0 -- spine", "leaf-1", "leaf-2 -- spine-2")
    ways = ({"on_failure": "slow", "bandwidth": 0.5}, {"on_failure": "reroute"})
    known = [p for w in words for facts in ways for p in failing(links, w, at=0.0, duration=1.0, **facts)]
    running, failed = {}, []
    for job in range(300):
        if len(running) > 5:
            gone = int(random.choice(list(running)))
            del running[gone]
            here.leave(gone)
        running[job] = at(0, *sorted(random.choice(12, random.integers(2, 5), replace=False).tolist()))
        here.join(job, running[job])
        if failed and random.random() < 0.5:
            here.repair(failed.pop(int(random.integers(len(failed)))))
        part = known[int(random.integers(len(known)))]
        if part not in failed:
            failed.append(part)
            before = {other: here.share(other) for other in running}
            stopped, changed = here.fail(part)
            for other in stopped:
                del running[other]
            assert changed == [other for other in sorted(running) if here.share(other) != before[other]]
    assert len(failed) > 2
    for part in failed:
        here.repair(part)
    fresh = SharedLinks(links, pools, everyone)
    for job, place in running.items():
        fresh.join(job, place)
    found = {job: here.share(job) for job in running}
    assert found == pytest.approx({job: fresh.share(job) for job in running}, rel=1e-9)


PLACING = [name for name in plugins.names("scheduler") if name != "processor_sharing"]
"""Schedulers whose jobs have places, and so links."""


@pytest.mark.parametrize("on_failure", ["reroute", "stop"])
@pytest.mark.parametrize("scheduler", PLACING)
def test_every_scheduler_gets_all_jobs_done_and_the_rows_tell_it(scheduler: str, on_failure: str):
    random = np.random.default_rng(9)
    links = clos(spines=2, leaves=8, hosts=1)
    count = 80
    service = random.exponential(6.0, count)
    jobs = table(np.cumsum(random.exponential(1.0, count)), service, random.integers(1, 9, count))
    out = failing(links, "switches", mtbf=60.0, mttr=6.0, on_failure=on_failure)
    slow = failing(links, "links", mtbf=60.0, mttr=6.0, on_failure="slow", bandwidth=0.3)
    for horizon in (40.0, None):
        run = run_on(links, jobs, scheduler, out, slow, overheads=Overheads(checkpoint_interval=2.0), horizon=horizon)
        state, world = final(run), run.outcome.world
        assert {job: row.rate for job, row in state.running.items()} == {j: r.rate for j, r in world.running.items()}
        assert sorted(state.waiting) == sorted(world.waiting)
        assert [p.free_total for p in world.fleet.pools] == [sum(free.values()) for free in state.free]
    results = run.results
    completed = results.state == COMPLETED
    assert completed.all() or scheduler == "loss"
    log, done, since, rate = run.log, np.zeros(count), {}, {}
    for time, kind, job, value in zip(*(c.tolist() for c in (log.time_s, log.kind, log.job, log.value)), strict=True):
        if job in since:
            done[job] += (time - since.pop(job)) * rate[job]
        if kind in (START, RATE):
            since[job], rate[job] = time, value
    assert done[completed] == pytest.approx((jobs.service_s + results.lost_work_s)[completed])
    assert run.summary["interruptions"] > 5
    assert len(log.of_kind(RATE)) > 20


def test_jobs_that_share_accelerators_by_time_cannot_share_links():
    with pytest.raises(PolicyError, match="time-shared have no place, so no links that they could share"):
        run_on(clos(), table([0], [10], [4]), "processor_sharing")


class NaiveEasy:
    """EASY from nothing at every instant."""

    def decide(self, view):
        left = sorted(view.waiting())
        while left and (place := view.place(left[0])) is not None:
            yield Start(left.pop(0), place)
        if not left:
            return
        profile, time = view.profile(), view.now
        for end, job in sorted((max(view.expected_end_s(job), view.now), job) for job in view.running()):
            if end > time and profile.fits(left[0]):
                break
            time = end
            profile.release(job, view.allocation(job))
        for job in left[1:]:
            place = view.place(job)
            if place is None:
                continue
            if view.now + view.estimate(job, place) > time:
                profile.occupy(job, place)
                if not profile.fits(left[0]):
                    profile.release(job, place)
                    continue
            yield Start(job, place, "backfill")


@pytest.mark.parametrize("seed", range(8))
def test_jobs_that_come_back_keep_their_place_under_easy(seed: int):
    random = np.random.default_rng(seed)
    links = clos(spines=2, leaves=8, hosts=1)
    service = random.exponential(6.0, 120)
    jobs = table(np.cumsum(random.exponential(0.8, 120)), service, random.integers(1, 12, 120))
    out = failing(links, "switches", mtbf=60.0, mttr=6.0, on_failure="stop")
    quick, naive = (run_on(links, jobs, scheduler, out, seed=seed) for scheduler in ("easy", NaiveEasy()))
    assert quick.summary["interruptions"] > 10
    assert rows(quick, START, INTERRUPT) == rows(naive, START, INTERRUPT)


def test_a_run_in_which_nobody_will_ever_start_ends_although_links_go_on_failing():
    links = clos()
    out = failing(links, "links", mtbf=3.0, mttr=1.0)
    with pytest.raises(PolicyError, match="1 jobs are left waiting for ever"):
        run_on(links, table([0], [10], [4]), Told([]), out)
