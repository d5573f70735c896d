"""Step time of training plans, all at once: arrays of models, plans and devices in, one row of `Step` each out."""

from __future__ import annotations

import math

import numpy as np
from numba import get_num_threads, njit, prange, set_num_threads
from numpy.typing import NDArray

from dcsim.kernels.arrays import together
from dcsim.kernels.facts import Device, Model, Plan, Step
from dcsim.kernels.groups import element_b
from dcsim.kernels.inlined import inlined
from dcsim.kernels.layer import add, embedding, head, memory_bound_s, scaled, sparse_share, whole_s
from dcsim.kernels.memory import attention_parameters, worst_stage_bytes
from dcsim.kernels.pipeline import Pipeline, bubble_s, exposed_sends_s, stage_layers
from dcsim.kernels.roofline import rates
from dcsim.kernels.stage import busy_s, launches_s, one_layer, traffic_s
from dcsim.kernels.synchronise import data_parallel
from dcsim.kernels.traffic import gather_s, road, send_s

Rows = NDArray[np.float64]

FEW = 1000
"""Rows that one thread does sooner than others wake up: they take some 0.1 ms, threads on a busy machine 8 ms."""


def steps(models: Rows, plans: Rows, devices: Rows) -> Rows:
    """Step times and their parts, shape (n, fields of Step).

    models, plans, devices: shape (n, fields of Model, Plan, Device), or (1, fields) to serve all n. Raises ValueError
    for another number of columns or rows. Plans are taken to be legal (see performance/plans.py).
    """
    model, plan, device = together((models, Model), (plans, Plan), (devices, Device))
    out = np.empty((max(len(model), len(plan), len(device)), len(Step._fields)))
    threads = get_num_threads()
    set_num_threads(threads if len(out) > FEW else 1)
    try:
        _batch(model, plan, device, out)
    finally:
        set_num_threads(threads)
    return out


@njit(cache=True, parallel=True, error_model="numpy")
def _batch(models, plans, devices, out):  # type: ignore[no-untyped-def]
    # One row serves all: a stride of 0. Indices are signed, because numba makes unsigned times signed a float.
    by_model, by_plan, by_device = min(len(models) - 1, 1), min(len(plans) - 1, 1), min(len(devices) - 1, 1)
    for number in prange(len(out)):
        i = np.intp(number)
        row = one_step(models[i * by_model], plans[i * by_plan], devices[i * by_device])
        for column in range(len(row)):
            out[i, column] = row[column]


@inlined
def one_step(model: Model, plan: Plan, device: Device) -> Step:
    """One step: micro-batches on the slowest stage, the bubble, and what comes once a step."""
    at = rates(device, plan.linear_bytes)
    layer = one_layer(model, plan, device, at)
    last, first = head(model, plan, at), embedding(model, plan, at)
    count = float(math.ceil(plan.global_batch / (plan.dp * plan.micro_batch)))
    one_s, head_s, table_s = busy_s(layer) + traffic_s(layer), whole_s(last), whole_s(first)
    fullest, layers = stage_layers(model.layers, plan.pp, plan.vpp)
    opening = scaled(first, 1.0 if fullest == layers else 0.0)  # the first stage, or a fuller one without the table
    ends = add(first, last) if plan.pp <= 1.0 else last
    if plan.pp > 1.0 and layers * one_s + head_s < fullest * one_s + whole_s(opening):
        layers, ends = fullest, opening
    idle_s = _idle_s(model, plan, layer, count)
    compute_s = count * (layers * busy_s(layer) + whole_s(ends)) + device.step_latency_s
    mean_s = (model.layers * one_s + head_s + table_s) * (1.0 / plan.pp)
    sends_s = _sends_s(model, plan, device, count, max(layers * one_s + whole_s(ends) - mean_s, 0.0))
    share = device.overlap * plan.overlap_dp
    cover_s = layers * layer.cover_forward_s + share * ends.forward_s
    cover_back_s = layers * layer.cover_backward_s + share * (ends.input_s + ends.weight_s)
    shared = data_parallel(model, plan, device, cover_s, cover_back_s)
    tp_s, cp_s, ep_s = count * layers * layer.tp_s, count * layers * layer.cp_s, count * layers * layer.ep_s
    together_s = compute_s + tp_s + cp_s + ep_s + sends_s + shared.traffic_s + idle_s + shared.optimizer_s
    ranks = plan.tp * plan.pp * plan.dp * plan.cp
    step_s = together_s * (1.0 + device.straggling * math.log2(max(ranks / device.domain, 1.0)))
    launch_s = count * layers * launches_s(layer) + device.step_latency_s
    memory_s = count * (layers * layer.memory_s + memory_bound_s(ends))
    bound = _largest(
        (
            compute_s - launch_s - memory_s,
            memory_s,
            tp_s,
            sends_s,
            shared.traffic_s,
            cp_s,
            ep_s,
            idle_s,
            shared.optimizer_s,
            launch_s,
        )
    )
    return Step(
        step_s,
        compute_s,
        tp_s,
        sends_s,
        shared.traffic_s,
        cp_s,
        ep_s,
        idle_s,
        shared.optimizer_s,
        launch_s,
        memory_s,
        bound,
        model_flop(model, plan),
        worst_stage_bytes(model, plan),
    )


