"""Laws that hold on every run, for every built-in scheduler and placement, read off the event log alone."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim import plugins
from dcsim.eventlog.schema import PREEMPT, SAVE
from dcsim.scenario.spec import Overheads
from dcsim.sim.work import Checkpoints
from tests.replay import final, replay
from tests.simulate import pools, simulate, table

SCHEDULERS, PLACEMENTS = plugins.names("scheduler"), plugins.names("placement")
COSTS = Overheads(start=0.5, preemption=1.0, restore=0.25, checkpoint=0.125, checkpoint_interval=2.0)
NO_COSTS = Overheads()


# Every built-in scheduler, and the one whose preemption is an option also with it.
VARIANTS = [pytest.param(plugins.find("scheduler", name)(), id=name) for name in SCHEDULERS]
VARIANTS.append(pytest.param(plugins.find("scheduler", "priority")(preempts=True), id="priority-preempts"))

LISTS = [  # all that start what fits, in some order; unit-width jobs that are all there are never preempted by them
    name for name in SCHEDULERS if name not in ("loss", "processor_sharing")
]


WHOLE = st.integers(0, 12)


@st.composite
def jobs(draw, most=20, widest=12, times=WHOLE, exact=False):
    """A table of random gangs, with ties, zero-length jobs and wrong requests."""
    count = draw(st.integers(1, most))

    def column(values):
        return draw(st.lists(values, min_size=count, max_size=count))

    submit, service, need = sorted(column(times)), column(times), column(st.integers(1, widest))
    requested = service if exact else [max(r, s) if r % 2 else r for r, s in zip(column(times), service, strict=True)]
    return table(submit, service, need, requested, priority=column(st.integers(0, 2)))


fast = settings(max_examples=25, deadline=None, derandomize=True)
thorough = settings(max_examples=150, deadline=None, derandomize=True)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("scheduler", VARIANTS)
@given(jobs=jobs(), costs=st.sampled_from([NO_COSTS, COSTS]), shape=st.sampled_from([(3, 4), (1, 12), (4, 3)]))
@fast
def test_every_job_ends_once_and_no_accelerator_is_held_twice(scheduler, placement, jobs, costs, shape):
    run = simulate(jobs, *shape, scheduler, placement, overheads=costs)
    state = final(run)  # replaying complains at the first row that cannot be
    assert sorted(state.ended) == list(range(len(jobs)))
    assert (state.waiting, state.running, state.saving) == ([], {}, {})
    assert all(count == shape[1] or len(pool) == 1 for pool in state.free for count in pool.values())
    assert all(state.start_s[job] >= jobs.submit_s[job] for job in state.start_s)
    assert all(run.log.value[run.log.of_kind(PREEMPT, SAVE)] >= 0.0)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("scheduler", VARIANTS)
@given(jobs=jobs(widest=8))
@fast
def test_the_same_holds_over_several_pools(scheduler, placement, jobs):
    wanted = [(None, "a", "b", "nowhere")[n % 4] for n in range(len(jobs))]
    columns = {"pool": type(jobs.pool).of(wanted)}
    run = simulate(replace(jobs, **columns), 0, 0, scheduler, placement, pools=pools((2, 4), (1, 6), (3, 2)))
    state = final(run)
    assert sorted(state.ended) == list(range(len(jobs)))
    assert all(row.pool in {"a": (0,), "b": (1,)}.get(name, (0, 1, 2)) for name, row in places(run, wanted))


def places(run, wanted):
    """(pool asked for, run) of all jobs that run at the end of some instant on a place of their own."""
    for _, state in replay(run):
        for job, row in state.running.items():
            if row.pool >= 0:
                yield wanted[job], row


def fits(free, width, need):
    """Whether a gang fits on these nodes: whole empty nodes and one more for the rest. One node: a plain count."""
    whole, rest = divmod(need, width)
    if len(free) == 1 or not whole:
        return max(free) >= need
    taken = sorted(free)[::-1]
    return all(f == width for f in taken[:whole]) and (not rest or max(taken[whole:], default=0) >= rest)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("scheduler", ["fifo", "easy", "sjf", "fifo_skip"])
@given(jobs=jobs())
@fast
def test_room_that_fits_the_head_is_never_idle(scheduler, placement, jobs):
    run = simulate(jobs, 3, 4, scheduler, placement)
    for _, state in replay(run):
        free = list(state.free[0].values())
        waiting = [jobs.accelerators[job] for job in sorted(state.waiting)]
        if scheduler == "sjf":
            waiting = [jobs.accelerators[min(state.waiting, key=lambda j: (jobs.requested_s[j], j))]] if waiting else []
        for need in waiting if scheduler == "fifo_skip" else waiting[:1]:
            assert not fits(free, 4, need)


@pytest.mark.parametrize("placement", ["pack", "pool", "spread", "weighted"])
@given(jobs=jobs(times=st.floats(0.0, 12.0)), costs=st.sampled_from([NO_COSTS, Overheads(start=0.7)]))
@thorough
def test_easy_starts_the_head_by_its_reservation_if_no_job_overruns(placement, jobs, costs):
    jobs = replace(jobs, requested_s=np.maximum(jobs.requested_s, jobs.service_s))
    run = simulate(jobs, 3, 4, "easy", placement, overheads=costs)
    promised = {}
    for now, state in replay(run):
        if state.waiting and (head := min(state.waiting)) not in promised:
            promised[head] = reservation(jobs, state, head, now, costs.start)
    slack = 1e-12 if costs.start else 0.0  # two additions may round in another order
    assert all(run.start_s[head] <= time * (1.0 + slack) for head, time in promised.items())


def reservation(jobs, state, head, now, overhead):
    """When the head fits if all that run end as requested and nobody else starts."""
    free = dict(state.free[0])
    ends = {job: state.start_s[job] + overhead + jobs.requested_s[job] for job in state.running}
    for job in sorted(ends, key=ends.get):
        for node, count in state.running[job].held.items():
            free[node] += count
        later = [end for end in ends.values() if end > ends[job]]
        if ends[job] in later or not fits(list(free.values()), 4, jobs.accelerators[head]):
            continue
        return max(ends[job], now)
    raise AssertionError("it fits when all have left")


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("scheduler", LISTS)
@given(services=st.lists(st.integers(0, 20), min_size=1, max_size=20), shape=st.sampled_from([(3, 1), (2, 2), (1, 5)]))
@fast
def test_any_list_schedule_is_within_graham_s_bound(scheduler, placement, services, shape):
    machines = shape[0] * shape[1]
    run = simulate(table([0] * len(services), services), *shape, scheduler, placement)
    optimum_at_least = max(Fraction(sum(services), machines), max(services))
    assert Fraction(max(run.end_s)) <= (2 - Fraction(1, machines)) * optimum_at_least
    assert Fraction(max(run.end_s)) <= Fraction(sum(services), machines) + Fraction(machines - 1, machines) * max(
        services
    )


def scaled(scheduler, factor):
    """The same policy in another unit of time."""
    if hasattr(scheduler, "thresholds"):
        return replace(scheduler, thresholds=tuple(factor * level for level in scheduler.thresholds))
    return scheduler


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("scheduler", VARIANTS)
@given(jobs=jobs(), power=st.sampled_from([-4, 3, 10]), costs=st.sampled_from([NO_COSTS, COSTS]))
@fast
def test_scaling_all_times_by_a_power_of_two_scales_the_results_exactly(scheduler, placement, jobs, power, costs):
    factor = 2.0**power
    if hasattr(scheduler, "thresholds"):
        scheduler = replace(scheduler, thresholds=(4.0, 16.0, 64.0))
    longer = {name: factor * getattr(jobs, name) for name in ("submit_s", "service_s", "requested_s")}
    dearer = Overheads(**{name: factor * getattr(costs, name) for name in costs.model_fields_set})
    plain = simulate(jobs, 3, 4, scheduler, placement, overheads=costs)
    large = simulate(replace(jobs, **longer), 3, 4, scaled(scheduler, factor), placement, overheads=dearer)
    assert (factor * plain.log.time_s).tolist() == large.log.time_s.tolist()
    assert plain.log.job.tolist() == large.log.job.tolist()
    assert plain.log.nodes.tolist() == large.log.nodes.tolist()


@pytest.mark.parametrize("placement", PLACEMENTS)
@given(jobs=jobs(widest=1, most=40, times=st.floats(0.0, 12.0)), shape=st.sampled_from([(1, 1), (1, 3), (2, 2)]))
@thorough
def test_doubling_capacity_never_delays_a_unit_width_job_under_fifo(placement, jobs, shape):
    nodes, width = shape
    once, nodes_twice = (
        simulate(jobs, nodes, width, "fifo", placement),
        simulate(jobs, 2 * nodes, width, "fifo", placement),
    )
    width_twice = simulate(jobs, nodes, 2 * width, "fifo", placement)
    for more in (nodes_twice, width_twice):
        assert all(late <= early for late, early in zip(more.start_s, once.start_s, strict=True))
        assert more.results.wait_s.sum() <= once.results.wait_s.sum()


@given(services=st.lists(st.integers(0, 1000), min_size=1, max_size=30))
@thorough
def test_sjf_waits_no_longer_than_fifo_in_a_batch_on_one_server(services):
    batch = table([0] * len(services), services)
    sjf, fifo, ljf = (sum(simulate(batch, 1, 1, scheduler, "pool").start_s) for scheduler in ("sjf", "fifo", "ljf"))
    assert sjf <= fifo <= ljf
    assert sjf == sum(sum(sorted(services)[:n]) for n in range(len(services)))


@given(jobs=jobs(widest=1, exact=True))
@thorough
def test_srtf_has_the_least_mean_completion_time_on_one_server(jobs):
    best = sum(simulate(jobs, 1, 1, "srtf", "pool").end_s)
    for scheduler in VARIANTS:
        if scheduler.id != "loss":
            assert best <= sum(simulate(jobs, 1, 1, scheduler.values[0], "pool").end_s) * (1 + 1e-12)


# What a job's progress costs: the closed forms of dcsim/sim/work.py against a loop.


def step_by_step(interval, cost, rate, work=None, elapsed=None):
    """Run a job second by second of work: (time taken, work done, work safe) when `work` is done or time is up."""
    time = done = safe = Fraction(0)
    while work is None or done < work:
        stretch = interval if work is None else min(interval, work - done)
        if elapsed is not None and time + stretch / rate >= elapsed:
            return elapsed, done + (elapsed - time) * rate, safe
        time, done = time + stretch / rate, done + stretch
        if work is not None and done == work:
            break  # the end needs no checkpoint
        if elapsed is not None and time + cost > elapsed:
            return elapsed, done, safe
        time, safe = time + cost, done
    return time, done, safe


numbers = st.integers(1, 64)


@given(work=st.integers(0, 400), interval=numbers, cost=st.integers(0, 64), rate=st.sampled_from([1.0, 0.5, 0.25]))
@thorough
def test_time_with_checkpoints_equals_a_step_by_step_run(work, interval, cost, rate):
    took, _, _ = step_by_step(Fraction(interval), Fraction(cost), Fraction(rate), work=Fraction(work))
    assert Checkpoints(interval, cost).time_for(work, rate) == took


@given(elapsed=st.integers(1, 400), interval=numbers, cost=st.integers(0, 64), rate=st.sampled_from([1.0, 0.5, 0.25]))
@thorough
def test_work_done_and_kept_equal_a_step_by_step_run(elapsed, interval, cost, rate):
    _, done, safe = step_by_step(Fraction(interval), Fraction(cost), Fraction(rate), elapsed=Fraction(elapsed))
    forms = Checkpoints(interval, cost)
    assert forms.done_after(elapsed, rate) == done
    if cost or (elapsed * rate) % interval:  # a free checkpoint at this very moment counts as taken
        assert forms.kept_after(elapsed, rate) == safe
    assert forms.kept_after(elapsed, rate) <= done


def test_without_checkpoints_a_preempted_job_keeps_all_its_work():
    assert Checkpoints().kept_after(7.25) == 7.25


# Overheads as the scenario's reference says, on one job that is stopped by another.


def stopped(arrival, **costs):
    """A job of 100 s from 0, and one of 10 s and higher priority from `arrival`, on one accelerator."""
    preemptive = plugins.find("scheduler", "priority")(preempts=True)
    jobs = table([0, arrival], [100, 10], priority=[0, 1])
    return simulate(jobs, 1, 1, preemptive, "pack", overheads=Overheads(**costs))


def test_without_overheads_a_stopped_job_goes_on_where_it_was():
    run = stopped(40.0)
    assert run.start_s == [0, 40]
    assert run.end_s == [110, 50]
    assert run.results.lost_work_s.tolist() == [0, 0]


def test_every_start_costs_the_start_overhead():
    run = stopped(40.0, start=5.0)  # 0 +5 35 done | 40 +5 +10 | 55 +5 +65
    assert run.end_s == [125, 55]


def test_a_start_after_a_preemption_also_costs_the_restore():
    run = stopped(40.0, restore=7.0)  # 40 done | 50 | +7 +60
    assert run.end_s == [117, 50]


def test_a_preempted_job_holds_its_accelerators_while_it_saves():
    run = stopped(40.0, preemption=3.0)
    assert run.start_s == [0, 43]
    assert run.end_s == [113, 53]
    assert run.results.run_s.tolist() == [103, 10]  # held until 43, from 53 to 113


def test_checkpoints_cost_time_and_save_work():
    # Cycles of 20 s of work and 2 s of checkpoint: at 50 two are complete (44 s) and 6 s are lost.
    run = stopped(50.0, checkpoint=2.0, checkpoint_interval=20.0)
    assert run.results.lost_work_s.tolist() == [6, 0]
    # The other takes 10 s. Then 60 s are left: two checkpoints, none at the end.
    assert run.end_s == [60 + 60 + 2 * 2, 60]


def test_a_job_stopped_before_its_first_checkpoint_starts_from_nothing():
    run = stopped(15.0, checkpoint=2.0, checkpoint_interval=20.0, start=1.0)
    assert run.results.lost_work_s.tolist() == [14, 0]
    assert run.end_s == [26 + 1 + 100 + 4 * 2, 26]


def test_a_job_for_which_others_save_their_state_gets_the_room():
    # Job 1 (4 accelerators) stops job 0 at 1; job 2 would fit beside the saving job 0, but would take what job 1
    # counts on: without a claim the two would push each other out for ever.
    costs = Overheads(preemption=10.0, start=20.0)
    run = simulate(table([0, 1, 1], [1000, 80, 900], [2, 4, 1]), 1, 4, "srtf", "pool", overheads=costs)
    assert run.start_s[1] == 11
    assert run.results.preemptions.tolist() == [1, 0, 0]


def test_jobs_that_cost_more_to_start_than_they_differ_do_not_push_each_other_out():
    run = simulate(table([0, 0], [5, 6]), 1, 1, "srtf", "pool", overheads=Overheads(start=10.0))
    assert run.start_s == [0, 15]
