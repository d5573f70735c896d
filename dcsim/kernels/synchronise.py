"""What data-parallel ranks do together once a step or once a micro-batch, and the optimiser."""

from __future__ import annotations

from typing import NamedTuple

from dcsim.kernels.facts import HSDP, UNSHARDED, ZERO3, Device, Model, Plan
from dcsim.kernels.inlined import inlined
from dcsim.kernels.layer import GRADIENT_BYTES, Held, layer_parameters
from dcsim.kernels.traffic import Road, all_reduce_s, exposed_s, gather_s, road


class Cover(NamedTuple):
    """Computing behind which traffic may hide, s: of one micro-batch on the stage, times the share that overlaps."""

    forward_s: float
    backward_s: float


class Shared(NamedTuple):
    """Exposed data-parallel traffic of a step, and the optimiser with all else that comes once a step, s."""

    traffic_s: float
    optimizer_s: float


@inlined
def held_parameters(model: Model, plan: Plan) -> Held:
    """Parameters of one rank of an average stage, with the embedding and, untied on one stage, the head."""
    layer = layer_parameters(model, plan)
    tables = 1.0 if plan.pp > 1.0 or model.tied > 0.0 else 2.0
    layers = model.layers * (1.0 / plan.pp)
    return Held(layers * layer.dense + tables * model.vocab * model.hidden * (1.0 / plan.tp), layers * layer.routed)


@inlined
def data_parallel(model: Model, plan: Plan, device: Device, forward_s: float, backward_s: float) -> Shared:
    """Data-parallel traffic that computing does not hide, and the optimiser, s a step.

    forward_s, backward_s: computing of one micro-batch on the stage, behind which traffic may hide.
    """
    held = held_parameters(model, plan)
    ranks = plan.dp * plan.cp
    share = device.overlap * plan.overlap_dp
    cover = Cover(share * forward_s, share * backward_s)
    whole = road(device, plan.tp, ranks, device.nic_share_dp)
    if plan.sharding >= ZERO3:
        traffic_s, states = _gathered(model, plan, device, held, cover)
    else:
        own = road(device, plan.tp * plan.ep, max(ranks * (1.0 / plan.ep), 1.0), device.nic_share_dp)
        traffic_s = _reduced_s(model, plan, held, whole, own, cover)
        states = held.dense + held.routed
        if plan.sharding > UNSHARDED:
            states = held.dense * (1.0 / ranks) + held.routed * (1.0 / own.ranks)
    memory_s = 1.0 / (device.memory_b_per_s * device.memory_efficiency)
    optimizer_s = (2.0 * plan.optimizer_bytes + GRADIENT_BYTES) * states * model.trainable * memory_s
    return Shared(traffic_s, optimizer_s)


@inlined
def _reduced_s(model: Model, plan: Plan, held: Held, whole: Road, own: Road, cover: Cover) -> float:
    """Gradients summed once a step, whole or scattered; where states are sharded, the new weights are gathered."""
    share = model.trainable
    gradients_b, experts_b = plan.gradient_bytes * share * held.dense, plan.gradient_bytes * share * held.routed
    back_s = gather_s(gradients_b, whole) + gather_s(experts_b, own)
    if plan.sharding == UNSHARDED or plan.sum_whole > 0.0:
        back_s = all_reduce_s(gradients_b, whole) + all_reduce_s(experts_b, own)
    if plan.sharding == UNSHARDED:
        return exposed_s(back_s, cover.backward_s)
    forth_s = gather_s(2.0 * share * held.dense, whole) + gather_s(2.0 * share * held.routed, own)
    return exposed_s(back_s, cover.backward_s) + exposed_s(forth_s, cover.forward_s)


@inlined
def _gathered(model: Model, plan: Plan, device: Device, held: Held, cover: Cover) -> tuple[float, float]:
    """ZeRO-3, FSDP, HSDP: weights gathered forward and backward, gradients scattered, each micro-batch, by layer."""
    ranks = plan.dp * plan.cp
    shards = min(plan.shard_ranks, ranks) if plan.sharding == HSDP else ranks
    inner: Road = road(device, plan.tp, shards, device.nic_share_dp)
    parameters = held.dense + held.routed
    later_s = (model.layers * (1.0 / plan.pp) - 1.0) * inner.latency_s  # latency of the layers after the first
    gather = gather_s(2.0 * parameters, inner) + later_s
    scatter = 0.0
    if model.trainable >= 1.0:
        scatter = gather_s(plan.gradient_bytes * parameters, inner) + later_s
    count = plan.global_batch / (plan.dp * plan.micro_batch)
    each_s = exposed_s(gather, cover.forward_s) + exposed_s(gather + scatter, cover.backward_s)
    if shards < ranks:
        outer = road(device, plan.tp * shards, ranks / shards, device.nic_share_dp)
        each_s += exposed_s(all_reduce_s(plan.gradient_bytes * parameters / shards, outer), cover.backward_s) / count
    return count * each_s, parameters / shards
