"""The plain road writes the world's most frequent changes out: it must leave the very same rows as the general walk."""

from __future__ import annotations

import pytest

from dcsim import plugins
from dcsim.contract import random_jobs, same
from dcsim.policies.ordered import OrderedScheduler
from dcsim.scenario.spec import Accelerator, PluginTable, Pool, Scenario
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
