"""Events per job are the whole game of a discrete-event engine: they are counted exactly."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim import plugins
from dcsim.contract import random_jobs
from dcsim.eventlog.schema import PREEMPT, REJECT, SAVE
from dcsim.scenario.jobs import JobTable
from dcsim.scenario.spec import Accelerator, Overheads, PluginTable, Pool, Scenario
from dcsim.sim.engine import Engine, Outcome


def simulate(jobs: JobTable, scheduler: str, placement: str = "pack", **fields: object) -> Outcome:
    pool = Pool(name="a", accelerator=Accelerator(name="any"), nodes=4, accelerators_per_node=4)
    scenario = Scenario(name="events", pools=(pool,), workload=PluginTable(use="csv"), **fields)
    return Engine(scenario, jobs, plugins.find("scheduler", scheduler)(), plugins.find("placement", placement)()).run()


def test_a_plain_job_costs_one_event():
    for seed in range(3):
        jobs = random_jobs(seed, 500)
        assert simulate(jobs, "fifo").events == len(jobs)


@pytest.mark.parametrize(
    "scheduler",
    [n for n in plugins.names("scheduler") if n not in ("processor_sharing", "srtf", "least_attained_service")],
)
def test_without_preemption_a_job_costs_at_most_two_events(scheduler):
    jobs = random_jobs(1, 500)
    outcome = simulate(jobs, scheduler)
    ran = len(jobs) - len(outcome.log.of_kind(REJECT))
    assert outcome.events <= 2 * ran
    assert outcome.events == ran  # in fact one: the end


@pytest.mark.parametrize("overheads", [Overheads(), Overheads(preemption=3.0, restore=2.0)])
def test_a_preemption_adds_at_most_two_events(overheads):
    for seed in range(5):
        jobs = random_jobs(seed, 300)
        outcome = simulate(jobs, "srtf", overheads=overheads)
        preemptions = len(outcome.log.of_kind(PREEMPT, SAVE))
        assert preemptions
        assert outcome.events <= len(jobs) + 2 * preemptions


def test_a_wake_up_of_a_sinking_job_adds_at_most_one_event_a_threshold():
    jobs = random_jobs(2, 300)
    outcome = simulate(jobs, "least_attained_service")
    preemptions = len(outcome.log.of_kind(PREEMPT, SAVE))
    thresholds = len(plugins.find("scheduler", "least_attained_service")().thresholds)
    assert outcome.events <= (1 + thresholds) * (len(jobs) + preemptions) + 2 * preemptions


def test_jobs_of_one_instant_are_admitted_together():
    jobs = JobTable(np.zeros(50), np.ones(50), np.ones(50, np.int32), np.ones(50))
    assert simulate(jobs, "fifo").events == 50
