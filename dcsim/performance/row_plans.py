"""The parallel plan of a measured row: what it says, what is filled by a written rule, and what cannot be."""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import replace

from dcsim.errors import Problem
from dcsim.kernels import facts
from dcsim.kernels.facts import Model, Plan
from dcsim.performance.plan_problems import problems
from dcsim.performance.plan_rules import RECOMPUTE, SHAPE, Setting
from dcsim.performance.plan_rules import SHARDING as PLANNED
from dcsim.performance.plans import broken, completed
from dcsim.performance.row_cells import FLAGS, Row, number, word
from dcsim.performance.row_text import accumulate_b, first_fused, gradient_b, hides_gradients, sums_whole
from dcsim.performance.unknown import unknown
from dcsim.scenario.spec import Accelerator

SHARDING = {**PLANNED, "fsdp": facts.ZERO3}

USUAL_TOKENS = 8192.0  # of a micro-batch whose size is not given
USUAL_BATCH_TOKENS = 4.0 * 2**20  # of a global batch whose size is not given
MOST_CONTEXT = 64.0  # ranks that share a sequence in a plan that is not given
USABLE = 0.6  # share of memory for weights, gradients and optimiser states of a plan that is not given


def parameters(model: Model) -> float:
    """All parameters, roughly: what a plan that is not given is chosen by."""
    attention = 2.0 * model.hidden * (model.heads + model.kv_heads) * model.head_dim
    matrices = (2.0 + model.gated) * model.hidden
    dense = model.dense_layers if model.experts else model.layers
    mlp = dense * model.ffn_hidden + (model.layers - dense) * (
        model.experts * model.expert_hidden + model.shared_hidden
    )
    return model.layers * attention + matrices * mlp + 2.0 * model.vocab * model.hidden


def plan_of(row: Row, model: Model, accelerator: Accelerator, framework: str, assumed: list[str]) -> Plan:
    """The plan of a row. What it does not say is filled, and named in `assumed`.

    No column says whether tp cuts spread experts: it does by Megatron Core's default, and cannot where d c is no
    multiple of x.
    """
    count, seq_len = number(row, "n_accelerators"), number(row, "seq_len")
    sharding = word(row, "sharding", SHARDING, facts.ZERO3 if framework == "jax" else facts.ZERO1, assumed)
    tp, pp, cp = (number(row, name, 0.0) for name in ("tp", "pp", "cp"))
    micro, batch = number(row, "micro_batch", 0.0), number(row, "global_batch", 0.0)
    cp = cp or 1.0
    if not tp or not pp or tp * pp * cp > count or pp > model.layers:
        assumed.append("plan")
        tp, pp = default_split(model, accelerator, sharding, count / cp)
        while batch and count / (tp * pp * cp) > batch and cp < MOST_CONTEXT:
            cp *= 2.0
    dp = max(count / (tp * pp * cp), 1.0)
    if "plan" not in assumed and number(row, "dp", 0.0) not in (0.0, dp):
        assumed.append("dp")
    if not micro:
        assumed.append("micro_batch")
        each = batch / dp if batch else math.inf
        micro = max(1.0, min(2.0 ** math.floor(math.log2(max(USUAL_TOKENS * cp / seq_len, 1.0))), each))
    if not batch:
        assumed.append("global_batch")
        batch = dp * micro
        if sharding < facts.ZERO3:
            batch *= max(1.0, round(USUAL_BATCH_TOKENS / (batch * seq_len)))
    ep = number(row, "ep", 1.0) or 1.0
    if ep > 1.0 and tp > 1.0:
        assumed.append("experts cut by tp" if dp * cp % ep == 0.0 else "experts whole")
    precision, text = row.get("precision") or "", row.get("framework") or ""
    added_b = gradient_b(text, precision)
    whole = sharding <= facts.ZERO1 and batch > dp * micro  # gradients of micro-batches add up before they are divided
    return Plan(
        tp=tp,
        pp=pp,
        vpp=number(row, "vpp", 0.0) or usual_chunks(model.layers, pp, framework, assumed),
        dp=dp,
        cp=cp,
        ep=ep,
        micro_batch=micro,
        global_batch=batch,
        seq_len=seq_len,
        sharding=sharding,
        sequence_parallel=sequence_parallel(row, tp, framework, assumed),
        recompute=word(row, "recompute", RECOMPUTE, facts.NONE, assumed),
        flash=_fused(row, accelerator, assumed),
        gradient_bytes=added_b,
        accumulate_b=accumulate_b(framework, added_b) if whole else 0.0,
        overlap_dp=float(hides_gradients(text, framework, sharding > facts.UNSHARDED)),
        sum_whole=float(sums_whole(text, precision, pp)),
        cut_experts=float(dp * cp % ep == 0.0),
    )


