"""Queueing theory that the engine must meet. The numbers T01 to T20 are those of the reliability table.

A statistical claim takes one long run in batches and wants the mean of the batch means within 3 standard errors of
theory *and* within the stated relative tolerance. Theory is worked out here, and held against the table's figure.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import exp, log, sqrt

import numpy as np
import pytest

from dcsim import plugins
from dcsim.eventlog.schema import CANCEL, COMPLETE, FAIL, REJECT, SUBMIT
from dcsim.scenario.spec import Overheads
from tests.simulate import simulate, table

BATCHES = 25
REPLICATIONS = 20


def agrees(samples, theory, tolerance, controls=0):
    """Whether batch means or replications agree with theory: within 3 standard errors and the relative tolerance.

    `controls`: degrees of freedom that went into the samples already.
    """
    mean, error = np.mean(samples), np.std(samples, ddof=1 + controls) / sqrt(len(samples))
    assert abs(mean - theory) <= 3.0 * error, f"{mean:.6g} is not {theory:.6g} +- 3 x {error:.3g}"
    assert abs(mean - theory) <= tolerance * theory, f"{mean:.6g} is not {theory:.6g} within {tolerance:.0%}"
    return True


def batches(values, warm_up=0.02):
    """Values in order of submission, in batches, without the first jobs: the system starts empty."""
    kept = values[int(len(values) * warm_up) :]
    return np.array_split(kept, BATCHES)


def means(values):
    return [batch.mean() for batch in batches(values)]


def random(name):
    return np.random.default_rng(list(name.encode()))


def poisson(generator, rate, jobs):
    return np.cumsum(generator.exponential(1.0 / rate, jobs))


def services(law, generator, jobs):
    """Service times of mean 1: exponential, all equal, or log-normal with squared coefficient of variation 4."""
    if law == "exponential":
        return generator.exponential(1.0, jobs)
    if law == "deterministic":
        return np.ones(jobs)
    sigma = sqrt(log(1.0 + 4.0))
    return generator.lognormal(-0.5 * sigma**2, sigma, jobs)


def queue(submit, service, servers=1, scheduler="fifo", **columns):
    return simulate(table(submit, service, **columns), 1, servers, scheduler, "pool")


def erlang_b(servers, load):
    """Blocking of M/G/c/c, by the usual recursion."""
    blocking = 1.0
    for n in range(1, servers + 1):
        blocking = load * blocking / (n + load * blocking)
    return blocking


def erlang_c(servers, load):
    """Chance to wait in M/M/c."""
    blocking = erlang_b(servers, load)
    return blocking / (1.0 - load / servers * (1.0 - blocking))


def test_t01_mm1_waits_and_sojourns():
    rate, jobs = 0.8, 600_000
    waiting = rate / (1.0 - rate)  # rho / (mu - lambda)
    percentile = -log(0.05) / (1.0 - rate)  # the sojourn is Exp(mu - lambda)
    assert (waiting, percentile) == pytest.approx((4.0, 14.978661), abs=1e-6)
    generator = random("T01")
    run = queue(poisson(generator, rate, jobs), generator.exponential(1.0, jobs))
    assert agrees(means(run.results.wait_s), waiting, 0.03)
    assert agrees([np.percentile(batch, 95) for batch in batches(run.results.jct_s)], percentile, 0.03)


def test_t02_mm4_is_erlang_c():
    rate, servers, jobs = 3.2, 4, 1_000_000
    chance = erlang_c(servers, rate)
    waiting = chance / (servers - rate)
    percentile = log(chance / 0.01) / (servers - rate)
    expected = (0.596432, 0.745541, 2.385730, 5.110476)
    assert (chance, waiting, rate * waiting, percentile) == pytest.approx(expected, abs=1e-6)
    generator = random("T02")
    run = queue(poisson(generator, rate, jobs), generator.exponential(1.0, jobs), servers)
    wait = run.results.wait_s
    assert agrees(means(wait > 0.0), chance, 0.03)
    assert agrees(means(wait), waiting, 0.03)
    assert agrees([np.percentile(batch, 99) for batch in batches(wait)], percentile, 0.03)
    # The queue length over time, from the timeline: Lq = lambda Wq.
    line = run.timeline
    edges = np.linspace(0.02, 0.98, BATCHES + 1) * line.end_s
    area = np.concatenate([[0.0], np.cumsum(line.queue_jobs[:-1] * np.diff(line.time_s))])
    assert agrees(np.diff(np.interp(edges, line.time_s, area)) / np.diff(edges), rate * waiting, 0.03)


@pytest.mark.parametrize("law", ["exponential", "deterministic", "lognormal"])
def test_t03_loss_is_erlang_b_whatever_the_law_of_service(law):
    load, servers, jobs = 6.0, 8, 150_000
    blocking = erlang_b(servers, load)
    assert blocking == pytest.approx(0.121876, abs=1e-6)
    generator = random("T03" + law)
    run = queue(poisson(generator, load, jobs), services(law, generator, jobs), servers, "loss")
    assert agrees(means(np.isnan(run.results.start_s)), blocking, 0.03)


@pytest.mark.parametrize(
    ("law", "rate", "square", "expected", "jobs"),
    [("lognormal", 0.7, 5.0, 35.0 / 6.0, 900_000), ("deterministic", 0.9, 1.0, 4.5, 500_000)],
)
def test_t04_mg1_is_pollaczek_khinchine(law, rate, square, expected, jobs):
    waiting = rate * square / (2.0 * (1.0 - rate))  # E[S^2] = 1 + scv
    assert waiting == pytest.approx(expected, abs=1e-6)
    generator = random("T04" + law)
    run = queue(poisson(generator, rate, jobs), services(law, generator, jobs))
    assert agrees(means(run.results.wait_s), waiting, 0.05)


def work_found(submit, service):
    """Work left that each arrival finds, by Lindley's recursion: the same whatever the order of service."""
    path = np.concatenate([[0.0], np.cumsum(service[:-1] - np.diff(submit))])
    return path - np.minimum.accumulate(path)


