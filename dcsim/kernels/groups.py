"""Which ranks hold the same parameters, and so sum gradients and divide states: all but routed experts, and these.

Ranks stand tensor-parallel neighbours first, then context and data ranks (Megatron-LM's order). Spread over ep ranks,
experts are either whole, and ep consecutive ranks of t c d hold all of them (parallel folding with an expert-tensor-
parallel degree of 1: arXiv 2504.14960), or cut by tp besides, and ranks t apart hold all of them (that degree is t,
Megatron Core's default). Where they are not spread, tp cuts experts as it cuts an MLP.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from dcsim.kernels.facts import HSDP, Plan
from dcsim.kernels.inlined import inlined

MASTER_B = 4.0
"""Bytes a parameter of an fp32 master copy, which the bytes of optimiser states include."""


class Group(NamedTuple):
    """Ranks that hold the same parameters."""

    ranks: float
    apart: float  # accelerators from one to the next
    shards: float  # ranks over which sharding divides states: all, or those within HSDP's domain


@inlined
def dense_group(plan: Plan) -> Group:
    """Ranks with the same parameters but routed experts."""
    ranks = 1.0 * plan.dp * plan.cp
    return Group(ranks, 1.0 * plan.tp, min(plan.shard_ranks, ranks) if plan.sharding == HSDP else ranks)


@inlined
def expert_tensor(plan: Plan) -> float:
    """Ranks that cut an expert among them: the expert-tensor-parallel degree."""
    return 1.0 * plan.tp if plan.ep <= 1.0 or plan.cut_experts > 0.0 else 1.0


@inlined
def expert_share(plan: Plan) -> float:
    """Share of all routed experts' parameters that one rank holds."""
    return 1.0 / (expert_tensor(plan) * plan.ep)


@inlined
def routed_group(plan: Plan) -> Group:
    """Ranks with the same routed experts. HSDP shards among those of them that its domain of shard_ranks x tp holds."""
    apart = expert_tensor(plan) * plan.ep
    ranks = max(plan.tp * plan.dp * plan.cp / apart, 1.0)
    near = max(math.floor(plan.shard_ranks * plan.tp / apart), 1.0)
    return Group(ranks, apart, min(near, ranks) if plan.sharding == HSDP else ranks)


@inlined
def element_b(plan: Plan) -> float:
    """Bytes an element of activations and of the weights that are computed with: 2, or 4 where linear layers have 4."""
    return max(plan.linear_bytes, 2.0)


@inlined
def states_b(plan: Plan) -> float:
    """Bytes of optimiser states a parameter beside the weights: weights in 4 bytes are the master copy themselves."""
    return max(plan.optimizer_bytes - (MASTER_B if plan.linear_bytes > 2.0 else 0.0), 0.0)
