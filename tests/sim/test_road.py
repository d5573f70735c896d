"""The plain road writes the world's most frequent changes out: it must leave the very same rows as the general walk."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim import plugins
from dcsim.contract import random_jobs, same
from dcsim.eventlog.schema import PREEMPT, SAVE
from dcsim.policies.ordered import OrderedScheduler
from dcsim.scenario.spec import Accelerator, Overheads, PluginTable, Pool, Scenario
from dcsim.sim.engine import Engine, Outcome

ORDERED = [n for n in plugins.names("scheduler") if issubclass(plugins.find("scheduler", n), OrderedScheduler)]


def run(scheduler: str, placement: str, seed: int, plain_road: bool, horizon: float | None = None) -> Outcome:
    pool = Pool(name="a", accelerator=Accelerator(name="any"), nodes=3, accelerators_per_node=4)
    scenario = Scenario(name="road", pools=(pool,), workload=PluginTable(use="csv"), horizon=horizon, seed=seed)
    policies = plugins.find("scheduler", scheduler)(), plugins.find("placement", placement)()
    return Engine(scenario, random_jobs(seed, 200), *policies, plain_road=plain_road).run()


@pytest.mark.parametrize("scheduler", ORDERED)
@pytest.mark.parametrize("placement", plugins.names("placement"))
def test_both_roads_leave_the_same_rows_and_events(scheduler, placement):
    for seed in range(5):
        plain, general = (run(scheduler, placement, seed, road) for road in (True, False))
        assert same(plain.log, general.log)
        assert plain.events == general.events


def test_both_roads_stop_at_the_horizon_inclusive():
    for seed in range(5):
        plain, general = (run("easy", "pack", seed, road, horizon=100.0) for road in (True, False))
        assert same(plain.log, general.log)
        assert plain.log.time_s.max() <= 100.0


class SlowLevels(plugins.find("scheduler", "least_attained_service")):
    """LAS whose key is its own, so that running jobs are ranked by it and not looked at by level."""

    def key(self, job):
        return super().key(job)


@pytest.mark.parametrize("placement", ["pack", "spread", "pool"])
@pytest.mark.parametrize("overheads", [Overheads(), Overheads(start=2.0, preemption=3.0, restore=1.0)])
def test_levels_decide_what_ranks_decide(placement, overheads):
    pool = Pool(name="a", accelerator=Accelerator(name="any"), nodes=3, accelerators_per_node=4)
    levels = (30.0, 60.0, 200.0)
    for seed in range(8):
        scenario = Scenario(name="levels", pools=(pool,), workload=PluginTable(use="csv"), overheads=overheads)
        one, other = (
            Engine(scenario, random_jobs(seed, 200), kind(thresholds=levels), plugins.find("placement", placement)())
            for kind in (SlowLevels.__base__, SlowLevels)
        )
        by_level, by_rank = one.run(), other.run()
        for column in ("kind", "job", "nodes", "counts"):
            assert np.array_equal(getattr(by_level.log, column), getattr(by_rank.log, column))
        assert by_level.log.time_s == pytest.approx(by_rank.log.time_s, abs=1e-9)
        assert by_level.log.of_kind(PREEMPT, SAVE).size > 10
        assert by_level.events <= by_rank.events