@inlined
def _idle_s(model: Model, plan: Plan, layer, count: float) -> float:  # type: ignore[no-untyped-def]
    """The bubble: traffic stands still a third forward, two thirds with gradients of activations; waiting for the host
    backward half with those and half with gradients of weights."""
    mean = model.layers * (1.0 / plan.pp)
    sent_s, host_s = traffic_s(layer) * (1.0 / 3.0), 0.5 * layer.wait_backward_s
    forward_s = layer.forward_s + layer.wait_forward_s + sent_s
    input_s = layer.input_s + host_s + 2.0 * sent_s
    pipe = Pipeline(plan.schedule, plan.pp, plan.vpp, count)
    return bubble_s(pipe, mean * forward_s, mean * input_s, mean * (layer.weight_s + host_s))


@inlined
def _sends_s(model: Model, plan: Plan, device: Device, count: float, slack_s: float) -> float:
    """Exposed sends between stages.

    Each of the tp ranks sends its share, and the next stage gathers it by links unless it wants shares alone
    (sequence parallelism): scatter and gather of Narayanan 2021 (arXiv 2104.04473, section 4.1). Of the boundaries
    between stages smaller than a domain, as many as domains have borders are crossed by NICs.
    """
    if plan.pp <= 1.0:
        return 0.0
    size_b = element_b(plan) * plan.micro_batch * plan.seq_len * (1.0 / plan.cp) * model.hidden
    stage = plan.tp * plan.cp * plan.dp
    one_s = send_s(size_b * (1.0 / plan.tp), device, stage)
    if stage < device.domain:
        crossed = min(max(plan.pp * stage / device.domain - 1.0, 0.0) / (plan.pp - 1.0), 1.0)
        one_s += crossed * (send_s(size_b * (1.0 / plan.tp), device, device.domain) - one_s)
    if plan.tp > 1.0 and plan.sequence_parallel <= 0.0:
        one_s += gather_s(size_b, road(device, 1.0, plan.tp, device.nic_share_tp))
    return exposed_sends_s(Pipeline(plan.schedule, plan.pp, plan.vpp, count), one_s, slack_s)


@inlined
def model_flop(model: Model, plan: Plan) -> float:
    """FLOP of a step by the model, all accelerators, no recompute; attention counts the whole square or window.

    Source: Narayanan 2021, arXiv 2104.04473, appendix; backward is twice forward.
    """
    sparse = sparse_share(model)
    matrices = (2.0 + model.gated) * model.hidden
    active = sparse * (model.top_k * model.expert_hidden + model.shared_hidden) + (1.0 - sparse) * model.ffn_hidden
    blocks = model.layers + model.cross_layers
    weights = blocks * attention_parameters(model) + model.layers * matrices * active + model.vocab * model.hidden
    weights += model.layers * sparse * model.hidden * model.experts
    value_dim = model.v_head_dim if model.v_head_dim > 0.0 else model.head_dim
    seen = min(plan.seq_len, model.window) if model.window > 0.0 else plan.seq_len
    pairs = 2.0 * blocks * model.heads * (model.head_dim + model.rope_dim + value_dim) * seen
    return 3.0 * plan.global_batch * plan.seq_len * (2.0 * weights + pairs)


@inlined
def _largest(parts) -> float:  # type: ignore[no-untyped-def]
    """The number of the largest part: parts stand in the order of BOUNDS."""
    best = 0
    for number in range(1, len(parts)):
        if parts[number] > parts[best]:
            best = number
    return float(best)