def less_luck(values, luck):
    """Replications less what they owe to their draws (control variates; Lavenberg and Welch, 1981).

    `luck`, shape (replications, controls): drawn quantities less their known means, which have mean 0.
    """
    luck = np.array(luck)
    slope = np.linalg.lstsq(luck - luck.mean(0), values - np.mean(values), rcond=None)[0]
    return values - luck @ slope


@pytest.mark.parametrize(
    ("law", "square", "jobs"), [("exponential", 2.0, 1500), ("deterministic", 1.0, 800), ("lognormal", 5.0, 8000)]
)
def test_t05_processor_sharing_is_insensitive_and_stretches_every_job_alike(law, square, jobs):
    rate = 0.7
    sojourn = 1.0 / (1.0 - rate)
    assert sojourn == pytest.approx(3.333333, abs=1e-6)
    means, near, luck = [], [], []
    for replication in range(REPLICATIONS):
        generator = random(f"T05 {law} {replication}")
        submit, service = poisson(generator, rate, jobs), services(law, generator, jobs)
        kept = slice(jobs // 20, -jobs // 20)  # the system starts empty, and nobody comes behind the last jobs
        jct = queue(submit, service, scheduler="processor_sharing").results.jct_s[kept]
        work, service = work_found(submit, service)[kept], service[kept]
        means.append(jct.mean())
        alike = np.abs(service - 2.0) < 0.5
        near.append(2.0 * jct[alike].sum() / service[alike].sum() if alike.any() else 0.0)
        # What arrivals find in any M/G/1: a busy server at rate rho, and the mean work of Pollaczek and Khinchine.
        luck.append((np.mean(work > 0.0) - rate, work.mean() - rate * square / (2.0 * (1.0 - rate))))
    assert agrees(less_luck(means, luck), sojourn, 0.03, controls=2)
    if law != "deterministic":  # E[T given x] = x / (1 - rho); x = 2: 6.666667, from the jobs near 2
        assert agrees(less_luck(near, luck), 2.0 * sojourn, 0.03, controls=2)


def srpt_mm1(rate):
    """Schrage and Miller (1966), equation for M/G/1 under SRPT, with exponential service of mean 1."""
    x = np.linspace(0.0, 60.0, 600_001)
    step, tail = x[1], np.exp(-x)
    load = rate * (1.0 - (1.0 + x) * tail)  # of jobs up to x
    square = rate * (2.0 - (x**2 + 2.0 * x + 2.0) * tail)  # rate x integral of t^2 f(t)
    waiting = (square + rate * x**2 * tail) / (2.0 * (1.0 - load) ** 2)
    inverse = 1.0 / (1.0 - load)
    residence = np.concatenate([[0.0], np.cumsum((inverse[1:] + inverse[:-1]) / 2.0) * step])
    return np.trapezoid((waiting + residence) * tail, x)


@pytest.mark.parametrize(("rate", "expected", "jobs"), [(0.8, 2.352773, 160_000), (0.5, 1.425373, 60_000)])
def test_t06_srtf_on_one_server_is_srpt(rate, expected, jobs):
    sojourn = srpt_mm1(rate)
    assert sojourn == pytest.approx(expected, abs=1e-6)
    generator = random(f"T06 {rate}")
    run = queue(poisson(generator, rate, jobs), generator.exponential(1.0, jobs), scheduler="srtf")
    assert agrees(means(run.results.jct_s), sojourn, 0.03)


def test_t07_priorities_without_preemption_are_cobham():
    first, second, jobs = 0.3, 0.4, 400_000
    left = (first + second) * 2.0 / 2.0  # mean work left of the job in service, E[S^2] = 2
    urgent = left / (1.0 - first)
    other = left / ((1.0 - first) * (1.0 - first - second))
    assert (urgent, other) == pytest.approx((1.0, 3.333333), abs=1e-6)
    generator = random("T07")
    submit = poisson(generator, first + second, jobs)
    priority = (generator.random(jobs) < first / (first + second)).astype(int)
    run = queue(submit, generator.exponential(1.0, jobs), scheduler="priority", priority=priority)
    assert agrees(means(run.results.wait_s[priority == 1]), urgent, 0.03)
    assert agrees(means(run.results.wait_s[priority == 0]), other, 0.03)


@pytest.mark.parametrize("scheduler", plugins.names("scheduler"))
def test_t08_little_s_law_holds_on_any_run(scheduler):
    generator, jobs = random("T08" + scheduler), 400
    need = generator.integers(1, 20, jobs)
    gangs = table(
        poisson(generator, 0.5, jobs), generator.exponential(5.0, jobs), need, generator.exponential(5.0, jobs)
    )
    costs = Overheads(start=0.5, preemption=0.7, restore=0.3, checkpoint=0.2, checkpoint_interval=2.0)
    run = simulate(gangs, 4, 8, scheduler, "pack", overheads=costs)
    rows, results = run.log, run.results
    change = np.where(rows.kind == SUBMIT, 1, np.where(np.isin(rows.kind, (COMPLETE, FAIL, CANCEL, REJECT)), -1, 0))
    inside = np.cumsum(change)[:-1] @ np.diff(rows.time_s)  # L x T
    assert inside == pytest.approx(np.sum(results.end_s - results.submit_s), rel=1e-9)  # arrivals x mean sojourn
    if scheduler != "processor_sharing":  # there each job holds a share of its accelerators
        line = run.timeline
        held = line.integral(line.allocated) + line.integral(line.queue_accelerators)
        assert held == pytest.approx(need @ (results.end_s - results.submit_s), rel=1e-9)


def test_t13_sjf_has_the_least_mean_wait_of_a_batch():
    batch = [5, 3, 8, 1, 9, 2]
    for scheduler, mean in (("sjf", 40 / 6), ("fifo", 72 / 6), ("ljf", 100 / 6)):
        assert queue([0] * 6, batch, scheduler=scheduler).summary["wait_s_mean"] == mean


def least_makespan(times, machines):
    """The optimum, by trying every way to deal the jobs to the machines."""
    best = sum(times)
    for deal in product(range(machines), repeat=len(times)):
        load = [0] * machines
        for time, machine in zip(times, deal, strict=True):
            load[machine] += time
        best = min(best, max(load))
    return best


def test_t14_longest_first_reaches_graham_s_bound():
    times = [5, 5, 4, 4, 3, 3, 3]
    assert queue([0] * 7, times, 3, "ljf").summary["makespan_s"] == 11
    assert least_makespan(times, 3) == 9
    assert Fraction(11, 9) == Fraction(4, 3) - Fraction(1, 3 * 3)


@pytest.mark.parametrize("machines", [2, 3])
def test_t14_longest_first_never_passes_graham_s_bound(machines):
    generator, ratios = random("T14"), []
    for jobs in generator.integers(5, 8, 40).tolist():
        times = generator.integers(2, 10, jobs).tolist()
        makespan = queue([0] * jobs, times, machines, "ljf").summary["makespan_s"]
        ratios.append(Fraction(int(makespan), least_makespan(times, machines)))
    assert min(ratios) == 1
    assert 1 < max(ratios) <= Fraction(4, 3) - Fraction(1, 3 * machines)


@pytest.mark.parametrize(("placement", "nodes", "width"), [("pool", 1, 10), ("pack", 1, 10), ("pack", 2, 5)])
def test_t15_easy_backfills_without_delaying_the_head(placement, nodes, width):
    # Under pack on two nodes of 5: J1 leaves 4 of its second node, where J3 fits.
    jobs = table([0, 1, 2, 3], [10, 5, 8, 20], [6, 8, 4, 2])
    easy, strict = (simulate(jobs, nodes, width, scheduler, placement) for scheduler in ("easy", "fifo"))
    assert easy.start_s == [0, 10, 2, 10]
    assert strict.start_s == [0, 10, 15, 15]
    assert easy.summary["wait_s_mean"] == 4
    assert strict.summary["wait_s_mean"] == 8.5


def saturated_pairs():
    """Throughput of two servers, first come first served, with jobs that need one or both, at even odds.

    States: one job on both servers; two jobs; one job while the head needs both. Each job runs for Exp(1).
    """
    rates = np.array([[-0.5, 0.25, 0.25], [0.0, -1.0, 1.0], [1.0, 0.0, -1.0]])
    share = np.linalg.lstsq(np.vstack([rates.T, np.ones(3)]), [0.0, 0.0, 0.0, 1.0], rcond=None)[0]
    return share @ [1.0, 2.0, 1.0]


def test_t16_saturated_multiserver_jobs():
    jobs = 300_000
    throughput = saturated_pairs()
    assert throughput == pytest.approx(8 / 7, abs=1e-9)
    generator = random("T16")
    need = generator.integers(1, 3, jobs)
    run = queue(np.zeros(jobs), generator.exponential(1.0, jobs), 2, accelerators=need)
    starts = run.results.start_s  # in order of submission, so also in order of time
    assert agrees([len(b) / (b[-1] - b[0]) for b in batches(starts)], throughput, 0.01)
    assert throughput < 4 / 3  # two servers / mean need of 1.5 servers x 1 s


def test_t20_dm1_solves_its_fixed_point():
    rate, jobs = 0.8, 400_000
    sigma = 0.5
    for _ in range(200):
        sigma = exp(-(1.0 - sigma) / rate)
    waiting = sigma / (1.0 - sigma)
    assert (sigma, waiting) == pytest.approx((0.628630, 1.692731), abs=1e-6)
    run = queue(np.arange(jobs) / rate, random("T20").exponential(1.0, jobs))
    assert agrees(means(run.results.wait_s > 0.0), sigma, 0.03)
    assert agrees(means(run.results.wait_s), waiting, 0.03)
