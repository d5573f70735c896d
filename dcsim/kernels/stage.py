"""One micro-batch on the average layer of one accelerator: computing, waiting for the host, and exposed traffic."""

from __future__ import annotations

import math
from typing import NamedTuple

from dcsim.kernels.facts import FULL, SELECTIVE, Device, Model, Plan
from dcsim.kernels.inlined import inlined
from dcsim.kernels.layer import (
    BACKWARD_KERNELS,
    EXPERT_KERNELS,
    FORWARD_KERNELS,
    Times,
    add,
    attention_core,
    elementwise,
    experts,
    mix,
    mlp,
    projections,
    sparse_share,
)
from dcsim.kernels.roofline import Rates
from dcsim.kernels.traffic import all_reduce_s, dispatch_s, exposed_s, gather_s, road


class Layer(NamedTuple):
    """Times of one micro-batch, s; the last three are traffic that nothing hides."""

    forward_s: float
    input_s: float  # backward: gradients of activations, and recomputing
    weight_s: float
    memory_s: float  # part of the three that device memory bounds
    launch_s: float  # waiting for kernel launches
    tp_s: float
    cp_s: float
    ep_s: float


@inlined
def busy_s(layer: Layer) -> float:
    """Computing and waiting for launches, s."""
    return layer.forward_s + layer.input_s + layer.weight_s + layer.launch_s


@inlined
def traffic_s(layer: Layer) -> float:
    """Exposed traffic of all kinds, s."""
    return layer.tp_s + layer.cp_s + layer.ep_s


@inlined
def waited_s(host_s: float, device_s: float) -> float:
    """Time for which a device waits for its host, s: the excess of the host's time, rounded where both are near."""
    gap_s = host_s - device_s
    return 0.5 * (gap_s + math.sqrt(gap_s * gap_s + 0.1 * host_s * device_s))


@inlined
def one_layer(model: Model, plan: Plan, device: Device, at: Rates) -> Layer:
    """The average layer: dense and expert layers in their proportion."""
    tokens = plan.micro_batch * plan.seq_len * (1.0 / plan.cp)
    core = attention_core(model, plan, at)
    sparse = sparse_share(model)
    width = model.ffn_hidden * (1.0 / plan.tp)
    block = mlp(model, plan, tokens, width, at) if sparse < 1.0 else Times(0.0, 0.0, 0.0, 0.0)
    if sparse > 0.0:
        block = mix(block, experts(model, plan, tokens, at), sparse)
    crossed = 1.0 + model.cross_layers / model.layers
    attention = add(projections(model, plan, tokens, at), core)
    if crossed > 1.0:
        attention = mix(Times(0.0, 0.0, 0.0, 0.0), attention, crossed)
    work = add(add(attention, elementwise(model, plan, tokens, at)), block)
    again_s = work.forward_s if plan.recompute == FULL else (core.forward_s if plan.recompute == SELECTIVE else 0.0)
    weight_s = work.weight_s * model.trainable
    launch_s = _launch_s(plan, device, sparse, work.forward_s, work.input_s + weight_s + again_s)
    return Layer(
        work.forward_s,
        work.input_s + again_s,
        weight_s,
        work.memory_s,
        launch_s,
        _tensor_s(model, plan, device, tokens),
        _context_s(model, plan, device, tokens, core),
        _expert_s(model, plan, device, tokens) * sparse,
    )


@inlined
def _launch_s(plan: Plan, device: Device, sparse: float, forward_s: float, backward_s: float) -> float:
    kernels = EXPERT_KERNELS * sparse
    forward_host_s = (FORWARD_KERNELS + kernels) * device.launch_s
    backward_host_s = (BACKWARD_KERNELS + kernels) * device.launch_s
    if plan.recompute == FULL:
        backward_host_s += forward_host_s
    return waited_s(forward_host_s, forward_s) + waited_s(backward_host_s, backward_s)


@inlined
def _passes(plan: Plan) -> float:
    """Forward, backward, and forward again where everything is recomputed."""
    return 3.0 if plan.recompute == FULL else 2.0


@inlined
def _tensor_s(model: Model, plan: Plan, device: Device, tokens: float) -> float:
    """Two all-reduces each pass, or as many all-gathers and reduce-scatters with sequence parallelism."""
    if plan.tp <= 1.0:
        return 0.0
    one_s = all_reduce_s(2.0 * tokens * model.hidden, road(device, 1.0, plan.tp))
    return 2.0 * _passes(plan) * (1.0 - plan.overlap_tp) * one_s


@inlined
def _context_s(model: Model, plan: Plan, device: Device, tokens: float, core: Times) -> float:
    """Keys and values pass round a ring, once forward and twice backward, behind the attention core."""
    if plan.cp <= 1.0:
        return 0.0
    pair_b = 4.0 * tokens * plan.cp * max(model.kv_heads / plan.tp, 1.0) * model.head_dim
    ring_s = gather_s(pair_b, road(device, plan.tp, plan.cp))
    forward_s = exposed_s(ring_s, device.overlap * core.forward_s)
    return (_passes(plan) - 1.0) * forward_s + exposed_s(2.0 * ring_s, device.overlap * core.input_s)


@inlined
def _expert_s(model: Model, plan: Plan, device: Device, tokens: float) -> float:
    """Dispatch and combine, each pass."""
    if plan.ep <= 1.0:
        return 0.0
    sent_b = 2.0 * tokens * model.hidden / plan.tp
    return 2.0 * _passes(plan) * dispatch_s(sent_b, model.top_k, device, plan.ep)
