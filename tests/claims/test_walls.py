"""The three walls of the house: replay, silence, no orphan facts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf, nan

import numpy as np
import pytest

from dcsim import plugins
from dcsim.errors import PolicyError, ScenarioError
from dcsim.policies.decisions import TIME_SHARED, Allocation, Preempt, Reject, SetRate, Start, WakeAt
from dcsim.policies.placement.locality import Locality
from dcsim.policies.placements import Placement
from dcsim.scenario.jobs import Names
from dcsim.scenario.network_failure import NetworkFailure
from dcsim.scenario.spec import Accelerator, Estimates, Facts, Interconnect, Overheads, Pool, Scenario
from tests.replay import WHOLE_POOL, final
from tests.simulate import V100, pools, simulate, table

SCHEDULERS, PLACEMENTS = plugins.names("scheduler"), plugins.names("placement")
COSTS = Overheads(start=0.5, preemption=1.0, restore=0.25, checkpoint=0.125, checkpoint_interval=2.0)


def gangs(count=60, seed=0):
    """Random gangs, some too large for any cluster here, with wrong requests and priorities."""
    random = np.random.default_rng(seed)
    service = random.exponential(6.0, count)
    return table(
        np.cumsum(random.exponential(1.0, count)),
        service,
        random.integers(1, 14, count),
        service * random.uniform(0.5, 2.0, count),
        random.integers(0, 3, count),
    )


# Replay: the rows alone rebuild the final world.


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_rows_alone_rebuild_the_world_at_any_horizon(scheduler, placement):
    for horizon in (5.0, 23.0, 47.5, 1000.0):
        jobs = gangs(seed=int(horizon))
        fields = {"pools": pools((2, 4), (1, 6)), "overheads": COSTS, "horizon": horizon}
        run = simulate(jobs, 0, 0, scheduler, placement, **fields)
        state, world = final(run), run.outcome.world
        for pool, free in zip(world.fleet.pools, state.free, strict=True):
            assert pool.free_total == sum(free.values())
            if WHOLE_POOL not in free:
                assert pool.free().tolist() == list(free.values())
        assert sorted(state.waiting) == sorted(world.waiting)
        assert set(state.saving) == set(world.saving)
        assert {job: row.rate for job, row in state.running.items()} == {j: r.rate for j, r in world.running.items()}
        for job, row in state.running.items():
            place = world.running[job].allocation
            assert row.pool == place.pool
            assert not place.nodes or row.held == dict(zip(place.nodes, place.counts, strict=True))


def test_jobs_that_come_after_the_horizon_leave_no_row():
    run = simulate(table([0, 10, 20], [5, 5, 5]), 1, 1, horizon=10.0)
    assert run.log.job.tolist() == [0, 0, 0, 1, 1]
    assert run.outcome.end_s == 10.0


# Silence: nothing is summed up while the run goes, and nobody but the world changes the world.


def test_metrics_run_after_the_end_and_leave_the_log_alone(monkeypatch):
    def noise(*_):
        raise AssertionError("metrics during a run")

    for name in ("job_results", "timeline", "summary"):
        monkeypatch.setattr(f"tests.simulate.{name}", noise)
    run = simulate(gangs(), 3, 4, "srtf", "pack", overheads=COSTS)
    monkeypatch.undo()
    before = [getattr(run.log, field.name) for field in dataclasses.fields(run.log)]
    copies = [column.copy() if isinstance(column, np.ndarray) else column for column in before]
    summary = run.summary
    assert simulate(gangs(), 3, 4, "srtf", "pack", overheads=COSTS).summary == summary
    for column, copy in zip(before, copies, strict=True):
        assert np.array_equal(column, copy)


@dataclass
class Mischief:
    """A scheduler that decides what it is told to; `rule(view, waiting)` returns decisions."""

    rule: object

    def decide(self, view):
        return self.rule(view, list(view.waiting()))


ONE = Allocation(0, (0,), (1,))
SHARED = Allocation(TIME_SHARED)


def each_on(allocation):
    return lambda _, waiting: [Start(job, allocation) for job in waiting]


def shared_at(rate):
    return lambda _, waiting: [Start(job, SHARED, "", rate) for job in waiting]


ILLEGAL = {  # what a policy tries, and the rule that it breaks; the jobs need one accelerator each
    "start twice": (lambda _, w: [Start(w[0], ONE), Start(w[0], ONE)], "start of job 0, which is running"),
    "start a job to come": (lambda _, w: [Start(9, ONE)], "start of job 9, which is not waiting"),
    "start no job": (lambda _, w: [Start("first", ONE)], "start of job first, which is not waiting"),
    "a full node": (each_on(ONE), "start of job 2 .* 1 accelerators asked for on node 0, 0 free"),
    "too many": (each_on(Allocation(0, (0,), (2,))), "2 accelerators allocated, the job needs 1"),
    "too few": (each_on(Allocation(0)), "0 accelerators allocated, the job needs 1"),
    "nothing of a node": (each_on(Allocation(0, (0, 1), (1, 0))), "0 accelerators asked for on node 1"),
    "a node twice": (each_on(Allocation(0, (1, 1), (1, 0))), "a node is named twice"),
    "unknown node": (each_on(Allocation(0, (7,), (1,))), "no node 7 in a pool of 2"),
    "negative node": (each_on(Allocation(0, (-1,), (1,))), "no node -1 in a pool of 2"),
    "unknown pool": (each_on(Allocation(5, (0,), (1,))), "no such pool|pool 5, which it may not use"),
    "negative pool": (each_on(Allocation(-2, (0,), (1,))), "time-shared"),
    "nodes and counts apart": (each_on(Allocation(0, (0, 1), (1,))), "2 nodes and 1 counts"),
    "half a node": (each_on(Allocation(0, (0.5,), (1,))), "indices must be integers"),
    "no place": (each_on(None), "NoneType"),
    "preempt a waiting job": (lambda _, w: [Preempt(w[0])], "preemption of job 0, which is waiting"),
    "preempt nobody": (lambda _, w: [Preempt(99)], "preemption of job 99, which is not waiting: unknown"),
    "reject a running job": (lambda _, w: [Start(w[0], ONE), Reject(w[0])], "rejection of job 0, which is running"),
    "a word": (lambda _, w: ["start"], "not one of Start, Preempt, Reject, SetRate, WakeAt"),
    "a tuple": (lambda _, w: [(0, ONE)], "not one of Start"),
    "nothing to loop over": (lambda *_: 3, "no decisions"),
    "rate zero": (shared_at(0.0), "rate 0"),
    "rate below zero": (shared_at(-0.5), "rate -0.5"),
    "rate above one": (shared_at(1.5), "rate 1.5"),
    "rate nan": (shared_at(nan), "rate nan"),
    "slow on nodes": (lambda _, w: [Start(w[0], ONE, "", 0.5)], "only time-shared jobs"),
    "more than there is": (lambda _, w: [Start(j, SHARED) for j in w], "add up to 5 of 4 accelerators"),
    "rates up to more": (
        lambda _, w: [*(Start(j, SHARED, "", 0.5) for j in w), *(SetRate(j, 1.0) for j in w)],
        "add up to 4.5 of 4 accelerators",
    ),
    "rate of a waiting job": (lambda _, w: [SetRate(w[0], 0.5)], "rate 0.5 for job 0, which is waiting"),
    "wake up now": (lambda view, _: [WakeAt(view.now)], "not a later time"),
    "wake up never": (lambda *_: [WakeAt(inf)], "not a later time"),
    "wake up nan": (lambda *_: [WakeAt(nan)], "not a later time"),
}


@pytest.mark.parametrize("name", ILLEGAL)
def test_an_illegal_decision_names_policy_time_decision_and_rule(name):
    attempt, rule = ILLEGAL[name]
    jobs = table([2.5] * 8 + [99.0] * 2, [5] * 10)
    with pytest.raises(PolicyError, match=rf"(?i)^(mine|mischief): at 2.5 s: .*({rule})"):
        simulate(jobs, 2, 2, Mischief(attempt), "pack")


def test_nodes_cannot_be_named_where_the_placement_does_not_look_at_them():
    with pytest.raises(PolicyError, match="does not look at nodes"):
        simulate(table([0], [5]), 2, 2, Mischief(each_on(ONE)), "pool")


def test_a_pool_that_the_job_may_not_use_is_refused():
    jobs = table([0], [5], pool=["b"])
    with pytest.raises(PolicyError, match="pool 0, which it may not use"):
        simulate(jobs, 0, 0, Mischief(each_on(ONE)), "pack", pools=pools((2, 2), (2, 2)))


@dataclass(frozen=True)
class Misplaced(Placement):
    """A placement that always says the same."""

    allocation: object

    def place(self, request, pools):
        return self.allocation


@pytest.mark.parametrize("scheduler", ["fifo", "easy", "srtf", "loss"])
@pytest.mark.parametrize(
    ("allocation", "rule"),
    [
        (Allocation(0, (9,), (1,)), "no node 9"),
        (Allocation(0, (0,), (2,)), "2 accelerators allocated"),
        (Allocation(4, (0,), (1,)), "no such pool"),
        ("somewhere", ""),
    ],
)
def test_an_illegal_place_is_refused_like_an_illegal_decision(scheduler, allocation, rule):
    with pytest.raises(PolicyError, match=f"(?i)^{scheduler}: at 3 s: .*{rule}"):
        simulate(table([3], [5]), 2, 2, scheduler, Misplaced(allocation))


def test_jobs_that_nobody_ever_starts_are_an_error_and_not_an_endless_run():
    with pytest.raises(PolicyError, match="2 jobs are left waiting for ever"):
        simulate(table([0, 1], [5, 5]), 2, 2, Mischief(lambda *_: []), "pack")


# No orphan facts: every field of a scenario changes the log or the summary, or stands here with a reason.


def device(**facts):
    """Two pools: one of V100, one of another device."""
    other = pools((2, 4), accelerator=Accelerator(name="other", **facts))[0]
    return (*pools((2, 4)), other.model_copy(update={"name": "b"}))


def with_parts(**facts):
    return (Pool(name="a", accelerator=V100, nodes=2, accelerators_per_node=4, **facts),)


class ByClock:
    """Jobs that computing alone bounds."""

    shared_nics = ()
    sizes = ()

    def rate(self, job, allocation, clock, crowd, shares):
        return clock


def patient(patience):
    """Locality on three nodes, of which two are under one switch."""
    placement = Locality(patience=patience)
    placement.blocks = [[np.array([0, 0, 1])]]
    return placement


PARTS = replace(gangs(), accelerators=np.ones(60, np.int32), cpus=np.full(60, 2.0), memory_b=np.full(60, 8e9))
NARROW = replace(gangs(), accelerators=np.full(60, 3, np.int32))
FIRST = replace(gangs(), pool=Names.of(["a"] * 60))
ON_V100 = replace(gangs(), accelerator_names=Names.of(["V100"] * 60))
FAST = {"bf16": 9e14, "fp16": 5e14, "fp32": 3e13}

# Field: jobs, scheduler, placement, fields before, what changes.
CHANGES = {
    "seed": (gangs(), "fifo", "random", {}, {"seed": 5}),
    "horizon": (gangs(), "fifo", "pack", {}, {"horizon": 30.0}),
    "pools": (gangs(), "fifo", "pack", {}, {"pools": pools((3, 4), (2, 4))}),
    "pools.name": (FIRST, "fifo", "pack", {}, {"pools": (pools((3, 4))[0].model_copy(update={"name": "z"}),)}),
    "pools.accelerator": (ON_V100, "fifo", "pack", {}, {"pools": pools((3, 4), accelerator=Accelerator(name="A100"))}),
    "pools.nodes": (gangs(), "fifo", "pack", {}, {"pools": pools((4, 4))}),
    "pools.accelerators_per_node": (gangs(), "fifo", "pack", {}, {"pools": pools((3, 5))}),
    "pools.cpus_per_node": (PARTS, "fifo", "pack", {}, {"pools": with_parts(cpus_per_node=4.0)}),
    "pools.memory_per_node": (PARTS, "fifo", "pack", {}, {"pools": with_parts(memory_per_node=16e9)}),
    "pools.clock": (
        gangs(),
        "fifo",
        "pack",
        {"speeds": ByClock()},
        {"pools": (pools((3, 4))[0].model_copy(update={"clock": 0.5}),)},
    ),
    "pools.accelerator.name": (
        ON_V100,
        "fifo",
        "pack",
        {},
        {"pools": pools((3, 4), accelerator=Accelerator(name="x"))},
    ),
    **{
        f"pools.accelerator.{rate}": (
            gangs(),
            "fifo",
            "weighted",
            {"pools": device()},
            {"pools": device(**{rate: value})},
        )
        for rate, value in FAST.items()
    },
    "scheduler": (gangs(), "fifo", "pack", {}, {"scheduler": "sjf"}),
    "scheduler.use": (gangs(), "fifo", "pack", {}, {"scheduler": "easy"}),
    "placement": (gangs(), "fifo", "pack", {}, {"placement": "spread"}),
    "placement.fgd.popularity": (gangs(), "fifo", "fgd", {}, {"placement": ("fgd", {"popularity": 0.1})}),
    "placement.locality.patience": (gangs(), "fifo", patient(0.0), {}, {"placement": patient(9.0)}),
    "placement.use": (gangs(), "fifo", "pack", {}, {"placement": "pool"}),
    "overheads": (gangs(), "srtf", "pack", {}, {"overheads": COSTS}),
    "overheads.start": (gangs(), "srtf", "pack", {}, {"overheads": Overheads(start=1.0)}),
    "overheads.preemption": (gangs(), "srtf", "pack", {}, {"overheads": Overheads(preemption=1.0)}),
    "overheads.restore": (gangs(), "srtf", "pack", {}, {"overheads": Overheads(restore=1.0)}),
    "overheads.checkpoint": (
        gangs(),
        "srtf",
        "pack",
        {"overheads": Overheads(checkpoint_interval=2.0)},
        {"overheads": Overheads(checkpoint_interval=2.0, checkpoint=0.5)},
    ),
    "overheads.checkpoint_interval": (gangs(), "srtf", "pack", {}, {"overheads": Overheads(checkpoint_interval=2.0)}),
    "estimates": (gangs(), "sjf", "pack", {}, {"estimates": Estimates(model="exact")}),
    "estimates.model": (
        gangs(),
        "sjf",
        "pack",
        {"estimates": Estimates(model="uniform")},
        {"estimates": Estimates(model="lognormal")},
    ),
    "estimates.spread": (
        gangs(),
        "sjf",
        "pack",
        {"estimates": Estimates(model="uniform", spread=1.0)},
        {"estimates": Estimates(model="uniform", spread=9.0)},
    ),
    "scheduler.easy.depth": (gangs(), "easy", "pack", {}, {"scheduler": ("easy", {"depth": 1})}),
    "scheduler.priority.preempts": (NARROW, "priority", "pack", {}, {"scheduler": ("priority", {"preempts": True})}),
    "scheduler.least_attained_service.thresholds": (
        gangs(),
        "least_attained_service",
        "pack",
        {},
        {"scheduler": ("least_attained_service", {"thresholds": (5.0, 20.0)})},
    ),
}

NO_CHANGE = {
    "name": "names the results folder and stands in error texts",
    "start": "ties the report's axes to the calendar",
    "workload": "is read into jobs before the engine starts; its loaders have their own tests",
    "workload.use": "see workload",
    "jobs": "become rows of the job table and rates before the engine starts: see tests/training",
    "speeds": "become rates before the engine starts: see tests/training",
    "speeds.use": "see speeds",
    "pools.nic_bandwidth": "is read by the models of training jobs: see tests/training",
    "pools.nics_per_node": "is read by the models of training jobs: see tests/training",
    "network": "loads links with training jobs, which come from models: see tests/sim/test_links.py",
    "network.topology": "see network",
    "network.host": "see network, and tests/scenarios/test_networks.py",
    "network.contention": "see network",
    **{
        f"network.failures{key}": "need links with training jobs: see tests/sim/test_failing_links.py"
        for key in ("", *(f".{name}" for name in NetworkFailure.model_fields))
    },
    "network.traffic": "see network, and tests/training/test_trace_traffic.py for its keys",
    **{
        f"placement.{use}.interleave": "lets training jobs take turns on links: see tests/scenarios/test_two_jobs.py"
        for use in ("least_contention", "locality", "topology_aware")
    },
    "reject_oversize": "turns a rejection into an error: see the test below",
    **{
        f"pools.accelerator.{field}": "a fact of the device; only the placement `weighted` asks for any, its peak rate"
        for field in Accelerator.model_fields
        if field not in ("name", *FAST)
    },
}


def fields_of(facts, prefix=""):
    """All keys of a scenario, with those of tables inside."""
    inner = {"pools": Pool, "accelerator": Accelerator, "overheads": Overheads, "estimates": Estimates}
    inner |= {"network": Interconnect, "failures": NetworkFailure}
    for name in facts.model_fields:
        yield prefix + name
        if name in ("workload", "speeds", "scheduler", "placement"):
            yield f"{prefix}{name}.use"
        if name in inner:
            yield from fields_of(inner[name], f"{prefix}{name}.")


def plugin_fields():
    for kind, names in (("scheduler", SCHEDULERS), ("placement", PLACEMENTS)):
        for name in names:
            yield from (f"{kind}.{name}.{field.name}" for field in dataclasses.fields(plugins.find(kind, name)))


def leaves(jobs, scheduler, placement, fields):
    """All that a run leaves: rows and summary."""
    if isinstance(scheduler, tuple):
        scheduler = plugins.find("scheduler", scheduler[0])(**scheduler[1])
    if isinstance(placement, tuple):
        placement = plugins.find("placement", placement[0])(**placement[1])
    run = simulate(jobs, 3, 4, scheduler, placement, **fields)
    rows = [getattr(run.log, field.name) for field in dataclasses.fields(run.log)]
    return [column.tolist() if isinstance(column, np.ndarray) else column for column in rows], run.summary


def test_every_field_changes_something_or_has_a_reason_not_to():
    assert Facts in Scenario.__mro__
    known = [*fields_of(Scenario), *plugin_fields()]
    assert sorted({*CHANGES, *NO_CHANGE}) == sorted(known)
    assert not set(CHANGES) & set(NO_CHANGE)


@pytest.mark.parametrize("field", CHANGES)
def test_a_field_changes_log_or_summary(field):
    jobs, scheduler, placement, before, change = CHANGES[field]
    after = {**before, **change}
    policies = after.pop("scheduler", scheduler), after.pop("placement", placement)
    assert leaves(jobs, scheduler, placement, before) != leaves(jobs, *policies, after)


def test_a_column_of_the_jobs_that_is_no_label_changes_the_log():
    jobs = replace(gangs(), accelerators=np.arange(60, dtype=np.int32) % 4 + 1)
    changes = {
        "submit_s": (jobs.submit_s * 0.5, "fifo"),
        "service_s": (jobs.service_s + 1.0, "fifo"),
        "requested_s": (jobs.requested_s[::-1].copy(), "sjf"),
        "accelerators": (jobs.accelerators + 1, "fifo"),
        "priority": (jobs.priority[::-1].copy(), "priority"),
        "end_state": (np.ones(60, np.int8), "fifo"),
        "share": (np.where(jobs.accelerators == 1, 0.5, 1.0), "fifo_skip"),
        "pool": (Names.of(["elsewhere"] * 60), "fifo"),
        "accelerator_names": (Names.of(["elsewhere"] * 60), "fifo"),
    }
    for column, (values, scheduler) in changes.items():
        plain, changed = (
            leaves(table_, scheduler, "pack", {})[0] for table_ in (jobs, replace(jobs, **{column: values}))
        )
        assert plain != changed, column


def test_name_and_calendar_change_neither():
    plain = leaves(gangs(), "fifo", "pack", {})
    assert plain == leaves(gangs(), "fifo", "pack", {"name": "other"})
    assert plain == leaves(gangs(), "fifo", "pack", {"start": datetime(2020, 3, 18, 4, tzinfo=UTC)})


def test_a_job_too_large_is_rejected_with_the_reason_or_an_error():
    jobs = table([0, 1], [5, 5], [1, 13])
    run = simulate(jobs, 3, 4)
    assert run.summary["jobs_rejected"] == 1
    assert "can never fit: it needs 13 accelerators, a has 3 x 4" in run.log.reasons
    with pytest.raises(ScenarioError, match="job 1 can never fit: it needs 13 accelerators, a has 3 x 4"):
        simulate(jobs, 3, 4, reject_oversize=False)
