"""A network as a list of operations on one sample: FLOPs, bytes and time, forward and backward, on one accelerator.

Every operation is reduced to a row: matrix products, a look-up, or bytes that pass. A convolution is its implicit
product (rows = output positions, depth = input channels of a group x kernel, columns = output channels of a group),
but moves its real input, not the unfolded one. Products take what roofline.py says of their computing, or their
bytes if that is more; everything else takes its bytes (arXiv 2007.00072: data movement dominates there).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from dcsim.kernels.arrays import named
from dcsim.kernels.facts import Device
from dcsim.kernels.roofline import Rates, compute_s, fused_attention_s, rates

WEIGHTED, PLAIN, ATTENTION, CHANNELWISE, LOOKUP, PASSED = 0.0, 1.0, 2.0, 3.0, 4.0, 5.0  # kinds of rows
TABLE_B = 4.0  # bytes an element of embedding tables, which stay in single precision
SPLIT_DEPTH = 1000.0  # least depth of one part where the depth of a product is split over multiprocessors
BACKWARD_ATTENTION = 2.5  # times forward: scores are computed again (arXiv 2205.14135)


class Operation(NamedTuple):
    """One operation on one sample: `products` products of (rows x depth) by (depth x columns), and what moves."""

    kind: float
    rows: float = 0.0
    depth: float = 0.0
    columns: float = 0.0
    products: float = 1.0
    read: float = 0.0  # elements of activations
    written: float = 0.0
    parameters: float = 0.0  # elements of weights or of a table
    times: float = 1.0  # how often, with weights of its own each time


class Work(NamedTuple):
    """How a network is trained on one accelerator."""

    batch: float  # samples an accelerator and step
    element_b: float = 2.0  # bytes an element of activations and of the operands of products


class Spent(NamedTuple):
    """Columns of a result row: one training step, or one operation of it, on one accelerator."""

    forward_s: float
    backward_s: float
    memory_s: float  # part of both that device memory bounds
    kernels: float  # launched, both ways
    flop: float  # of products and convolutions, both ways
    moved_b: float  # bytes to and from device memory, both ways


Rows = NDArray[np.float64]
COLUMNS = len(Spent._fields)


@njit(cache=True)
def forward_flop(operation: Operation) -> float:
    """FLOPs of one sample forward, a multiply-add being two; bytes that pass and look-ups count none."""
    if operation.kind == LOOKUP or operation.kind == PASSED:
        return 0.0
    pair = 4.0 if operation.kind == ATTENTION else 2.0  # scores and weighted sum
    return pair * operation.rows * operation.depth * operation.columns * operation.products * operation.times


@njit(cache=True)
def _larger(memory_s: float, compute_s: float) -> tuple[float, float]:
    """The larger of two times, and the same where memory bounds it, else 0, s."""
    return (memory_s, memory_s) if memory_s > compute_s else (compute_s, 0.0)


@njit(cache=True)
def _product_s(rows: float, columns: float, depth: float, moved_b: float, at: Rates) -> tuple[float, float]:
    """Time of a product that moves so many bytes, and the part of it that memory bounds, s."""
    return _larger(moved_b * at.memory_s, compute_s(rows * columns, depth, True, at))


@njit(cache=True)
def _weight_s(rows: float, columns: float, depth: float, moved_b: float, at: Rates) -> tuple[float, float]:
    """A gradient of weights: small and deep, so libraries split its depth to fill the device (split-K)."""
    parts = max(min(at.idle / (rows * columns), depth / SPLIT_DEPTH), 1.0)
    return _product_s(rows * parts, columns, depth / parts, moved_b, at)


@njit(cache=True)
def _weighted(o: Operation, work: Work, at: Rates) -> Spent:
    """A product with weights: forward, gradient of the input, gradient of the weights; each moves all three sides."""
    rows = work.batch * o.rows * o.products
    moved_b = work.element_b * (work.batch * (o.read + o.written) + o.parameters)
    forward_s, bound_f = _product_s(rows, o.columns, o.depth, moved_b, at)
    input_s, bound_i = _product_s(rows, o.depth, o.columns, moved_b, at)
    weight_s, bound_w = _weight_s(o.depth * o.products, o.columns, work.batch * o.rows, moved_b, at)
    bound_s = bound_f + bound_i + bound_w
    return Spent(forward_s, input_s + weight_s, bound_s, 3.0, 0.0, 3.0 * moved_b)


@njit(cache=True)
def _plain(o: Operation, work: Work, at: Rates) -> Spent:
    """A product of two activations: one forward, one for the gradient of each operand."""
    rows = work.batch * o.rows * o.products
    moved_b = work.element_b * work.batch * (o.read + o.written)
    forward_s, bound_f = _product_s(rows, o.columns, o.depth, moved_b, at)
    left_s, bound_l = _product_s(rows, o.depth, o.columns, moved_b, at)
    right_s, bound_r = _product_s(work.batch * o.depth * o.products, o.columns, o.rows, moved_b, at)
    return Spent(forward_s, left_s + right_s, bound_f + bound_l + bound_r, 3.0, 0.0, 3.0 * moved_b)


@njit(cache=True)
def _attention(o: Operation, work: Work, at: Rates) -> Spent:
    """A fused attention core: no score leaves the chip; backward reads everything and writes three gradients."""
    forward_b = work.element_b * work.batch * (o.read + o.written)
    queries = work.batch * o.rows * o.products
    forth_s, back_s = fused_attention_s(queries, o.columns, o.depth, o.depth, False, at)
    forward_s, bound_f = _larger(forward_b * at.memory_s, forth_s)
    backward_s, bound_b = _larger(2.0 * forward_b * at.memory_s, back_s)
    return Spent(forward_s, backward_s, bound_f + bound_b, 2.0, 0.0, 3.0 * forward_b)


@njit(cache=True)
def _lookup(o: Operation, work: Work, at: Rates) -> Spent:
    """Rows of a table: read forward; backward, the gradient is read and the same rows are read and written."""
    forward_b = work.batch * (TABLE_B * o.read + work.element_b * o.written)
    backward_b = work.batch * (2.0 * TABLE_B * o.read + work.element_b * o.written)
    forward_s, backward_s = forward_b * at.memory_s, backward_b * at.memory_s
    return Spent(forward_s, backward_s, forward_s + backward_s, 2.0, 0.0, forward_b + backward_b)


@njit(cache=True)
def _passed(o: Operation, work: Work, device: Device, at: Rates) -> Spent:
    """Elementwise work, pooling, channelwise convolutions: bytes, or vector arithmetic where that is more.

    Backward reads the gradient and the input and writes a gradient of the input's size.
    """
    factor = 1.0 if o.kind == CHANNELWISE else at.elementwise
    forward_b = work.element_b * (work.batch * (o.read + o.written) + o.parameters) * factor
    backward_b = work.element_b * (work.batch * (2.0 * o.read + o.written) + 2.0 * o.parameters) * factor
    flop = 2.0 * work.batch * o.rows * o.depth * o.columns * o.products
    vector_s = flop / (device.vector_flop_per_s * device.clock)
    forward_s, bound_f = _larger(forward_b * at.memory_s, vector_s)
    backward_s, bound_b = _larger(backward_b * at.memory_s, 2.0 * vector_s)
    kernels = 3.0 if o.kind == CHANNELWISE else 2.0
    return Spent(forward_s, backward_s, bound_f + bound_b, kernels, 0.0, forward_b + backward_b)


@njit(cache=True)
def spend(o: Operation, work: Work, device: Device, at: Rates) -> Spent:
    """What one operation takes for a batch, forward and backward."""
    if o.kind == WEIGHTED:
        one = _weighted(o, work, at)
    elif o.kind == PLAIN:
        one = _plain(o, work, at)
    elif o.kind == ATTENTION:
        one = _attention(o, work, at)
    elif o.kind == LOOKUP:
        one = _lookup(o, work, at)
    else:
        one = _passed(o, work, device, at)
    backward = BACKWARD_ATTENTION if o.kind == ATTENTION else 2.0
    t = o.times
    flop = forward_flop(o) * work.batch * (1.0 + backward)
    return Spent(t * one.forward_s, t * one.backward_s, t * one.memory_s, t * one.kernels, flop, t * one.moved_b)


@njit(cache=True, parallel=True)
def _sum(operations, works, devices, out):  # type: ignore[no-untyped-def]
    device_stride = min(len(devices) - 1, 1)
    for i in prange(len(works)):
        work, device = works[i], devices[i * device_stride]
        at = rates(device, work.element_b)
        for k in range(len(operations)):
            spent = spend(operations[k], work, device, at)
            for column in range(COLUMNS):
                out[i, column] += spent[column]


@njit(cache=True)
def _each(operations, work, device, out):  # type: ignore[no-untyped-def]
    at = rates(device, work.element_b)
    for k in range(len(operations)):
        spent = spend(operations[k], work, device, at)
        for column in range(COLUMNS):
            out[k, column] = spent[column]


def network_steps(operations: Rows, works: Rows, devices: Rows) -> Rows:
    """A network under many configurations: shape (n, fields of Spent).

    `operations`: shape (k, fields of Operation); `works`: (n, fields of Work); `devices`: (n, fields of Device), or
    (1, fields), which serves all. Raises ValueError for another number of columns or rows.
    """
    if len(devices) not in (1, len(works)):
        raise ValueError("devices must have one row or as many as works")
    out = np.zeros((len(works), COLUMNS))
    _sum(named(operations, Operation), named(works, Work), named(devices, Device), out)
    return out


def operation_steps(operations: Rows, work: Work, device: Device) -> Rows:
    """Each operation of a network under one configuration: shape (k, fields of Spent)."""
    out = np.empty((len(operations), COLUMNS))
    _each(named(operations, Operation), work, device, out)
    return out
