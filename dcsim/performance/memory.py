"""Whether a step fits: bytes that kernels/memory.py counts against those that a device has to give.

The six constants stand in presets/calibration/memory.toml.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels.facts import FULL, NONE, SELECTIVE, ZERO1, ZERO3, Model, Plan
from dcsim.kernels.memory import stage_memory
from dcsim.scenario import presets

Floats = NDArray[np.float64]

HALF_B = 2.0
"""Bytes of a weight or gradient in 16 bits."""

MASTER_B = 2.0
"""Bytes a parameter that FSDP and XLA programs save: their fp32 weights are the master copy, cast when gathered."""


PLAIN = re.compile("^(?!.*megatron).*deepspeed|nanotron|colossal|hugging", re.IGNORECASE)
"""Frameworks of plain PyTorch modules without fused elementwise work; Megatron-DeepSpeed has Megatron's kernels."""

XLA = re.compile("jax|maxtext|pax", re.IGNORECASE)
"""Frameworks whose programs XLA compiles."""


MEGATRON = re.compile("megatron|nemo", re.IGNORECASE)
"""Megatron Core, and what is made of it."""

FSDP = re.compile("fsdp", re.IGNORECASE)
"""PyTorch's sharding of everything, by its name."""


class Allowance(NamedTuple):
    """What of a device's memory a step cannot use."""

    visible: float  # bytes that a process can allocate for each byte that the datasheet names
    fixed_b: float  # context, communication buffers, work space of libraries
    slack: float  # the allocator's loss, as a share of the bytes needed


@cache
def shipped() -> Allowance:
    """The allowance that ships with dcsim."""
    table = presets.table("calibration", "memory")
    return Allowance(*(float(table[name]["value"]) for name in Allowance._fields))


class Eager(NamedTuple):
    """What plain PyTorch code keeps where fused kernels do not."""

    kept_factor: float  # activations, over those of fused kernels
    loss_bytes: float  # bytes an element of the logits beside them


FAULTY = re.compile("nanotron.*before the fix of its pipelines", re.IGNORECASE)
"""nanotron before the fix of its pipeline code, as a row may name it; its pipelines kept more."""


@cache
def eager() -> Eager:
    """What plain PyTorch code keeps, by counts of such code."""
    table = presets.table("calibration", "memory")
    return Eager(*(float(table[name]["value"]) for name in Eager._fields))


@cache
def leaking_factor() -> float:
    """Activations that pipelines of `FAULTY` code keep, over those of fused kernels."""
    return float(presets.table("calibration", "memory")["leaking_factor"]["value"])


def available_b(memory_b: float, allowance: Allowance | None = None) -> float:
    """Bytes that the parts of `kernels.memory` may sum to on a device whose datasheet names `memory_b`."""
    given = allowance or shipped()
    return max(memory_b * given.visible - given.fixed_b, 0.0) / (1.0 + given.slack)


def needed_b(models: Floats, plans: Floats) -> Floats:
    """Bytes needed on the worst accelerator, shape (n,); models, plans as for `stage_memory`."""
    return np.asarray(stage_memory(models, plans).sum(axis=1))


def as_kept(plan: Plan, framework: str) -> Plan:
    """The plan with what frameworks are known to keep, by the name of the framework.

    XLA programs divide the residual stream by tp, as sequence parallelism does (MaxText's logical axis rules). FSDP's
    sharded fp32 weights are the master copy too (Megatron Core's are not: it keeps 16-bit ones beside), and gradients
    add up in their precision, whatever they were sent in. nanotron and DeepSpeed add whole gradients up in fp32 after a
    backward pass, whose 16-bit ones all lie beside the sums (`FP32GradientAccumulator.backward`, `BF16_Optimizer`);
    other plain PyTorch code is taken to do the same, as autograd makes them in 16 bits. What pipelines of `FAULTY` code
    kept is fitted to runs of it.
    `selective` of FSDP and XLA names no set of tensors: the least that it can mean is full.
    """
    sharded, xla = plan.sharding >= ZERO3, XLA.search(framework)
    if plan.recompute == SELECTIVE and (sharded or xla):
        plan = plan._replace(recompute=FULL)
    if PLAIN.search(framework):
        plan = plan._replace(**eager()._asdict())
        if plan.pp > 1.0 and FAULTY.search(framework):
            plan = plan._replace(kept_factor=leaking_factor())
        if plan.sharding <= ZERO1 and plan.gradient_bytes > HALF_B >= plan.linear_bytes:
            plan = plan._replace(beside_bytes=HALF_B)
    elif sharded and plan.linear_bytes <= 2.0 and not MEGATRON.search(framework):
        plan = plan._replace(optimizer_bytes=plan.optimizer_bytes - MASTER_B)
    if sharded and FSDP.search(framework):
        plan = plan._replace(beside_bytes=4.0 - plan.gradient_bytes)
    if xla and plan.tp > 1.0:
        plan = plan._replace(sequence_parallel=1.0)
    return plan


def least_recompute(model: Model, plan: Plan, memory_b: float) -> float:
    """The least recomputing with which a plan fits a device (none, selective, full); full if none of them does."""
    ways = (NONE, SELECTIVE, FULL)
    needed = needed_b(np.array([model]), np.array([plan._replace(recompute=way) for way in ways]))
    return next((way for way, need_b in zip(ways, needed, strict=True) if need_b <= available_b(memory_b)), FULL)
