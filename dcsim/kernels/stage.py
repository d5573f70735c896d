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
    GATED_KERNELS,
    Times,
    accumulated,
    add,
    attention_core,
    elementwise,
    experts,
    layer_parameters,
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
    sparse = sparse_share(model)
    core = attention_core(model, plan, at)
    work = _work(model, plan, tokens, sparse, core, at)
    again = 1.0 if plan.recompute == FULL else 0.0
    again_s = again * work.forward_s + (core.forward_s if plan.recompute == SELECTIVE else 0.0)
    weight_s = work.weight_s * model.trainable
    tensor_s, routed_s = _tensor_s(model, plan, device, tokens), sparse * _expert_s(model, plan, device, tokens)
    pass_s = tensor_s + routed_s
    forward, backward = launches_of(model, plan, sparse)
    launch_s = waited_s(forward * device.launch_s, work.forward_s + pass_s)
    backward_s = work.input_s + again_s + weight_s + (1.0 + again) * pass_s
    launch_s += waited_s((backward + again * forward) * device.launch_s, backward_s)
    return Layer(
        work.forward_s,
        work.input_s + again_s,
        weight_s,
        work.memory_s,
        launch_s,
        (2.0 + again) * tensor_s,
        _context_s(model, plan, device, tokens, core),
        (2.0 + again) * routed_s,
    )


@inlined
def _work(model: Model, plan: Plan, tokens: float, sparse: float, core: Times, at: Rates) -> Times:
    """Computing of one micro-batch; layers that also attend to an encoder have a second attention and its norm."""
    nothing = Times(0.0, 0.0, 0.0, 0.0)
    block = mlp(model, plan, tokens, model.ffn_hidden * (1.0 / plan.tp), at) if sparse < 1.0 else nothing
    if sparse > 0.0:
        block = mix(block, experts(model, plan, tokens, at), sparse)
    attention = add(projections(model, plan, tokens, at), core)
    norms = elementwise(model, plan, tokens, at)
    if model.cross_layers > 0.0:
        crossed = model.cross_layers / model.layers
        attention, norms = mix(nothing, attention, 1.0 + crossed), mix(nothing, norms, 1.0 + 0.5 * crossed)
    held = layer_parameters(model, plan)
    summed = accumulated(held.dense + held.routed, plan, at)
    return add(add(attention, norms), add(block, summed))


@inlined
def launches_of(model: Model, plan: Plan, sparse: float) -> tuple[float, float]:
    """Kernels that the host launches for one layer forward and backward, collectives among them.

    The host launches while the device computes and sends: a layer takes the longer of both.
    """
    blocks = 1.0 + 0.5 * model.cross_layers / model.layers
    collectives = blocks * (2.0 + 2.0 * plan.sequence_parallel) if plan.tp > 1.0 else 0.0
    collectives += 2.0 * sparse if plan.ep > 1.0 else 0.0
    both = sparse * EXPERT_KERNELS + collectives
    forward = blocks * (FORWARD_KERNELS + GATED_KERNELS * model.gated)
    return forward + both, blocks * (BACKWARD_KERNELS + 2.0 * GATED_KERNELS * model.gated) + both


@inlined
def _tensor_s(model: Model, plan: Plan, device: Device, tokens: float) -> float:
    """All-reduces of one pass, one a block, or as many all-gathers and reduce-scatters with sequence parallelism."""
    if plan.tp <= 1.0:
        return 0.0
    one_s = all_reduce_s(2.0 * tokens * model.hidden, road(device, 1.0, plan.tp, device.nic_share_tp))
    return (2.0 + model.cross_layers / model.layers) * one_s


@inlined
def _context_s(model: Model, plan: Plan, device: Device, tokens: float, core: Times) -> float:
    """Keys and values pass round a ring, once forward and twice backward, behind the attention core."""
    if plan.cp <= 1.0:
        return 0.0
    pair_b = 4.0 * tokens * plan.cp * max(model.kv_heads * (1.0 / plan.tp), 1.0) * model.head_dim
    ring_s = gather_s(pair_b, road(device, plan.tp, plan.cp, device.nic_share_cp))
    forward_s = exposed_s(ring_s, device.overlap * core.forward_s)
    passes = 2.0 if plan.recompute == FULL else 1.0
    return passes * forward_s + exposed_s(2.0 * ring_s, device.overlap * core.input_s)


@inlined
def _expert_s(model: Model, plan: Plan, device: Device, tokens: float) -> float:
    """Dispatch and combine of one pass."""
    if plan.ep <= 1.0:
        return 0.0
    sent_b = 2.0 * tokens * model.capacity * model.hidden * (1.0 / plan.tp)
    return 2.0 * dispatch_s(sent_b, model.top_k, device, plan.ep)
