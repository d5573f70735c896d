"""Bytes that a training step needs on the accelerator that needs most, part by part.

Counted tensor by tensor, as Megatron-LM, DeepSpeed and FSDP keep them: weights, gradients and optimiser states by who
divides them; the inputs of every product and of every nonlinearity, times the micro-batches that the pipeline schedule
has in flight; the logits; and what comes and goes. What allocator and libraries add is the business of
performance/memory.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from dcsim.kernels.arrays import together
from dcsim.kernels.facts import DUALPIPE, FULL, GPIPE, NONE, UNFUSED, ZB_H1, ZB_H2, ZERO1, ZERO2, ZERO3, Model, Plan
from dcsim.kernels.groups import Group, dense_group, element_b, expert_share, expert_tensor, routed_group, states_b
from dcsim.kernels.inlined import inlined
from dcsim.kernels.pipeline import stage_layers

Floats = NDArray[np.float64]

GATHERED_LAYERS = 2.0
"""Layers whose gathered weights ZeRO-3 and FSDP hold at once: the one at work and the one fetched ahead."""

ROUTER_BYTES = 8.0
"""Bytes a token and expert that a router keeps: its logits and their soft-max in fp32."""


class Memory(NamedTuple):
    """Parts of the memory of the worst accelerator at the peak of a step, B."""

    weights_b: float
    gradients_b: float
    optimizer_b: float
    activations_b: float  # kept for backward, of all micro-batches in flight
    logits_b: float  # logits, soft-max, and input of the last norm and of the head
    buffers_b: float  # what comes and goes: gathered weights, the layer at work, sends and receives


class Layer(NamedTuple):
    """A layer on one rank of a tensor-parallel group. Bytes are bytes a token."""

    parameters: float  # all but routed experts
    experts: float  # parameters of the routed experts held
    kept_b: float  # kept between forward and backward
    work_b: float  # comes and goes: what is recomputed, and the gradients of its widest product


class States(NamedTuple):
    """Bytes a parameter that a rank holds before data-parallel ranks divide them."""

    weight_b: float
    gradient_b: float
    optimizer_b: float


class Widths(NamedTuple):
    """Shares and sizes of one rank that every count needs."""

    share: float  # 1 / tp
    whole: float  # elements a token of a tensor outside the tensor-parallel blocks
    element_b: float
    tokens: float  # of a micro-batch
    batches: float  # micro-batches a step
    table: float  # parameters of the embedding, or of the head
    fullest: float  # layers of a stage
    least: float  # layers of the last stage


class Rank(NamedTuple):
    """What one rank counts whatever its pipeline stage."""

    dense: Layer
    routed: Layer
    states: States
    expert_states: States
    extra: float  # parameters of a stage that the published number has and the widths do not say
    buffers_b: float


@inlined
def attention_parameters(model: Model) -> float:
    """Parameters of an attention block, grouped or latent (DeepSeek-V2, arXiv 2405.04434, section 2.1)."""
    value = model.v_head_dim if model.v_head_dim > 0.0 else model.head_dim
    output = model.heads * value * model.hidden
    if model.kv_rank == 0.0:
        return model.hidden * (model.heads * model.head_dim + model.kv_heads * (model.head_dim + value)) + output
    query = model.heads * (model.head_dim + model.rope_dim)
    queries = model.q_rank * (model.hidden + query) if model.q_rank > 0.0 else model.hidden * query
    latent = model.hidden * (model.kv_rank + model.rope_dim)
    return queries + latent + model.kv_rank * model.heads * (model.head_dim + value) + output


@inlined
def key_value_width(model: Model, plan: Plan) -> float:
    """Elements a token of the keys and values of one rank, expanded where attention is latent."""
    value = model.v_head_dim if model.v_head_dim > 0.0 else model.head_dim
    heads = model.heads if model.kv_rank > 0.0 else model.kv_heads
    return max(heads * (1.0 / plan.tp), 1.0) * (model.head_dim + model.rope_dim + value)


@inlined
def _attention_elements(model: Model, share: float) -> float:
    """Elements a token that attention keeps on one rank: query, key, value, latents, and the input of its output."""
    value = model.v_head_dim if model.v_head_dim > 0.0 else model.head_dim
    width = model.head_dim + value
    if model.kv_rank > 0.0:
        return model.heads * share * 2.0 * (width + model.rope_dim) + model.q_rank + model.kv_rank
    return (model.heads * share + max(model.kv_heads * share, 1.0)) * width


@inlined
def _scores_b(model: Model, plan: Plan, share: float, size_b: float) -> float:
    """Bytes a token of the attention core: soft-max and dropout (Korthikanti's 5 a s), or the statistics of flash."""
    if plan.flash > UNFUSED:
        return 4.0 * model.heads * share
    return model.heads * share * plan.seq_len * (size_b + plan.dropout * (size_b + 1.0))


@inlined
def _widths(model: Model, plan: Plan) -> Widths:
    share = 1.0 / plan.tp
    fullest, least = stage_layers(model.layers, plan.pp, plan.vpp)
    return Widths(
        share,
        model.hidden * (share if plan.sequence_parallel > 0.0 else 1.0),
        element_b(plan),
        plan.micro_batch * plan.seq_len * (1.0 / plan.cp),
        max(plan.global_batch / (plan.micro_batch * plan.dp), 1.0),
        model.vocab * model.hidden * share,
        fullest,
        least,
    )


@inlined
def _layer(model: Model, plan: Plan, widths: Widths, routed: bool) -> Layer:
    """One layer, dense or with routed experts. Source of the count: Korthikanti 2022, arXiv 2205.05198, section 4.

    Tensors outside the tensor-parallel blocks (inputs and outputs of norms, masks) are whole on each rank, or divided
    with sequence parallelism. A gated MLP keeps gate, up and their product, another its product and nonlinearity.
    """
    share, whole, size_b = widths.share, widths.whole, widths.element_b
    matrices = 2.0 + model.gated
    blocks = 1.0 + (model.cross_layers / model.layers if model.cross_layers > 0.0 else 0.0)
    parameters = blocks * attention_parameters(model) * share + 2.0 * model.hidden
    elements = blocks * (2.0 * whole + _attention_elements(model, share)) + 2.0 * whole
    width, experts, router_b = model.ffn_hidden, 0.0, 0.0
    if routed:
        places = model.top_k * model.capacity
        width = places * model.expert_hidden + model.shared_hidden
        parameters += matrices * model.hidden * model.shared_hidden * share + model.hidden * model.experts
        experts = matrices * model.hidden * model.expert_hidden * model.experts * expert_share(plan)
        # Dispatched copies: of its part of the tokens, or of all tokens where tp cuts the experts.
        elements += 2.0 * places * model.hidden * expert_tensor(plan) * share
        cut = share if plan.ep > 1.0 or plan.sequence_parallel > 0.0 else 1.0
        router_b = ROUTER_BYTES * model.experts * cut
    else:
        parameters += matrices * model.hidden * width * share
    kept_b = size_b * (elements + matrices * width * share) + router_b + plan.dropout * (1.0 + blocks) * whole
    kept_b *= plan.kept_factor
    scores_b = blocks * _scores_b(model, plan, share, size_b)
    work_b = size_b * (2.0 * whole + (matrices - 1.0) * width * share)
    whole_b = kept_b + scores_b
    if plan.recompute == FULL:
        kept_b = size_b * whole
    elif plan.recompute == NONE:
        kept_b = whole_b
    return Layer(parameters, experts, kept_b, work_b + (whole_b - kept_b))


@inlined
def in_flight(plan: Plan, stage: float, batches: float) -> float:
    """Micro-batches whose activations a stage keeps at the peak (a fraction where chunks are interleaved).

    `batches` is how many a step has. Sources: GPipe and 1F1B Narayanan 2021, arXiv 2104.04473; interleaved: the warm-up
    of Megatron-LM, 2 (p - 1 - stage) + (v - 1) p + 1 chunks of 1/v, on the first stage p (1 + (p - 1)/(p v)) as in
    Korthikanti 2022; zero bubble Qi 2023, arXiv 2401.10241: p and 2 p - 1 on every stage; DualPipe arXiv 2412.19437,
    table 2: p + 1. One stage keeps one, whatever its schedule.
    """
    if plan.pp <= 1.0:
        return min(1.0, batches)
    most = plan.pp - stage
    if plan.schedule == GPIPE:
        most = batches
    elif plan.schedule == ZB_H1:
        most = plan.pp
    elif plan.schedule == ZB_H2:
        most = 2.0 * plan.pp - 1.0
    elif plan.schedule == DUALPIPE:
        most = plan.pp + 1.0
    elif plan.vpp > 1.0:
        most = (2.0 * (plan.pp - 1.0 - stage) + (plan.vpp - 1.0) * plan.pp + 1.0) * (1.0 / plan.vpp)
    return min(most, batches)


@inlined
def _states(model: Model, plan: Plan, group: Group) -> States:
    """Bytes of states a parameter held, as its group divides them (ZeRO, arXiv 1910.02054, figure 1)."""
    share = 1.0 / group.shards
    return States(
        element_b(plan) * (share if plan.sharding >= ZERO3 else 1.0),
        (plan.gradient_bytes + plan.beside_bytes) * model.trainable * (share if plan.sharding >= ZERO2 else 1.0),
        states_b(plan) * model.trainable * (share if plan.sharding >= ZERO1 else 1.0),
    )


@inlined
def _buffers_b(model: Model, plan: Plan, widths: Widths, layer: Layer) -> float:
    """What comes and goes beside activations, B: the layer at work, and one message of each kind."""
    messages = 0.0
    if plan.sequence_parallel > 0.0 and plan.tp > 1.0:
        messages += model.hidden
    if plan.pp > 1.0:
        messages += 2.0 * widths.whole
    if plan.cp > 1.0:
        messages += 2.0 * key_value_width(model, plan)
    buffers_b = widths.tokens * (layer.work_b + widths.element_b * messages)
    if plan.sharding < ZERO3:
        return buffers_b
    widest = max(layer.parameters + layer.experts, widths.table)
    return buffers_b + (GATHERED_LAYERS * widths.element_b + plan.gradient_bytes * model.trainable) * widest


@inlined
def _rank(model: Model, plan: Plan, widths: Widths) -> Rank:
    """All that does not depend on the stage.

    Ranks that hold the same parameters divide their states; for routed experts they are others (groups.py).
    """
    dense = _layer(model, plan, widths, False)
    states = _states(model, plan, dense_group(plan))
    routed, expert_states = dense, states
    first = model.layers
    if model.experts > 0.0:
        routed = _layer(model, plan, widths, True)
        expert_states = _states(model, plan, routed_group(plan))
        first = min(model.dense_layers, model.layers)
    extra = 0.0
    if model.parameters > 0.0:
        experts = routed.experts * widths.share / expert_share(plan)
        counted = first * dense.parameters + (model.layers - first) * (routed.parameters + experts)
        counted += (2.0 - model.tied) * widths.table
        extra = max(model.parameters * widths.share - counted, 0.0) / plan.pp
    return Rank(dense, routed, states, expert_states, extra, _buffers_b(model, plan, widths, routed))


@inlined
def _stage(model: Model, plan: Plan, widths: Widths, rank: Rank, stage: float) -> Memory:
    """Memory of one pipeline stage, 0 the first. A device of DualPipe holds a stage and its mirror."""
    last = stage == plan.pp - 1.0
    layers = widths.least if last else widths.fullest
    dense = layers
    if model.experts > 0.0:
        dense = min(max(model.dense_layers - stage * widths.fullest, 0.0), layers)
    routed = layers - dense
    twice = plan.schedule == DUALPIPE and plan.pp > 1.0
    held = dense * rank.dense.parameters + routed * rank.routed.parameters + rank.extra
    experts = routed * rank.routed.experts
    if twice:
        held, experts = 2.0 * held, 2.0 * experts
    if stage == 0.0:
        held += widths.table + model.positions * model.hidden
    head = last or (twice and stage == 0.0)
    if head and not (model.tied > 0.0 and plan.pp == 1.0):
        held += widths.table
    batches = in_flight(plan, stage, widths.batches)
    logits_b = 0.0
    if head:
        logits_b = (widths.element_b + plan.loss_bytes) * model.vocab * widths.share
        logits_b += 2.0 * widths.element_b * widths.whole
        logits_b *= widths.tokens * (batches if plan.schedule == GPIPE else 1.0)  # all forward before any backward
    return Memory(
        held * rank.states.weight_b + experts * rank.expert_states.weight_b,
        held * rank.states.gradient_b + experts * rank.expert_states.gradient_b,
        held * rank.states.optimizer_b + experts * rank.expert_states.optimizer_b,
        batches * widths.tokens * (dense * rank.dense.kept_b + routed * rank.routed.kept_b),
        logits_b,
        rank.buffers_b,
    )


@inlined
def total_b(memory: Memory) -> float:
    """Sum of the parts of a `Memory`, B."""
    held_b = memory.weights_b + memory.gradients_b + memory.optimizer_b
    return held_b + memory.activations_b + memory.logits_b + memory.buffers_b


@inlined
def worst_stage(model: Model, plan: Plan) -> Memory:
    """Memory of the stage that needs most: the first, the last, or the second where the first layers are dense."""
    widths = _widths(model, plan)
    rank = _rank(model, plan, widths)
    worst = _stage(model, plan, widths, rank, 0.0)
    if plan.pp > 1.0:
        other = _stage(model, plan, widths, rank, plan.pp - 1.0)
        if total_b(other) > total_b(worst):
            worst = other
    if plan.pp > 2.0 and model.experts > 0.0 and model.dense_layers > 0.0:
        other = _stage(model, plan, widths, rank, 1.0)
        if total_b(other) > total_b(worst):
            worst = other
    return worst


@inlined
def worst_stage_bytes(model: Model, plan: Plan) -> float:
    """Bytes that a step needs on the accelerator that needs most, B."""
    return total_b(worst_stage(model, plan))


def stage_memory(models: Floats, plans: Floats) -> Floats:
    """Parts of the memory of the worst stage, B, shape (n, fields of Memory).

    models, plans: shape (n, fields of Model, Plan), or (1, fields) to serve all n. Raises ValueError for another
    number of columns or rows.
    """
    model, plan = together((models, Model), (plans, Plan))
    parts = np.empty((max(len(model), len(plan)), len(Memory._fields)))
    _batch(model, plan, parts)
    return parts


@njit(cache=True, parallel=True, error_model="numpy")
def _batch(models: NDArray[np.void], plans: NDArray[np.void], parts: Floats) -> None:
    model_stride, plan_stride = min(len(models) - 1, 1), min(len(plans) - 1, 1)
    for k in prange(len(parts)):
        i = np.intp(k)
        memory = worst_stage(models[i * model_stride], plans[i * plan_stride])
        for column in range(len(memory)):
            parts[i, column] = memory[column]


def kv_cache_bytes(model: Model, tokens: float, element_bytes: float = 2.0) -> float:
    """Keys and values that inference keeps for so many tokens (batch x sequence), B, of the whole model.

    With latent attention the latent and the position part are kept, once for all heads (arXiv 2405.04434, section
    2.1). With a sliding window of w, at most w tokens of each sequence are kept: give those.
    """
    if model.kv_rank > 0.0:
        return model.layers * (model.kv_rank + model.rope_dim) * tokens * element_bytes
    value = model.v_head_dim if model.v_head_dim > 0.0 else model.head_dim
    return model.layers * model.kv_heads * (model.head_dim + value) * tokens * element_bytes


def checkpoint_bytes(parameters: float, with_optimizer: bool) -> float:
    """Size of a checkpoint, B: bf16 weights (2 N), and with Adam's fp32 master copy and two moments 14 N."""
    return (14.0 if with_optimizer else 2.0) * parameters
