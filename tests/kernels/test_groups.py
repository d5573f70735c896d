"""Who holds the same parameters: groups of ranks by hand."""

from __future__ import annotations

import pytest

from dcsim.kernels.facts import HSDP, Plan
from dcsim.kernels.groups import dense_group, element_b, expert_share, expert_tensor, routed_group, states_b

PLAN = Plan(tp=4, pp=2, vpp=1, dp=16, cp=2, ep=8, micro_batch=1, global_batch=16, seq_len=64)


def test_all_but_experts_is_held_by_context_and_data_ranks():
    assert dense_group(PLAN) == (32, 4, 32)
    assert dense_group(PLAN._replace(sharding=HSDP, shard_ranks=2.0)) == (32, 4, 2)


@pytest.mark.parametrize(
    ("changes", "cut_by", "group"),
    [
        ({}, 1, (16, 8, 16)),  # 4 x 2 x 16 ranks, eight in a row with all experts
        ({"cut_experts": 1.0}, 4, (4, 32, 4)),  # an expert on four ranks, eight such in a row
        ({"ep": 1.0}, 4, (32, 4, 32)),  # cut as an MLP
        ({"ep": 128.0}, 1, (1, 128, 1)),
        ({"sharding": HSDP, "shard_ranks": 4.0}, 1, (16, 8, 2)),  # of the 16 ranks of a domain two hold the same
        ({"sharding": HSDP, "shard_ranks": 2.0}, 1, (16, 8, 1)),  # all experts of a domain differ
        ({"sharding": HSDP, "shard_ranks": 3.0}, 1, (16, 8, 1)),  # twelve ranks: one and a half times eight
    ],
)
def test_experts_are_held_by_every_so_manieth_rank(
    changes: dict[str, float], cut_by: int, group: tuple[float, float, float]
):
    plan = PLAN._replace(**changes)
    assert expert_tensor(plan) == cut_by
    assert routed_group(plan) == group
    assert expert_share(plan) == 1 / (cut_by * plan.ep)


def test_four_byte_weights_are_their_own_master_copy():
    assert [element_b(PLAN._replace(linear_bytes=size)) for size in (0.5, 1.0, 2.0, 4.0)] == [2, 2, 2, 4]
    assert [states_b(PLAN._replace(linear_bytes=size)) for size in (1.0, 2.0, 4.0)] == [12, 12, 8]
    assert states_b(PLAN._replace(linear_bytes=4.0, optimizer_bytes=0.0)) == 0
