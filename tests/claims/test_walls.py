"""The three walls of the design: replay, silence, and no orphan facts."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from dcsim import plugins
from dcsim.contract import random_jobs, same
from dcsim.eventlog.log import EventLog
from dcsim.eventlog.schema import CANCEL, COMPLETE, FAIL, PREEMPT, REJECT, RELEASE, START, SUBMIT
from dcsim.metrics.jobs import job_results
from dcsim.metrics.summary import summary
from dcsim.metrics.timeline import timeline
from dcsim.scenario.jobs import JobTable, Names
from dcsim.scenario.spec import Accelerator, Estimates, Overheads, PluginTable, Pool, Scenario
from dcsim.sim.engine import Engine, Outcome

NODES, WIDTH = 4, 4
A100 = Accelerator(name="A100")
WALLED = [n for n in plugins.names("placement") if not plugins.find("placement", n).ignores_nodes]


def scenario(**fields: object) -> Scenario:
    pool = Pool(name="a", accelerator=A100, nodes=NODES, accelerators_per_node=WIDTH)
    return Scenario(**{"name": "walls", "pools": (pool,), "workload": PluginTable(use="csv"), **fields})


def simulate(facts: Scenario, jobs: JobTable) -> Outcome:
    scheduler = plugins.find("scheduler", facts.scheduler.use)(**facts.scheduler.parameters)
    return Engine(facts, jobs, scheduler, plugins.find("placement", facts.placement.use)()).run()


def free_after(log: EventLog) -> tuple[list[int], dict[int, list[tuple[int, int]]], set[int]]:
    """Free accelerators of each node, who holds what, and who waits, rebuilt from the rows alone."""
    free, held, waiting = [WIDTH] * NODES, {}, set()
    for row, (kind, job) in enumerate(zip(log.kind.tolist(), log.job.tolist(), strict=True)):
        if kind == SUBMIT:
            waiting.add(job)
        elif kind == START:
            waiting.remove(job)
            pieces = slice(log.offsets[row], log.offsets[row + 1])
            held[job] = list(zip(log.nodes[pieces].tolist(), log.counts[pieces].tolist(), strict=True))
            for node, count in held[job]:
                free[node] -= count
                assert free[node] >= 0, "a node never holds more than it has"
        elif kind in (COMPLETE, FAIL, CANCEL, RELEASE, PREEMPT):
            for node, count in held.pop(job):
                free[node] += count
        if kind in (RELEASE, PREEMPT):
            waiting.add(job)
        elif kind == REJECT:
            waiting.remove(job)
    return free, held, waiting


@pytest.mark.parametrize("name", [n for n in plugins.names("scheduler") if n != "processor_sharing"])
@pytest.mark.parametrize("placement", WALLED)
def test_the_rows_alone_rebuild_the_final_world(name, placement):
    for seed in range(3):
        facts = scenario(
            scheduler=PluginTable(use=name), placement=PluginTable(use=placement), horizon=150.0, seed=seed
        )
        outcome = simulate(facts, random_jobs(seed, 120))
        free, held, waiting = free_after(outcome.log)
        world = outcome.world
        assert free == world.fleet.pools[0].free().tolist()
        assert waiting == set(world.waiting)
        assert held == {
            job: list(zip(run.allocation.nodes, run.allocation.counts, strict=True))
            for job, run in world.running.items()
        }


def test_the_rows_rebuild_a_world_in_which_preempted_jobs_save_their_state():
    facts = scenario(scheduler=PluginTable(use="srtf"), overheads=Overheads(preemption=7.0), horizon=150.0)
    for seed in range(5):
        outcome = simulate(facts, random_jobs(seed, 120))
        free, held, waiting = free_after(outcome.log)
        assert free == outcome.world.fleet.pools[0].free().tolist()
        assert waiting == set(outcome.world.waiting)
        assert sum(map(len, held.values())) >= len(outcome.world.running)


def test_metrics_run_after_the_end_and_change_nothing():
    facts = scenario(scheduler=PluginTable(use="srtf"))
    jobs = random_jobs(3, 120)
    outcome = simulate(facts, jobs)
    before = outcome.log
    once, again = (_numbers(facts, jobs, before, outcome.end_s) for _ in range(2))
    assert once == again
    assert same(before, simulate(facts, jobs).log)


def _numbers(facts: Scenario, jobs: JobTable, log: EventLog, end_s: float) -> str:
    line = timeline(jobs, log, len(facts.pools), end_s)
    return json.dumps(summary(jobs, job_results(jobs, log, end_s), line, log, NODES * WIDTH))


# A change of each field of a scenario, with what else must be so for it to matter.
CHANGES = {
    "seed": ({"seed": 5}, {"placement": PluginTable(use="random")}),
    "horizon": ({"horizon": 50.0}, {}),
    "pools": ({"pools": (Pool(name="a", accelerator=A100, nodes=3, accelerators_per_node=4),)}, {}),
    "scheduler": ({"scheduler": PluginTable(use="sjf")}, {}),
    "placement": ({"placement": PluginTable(use="spread")}, {}),
    "estimates": ({"estimates": Estimates(model="uniform", spread=3.0)}, {"scheduler": PluginTable(use="easy")}),
    "overheads": ({"overheads": Overheads(start=5.0)}, {}),
}
NO_EFFECT = {
    "name": "names the results folder",
    "start": "ties figures, and a synthetic workload's rhythm, to the calendar; these jobs are made by hand",
    "workload": "these jobs are made by hand; that a workload gives the jobs is tested in tests/workloads",
    "reject_oversize": "makes an oversize job an error instead; tested in tests/test_bad_inputs.py",
}


def test_every_field_of_a_scenario_is_on_one_list():
    assert set(CHANGES) | set(NO_EFFECT) == set(Scenario.model_fields)


@pytest.mark.parametrize("field", CHANGES)
def test_no_fact_is_an_orphan(field):
    change, setting = CHANGES[field]
    jobs = random_jobs(4, 120)
    one, other = simulate(scenario(**setting), jobs), simulate(scenario(**setting | change), jobs)
    assert not same(one.log, other.log)


@pytest.mark.parametrize(
    "change",
    [
        {"start": 5.0},
        {"preemption": 5.0},
        {"restore": 5.0},
        {"checkpoint_interval": 4.0},
        {"checkpoint": 1.0, "checkpoint_interval": 4.0},
    ],
)
def test_every_overhead_changes_a_preemptive_run(change):
    facts = scenario(scheduler=PluginTable(use="srtf"))
    jobs = random_jobs(4, 120)
    assert not same(
        simulate(facts, jobs).log, simulate(facts.model_copy(update={"overheads": Overheads(**change)}), jobs).log
    )


def test_every_column_of_the_jobs_that_is_not_a_label_matters():
    jobs = replace(random_jobs(4, 120), priority=np.zeros(120, np.int32))
    changes = {
        "submit_s": (jobs.submit_s * 0.5, "fifo"),
        "service_s": (jobs.service_s + 1.0, "fifo"),
        "requested_s": (jobs.requested_s[::-1].copy(), "sjf"),
        "accelerators": (np.minimum(jobs.accelerators + 1, 8).astype(np.int32), "fifo"),
        "priority": (random_jobs(4, 120).priority, "priority"),
        "end_state": (np.ones(120, np.int8), "fifo"),
        "share": (np.where(jobs.accelerators == 1, 0.5, 1.0), "fifo_skip"),
        "pool": (Names.of(["elsewhere"] * 120), "fifo"),
    }
    for column, (values, scheduler) in changes.items():
        facts = scenario(scheduler=PluginTable(use=scheduler))
        kept = replace(jobs, accelerators=np.minimum(jobs.accelerators, 4)) if column == "share" else jobs
        assert not same(simulate(facts, kept).log, simulate(facts, replace(kept, **{column: values})).log), column
