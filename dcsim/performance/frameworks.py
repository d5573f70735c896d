"""Training frameworks that a question may name: whose constants its steps take, and what they make of plans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcsim.kernels import facts
from dcsim.performance.memory import as_kept
from dcsim.performance.row_text import accumulate_b, sums_whole
from dcsim.scenario.spec import Accelerator

Floats = NDArray[np.float64]
PLAN = {name: number for number, name in enumerate(facts.Plan._fields)}


@dataclass(frozen=True)
class Framework:
    """A framework: `name` as a row of measured runs may say it, the `family` of its constants, and what answers say."""

    name: str
    family: str
    words: str


FRAMEWORKS = {
    found.name: found
    for found in (
        Framework("megatron", "megatron", "Megatron Core runs it"),
        Framework("pytorch", "pytorch", "PyTorch with FSDP runs it"),
        Framework("deepspeed", "pytorch", "DeepSpeed with plain PyTorch layers runs it"),
        Framework("jax", "jax", "JAX with XLA runs it"),
    )
}
"""By the names that `--framework` takes."""


def usual_framework(accelerator: Accelerator) -> Framework:
    """What is assumed where nobody names a framework."""
    return FRAMEWORKS["jax" if accelerator.device_class == "tpu" else "megatron"]


def as_run(plans: Floats, framework: Framework, precision: str) -> Floats:
    """Rows of `facts.Plan`, shape (n, fields), as a framework runs them: how it adds gradients up, and what it keeps.

    What frameworks are known to do is told of rows in `row_text` and `memory`. Megatron Core's ways are the kernels'.
    """
    if framework.family == "megatron":
        return plans
    rows = plans.copy()
    sharding, batch = rows[:, PLAN["sharding"]], rows[:, PLAN["dp"]] * rows[:, PLAN["micro_batch"]]
    adds = (sharding <= facts.ZERO1) & (rows[:, PLAN["global_batch"]] > batch)
    moved_b = np.array([accumulate_b(framework.family, each_b) for each_b in rows[:1, PLAN["gradient_bytes"]]])
    rows[:, PLAN["accumulate_b"]] = np.where(adds, moved_b, 0.0)
    whole = [float(sums_whole(framework.name, precision, stages)) for stages in (1.0, 2.0)]
    rows[:, PLAN["sum_whole"]] = np.where(rows[:, PLAN["pp"]] > 1.0, whole[1], whole[0])
    for kind in np.unique(sharding):
        of_kind = sharding == kind
        kept = as_kept(facts.Plan(*rows[of_kind][0])._replace(recompute=facts.NONE), framework.name)
        rows[of_kind, PLAN["kept_factor"]] = kept.kept_factor
        rows[of_kind, PLAN["optimizer_bytes"]] = kept.optimizer_bytes
    return rows
