"""How long pipeline stages stand still: bubbles of the usual schedules."""

from __future__ import annotations

import math
from typing import NamedTuple

from dcsim.kernels.facts import DUALPIPE, GPIPE, ONE_F_ONE_B, ZB_H1, ZB_H2
from dcsim.kernels.inlined import inlined


class Pipeline(NamedTuple):
    """How a step passes through the stages."""

    schedule: float  # a code of facts.py
    stages: float
    chunks: float  # a stage, 1: not interleaved
    batches: float  # micro-batches


@inlined
def bubble_s(pipe: Pipeline, forward_s: float, input_s: float, weight_s: float) -> float:
    """Idle time of a stage in a step, s; the times are those of one micro-batch on one stage.

    `input_s` and `weight_s` are the two halves of backward (gradients of activations and of weights). GPipe and
    1F1B: (p - 1)(F + B + W); interleaved: that over the chunks (Narayanan 2021, arXiv 2104.04473); ZB-H1 and ZB-H2:
    (p - 1)(F + B - W) and (p - 1)(F + B - 2 W) (Qi 2023, arXiv 2401.10241); DualPipe: (p/2 - 1)(F&B + B - 3 W) with
    F&B = F + B + W and B there the whole backward (DeepSeek-AI 2024, arXiv 2412.19437). These three take enough
    micro-batches (p, 2 p - 1, 2 p). With fewer, a step takes at least what the last stage does, p - 1 stages of forward
    before and of input gradients behind it, and one weight gradient: (m + p - 1)(F + B) + W, half of the m from each
    end in DualPipe. Never below zero.
    """
    schedule, stages, chunks, batches = pipe
    if stages <= 1.0:
        return 0.0
    whole_s = forward_s + input_s + weight_s
    if schedule in (GPIPE, ONE_F_ONE_B):
        return (stages - 1.0) * whole_s * (1.0 / chunks)
    there = 0.5 * batches if schedule == DUALPIPE else batches
    least_s = (there + stages - 1.0) * (forward_s + input_s) + weight_s - batches * whole_s
    if schedule == DUALPIPE:
        idle_s = max(0.5 * stages - 1.0, 0.0) * (whole_s + input_s - 2.0 * weight_s)
    else:
        idle_s = (stages - 1.0) * (whole_s - (2.0 if schedule == ZB_H1 else 3.0) * weight_s)
    return max(idle_s, least_s, 0.0)


@inlined
def exposed_sends_s(pipe: Pipeline, send_s: float, slack_s: float) -> float:
    """Sends between neighbours that nothing hides in a step, s.

    send_s: one send; slack_s: what the average stage waits for the slowest, a micro-batch. Filling and draining
    expose one send each way and boundary: 2 (p - 1), or 2 (p v - 1) with v chunks; GPipe, ZB-H2 and DualPipe, which
    start enough micro-batches, hide all others. 1F1B lets p micro-batches into the pipeline, so a round trip of
    2 (p - 1) sends passes for every p of them, less what waiting for the slowest stage hides; in ZB-H1 weight
    gradients fill that wait after the first round. Exact where stages are alike; interleaving, for sends that take
    no longer than the forward pass of a chunk.
    """
    schedule, stages, chunks, batches = pipe
    if stages <= 1.0:
        return 0.0
    once_s = 2.0 * (stages * chunks - 1.0) * send_s
    if chunks > 1.0 or schedule in (GPIPE, ZB_H2, DUALPIPE):
        return once_s
    waits = float(math.floor((batches - 1.0) * (stages - 1.0) / stages))
    if schedule == ZB_H1:
        waits = min(waits, stages - 1.0)
    return once_s + waits * max(2.0 * send_s - slack_s * stages / (stages - 1.0), 0.0)


@inlined
def stage_layers(layers: float, stages: float, chunks: float) -> tuple[float, float]:
    """Layers of the fullest stage, and of the last one, which also holds the head.

    Layers that do not divide evenly leave room on the first and on the last stage, where embedding and head stand.
    """
    if stages <= 1.0:
        return layers, layers
    slots = stages * chunks
    whole = layers / slots
    fullest = float(int(whole)) if whole == float(int(whole)) else float(int(whole) + 1)
    spare = fullest * slots - layers
    return fullest * chunks, max(fullest * chunks - 0.5 * spare, 0.0)
