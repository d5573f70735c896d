"""Legality of parallel plans: each rule by hand, and all plans against a plain double loop."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dcsim.kernels import facts
from dcsim.performance.plan_problems import problems
from dcsim.performance.plan_rows import legal_plans
from dcsim.performance.plan_rules import DEGREES, SHAPE, Setting
from dcsim.performance.plans import broken, divisors, legal_shapes

SMALL = facts.Model(layers=6, hidden=96, heads=6, kv_heads=2, head_dim=16, ffn_hidden=384, gated=0, vocab=1000, tied=1)
EXPERTS = SMALL._replace(experts=4.0, top_k=2.0, expert_hidden=192.0)


def setting(count: int | None = 24, batch: int = 24, seq_len: int = 64, model: facts.Model = SMALL) -> Setting:
    return Setting(model, global_batch=batch, seq_len=seq_len, accelerators=count, domain=8, server=8)


def legal(plan: dict[str, int], at: Setting) -> bool:
    """The rules, written down once more for one plan."""
    m, tp, pp, cp, dp = at.model, *(plan[name] for name in DEGREES)
    vpp, micro, ep = plan["vpp"], plan["micro_batch"], plan["ep"]
    heads = m.heads % tp == 0 and (m.kv_heads % tp == 0 or tp % m.kv_heads == 0) and m.ffn_hidden % tp == 0
    stages = pp * vpp <= m.layers or (vpp > 1 and pp * vpp == m.layers + 2)
    chunks = vpp == 1 or (pp > 1 and (m.layers % (pp * vpp) == 0 or (m.layers + 2) % (pp * vpp) == 0))
    pieces = cp == 1 or at.seq_len % (2 * cp) == 0
    batch = at.global_batch % (dp * micro) == 0
    rounds = batch and (vpp == 1 or at.global_batch // (dp * micro) % pp == 0)
    experts = max(m.experts, 1) % ep == 0 and (tp * dp * cp) % ep == 0 and (ep > 1 or m.expert_hidden % tp == 0)
    uncut = (at.accelerators or 0) <= 8 or 8 % tp == 0 or tp % 8 == 0  # groups, by the borders of domains of 8
    return all((tp * pp * cp * dp == at.accelerators, heads, stages, chunks, pieces, batch, rounds, experts, uncut))


def brute_force(at: Setting) -> set[tuple[int, ...]]:
    assert at.accelerators is not None
    degrees = range(1, at.accelerators + 1)
    found = set()
    for tp, pp, cp, dp in itertools.product(degrees, repeat=4):
        if tp * pp * cp * dp != at.accelerators:
            continue
        for vpp, micro, ep in itertools.product(range(1, 7), range(1, at.global_batch + 1), range(1, 5)):
            plan = dict(zip(SHAPE, (tp, pp, cp, dp, vpp, micro, ep), strict=True))
            if legal(plan, at):
                found.add(tuple(plan.values()))
    return found


@pytest.mark.parametrize("model", [SMALL, EXPERTS])
@pytest.mark.parametrize("count", [1, 12, 16])
def test_the_enumeration_is_what_a_double_loop_finds(model: facts.Model, count: int):
    at = setting(count, model=model)
    table = legal_shapes(at)
    rows = list(zip(*(table[name].tolist() for name in SHAPE), strict=True))
    assert len(rows) == len(set(rows))
    assert set(rows) == brute_force(at)


def test_embedding_and_head_may_count_as_layers_of_interleaved_stages():
    llama = SMALL._replace(layers=126.0)
    assert not list(broken({"pp": 16, "vpp": 8}, setting(16, model=llama)))
    assert [rule.what for rule in broken({"pp": 128, "vpp": 1}, setting(128, model=llama))] == [
        "more stages than layers"
    ]


def test_open_numbers_of_accelerators_fill_servers_or_divide_one():
    table = legal_shapes(Setting(SMALL, 24, 64, None, server=8, most=48))
    counts = np.unique(np.prod([table[name] for name in DEGREES], axis=0))
    assert set(counts.tolist()) == {1, 2, 4, 8, 16, 24, 32, 40, 48}


def test_choices_limit_the_enumeration():
    table = legal_shapes(setting(24), {"tp": [2], "micro_batch": [1, 2]})
    assert set(table["tp"].tolist()) == {2}
    assert set(table["micro_batch"].tolist()) == {1, 2}


def test_blocks_hold_every_kind_of_recompute_and_sharding_once():
    rows = np.vstack(list(legal_plans(setting(16))))
    names = facts.Plan._fields
    kinds = {(row[names.index("sharding")], row[names.index("recompute")]) for row in rows}
    assert len(kinds) == 5 * 3
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_one_data_rank_has_nothing_to_shard_and_pipelines_never_shard_gradients():
    names = facts.Plan._fields
    rows = np.vstack(list(legal_plans(setting(12))))
    dp, cp, pp, kind = (rows[:, names.index(name)] for name in ("dp", "cp", "pp", "sharding"))
    assert not np.any((dp * cp == 1) & (kind != facts.UNSHARDED))
    assert not np.any((kind == facts.ZERO2) & (pp > 1))
    assert np.any((kind == facts.ZERO2) & (pp == 1))


def test_sequence_parallelism_goes_with_tensor_parallelism_where_it_divides_the_sequence():
    names = facts.Plan._fields
    rows = np.vstack(list(legal_plans(setting(12))))
    assert np.array_equal(rows[:, names.index("sequence_parallel")] == 1, rows[:, names.index("tp")] == 2)


@pytest.mark.parametrize(
    ("plan", "key", "words"),
    [
        (
            {"tp": 4},
            "tp",
            "does not divide the attention heads (got 4, expected a divisor of 6 heads); write tp=1 or tp=2",
        ),
        ({"tp": 3}, "tp", "neither divides the key/value heads nor is a multiple"),
        ({"cp": 3}, "cp", "2 cp equal pieces"),
        ({"pp": 3, "vpp": 4}, "pp", "more stages than layers (got 3 x 4 = 12, expected pp x vpp <= 6)"),
        ({"pp": 2, "vpp": 3, "dp": 12, "tp": 1, "cp": 1, "micro_batch": 2}, "vpp", "micro-batches in multiples of pp"),
        ({"pp": 1, "vpp": 2}, "vpp", "interleaving needs a pipeline"),
        ({"tp": 2, "pp": 2, "cp": 2, "dp": 2}, "dp", "is not the number of accelerators (got 2 x 2 x 2 x 2 = 16, exp"),
        (
            {"pp": 5},
            "pp",
            "does not divide the number of accelerators (got 5, expected a divisor of 24); write pp=4 or",
        ),
        (
            {"tp": 2, "pp": 5},
            "pp",
            "the accelerators that tp leaves (got 5, expected a divisor of 24 / 2 = 12); write ",
        ),
        ({"tp": 2, "pp": 5, "cp": 1, "dp": 3}, "pp", "that tp x dp leaves (got 5, expected a divisor of 24 / 6 = 4)"),
        ({"dp": 16}, "dp", "does not divide the global batch (got 16, expected a divisor of 24); write dp=8 or dp=12"),
        ({"dp": 4, "micro_batch": 5}, "micro_batch", "got 4 x 5 = 20, expected a divisor of 24"),
        ({"ep": 2}, "ep", "the model has no experts to spread (got 2, expected 1); write ep=1"),
        ({"sharding": 2, "pp": 2}, "sharding", "got zero2 with pp = 2, expected pp = 1, or one of none, zero1, zero3"),
    ],
)
def test_each_rule_says_what_is_wrong(plan: dict[str, int], key: str, words: str):
    said = [problem for problem in problems(plan, setting(24)) if words in str(problem)]
    assert [problem.key for problem in said] == [key]


def test_a_legal_plan_has_no_problems_and_an_illegal_one_has_all_of_them():
    good = {"tp": 2, "pp": 3, "cp": 1, "dp": 4, "vpp": 2, "micro_batch": 2}
    assert problems(good, setting(24)) == []
    bad = {"tp": 4, "pp": 7, "dp": 5}
    assert sorted(problem.key for problem in problems(bad, setting(24))) == ["dp", "pp", "tp"]


def test_degrees_are_blamed_that_do_not_divide_what_the_sound_ones_leave_and_no_others():
    for plan, keys in (
        ({"tp": 4, "pp": 5}, ["tp", "pp"]),  # 4 is wrong for the heads, and takes no share
        ({"tp": 2, "pp": 6, "cp": 2, "dp": 2}, ["dp"]),  # 2 x 6 x 2 = 24
        ({"tp": 2, "pp": 6, "cp": 4, "dp": 2}, ["cp"]),  # 2 x 6 x 2
        ({"tp": 2, "pp": 4, "cp": 2, "dp": 2}, ["cp", "dp"]),  # 24 / 8 is odd
        ({"pp": 5, "cp": 7, "tp": 1}, ["cp", "pp"]),
    ):
        found = problems(plan, setting(24))
        assert [problem.key for problem in found] == keys
        for problem in found:
            assert problem.fix is not None
    assert problems({"pp": 5}, setting(None)) == []  # any number of accelerators will do


def test_a_batch_that_is_not_known_is_held_against_nothing():
    assert problems({"dp": 7, "micro_batch": 5}, Setting(SMALL, 0, 0, None)) == []


def test_divisors_ascend():
    assert divisors(36).tolist() == [1, 2, 3, 4, 6, 9, 12, 18, 36]
    assert divisors(1).tolist() == [1]
