"""A transformer of small round widths and devices that lose nothing, so that tests can be worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dcsim.kernels.facts import Device, Model, Plan, Step
from dcsim.kernels.step import steps

SMALL = Model(
    layers=4.0, hidden=64.0, heads=4.0, kv_heads=2.0, head_dim=16.0, ffn_hidden=256.0, gated=1.0, vocab=1000.0,
    tied=0.0,
)  # fmt: skip
ATTENTION = 64 * 4 * 16 + 2 * 64 * 2 * 16 + 4 * 16 * 64  # query; key and value; output: 12,288 parameters
MLP = 3 * 64 * 256  # gate, up, down: 49,152
TABLE = 1000 * 64

ROUTED = SMALL._replace(experts=8.0, top_k=2.0, expert_hidden=32.0)
LATENT = SMALL._replace(q_rank=24.0, kv_rank=20.0, rope_dim=8.0, v_head_dim=12.0)

PLAN = Plan(tp=1.0, pp=1.0, vpp=1.0, dp=1.0, cp=1.0, ep=1.0, micro_batch=2.0, global_batch=2.0, seq_len=128.0)
TOKENS = 256.0

COMPUTES = Device(
    linear_flop_per_s=100e12, half_flop_per_s=100e12, vector_flop_per_s=10e12, memory_b=80e9, memory_b_per_s=1e30,
    link_b_per_s=100e9, domain=8.0, nic_b_per_s=25e9, product_efficiency=1.0, memory_efficiency=1.0,
    attention_efficiency=1.0, launch_s=0.0, link_efficiency=1.0, nic_efficiency=1.0, link_latency_s=0.0,
    nic_latency_s=0.0, overlap=0.0,
)  # fmt: skip
"""100 TFLOP/s, and memory that takes no time."""

MOVES = COMPUTES._replace(linear_flop_per_s=1e30, half_flop_per_s=1e30, vector_flop_per_s=1e30, memory_b_per_s=1e12)
"""1 TB/s, and computing that takes no time."""


def filled(keys: float) -> float:
    """Keys that a row of queries in fused attention pays for: 224 more than it sees, at most twice as many."""
    return keys + min(224.0, keys)


def step(model: Model = SMALL, plan: Plan = PLAN, device: Device = COMPUTES) -> Step:
    """One step of one plan."""
    return Step(*steps(np.array([model]), np.array([plan]), np.array([device]))[0])


def near(expected: Any) -> Any:
    """Equal to a millionth, however small: pytest's own tolerance of 1e-12 is more than many times here have."""
    return pytest.approx(expected, rel=1e-6, abs=0.0)
