"""Gangs that take turns on shared links."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim.eventlog.schema import RATE
from dcsim.performance.interleaving import Phase
from dcsim.policies.decisions import Start
from dcsim.sim.turns import Turns
from tests.sim.test_links import ByShare, links, pool, shares
from tests.sim.test_rates import Told, at
from tests.simulate import simulate, table


def turns(sending: dict[int, float], period: float = 1.0, leaves: int = 2, uplink: float = 100.0) -> Turns:
    """Leaves of two nodes on one spine; each job sends for that share of its period."""
    of = (pool(2 * leaves),)
    return Turns(
        links(uplink, pools=of, leaves=leaves), lambda job, _, share: Phase(period, sending[job] * period / share)
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
