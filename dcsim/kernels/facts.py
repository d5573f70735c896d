"""What the training kernels are told: rows of floats with names, so that formulae read like formulae.

Numba sees a NamedTuple of floats as plain registers; a batch is an array of shape (n, fields) whose columns stand
in the order of the fields (shape (1, fields) serves all n). Flags are 0.0 or 1.0, codes are small whole numbers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

NONE, SELECTIVE, FULL = 0.0, 1.0, 2.0  # recompute
UNSHARDED, ZERO1, ZERO2, ZERO3, HSDP = 0.0, 1.0, 2.0, 3.0, 4.0  # what data-parallel ranks divide; FSDP is ZERO3
UNFUSED, FUSED, FIRST_FUSED = 0.0, 1.0, 2.0  # attention; FIRST_FUSED: kernels before FlashAttention-2 (July 2023)
GPIPE, ONE_F_ONE_B, ZB_H1, ZB_H2, DUALPIPE = 0.0, 1.0, 2.0, 3.0, 4.0  # pipeline schedules; vpp > 1 interleaves 1F1B


class Model(NamedTuple):
    """A transformer. Widths in elements."""

    layers: float
    hidden: float
    heads: float
    kv_heads: float
    head_dim: float
    ffn_hidden: float  # of dense layers
    gated: float  # 1: three matrices (SwiGLU, GeGLU), 0: two
    vocab: float
    tied: float  # 1: the head shares the embedding
    experts: float = 0.0  # routed experts a layer; 0: dense
    top_k: float = 0.0
    expert_hidden: float = 0.0
    shared_hidden: float = 0.0  # width of all shared experts together
    dense_layers: float = 0.0  # first layers without experts, of a model with experts
    q_rank: float = 0.0  # latent ranks of MLA, 0: no latent attention
    kv_rank: float = 0.0
    rope_dim: float = 0.0  # extra width of MLA's decoupled position part
    v_head_dim: float = 0.0  # width of a value head where it differs, 0: head_dim
    causal: float = 1.0  # share of attentions that look back alone; in encoders every position sees every other
    window: float = 0.0  # sliding window, tokens; 0: none
    cross_layers: float = 0.0  # layers that also attend to an encoder's output (T5, Whisper decoders)
    positions: float = 0.0  # rows of a learned position table
    trainable: float = 1.0  # share of parameters that are trained (below 1: LoRA)
    parameters: float = 0.0  # as published, where the widths do not say all; 0: count them
    capacity: float = (
        1.0  # places that experts have for tokens over those of even routing; padding is computed and sent
    )


class Plan(NamedTuple):
    """How a training step is spread over accelerators. Batches in samples, `seq_len` in tokens."""

    tp: float
    pp: float
    vpp: float  # interleaved chunks a stage, 1: none
    dp: float
    cp: float
    ep: float  # experts over ranks of tp x cp x dp; not a factor of the number of accelerators
    micro_batch: float
    global_batch: float
    seq_len: float
    sharding: float = UNSHARDED
    sequence_parallel: float = 0.0
    recompute: float = NONE
    flash: float = FUSED
    schedule: float = ONE_F_ONE_B
    linear_bytes: float = 2.0  # bytes an element of linear layers' operands: 4, 2, 1 (fp8), 0.5 (fp4)
    gradient_bytes: float = 4.0
    optimizer_bytes: float = 12.0  # states read and written: fp32 master and two moments; 8 for SGD with momentum
    accumulate_b: float = 0.0  # bytes a parameter held that adding up gradients moves, each micro-batch
    overlap_dp: float = 1.0  # 1: gradients travel while backward still runs
    sum_whole: float = 0.0  # 1: ZeRO-1 and 2 all-reduce gradients, though each rank needs its shard of them alone
    dropout: float = 0.0  # 1: masks are kept for backward
    shard_ranks: float = 8.0  # data-parallel ranks that HSDP divides the states over
    kept_factor: float = 1.0  # activations kept, over those of fused kernels
    loss_bytes: float = 4.0  # bytes an element of the logits that the loss holds beside them: its soft-max in fp32
    beside_bytes: float = 0.0  # bytes a parameter of gradients held beside those that are sent
    cut_experts: float = 0.0  # 1: tp cuts experts that are spread by ep as well; 0: they are whole (groups.py)


class Device(NamedTuple):
    """One accelerator among others, as the kernels see it: datasheet figures and calibrated shares of them."""

    linear_flop_per_s: float  # dense peak in the precision of linear layers
    half_flop_per_s: float  # dense peak of the rest, attention and head: in 16 bits, or wider where linear layers are
    vector_flop_per_s: float
    memory_b: float
    memory_b_per_s: float
    link_b_per_s: float  # scale-up, one direction
    domain: float  # accelerators in the scale-up domain
    nic_b_per_s: float  # scale-out bandwidth of one accelerator, one direction
    multiprocessors: float = 1.0
    exponential_per_s: float = math.inf  # exponentials, in single precision
    # calibrated (presets/calibration/)
    product_efficiency: float = 0.8  # sustained share of peak of a large product
    wave_share: float = 0.0  # waves of tiles that a product wastes; see roofline.py
    tile_latency_s: float = 0.0  # filling and draining one wave of tiles
    memory_efficiency: float = 0.85
    launch_s: float = 3e-6  # host time a kernel
    link_efficiency: float = 0.8
    nic_efficiency: float = 0.8
    link_latency_s: float = 5e-6
    nic_latency_s: float = 2e-5
    framework_factor: float = 1.0  # time the framework adds to computing
    clock: float = 1.0  # core clock as a share of the nominal one
    attention_efficiency: float = 0.5  # sustained share of peak of a fused attention core
    low_precision_efficiency: float = 0.8  # sustained share of products below 16 bits, over that of 16 bits
    elementwise_factor: float = 1.0  # bytes that elementwise work moves, over those of fused kernels
    expert_factor: float = 1.0  # time of routed experts (uneven routing, sorting) over that of a dense product
    overlap: float = 0.8  # share of computing time that can hide traffic
    step_latency_s: float = 0.0  # host time once a step: data, gradient norm, optimiser launches
    straggling: float = 0.0  # growth of step time with every doubling of accelerators beyond one server
    # where a job is: shares of `nic_b_per_s` that the network leaves each kind of its traffic
    nic_share_tp: float = 1.0
    nic_share_cp: float = 1.0
    nic_share_ep: float = 1.0
    nic_share_dp: float = 1.0
    nic_share_pp: float = 1.0


class Step(NamedTuple):
    """Columns of a result row. Times in s a step, as exposed (what is hidden behind computing is not counted)."""

    step_s: float
    compute_s: float  # products, attention, elementwise, recompute: of the slowest stage, all micro-batches
    tp_s: float
    pp_s: float
    dp_s: float
    cp_s: float
    ep_s: float
    bubble_s: float
    optimizer_s: float
    launch_s: float  # part of compute_s that waits for the host: kernel launches, and what it does once a step
    memory_bound_s: float  # part of compute_s bound by device memory
    bound: float  # number of the largest part: see BOUNDS
    model_flop: float  # FLOP a step by the model (no recompute), of all accelerators
    memory_b: float  # needed on the worst accelerator


BOUNDS = (
    "compute",
    "memory bandwidth",
    "tensor-parallel traffic",
    "pipeline traffic",
    "data-parallel traffic",
    "context-parallel traffic",
    "expert traffic",
    "pipeline bubble",
    "optimizer",
    "host time",
    "data loading",
)