def _fused(row: Row, accelerator: Accelerator, assumed: list[str]) -> float:
    """Which kernels of attention a run had; those of the first generation are named in `assumed`."""
    fused = word(row, "flash_attention", FLAGS, facts.FUSED, assumed)
    if not fused or not first_fused(row.get("framework") or "", row.get("date") or "", accelerator.device_class):
        return fused
    assumed.append("attention before FlashAttention-2")
    return facts.FIRST_FUSED


def sequence_parallel(row: Row, tp: float, framework: str, assumed: list[str]) -> float:
    """Whether norms are cut as well: as the row says, else as Megatron Core does with tensor parallelism."""
    usual = float(framework == "megatron" and tp > 1.0)
    return word(row, "sequence_parallel", FLAGS, usual, assumed if tp > 1.0 else [])


def usual_chunks(layers: float, stages: float, framework: str, assumed: list[str]) -> float:
    """Interleaved chunks a stage, where not given: Megatron Core recipes interleave by about two layers."""
    if stages == 1.0 or framework != "megatron":
        return 1.0
    assumed.append("vpp")
    chunks = layers / stages / 2.0
    return chunks if chunks == int(chunks) and chunks > 1.0 else 1.0


def default_split(model: Model, accelerator: Accelerator, sharding: float, count: float) -> tuple[float, float]:
    """The least tp (a power of two within a server), then pp, that hold the states and divide the accelerators."""
    if sharding >= facts.ZERO3:
        return 1.0, 1.0
    states_b = parameters(model) * (2.0 + 16.0 * (model.trainable if model.trainable < 1.0 else 0.4))
    needed = states_b / (USABLE * (accelerator.memory or unknown().memory_b))
    server = min(8.0, float(accelerator.accelerators_per_server or 8))
    tp, pp = 1.0, 1.0
    while tp < needed and 2.0 * tp <= server and count % (2.0 * tp) == 0.0:
        tp *= 2.0
    while tp * pp < needed and count % (2.0 * tp * pp) == 0.0:
        pp *= 2.0
    return tp, pp


def impossible(row: Row, model: Model, domain: float, unread: Container[str] = ()) -> list[Problem]:
    """Every rule that the degrees of a row break, unless it is a convention, without file and line; what is not given,
    or stands in a cell that is `unread` and emptied, breaks none."""
    at = _setting(row, model, domain)
    if not at.accelerators:  # any number of them will do
        at = replace(at, accelerators=None, server=1)
    return problems(_given(row, unread), at, "", conventions=False)


def unusual(row: Row, model: Model, domain: float) -> tuple[str, ...]:
    """The conventions that the plan of a row does not keep."""
    at = _setting(row, model, domain)
    rules = broken(completed(_given(row), at), at)
    return tuple(f"an unusual plan: {rule.columns[0]} {rule.what}" for rule in rules if rule.convention)


def _given(row: Row, unread: Container[str] = ()) -> dict[str, int]:
    """The degrees of a row; no cp is one, beside others."""
    given = {name: int(value) for name in SHAPE if (value := number(row, name, 0.0))}
    if {"tp", "pp"} <= set(given) and "cp" not in unread:
        given.setdefault("cp", 1)
    sharding = SHARDING.get((row.get("sharding") or "").strip().lower())
    return given if sharding is None else given | {"sharding": int(sharding)}


def _setting(row: Row, model: Model, domain: float) -> Setting:
    batch, seq_len, count = (int(number(row, name, 0.0)) for name in ("global_batch", "seq_len", "n_accelerators"))
    return Setting(model, batch, seq_len, count, int(domain))
