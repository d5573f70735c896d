"""Named random streams: pinned for ever, and none of them knows of the others."""

from __future__ import annotations

import hashlib
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from dcsim.scenario.jobs import JobTable
from dcsim.scenario.spec import Estimates
from dcsim.sim.rng import stream
from dcsim.workloads._durations import Service
from dcsim.workloads.base import WorkloadContext
from dcsim.workloads.synthetic import Synthetic
from tests.simulate import simulate

NAMES = ("workload.arrivals", "workload.tenants", "placement", "scheduler", "estimates", "placement ", "")
SEEDS = (0, 1, 2**63 - 1)


@pytest.mark.parametrize(
    ("seed", "name", "first"),
    [
        (0, "placement", [0.09865205164046509, 0.31188008817277524, 0.394321797440519]),
        (1, "workload.arrivals", [0.028777271663152026, 0.5214651272268196, 0.26337679092661626]),
    ],
)
def test_the_first_numbers_of_a_stream_never_change(seed: int, name: str, first: list[float]):
    # Old results are made again from seed and names: another algorithm would need other names.
    assert stream(seed, name).random(3).tolist() == first


def test_a_stream_is_pcg64_keyed_by_the_hash_of_its_name():
    hashed = hashlib.sha256(b"placement").digest()
    key = tuple(int.from_bytes(hashed[i : i + 4], "little") for i in (0, 4, 8, 12))  # 128 bits
    by_hand = np.random.Generator(np.random.PCG64(np.random.SeedSequence(7, spawn_key=key)))
    assert stream(7, "placement").random(5).tolist() == by_hand.random(5).tolist()


def test_every_seed_and_name_has_a_stream_of_its_own():
    drawn = {tuple(stream(seed, name).random(4)) for seed in SEEDS for name in NAMES}
    assert len(drawn) == len(SEEDS) * len(NAMES)


def test_streams_of_different_names_or_seeds_are_not_correlated():
    draws = 20_000
    columns = [stream(seed, name).random(draws) for seed in SEEDS for name in NAMES]
    pairs = [np.corrcoef(one, other)[0, 1] for one, other in combinations(columns, 2)]
    # 210 correlations of standard deviation 1 / sqrt(n): none beyond 4 of them, and their mean square is 1 / n.
    assert max(map(abs, pairs)) < 4.0 / np.sqrt(draws)
    assert np.mean(np.square(pairs)) * draws == pytest.approx(1.0, abs=4.0 * np.sqrt(2.0 / len(pairs)))


def test_the_use_of_a_stream_leaves_all_others_where_they_were():
    alone = [stream(3, name).random(4).tolist() for name in NAMES]
    generators = {name: stream(3, name) for name in reversed(NAMES)}
    for name in ("a new one", *NAMES):
        stream(3, name).random(1000)
    generators["placement"].random(1000)
    assert [stream(3, name).random(4).tolist() for name in NAMES] == alone
    assert generators["scheduler"].random(4).tolist() == alone[NAMES.index("scheduler")]


def drawn(**more: object) -> JobTable:
    """Drawn jobs, with more keys that draw from streams of their own."""
    facts = {"jobs": 300, "rate": 0.01, "service": Service("exponential", mean=600.0)}
    context = WorkloadContext(resolve=Path, stream=partial(stream, 5), capacity=8)
    return Synthetic(**facts | more).load(context)


@pytest.mark.parametrize(
    "more", [{"tenants": 4}, {"priorities": {"0": 1.0, "1": 1.0}}, {"accelerators": {"1": 1.0, "2": 1.0}}]
)
def test_a_workload_that_draws_more_draws_the_same_as_before(more: dict[str, object]):
    plain, other = drawn(), drawn(**more)
    assert other.submit_s.tolist() == plain.submit_s.tolist()
    assert other.service_s.tolist() == plain.service_s.tolist()


def test_errors_of_estimates_do_not_move_random_places():
    # First come, first served, looks at no estimate: only a shared stream could change where jobs go.
    exact, wrong = (
        simulate(drawn(accelerators={"1": 1.0, "2": 1.0}), 3, 4, "fifo", "random", estimates=Estimates(model=model))
        for model in ("exact", "uniform")
    )
    assert len(np.unique(exact.log.nodes)) == 3
    assert exact.log.nodes.tolist() == wrong.log.nodes.tolist()
