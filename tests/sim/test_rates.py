"""Jobs at rates other than 1: pools, clocks and neighbours, with work kept in seconds of service."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from dcsim import plugins
from dcsim.eventlog.schema import RATE, START
from dcsim.metrics.spent import spent
from dcsim.performance.shares import WHOLE, Shares
from dcsim.policies.decisions import Allocation, Preempt, Start
from dcsim.scenario.spec import Overheads, PluginTable, Scenario
from dcsim.sim.clock import TIMER, Moment
from dcsim.sim.engine import Engine
from dcsim.sim.work import Checkpoints
from tests.replay import final
from tests.simulate import Simulated, pools, simulate, table


@dataclass(frozen=True)
class ByPool:
    """A rate for each pool, times its clock; gangs that share NICs get their part of a node of `width`."""

    rates: tuple[float, ...]
    shared_nics: tuple[int, ...] = ()
    width: int = 4
    sizes: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def rate(self, job: int, allocation: Allocation, clock: float, crowd: int, shares: Shares = WHOLE) -> float:
        return self.rates[allocation.pool] * clock * (self.width / crowd if crowd > self.width else 1.0)


@dataclass
class Told:
    """A scheduler that does what it is told, at what time."""

    script: list[tuple[float, object]] = field(default_factory=list)

    def decide(self, view):
        while self.script and self.script[0][0] <= view.now:
            yield self.script.pop(0)[1]


def at(pool: int, *nodes: int, each: int = 1) -> Allocation:
    return Allocation(pool, nodes, (each,) * len(nodes))


def with_clocks(jobs, changes, speeds, scheduler="fifo", **fields) -> Simulated:
    """A run in which the clock of a pool changes: (time, pool, share)."""
    tables = {kind: PluginTable(use="mine") for kind in ("workload", "scheduler", "placement")}
    scenario = Scenario(name="test", **tables, **fields)
    policy = plugins.find("scheduler", scheduler)() if isinstance(scheduler, str) else scheduler
    engine = Engine(scenario, jobs, policy, plugins.find("placement", "pack")(), speeds=speeds)
    world = engine._world
    for time_s, pool, share in changes:
        moment = Moment(world.clock, [lambda _, pool=pool, share=share: world.set_clock(pool, share, "cap")])
        world.clock.schedule_at(time_s, TIMER, moment)
    return Simulated(scenario, jobs, engine.run())


def test_a_job_runs_at_the_rate_of_its_pool_and_the_log_says_so():
    # Two jobs of 10 s of service: pool a at rate 1, pool b at rate 0.25.
    run = simulate(table([0, 0], [10, 10]), 0, 0, pools=pools((1, 1), (1, 1)), speeds=ByPool((1.0, 0.25)))
    assert run.end_s == [10, 40]
    starts = run.log.of_kind(START)
    assert run.log.value[starts].tolist() == [1.0, 0.25]


def test_a_faster_pool_counts_whole_accelerators_for_less_time():
    run = simulate(table([0], [10], [2]), 0, 0, pools=pools((1, 2)), speeds=ByPool((4.0,)))
    assert run.end_s == [2.5]
    assert run.summary["accelerator_hours"] * 3600 == pytest.approx(5.0)
    assert run.summary["utilization_allocated"] == 1.0
    assert run.summary["bounded_slowdown_mean"] == 1.0


def test_a_clock_that_changes_changes_the_rate_from_then_on():
    # 10 s of service: 4 s at rate 1, then half the clock: 6 s of service take 12 s.
    run = with_clocks(table([0], [10]), [(4.0, 0, 0.5)], ByPool((1.0,)), pools=pools((1, 1)))
    assert run.end_s == [16]
    rates = run.log.of_kind(RATE)
    assert (run.log.time_s[rates].tolist(), run.log.value[rates].tolist()) == ([4.0], [0.5])
    assert [run.log.reasons[r] for r in run.log.reason[rates]] == ["cap"]
    assert run.summary["utilization_allocated"] == 1.0  # all of its accelerators all the time, whatever the rate
    parts = spent(run.jobs, run.log, run.scenario.overheads, 0, 16.0)
    assert (parts.useful_s, parts.other_s) == (16.0, 0.0)


def test_clocks_of_other_pools_change_nothing():
    jobs = table([0, 0], [10, 10])
    run = with_clocks(jobs, [(4.0, 1, 0.5)], ByPool((1.0, 1.0)), pools=pools((1, 1), (1, 1)))
    assert run.end_s == [10, 16]
    assert len(run.log.of_kind(RATE)) == 1


def test_work_moves_to_another_pool_in_seconds_of_service():
    # 10 s of service; 4 s at rate 1 in a, stopped, then 6 s of service at rate 0.5 in b.
    script = [(0.0, Start(0, at(0, 0))), (4.0, Preempt(0)), (5.0, Start(0, at(1, 0)))]
    jobs = table([0, 4, 5], [10, 0, 0])
    extra = [(4.0, Start(1, at(0, 0))), (5.0, Start(2, at(0, 0)))]
    told = Told(sorted([*script, *extra], key=lambda s: s[0]))
    run = simulate(jobs, 0, 0, told, pools=pools((1, 1), (1, 1)), speeds=ByPool((1.0, 0.5)))
    assert run.end_s[0] == 17
    parts = spent(run.jobs, run.log, run.scenario.overheads, 0, 17.0)
    assert (parts.waiting_s, parts.useful_s, parts.other_s) == (1.0, 16.0, 0.0)


def test_checkpoints_keep_their_place_when_the_rate_changes():
    # A checkpoint of 1 s after every 4 s of service. At 7 s: 4 s done and saved (at 5 s), 2 s more. Then half the
    # clock: the next checkpoint is due after 2 s of service more, 4 s later, and takes 1 s: 12 s. Then 2 s of service.
    costs = Overheads(checkpoint=1.0, checkpoint_interval=4.0)
    run = with_clocks(table([0], [10]), [(7.0, 0, 0.5)], ByPool((1.0,)), pools=pools((1, 1)), overheads=costs)
    assert run.end_s == [16]


def test_a_preemption_after_a_change_of_rate_loses_the_work_since_the_last_checkpoint():
    # Half the clock at 2 s, stopped at 6 s: 2 + 2 s of service since the start, checkpoints every 3 s of service.
    costs = Overheads(checkpoint_interval=3.0)
    jobs = table([0, 6], [10, 0])
    told = Told([(0.0, Start(0, at(0, 0))), (6.0, Preempt(0)), (6.0, Start(1, at(1, 0))), (6.0, Start(0, at(0, 0)))])
    here = pools((1, 1), (1, 1))
    run = with_clocks(jobs, [(2.0, 0, 0.5)], ByPool((1.0, 1.0)), told, pools=here, overheads=costs)
    assert run.results.lost_work_s[0] == 1.0
    assert run.end_s[0] == 6 + 7 / 0.5


def test_a_pause_for_a_checkpoint_takes_as_long_at_every_clock():
    points = Checkpoints(4.0, 1.0)
    # 4.5 s after the last checkpoint at rate 1: half through the pause. At rate 0.5 the same point is 8.5 s after it.
    assert points.at_rate(4.5, 1.0, 0.5) == (0.0, 8.5)
    assert points.at_rate(5.0, 1.0, 0.5) == (4.0, 0.0)
    assert points.at_rate(7.0, 1.0, 0.5) == (4.0, 4.0)
    assert Checkpoints().at_rate(7.0, 2.0, 0.5) == (14.0, 0.0)


def test_gangs_that_come_and_go_change_the_rates_of_their_neighbours():
    # Two gangs of 4 over two nodes of 4, two on each: alone the node's NICs are enough for 2; width 2 halves both.
    speeds = ByPool((1.0,), shared_nics=(0,), width=2)
    jobs = table([0, 4], [10, 2], [4, 4])
    told = Told([(0.0, Start(0, at(0, 0, 1, each=2))), (4.0, Start(1, at(0, 0, 1, each=2)))])
    run = simulate(jobs, 0, 0, told, pools=pools((2, 4)), speeds=speeds)
    # From 4 s both run at half: job 1 ends at 8 s, job 0 has done 4 + 2 s then and 4 s are left.
    assert run.end_s == [12, 8]
    rows = run.log.of_kind(RATE)
    assert [run.log.reasons[r] for r in run.log.reason[rows]] == ["a neighbour has come", "a neighbour is gone"]
    assert run.log.value[rows].tolist() == [0.5, 1.0]


def test_backfill_knows_how_long_a_job_takes_where_it_would_go():
    # Pool b runs at 0.2. Job 0 holds a until 10, job 1 (head) waits for a; job 2 may only use b, at 0.2: 5 s take 25.
    jobs = table([0, 1, 2], [10, 5, 5], [4, 4, 1], pool=["a", "a", "b"])
    run = simulate(jobs, 0, 0, "easy", pools=pools((1, 4), (1, 4)), speeds=ByPool((1.0, 0.2)))
    assert run.end_s == [10, 15, 27]
    # One pool at half speed: job 2 of 5 s takes 10 s, past the head's reservation at 20 s, and must wait.
    late = simulate(table([0, 1, 12], [10, 5, 5], [3, 4, 1]), 0, 0, "easy", pools=pools((1, 4)), speeds=ByPool((0.5,)))
    assert late.start_s == [0, 20, 30]
    soon = simulate(table([0, 1, 12], [10, 5, 5], [3, 4, 1]), 0, 0, "easy", pools=pools((1, 4)), speeds=ByPool((1.0,)))
    assert soon.start_s == [0, 10, 15]


@pytest.mark.parametrize("scheduler", ["easy", "conservative"])
def test_a_slower_clock_moves_reservations(scheduler):
    # Job 0 (3 of 4) was to end at 10; at 5 its clock halves, so it ends at 15. The head (4) then starts at 15, and
    # job 2, which takes 4 s of service = 8 s at that clock, may start at 6 since it ends at 14.
    jobs = table([0, 1, 6], [10, 5, 4], [3, 4, 1])
    run = with_clocks(jobs, [(5.0, 0, 0.5)], ByPool((1.0,)), scheduler, pools=pools((1, 4)))
    assert run.start_s == [0, 15, 6]
    assert run.end_s == [15, 25, 14]


def test_shortest_remaining_time_is_what_remains_at_each_jobs_own_rate():
    # In b (rate 0.1) job 1 has 10 - 0.8 = 9.2 s left at 8 s, in a job 0 has 12 - 8 = 4. Job 2 (5 s) may use b alone.
    jobs = table([0, 0, 8], [12, 10, 5], pool=["a", "b", "b"])
    run = simulate(jobs, 0, 0, "srtf", pools=pools((1, 1), (1, 1)), speeds=ByPool((1.0, 0.1)))
    assert run.results.preemptions.tolist() == [0, 1, 0]
    assert run.end_s == pytest.approx([12, 8 + 50 + 92, 58])


@pytest.mark.parametrize("scheduler", ["fifo", "easy", "conservative", "srtf", "least_attained_service", "fifo_skip"])
def test_half_the_rate_everywhere_is_twice_the_service_times(scheduler):
    random = np.random.default_rng(3)
    submit, service = np.cumsum(random.exponential(1.0, 80)), random.exponential(6.0, 80)
    size = random.integers(1, 9, 80)
    slow = simulate(table(submit, service, size), 3, 4, scheduler, speeds=ByPool((0.5,)))
    double = simulate(table(submit, 2 * service, size), 3, 4, scheduler)
    assert slow.end_s == pytest.approx(double.end_s)
    assert slow.start_s == pytest.approx(double.start_s)


@pytest.mark.parametrize("scheduler", ["easy", "srtf", "least_attained_service", "processor_sharing"])
def test_rows_alone_rebuild_places_and_rates(scheduler):
    random = np.random.default_rng(5)
    service = random.exponential(6.0, 60)
    jobs = table(np.cumsum(random.exponential(1.0, 60)), service, random.integers(1, 9, 60))
    speeds = ByPool((1.0, 0.6), shared_nics=(0,), width=3)
    for horizon in (9.0, 31.0):
        here = {"pools": pools((3, 4), (2, 4)), "horizon": horizon}
        run = with_clocks(jobs, [(7.0, 0, 0.5), (20.0, 1, 1.5)], speeds, scheduler, **here)
        state, world = final(run), run.outcome.world
        assert {job: row.rate for job, row in state.running.items()} == {j: r.rate for j, r in world.running.items()}
        assert [pool.free_total for pool in world.fleet.pools] == [sum(free.values()) for free in state.free]


@pytest.mark.parametrize("scheduler", ["easy", "srtf", "fifo"])
def test_service_is_the_sum_of_rate_times_time(scheduler):
    """Whatever happened to a job: its rates, each for as long as it held, add up to its service and what was lost."""
    random = np.random.default_rng(8)
    service = random.exponential(6.0, 60)
    jobs = table(np.cumsum(random.exponential(1.0, 60)), service, random.integers(1, 9, 60))
    speeds = ByPool((1.0, 0.6), shared_nics=(0,), width=3)
    changes = [(float(t), int(t) % 2, 0.5 + 0.1 * (t % 7)) for t in range(5, 100, 5)]
    costs = Overheads(checkpoint_interval=2.0)
    run = with_clocks(jobs, changes, speeds, scheduler, pools=pools((3, 4), (2, 4)), overheads=costs)
    log, done = run.log, np.zeros(60)
    since, rate = {}, {}
    for time, kind, job, value in zip(*(c.tolist() for c in (log.time_s, log.kind, log.job, log.value)), strict=True):
        if job in since:
            done[job] += (time - since.pop(job)) * rate[job]
        if kind in (START, RATE):
            since[job], rate[job] = time, value
    assert len(log.of_kind(RATE)) > 20
    assert done == pytest.approx(jobs.service_s + run.results.lost_work_s)
