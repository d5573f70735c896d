"""Gangs whose groups of ranks do not lie on nodes as step times take for granted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dcsim.performance.placed import Place
from dcsim.performance.shares import PP, WHOLE, Shares
from dcsim.performance.training import TRAFFIC_NAMES, Training
from dcsim.performance.waiting import Input
from dcsim.run import run, trainings_of
from dcsim.scenario.load import load
from tests.conftest import ROOT

FILE = ROOT / "scenarios" / "two-jobs-one-spine.toml"


def training(accelerators: int, plan: str, model: str = "llama-3-8b", batch: int = 240) -> Training:
    """A job on H100s in eights."""
    job = f"name='one',model='{model}',steps=10,global_batch={batch},sequence_length=2048,accelerators={accelerators}"
    return trainings_of(load(FILE, overrides=[f"jobs=[{{{job},plan={plan}}}]"]))[0]


def told_b(of: Training, counts: tuple[int, ...]) -> list[float]:
    """Bytes of each kind that a NIC sends by the step time."""
    step = of.step(0, sum(counts), Place(counts, 1.0))
    return [step.parts.get(name, 0.0) * step.nic_efficiency for name in TRAFFIC_NAMES]


def test_two_rings_that_meet_on_a_node_have_half_of_its_nics_each():
    # Two stages of twelve on three servers of eight: the middle one has four of each stage.
    of = training(24, "{tp=1,pp=2,dp=12,micro_batch=1,sharding='zero3'}")
    assert of.fit(0, (8, 8, 8)) == pytest.approx(WHOLE._replace(dp=0.5), rel=1e-3)
    assert of.fit(0, (8, 4, 4, 8)) == WHOLE  # each stage has a server and a half, with four NICs that bind it


def test_what_lies_as_step_times_have_it_is_as_fast_as_they_say():
    for plan in ("{tp=8,pp=1,micro_batch=1,sharding='none'}", "{tp=4,pp=2,micro_batch=1,sharding='zero1'}"):
        assert training(48, plan).fit(0, (8,) * 6) == WHOLE


def test_experts_send_through_the_nics_of_their_own_accelerators():
    of = training(32, "{tp=1,pp=1,ep=8,micro_batch=1,sharding='zero1'}", "mixtral-8x7b", 256)
    assert of.fit(0, (6, 6, 6, 6, 6, 2)).ep == 1.0


@pytest.mark.parametrize("seed", range(12))
def test_no_nic_is_asked_for_more_than_it_has_whatever_the_plan_and_the_place(seed: int):
    random = np.random.default_rng(seed)
    plans = [
        "{tp=1,pp=2,dp=12,micro_batch=1,sharding='zero3'}",
        "{tp=4,pp=2,dp=3,micro_batch=1,sharding='zero1'}",
        "{tp=2,pp=4,dp=3,micro_batch=1,sharding='none'}",
        "{tp=8,pp=1,dp=3,micro_batch=1,sharding='none'}",
        "{tp=2,cp=2,pp=2,dp=3,micro_batch=1,sharding='zero1'}",
    ]
    of = training(24, plans[seed % len(plans)])
    counts = tuple(np.diff([0, *np.sort(random.choice(np.arange(1, 24), 3, replace=False)), 24]).tolist())
    counts = tuple(part for count in counts for part in ([8] * (count // 8) + [count % 8] * (count % 8 > 0)))
    legs, fit = of.legs(0, counts), of.fit(0, counts)
    told = told_b(of, counts)
    for kind, nic_b in zip(legs.kinds.tolist(), legs.nic_b.tolist(), strict=True):
        if kind != PP and told[kind] > 1e-3 * nic_b:
            assert told[kind] / fit[kind] >= nic_b * (1.0 - 1e-4), Shares._fields[kind]
    out_b = np.bincount(legs.here, legs.part * legs.nic_b[legs.number], len(counts))
    assert (out_b / np.array(counts) <= legs.nic_b.sum() * (1 + 1e-9)).all()


def test_shards_that_do_not_divide_the_ranks_are_refused():
    with pytest.raises(Exception, match="hsdp shards among the ranks of a domain"):
        training(20, "{tp=4,dp=5,pp=1,cp=1,micro_batch=1,sharding='hsdp'}")
    assert training(24, "{tp=4,dp=6,pp=1,micro_batch=1,sharding='hsdp'}").fit(0, (8, 8, 8)) == WHOLE


def test_a_step_is_no_shorter_than_its_busiest_nic_sends():
    # Four stages of four on two servers: by the step time all sends are over NVLink, though half of them cross.
    of = training(16, "{tp=4,pp=4,micro_batch=1,sharding='none'}")
    place = of.place(0, 16, ((0, 1), (8, 8)))
    legs = of.legs(0, (8, 8))
    assert legs.kinds.tolist() == [PP]
    fast = of.step(0, 16, place)
    assert fast.step_s() == of.step(0, 16, Place((8, 8), None)).step_s()  # it sends for less time than it computes
    slow = of.step(0, 16, of.place(0, 16, ((0, 1), (8, 8)), shares=WHOLE.times(1e-5)))
    sending_s = float(legs.nic_b[0]) / (50e9 * 1e-5 * fast.nic_efficiency)
    assert slow.step_s() == pytest.approx(sending_s * (slow.step_s() / sum(slow.sending_s)), rel=1e-9)
    assert sum(slow.sending_s) == pytest.approx(sending_s, rel=1e-9)
    assert slow.step_s() > 100 * fast.step_s()
    assert slow.bound() == "pipeline traffic"
    assert fast.bound(slowed_s=0.01 * fast.step_s()) == fast.bound() == "compute"
    assert fast.bound(slowed_s=fast.step_s()) == "pipeline traffic"  # what neighbours add is what it sends
    late = replace(fast, input=Input(sample_b=1e6, loader_b_per_s=1e6 * fast.samples / 16 / 1.5 / fast.step_s()))
    assert late.bound() == "data loading"  # half as long again as it computes
    assert late.bound(slowed_s=fast.step_s()) == "pipeline traffic"  # no longer, once traffic takes more than that


def test_contention_of_links_that_are_fast_enough_changes_no_step():
    # Also where two stages share a server's NICs, which has nothing to do with the network.
    plan = "{tp=1,pp=2,dp=12,micro_batch=1,sharding='zero3'}"
    job = f"name='one',model='llama-3-8b',steps=10,global_batch=240,sequence_length=2048,accelerators=24,plan={plan}"
    fat = "network.topology={use='single_switch',hosts=12,bandwidth='90 TB/s',latency='1 us'}"
    ends = [
        run(load(FILE, overrides=[f"jobs=[{{{job}}}]", fat, f"network.contention={contention}"])).end_s
        for contention in ("none", "fair")
    ]
    assert ends[0] == ends[1]
