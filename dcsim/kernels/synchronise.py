"""What data-parallel ranks do together once a step or once a micro-batch, and the optimiser."""

from __future__ import annotations

import math
from typing import NamedTuple

from dcsim.kernels.facts import DUALPIPE, UNSHARDED, ZERO3, Device, Model, Plan
from dcsim.kernels.groups import Group, dense_group, element_b, routed_group, states_b
from dcsim.kernels.inlined import inlined
from dcsim.kernels.layer import Held, layer_parameters
from dcsim.kernels.traffic import Road, all_reduce_s, exposed_s, gather_s, road


class Cover(NamedTuple):
    """What traffic may hide behind, s: of one micro-batch on the stage."""

    forward_s: float
    backward_s: float


class Shared(NamedTuple):
    """Exposed data-parallel traffic of a step, and the optimiser with all else that comes once a step, s."""

    traffic_s: float
    optimizer_s: float


@inlined
def held_parameters(model: Model, plan: Plan) -> Held:
    """Parameters of one rank of an average stage, with the embedding and, untied on one stage, the head; of two
    stages in DualPipe, whose ranks hold one of either direction."""
    layer = layer_parameters(model, plan)
    tables = 1.0 if plan.pp > 1.0 or model.tied > 0.0 else 2.0
    layers = model.layers * (1.0 / plan.pp) * (2.0 if plan.schedule == DUALPIPE and plan.pp > 1.0 else 1.0)
    return Held(layers * layer.dense + tables * model.vocab * model.hidden * (1.0 / plan.tp), layers * layer.routed)


@inlined
def data_parallel(model: Model, plan: Plan, device: Device, forward_s: float, backward_s: float) -> Shared:
    """Data-parallel traffic that the rest of a step does not hide, and the optimiser, s a step.

    forward_s, backward_s: what it may hide behind, of one micro-batch on the stage. The optimiser reads and writes its
    states; it reads gradients and writes weights, which in 4 bytes it reads as well, as they are the master copy.
    """
    held = held_parameters(model, plan)
    cover = Cover(forward_s, backward_s)
    if plan.sharding >= ZERO3:
        traffic_s = _gathered_s(model, plan, device, held, cover)
    else:
        traffic_s = _reduced_s(model, plan, device, held, cover)
    states = held.dense + held.routed
    if plan.sharding > UNSHARDED:
        states = held.dense / dense_group(plan).shards + held.routed / routed_group(plan).shards
    weight_b = 8.0 if plan.linear_bytes > 2.0 else 2.0
    memory_s = 1.0 / (device.memory_b_per_s * device.memory_efficiency)
    moved_b = 2.0 * states_b(plan) + plan.gradient_bytes + weight_b
    return Shared(traffic_s, moved_b * states * model.trainable * memory_s)


@inlined
def _reduced_s(model: Model, plan: Plan, device: Device, held: Held, cover: Cover) -> float:
    """Gradients summed once a step, whole or scattered; where states are sharded, the new weights are gathered."""
    dense, routed = dense_group(plan), routed_group(plan)
    whole = road(device, dense.apart, dense.ranks, device.nic_share_dp)
    own = road(device, routed.apart, routed.ranks, device.nic_share_dp)
    share = model.trainable
    gradients_b, experts_b = plan.gradient_bytes * share * held.dense, plan.gradient_bytes * share * held.routed
    back_s = gather_s(gradients_b, whole) + gather_s(experts_b, own)
    if plan.sharding == UNSHARDED or plan.sum_whole > 0.0:
        back_s = all_reduce_s(gradients_b, whole) + all_reduce_s(experts_b, own)
    if plan.sharding == UNSHARDED:
        return exposed_s(back_s, cover.backward_s)
    weight_b = element_b(plan) * share
    forth_s = gather_s(weight_b * held.dense, whole) + gather_s(weight_b * held.routed, own)
    return exposed_s(back_s, cover.backward_s) + exposed_s(forth_s, cover.forward_s)


class Sharded(NamedTuple):
    """What one kind of parameters sends where their weights are sharded, s."""

    gather_s: float  # all layers of a stage, each micro-batch
    scatter_s: float
    sum_s: float  # of shards, once a step


@inlined
def _gathered_s(model: Model, plan: Plan, device: Device, held: Held, cover: Cover) -> float:
    """ZeRO-3, FSDP, HSDP: weights gathered forward and backward, gradients scattered, each micro-batch, by layer. Sums
    of HSDP's shards go over NICs while the others go over links: of the last backward pass the longer counts."""
    layers = model.layers * (1.0 / plan.pp)
    dense = _sharded(plan, device, dense_group(plan), held.dense, layers, model.trainable)
    routed = _sharded(plan, device, routed_group(plan), held.routed, layers, model.trainable)
    gathered_s, scattered_s = dense.gather_s + routed.gather_s, dense.scatter_s + routed.scatter_s
    summed_s = dense.sum_s + routed.sum_s
    count = float(math.ceil(plan.global_batch / (plan.dp * plan.micro_batch)))
    back_s = exposed_s(gathered_s + scattered_s, cover.backward_s)
    last_s = max(exposed_s(summed_s, cover.backward_s) - back_s, 0.0)
    return count * (exposed_s(gathered_s, cover.forward_s) + back_s) + last_s


@inlined
def _sharded(plan: Plan, device: Device, group: Group, parameters: float, layers: float, trained: float) -> Sharded:
    """The road of a group that shards; sums of shards go between its copies under HSDP. trained: share of parameters
    that have gradients."""
    if parameters <= 0.0:
        return Sharded(0.0, 0.0, 0.0)
    inner: Road = road(device, group.apart, group.shards, device.nic_share_dp)
    later_s = (layers - 1.0) * inner.latency_s  # latency of the layers after the first
    gradients_b, sum_s = plan.gradient_bytes * trained * parameters, 0.0
    if group.shards < group.ranks:
        outer = road(device, group.apart * group.shards, group.ranks / group.shards, device.nic_share_dp)
        sum_s = all_reduce_s(gradients_b / group.shards, outer)
    scatter_s = gather_s(gradients_b, inner) + later_s if gradients_b > 0.0 else 0.0
    return Sharded(gather_s(element_b(plan) * parameters, inner) + later_s, scatter_s, sum_s)
