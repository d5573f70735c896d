"""One micro-batch on the average layer of one accelerator: computing, waiting for the host, and exposed traffic."""

from __future__ import annotations

import math
from typing import NamedTuple

from dcsim.kernels.facts import DUALPIPE, FULL, HSDP, SELECTIVE, Device, Model, Plan
from dcsim.kernels.groups import element_b, expert_tensor
from dcsim.kernels.inlined import inlined
from dcsim.kernels.layer import (
    BACKWARD_KERNELS,
    EXPERT_KERNELS,
    FORWARD_KERNELS,
    GATED_KERNELS,
    RING_KERNELS,
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
from dcsim.kernels.memory import key_value_width
from dcsim.kernels.roofline import Rates
from dcsim.kernels.traffic import Road, all_reduce_s, dispatch_s, exposed_s, gather_s, road


class Layer(NamedTuple):
    """Times of one micro-batch, s; the last three are traffic that nothing hides."""

    forward_s: float
    input_s: float  # backward: gradients of activations, and recomputing
    weight_s: float
    memory_s: float  # part of the three that device memory bounds
    wait_forward_s: float  # waiting for kernel launches
    wait_backward_s: float
    cover_forward_s: float  # behind which data-parallel traffic may hide
    cover_backward_s: float
    tp_s: float
    cp_s: float
    ep_s: float


@inlined
def busy_s(layer: Layer) -> float:
    """Computing and waiting for launches, s."""
    return layer.forward_s + layer.input_s + layer.weight_s + launches_s(layer)


@inlined
def launches_s(layer: Layer) -> float:
    """Waiting for launches, both ways, s."""
    return layer.wait_forward_s + layer.wait_backward_s


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
    full = 1.0 if plan.recompute == FULL else 0.0
    selective = 1.0 if plan.recompute == SELECTIVE else 0.0
    again_s = full * work.forward_s + selective * core.forward_s
    weight_s = work.weight_s * model.trainable
    backward_s = work.input_s + again_s + weight_s
    bound_s = (1.0 + full) * work.forward_memory_s + selective * core.forward_memory_s
    bound_s += work.input_memory_s + model.trainable * work.weight_memory_s
    tensor_s = _tensor_s(model, plan, device, tokens, sparse)
    ring_s = _context_s(model, plan, device, tokens)
    open_s = exposed_s(ring_s, device.overlap * core.forward_s)
    open_back_s = exposed_s(2.0 * ring_s, device.overlap * core.input_s)
    routed_s = sparse * _expert_s(model, plan, device, tokens)
    routed_back_s = (1.0 + full) * routed_s
    hidden_s, hidden_back_s = 0.0, 0.0
    if plan.schedule == DUALPIPE and plan.pp > 1.0:
        # Behind the micro-batch that passes the other way (arXiv 2412.19437, section 3.2.1).
        hidden_s = min(routed_s, device.overlap * work.forward_s)
        hidden_back_s = min(routed_back_s, device.overlap * backward_s)
        routed_s, routed_back_s = routed_s - hidden_s, routed_back_s - hidden_back_s
    forward, backward = launches_of(model, plan, sparse)
    wait_s = waited_s(forward * device.launch_s, work.forward_s + tensor_s + routed_s + open_s)
    device_back_s = backward_s + (1.0 + full) * tensor_s + routed_back_s + open_back_s + full * open_s
    wait_back_s = waited_s((backward + full * forward) * device.launch_s, device_back_s)
    cover_s = _cover_s(plan, device, work.forward_s + wait_s, ring_s, open_s)
    again_ring_s, again_open_s = (2.0 + full) * ring_s, open_back_s + full * open_s
    return Layer(
        work.forward_s,
        work.input_s + again_s,
        weight_s,
        bound_s,
        wait_s,
        wait_back_s,
        max(cover_s - hidden_s, 0.0),
        max(_cover_s(plan, device, backward_s + wait_back_s, again_ring_s, again_open_s) - hidden_back_s, 0.0),
        (2.0 + full) * tensor_s,
        open_s + again_open_s,
        routed_s + routed_back_s,
    )


@inlined
def _cover_s(plan: Plan, device: Device, busy_s: float, ring_s: float, open_s: float) -> float:
    """What data-parallel traffic may hide behind, s: computing, and waiting for the host and for other links.

    The ring of context ranks, `open_s` of which is exposed, keeps links busy. Where it goes over other links than data
    ranks do, these may send while it is waited for; over the same, not while it hides. So a device that computes
    faster, and waits more, is never slower in the whole.
    """
    share = device.overlap * plan.overlap_dp
    apart = plan.tp * plan.cp
    if plan.sharding < HSDP and apart <= device.domain < apart * plan.dp:
        return share * (busy_s + open_s)
    return max(share * busy_s - (ring_s - open_s), 0.0)


@inlined
def _work(model: Model, plan: Plan, tokens: float, sparse: float, core: Times, at: Rates) -> Times:
    """Computing of one micro-batch; layers that also attend to an encoder have a second attention and its norm."""
    nothing = Times(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
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

    The host launches while the device computes and sends: a layer takes the longer of both. Grouped products are one
    launch for each local expert (Transformer Engine's `nvte_multi_tensor_gemm` on several streams), two products
    forward and four backward; with sequence parallelism each block gathers its input once more backward.
    """
    blocks = 1.0 + 0.5 * model.cross_layers / model.layers
    collectives = blocks * (2.0 + 2.0 * plan.sequence_parallel) if plan.tp > 1.0 else 0.0
    again = blocks * 2.0 * plan.sequence_parallel if plan.tp > 1.0 else 0.0
    collectives += 2.0 * sparse if plan.ep > 1.0 else 0.0
    both = sparse * EXPERT_KERNELS + collectives + RING_KERNELS * blocks * (plan.cp - 1.0)
    grouped = 2.0 * sparse * max(model.experts * (1.0 / plan.ep), 1.0)
    forward = blocks * (FORWARD_KERNELS + GATED_KERNELS * model.gated) + grouped
    backward = blocks * (BACKWARD_KERNELS + 2.0 * GATED_KERNELS * model.gated) + 2.0 * grouped
    return forward + both, backward + both + again


@inlined
def _tensor_s(model: Model, plan: Plan, device: Device, tokens: float, sparse: float) -> float:
    """All-reduces of one pass, one a block, or as many all-gathers and reduce-scatters with sequence parallelism."""
    if plan.tp <= 1.0:
        return 0.0
    one_s = all_reduce_s(element_b(plan) * tokens * model.hidden, road(device, 1.0, plan.tp, device.nic_share_tp))
    return tensor_sums(model, plan, sparse) * one_s


@inlined
def tensor_sums(model: Model, plan: Plan, sparse: float) -> float:
    """Sums of the residual stream over tensor-parallel ranks in one pass of the average layer.

    Experts that are spread get their tokens from dispatch; a block with shared ones gathers for these. Where tp cuts
    spread experts, its ranks gather each other's dispatched tokens, top_k copies, and scatter what comes of them.
    """
    sums = 2.0 + model.cross_layers / model.layers
    if plan.ep <= 1.0 or sparse <= 0.0:
        return sums
    copies = model.top_k * model.capacity if expert_tensor(plan) > 1.0 else 0.0
    return sums + sparse * (copies - (1.0 if model.shared_hidden <= 0.0 else 0.0))


@inlined
def _context_s(model: Model, plan: Plan, device: Device, tokens: float) -> float:
    """Keys and values pass round a ring once, as forward; backward it takes twice as long. Each of its c - 1 steps has
    the latency of the slowest hop."""
    if plan.cp <= 1.0:
        return 0.0
    pair_b = element_b(plan) * tokens * plan.cp * key_value_width(model, plan)
    way = road(device, plan.tp, plan.cp, device.nic_share_cp)
    hop_s = device.nic_latency_s if plan.tp * plan.cp > device.domain else device.link_latency_s
    return gather_s(pair_b, Road(way.ranks, way.b_s, (plan.cp - 1.0) * hop_s))


@inlined
def _expert_s(model: Model, plan: Plan, device: Device, tokens: float) -> float:
    """Dispatch and combine of one pass."""
    if plan.ep <= 1.0:
        return 0.0
    sent_b = element_b(plan) * tokens * model.capacity * model.hidden * (1.0 / plan.tp)
    return 2.0 * dispatch_s(sent_b, model.top_k, device, plan.ep, expert_tensor(plan))
