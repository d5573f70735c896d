"""What one operation takes: the larger of its computing and its memory time (Williams 2009, CACM 52(4)).

A product of (rows x depth) by (depth x columns) is cut into tiles of the output; a wave is one tile on each
multiprocessor. A product pays for a part of a wave that it does not fill, and for filling and draining each wave:

    time = 2 (depth + fill) (rows columns + idle) / rate

with idle = wave_share x multiprocessors x TILE elements of output, and fill = tile_latency_s x rate /
(2 x multiprocessors x TILE) elements of depth. It is the smooth form of tile and wave quantisation (NVIDIA, Matrix
multiplication background guide) and needs no division.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from dcsim.kernels.facts import Device
from dcsim.kernels.inlined import inlined

TILE = 128.0 * 256.0  # elements of output
TILE_ROWS = 128.0
FORWARD_EXPONENTIALS = 1.0  # of a score
BACKWARD_EXPONENTIALS = 3.3  # vector work of a score, as so many exponentials: the soft-max again, and its gradient
FILL_KEYS = 224.0  # beside those that a row of queries sees
FIRST_FORWARD, FIRST_BACKWARD = 1.4, 2.0  # time of kernels of the first generation, over those of the second


class Rates(NamedTuple):
    """Reciprocal rates and losses of a device, for one precision of linear layers."""

    linear_s: float  # a FLOP of linear layers
    half_s: float  # a FLOP in 16 bits
    attention_s: float  # a FLOP of a fused attention core
    exponential_s: float  # one exponential
    vector_s: float  # a FLOP on vector units, single precision
    memory_s: float  # a byte of device memory
    linear_fill: float  # elements of depth
    half_fill: float
    idle: float  # elements of output
    idle_rows: float  # rows of queries
    elementwise: float  # bytes of elementwise work, over those of fused kernels
    experts: float  # time of routed experts, over that of a dense product
    result_b: float  # bytes of a result: 2, or 4 of operands of 4


@inlined
def rates(device: Device, linear_bytes: float) -> Rates:
    """The rates of a device; `linear_bytes` below 2 are 8- and 4-bit formats, slower than their peak says."""
    low = device.low_precision_efficiency if linear_bytes < 2.0 else 1.0
    pace = device.clock / device.framework_factor
    share = device.product_efficiency * pace
    linear = device.linear_flop_per_s * share * low
    half = device.half_flop_per_s * share
    attention = device.half_flop_per_s * device.attention_efficiency * device.clock  # timed alone: no framework in it
    fill = device.tile_latency_s / (2.0 * device.multiprocessors * TILE)
    idle = device.wave_share * device.multiprocessors
    return Rates(
        1.0 / linear,
        1.0 / half,
        1.0 / attention,
        1.0 / (device.exponential_per_s * device.clock),
        1.0 / (device.vector_flop_per_s * share),
        1.0 / (device.memory_b_per_s * device.memory_efficiency),
        fill * linear,
        fill * half,
        idle * TILE,
        idle * TILE_ROWS,
        device.elementwise_factor,
        device.expert_factor,
        max(linear_bytes, 2.0),
    )


@inlined
def product(
    rows: float, columns: float, depth: float, element_b: float, linear: bool, at: Rates
) -> tuple[float, float]:
    """Time of a matrix product and the part of it that is bound by memory, s.

    `element_b`: bytes an element of the operands. `linear`: at the rate of linear layers, else
    at that of 16 bits.
    """
    return bounded(rows * columns, depth, element_b * depth * (rows + columns), linear, at)


@inlined
def bounded(output: float, depth: float, read_b: float, linear: bool, at: Rates) -> tuple[float, float]:
    """Time of products with so many elements of output in all, each a sum of `depth` products, that read `read_b`
    bytes, and the part of it that is bound by memory, s."""
    memory_s, busy_s = (at.result_b * output + read_b) * at.memory_s, compute_s(output, depth, linear, at)
    return (memory_s, memory_s) if memory_s > busy_s else (busy_s, 0.0)


@inlined
def compute_s(output: float, depth: float, linear: bool, at: Rates) -> float:
    """Computing of products with so many elements of output in all, each a sum of `depth` products, s."""
    flop_s, fill = (at.linear_s, at.linear_fill) if linear else (at.half_s, at.half_fill)
    return 2.0 * (depth + fill) * (output + at.idle) * flop_s


@inlined
def fused_attention_s(
    queries: float, keys: float, score_width: float, value_width: float, first: bool, at: Rates
) -> tuple[float, float]:
    """Forward and backward of a fused attention core over so many rows of queries in all, which see `keys` keys on
    average, s. Widths: of a head's queries and keys, and of its values.

    Forward one product of each width; backward three of scores (one again) and two of values, at the rate of attention.
    Between them is the soft-max, which matrix engines do not compute: exponentials come at a rate of their own. Each
    row pays for FILL_KEYS keys more, at most as many as it sees: the masked part of the diagonal block, and the start
    and end of the loop over blocks of keys. The figures are fitted to published timings of three kernels at 512 to
    16,384 keys (benchmarks/attention_accuracy.py). Kernels before FlashAttention-2 (`first`) are slower by
    FIRST_FORWARD and FIRST_BACKWARD: on an A100 it is 1.3 to 1.5 and around 2 times faster than Triton's of 2022 (Dao
    2023, arXiv 2307.08691, section 4.1). The very first release was slower still, 2.8 and 2.5 times (Dao 2022, arXiv
    2205.14135, tables 18 and 19).
    """
    pairs = (queries + at.idle_rows) * (keys + min(FILL_KEYS, keys))
    forward_flop, backward_flop = 2.0 * (score_width + value_width), 6.0 * score_width + 4.0 * value_width
    forward_s = pairs * (forward_flop * at.attention_s + FORWARD_EXPONENTIALS * at.exponential_s)
    backward_s = pairs * (backward_flop * at.attention_s + BACKWARD_EXPONENTIALS * at.exponential_s)
    if first:
        return FIRST_FORWARD * forward_s, FIRST_BACKWARD * backward_s
    return forward_s, backward_s


@njit(cache=True, parallel=True, error_model="numpy")
def products_s(sides, element_b, devices):  # type: ignore[no-untyped-def]
    """Times of products alone on a device, launch included, s, shape (n,).

    sides: shape (n, 3), rows, columns, depth; element_b: bytes an element, shape (n,); devices: n records of `Device`.
    """
    out = np.empty(len(sides))
    for i in prange(len(sides)):
        at = rates(devices[i], element_b[i])
        seconds, _ = product(sides[i, 0], sides[i, 1], sides[i, 2], element_b[i], True, at)
        out[i] = seconds + devices[i].launch_s
    return out
