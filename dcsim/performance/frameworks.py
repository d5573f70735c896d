"""Training frameworks that a question may name: whose constants its steps take, and what they make of plans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels import facts
from dcsim.performance.memory import as_kept
from dcsim.performance.row_text import accumulate_b, sums_whole
from dcsim.scenario.spec import Accelerator

Floats = NDArray[np.float64]
PLAN = {name: number for number, name in enumerate(facts.Plan._fields)}
KEPT = ("kept_factor", "loss_bytes", "beside_bytes", "optimizer_bytes")
"""What frameworks keep differently, whatever the degrees of a plan."""


@dataclass(frozen=True)
class Framework:
    """A framework: its name, the `family` of its constants, what answers say, and how a measured row would name it."""

    name: str
    family: str
    words: str
    text: str

    @property
    def shares_master(self) -> bool:
        """Whether its weights are fp32, the master copy, and cast when they are used."""
        return self.name in ("pytorch", "jax")


FRAMEWORKS = {
    found.name: found
    for found in (
        Framework("megatron", "megatron", "Megatron Core runs it", "Megatron-LM"),
        Framework("pytorch", "pytorch", "PyTorch with FSDP runs it", "PyTorch FSDP"),
        Framework("deepspeed", "pytorch", "DeepSpeed with plain PyTorch layers runs it", "DeepSpeed"),
        Framework("jax", "jax", "JAX with XLA runs it", "JAX"),
    )
}
"""By the names that `--framework` takes."""


def usual_framework(accelerator: Accelerator) -> Framework:
    """What is assumed where nobody names a framework."""
    return FRAMEWORKS["jax" if accelerator.device_class == "tpu" else "megatron"]


def refused(framework: Framework, fixed: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Of degrees, sharding and schedule that are fixed: what the framework cannot run, and why.

    DeepSpeed's pipelines shard neither gradients nor weights (its runtime/pipe/engine.py asserts it), run 1F1B alone
    and have one chunk a stage; HSDP is FSDP's.
    """
    if framework.name != "deepspeed":
        return
    sharding, stages = fixed.get("sharding", facts.UNSHARDED), fixed.get("pp", 1.0)
    if sharding == facts.HSDP:
        yield "sharding", "DeepSpeed has no such sharding"
    elif sharding >= facts.ZERO2 and stages > 1.0:
        yield "sharding", "DeepSpeed's pipelines shard no gradients and no weights"
    if fixed.get("vpp", 1.0) > 1.0:
        yield "vpp", "DeepSpeed's stages have one chunk each"
    if fixed.get("schedule", facts.ONE_F_ONE_B) != facts.ONE_F_ONE_B:
        yield "schedule", "DeepSpeed's pipelines run 1f1b"


def _can_run(plans: Floats, framework: Framework) -> NDArray[np.bool_]:
    """Which plans a framework can run, as by `refused`, shape (n,)."""
    if framework.name != "deepspeed":
        return np.ones(len(plans), dtype=bool)
    sharding, stages = plans[:, PLAN["sharding"]], plans[:, PLAN["pp"]]
    one = (stages == 1.0) | ((sharding <= facts.ZERO1) & (plans[:, PLAN["vpp"]] == 1.0))
    return np.asarray(one & (sharding != facts.HSDP))


def as_run(plans: Floats, framework: Framework, precision: str) -> Floats:
    """Rows of `facts.Plan`, shape (n, fields), as a framework runs them: how it adds gradients up, and what it keeps;
    without those that it cannot run.

    What frameworks are known to do is told of rows in `row_text` and `memory`. Megatron Core's ways are the kernels'.
    """
    if framework.family == "megatron":
        return plans
    rows = plans[_can_run(plans, framework)]
    if not len(rows):
        return rows
    sharding, batch = rows[:, PLAN["sharding"]], rows[:, PLAN["dp"]] * rows[:, PLAN["micro_batch"]]
    adds = (sharding <= facts.ZERO1) & (rows[:, PLAN["global_batch"]] > batch)
    moved_b = np.array([accumulate_b(framework.family, each_b) for each_b in rows[:1, PLAN["gradient_bytes"]]])
    rows[:, PLAN["accumulate_b"]] = np.where(adds, moved_b, 0.0)
    whole = [float(sums_whole(framework.text, precision, stages)) for stages in (1.0, 2.0)]
    rows[:, PLAN["sum_whole"]] = np.where(rows[:, PLAN["pp"]] > 1.0, whole[1], whole[0])
    for kind in np.unique(sharding):
        of_kind = sharding == kind
        one = facts.Plan(*rows[of_kind][0])._replace(recompute=facts.NONE)
        kept = as_kept(one, framework.text)
        for name in KEPT:
            rows[of_kind, PLAN[name]] = getattr(kept, name)
    return rows
