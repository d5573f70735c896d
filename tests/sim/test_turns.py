"""Gangs that take turns on shared links."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim.eventlog.schema import RATE
from dcsim.performance.interleaving import Phase
from dcsim.policies.decisions import Start
from dcsim.sim.links import SharedLinks
from dcsim.sim.turns import Turns
from tests.sim.test_failing_links import clos, failing
from tests.sim.test_links import ByShare, everyone, links, pool, shares
from tests.sim.test_rates import Told, at
from tests.simulate import simulate, table


def turns(sending: dict[int, float], period: float = 1.0, leaves: int = 2, uplink: float = 100.0) -> Turns:
    """Leaves of two nodes on one spine; each job sends for that share of its period."""
    of = (pool(2 * leaves),)
    return Turns(
        links(uplink, pools=of, leaves=leaves),
        lambda job, _, shares: Phase(period, sending[job] * period / shares.least),
    )


def test_two_gangs_whose_phases_fit_do_not_slow_each_other_down():
    here = turns({0: 0.5, 1: 0.5})
    assert here.join(0, at(0, 0, 2, each=2)) == []
    assert here.share_there(1, at(0, 1, 3, each=2)) == 1.0
    assert here.join(1, at(0, 1, 3, each=2)) == []
    assert shares(here, 0, 1) == [1.0, 1.0]
    assert here.leave(0) == []


def test_two_gangs_whose_phases_do_not_fit_halve_each_other():
    here = turns({0: 0.5, 1: 0.6})
    here.join(0, at(0, 0, 2, each=2))
    assert here.share_there(1, at(0, 1, 3, each=2)) == 0.5
    assert here.join(1, at(0, 1, 3, each=2)) == [0]
    assert shares(here, 0, 1) == [0.5, 0.5]
    assert here.leave(1) == [0]
    assert here.share(0) == 1.0


NEAR = (at(0, 0, 2), at(0, 1, 3), at(0, 0, 3))  # three gangs of 50 B/s over one uplink of 50


def test_a_third_that_does_not_fit_has_all_three_share_until_it_goes():
    here = turns({0: 1 / 3, 1: 1 / 3, 2: 0.4, 3: 1 / 3}, uplink=50.0)
    for job in (0, 1):
        assert here.join(job, NEAR[job]) == []
    assert here.join(2, NEAR[2]) == [0, 1]
    assert shares(here, 0, 1, 2) == pytest.approx([1 / 3] * 3, rel=1e-9)
    assert here.leave(2) == [0, 1]
    assert here.join(3, NEAR[2]) == []
    assert shares(here, 0, 1, 3) == [1.0] * 3


def test_a_gang_that_links_slow_down_alone_sends_for_longer():
    # Half of its NICs' bandwidth alone: a phase of a quarter becomes half of the period, and two fit just so.
    for sending, expected in ((0.25, 0.5), (0.26, 0.25)):
        here = turns({0: sending, 1: sending}, uplink=50.0)
        here.join(0, at(0, 0, 2, each=2))
        here.join(1, at(0, 1, 3, each=2))
        assert shares(here, 0, 1) == [expected] * 2


def test_shares_and_who_is_told_do_not_depend_on_history():
    random = np.random.default_rng(6)
    sending = {job: float(random.choice([0.2, 0.3, 0.5])) for job in range(200)}
    here, running = turns(sending, leaves=6, uplink=70.0), {}
    took_turns = 0
    for job in range(200):
        for comes in (False, True):
            before = {j: here.share(j) for j in running}
            if comes:
                place = at(0, *sorted(random.choice(12, random.integers(1, 4), replace=False).tolist()))
                foretold = here.share_there(job, place)
                assert before == {j: here.share(j) for j in running}
                told = here.join(job, place)
                running[job] = place
                assert here.share(job) == pytest.approx(foretold, rel=1e-9)
            elif len(running) > 4:
                gone = int(random.choice(list(running)))
                del running[gone]
                told = here.leave(gone)
            else:
                continue
            assert told == [j for j in sorted(before) if j in running and here.share(j) != before[j]]
        fresh, fair = turns(sending, leaves=6, uplink=70.0), links(70.0, pools=(pool(12),), leaves=6)
        for other, allocation in running.items():
            fresh.join(other, allocation)
            fair.join(other, allocation)
        assert shares(here, *running) == pytest.approx(shares(fresh, *running), rel=1e-9)
        assert all(here.share(j) >= fair.share(j) * (1 - 1e-9) for j in running)
        took_turns += any(here.share(j) > fair.share(j) * 1.01 for j in running)
    assert 20 < took_turns < 200


def test_rates_of_runs_follow_those_who_take_turns():
    # Two gangs fit; the third comes at 4 s and does not. All have a third until its 2 s of service are done at 10 s;
    # the others have 4 + 2 of their 8 s then, and go on alone with each other.
    here, steps = turns({0: 0.5, 1: 0.5, 2: 0.1}, uplink=50.0), zip((0.0, 0.0, 4.0), range(3), NEAR, strict=True)
    told = Told([(time, Start(job, place)) for time, job, place in steps])
    run = simulate(table([0, 0, 4], [8, 8, 2], [2] * 3), 0, 0, told, pools=(pool(),), speeds=ByShare(), links=here)
    assert run.end_s == pytest.approx([12, 12, 10], rel=1e-9)
    assert len(run.log.of_kind(RATE)) == 4


# While links fail.


@pytest.mark.parametrize(("sending", "expected"), [(0.25, 0.5), (0.26, 0.25)])
def test_on_a_link_that_fails_to_half_phases_are_twice_as_long(sending: float, expected: float):
    graph = clos()
    here = Turns(SharedLinks(graph, (pool(),), everyone), lambda _, place, shares: Phase(1.0, sending / shares.least))
    (slow,) = failing(graph, "leaf-0 -- spine-0", at=0.0, duration=1.0, on_failure="slow", bandwidth=0.5)
    here.join(0, at(0, 0, 2, each=2))
    here.join(1, at(0, 1, 3, each=2))
    assert here.fail(slow) == ([], [0, 1])
    assert shares(here, 0, 1) == [expected] * 2
    assert here.repair(slow) == [0, 1]
    assert shares(here, 0, 1) == [1.0, 1.0]


def test_gangs_that_have_to_go_one_way_take_turns_there_or_share_it():
    # Jobs 0 and 4 have a spine of their own each (see test_failing_links).
    for sending, expected in ((0.5, 1.0), (0.6, 0.5)):
        graph = clos(spines=2)
        here = Turns(
            SharedLinks(graph, (pool(),), everyone), lambda _, place, shares, s=sending: Phase(1.0, s / shares.least)
        )
        (dead,) = failing(graph, "spine-0", at=0.0, duration=1.0)
        here.join(0, at(0, 0, 2, each=2))
        here.join(4, at(0, 1, 3, each=2))
        assert here.fail(dead) == ([], [] if expected == 1.0 else [0, 4])
        assert shares(here, 0, 4) == [expected] * 2
        here.repair(dead)
        assert shares(here, 0, 4) == [1.0, 1.0]


def test_a_gang_that_no_way_joins_has_share_0_until_the_repair_and_takes_turns_then():
    graph = clos()
    here = Turns(SharedLinks(graph, (pool(),), everyone), lambda _, place, shares: Phase(1.0, 0.5 / shares.least))
    stop, dead = (failing(graph, "spine-0", at=0.0, duration=1.0, on_failure=how)[0] for how in ("stop", "reroute"))
    here.join(0, at(0, 0, 2, each=2))
    assert here.fail(dead) == ([0], [])
    assert here.leave(0) == []  # as the world says of a job that has stopped
    assert here.share_there(0, at(0, 0, 2, each=2)) == 0.0
    assert here.share_there(0, at(0, 0, 1, each=2)) == 1.0
    for job, place in ((0, at(0, 0, 2, each=2)), (1, at(0, 1, 3, each=2))):
        assert here.join(job, place) == []
    assert shares(here, 0, 1) == [0.0, 0.0]
    assert here.repair(dead) == [0, 1]
    assert shares(here, 0, 1) == [1.0, 1.0]
    assert here.fail(stop) == ([0, 1], [])


def test_who_sends_all_the_time_leaves_the_others_what_it_does_not_take():
    # 50 of 150 are taken all the time; two of 100 fit in turns, and two of which one sends for longer do not.
    for sending, expected in ((0.5, [1.0, 1.0, 1.0]), (0.6, [1.0, 0.5, 0.5])):
        of = (pool(8),)
        here = Turns(
            SharedLinks(clos(uplink=150.0, hosts=4), of, everyone),
            lambda job, place, shares, s=sending: Phase(1.0, s) if job else None,
        )
        here.join(0, at(0, 0, 4))
        here.join(1, at(0, 1, 5, each=2))
        here.join(2, at(0, 2, 6, each=2))
        assert shares(here, 0, 1, 2) == pytest.approx(expected)
    here.join(3, at(0, 3, 7))
    here.leave(1)
    assert shares(here, 0, 2, 3) == [1.0, 0.5, 1.0]  # two that send all the time take 100, and one is left 50 of 100


@pytest.mark.parametrize("seed", range(3))
def test_shares_after_any_failures_and_repairs_are_those_of_links_that_never_failed(seed: int):
    random, graph, of = np.random.default_rng(seed), clos(spines=3, leaves=6, uplink=70.0), (pool(12),)
    sending = {job: float(random.choice([0.1, 0.2, 0.4])) for job in range(150)}

    def fresh() -> tuple[SharedLinks, Turns]:
        fair = SharedLinks(graph, of, everyone)
        return fair, Turns(fair, lambda job, _, shares: Phase(1.0, sending[job] / shares.least))

    ways = ({"on_failure": "slow", "bandwidth": 0.5}, {"on_failure": "reroute"}, {"on_failure": "stop"})
    words = ("spine-0", "spine-1", "leaf-0 -- spine", "leaf-1", "leaf-2 -- spine-2")
    parts = [p for w in words for facts in ways for p in failing(graph, w, at=0.0, duration=1.0, **facts)]
    (fair, here), running, failed, cut, took_turns = fresh(), {}, [], 0, 0
    for job in range(150):
        if len(running) > 4:
            gone = int(random.choice(list(running)))
            del running[gone]
            here.leave(gone)
        place = at(0, *sorted(random.choice(12, random.integers(2, 5), replace=False).tolist()))
        foretold = here.share_there(job, place)
        here.join(job, place)
        running[job] = place
        assert here.share(job) == pytest.approx(foretold, rel=1e-9)
        before = {other: here.share(other) for other in running}
        if failed and random.random() < 0.6:
            stopped, changed = [], here.repair(failed.pop(int(random.integers(len(failed)))))
        else:
            failed.append(parts[int(random.integers(len(parts)))])
            stopped, changed = here.fail(failed[-1])
        for other in stopped:
            del running[other]
            assert here.leave(other) == []
        assert changed == [other for other in sorted(running) if here.share(other) != before[other]]
        cut += any(here.share(other) == 0.0 for other in running)
        took_turns += any(here.share(other) > 1.01 * fair.share(other) for other in running)
    for part in failed:
        here.repair(part)
    _, never = fresh()
    for job, place in running.items():
        never.join(job, place)
    assert shares(here, *running) == pytest.approx(shares(never, *running), rel=1e-9)
    assert cut > 5
    assert took_turns > 5


def test_rates_follow_those_who_take_turns_while_a_spine_is_dead():
    # Each has a spine of its own until 4 s; then both have one for 5 s: half of it by shares, all of it in turns.
    for sending, expected in ((0.5, 10.0), (0.6, 12.5)):
        graph = clos(spines=2)
        here = Turns(
            SharedLinks(graph, (pool(),), everyone), lambda _, place, shares, s=sending: Phase(1.0, s / shares.least)
        )
        steps = [(0.0, Start(0, at(0, 0, 2, each=2))), (0.0, Start(4, at(0, 1, 3, each=2)))]
        jobs, dead = table([0] * 5, [10, 0, 0, 0, 10], [4, 0, 0, 0, 4]), failing(graph, "spine-0", at=4.0, duration=5.0)
        told, of = Told(steps), (pool(),)
        run = simulate(jobs, 0, 0, told, pools=of, speeds=ByShare(), links=here, parts=dead, horizon=20.0)
        assert [run.end_s[job] for job in (0, 4)] == [expected] * 2
