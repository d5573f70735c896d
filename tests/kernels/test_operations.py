"""Operations of a network on one accelerator: hand sums, scaling, edges."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim.kernels import operations as kernel
from dcsim.kernels.facts import Device
from dcsim.kernels.operations import Operation, Spent, Work, network_steps, operation_steps
from tests.kernels.by_hand import filled, near

IDEAL = Device(
    100e12,
    100e12,
    10e12,
    80e9,
    1e12,
    1e12,
    8.0,
    1e11,
    product_efficiency=1.0,
    memory_efficiency=1.0,
    launch_s=0.0,
    attention_efficiency=1.0,
)
"""100 TFLOP/s, 1 TB/s, no losses: times can be written down."""

DENSE = Operation(kernel.WEIGHTED, 1, 1024, 4096, 1, 1024, 4096, 1024 * 4096)
CONV = Operation(kernel.WEIGHTED, 56 * 56, 64 * 9, 64, 1, 56 * 56 * 64, 56 * 56 * 64, 64 * 9 * 64)
DEPTHWISE = Operation(kernel.CHANNELWISE, 56 * 56, 9, 1, 144, 56 * 56 * 144, 56 * 56 * 144, 9 * 144)
EMBEDDING = Operation(kernel.LOOKUP, read=26 * 128, written=26 * 128, parameters=1e9)
ATTENTION = Operation(kernel.ATTENTION, 512, 64, 512, 16, 3 * 512 * 1024, 512 * 1024)
MATMUL = Operation(kernel.PLAIN, 128, 256, 512, 4, (128 + 512) * 256 * 4, 128 * 512 * 4)
PASS = Operation(kernel.PASSED, read=3000, written=1000, parameters=10)
ALL = (DENSE, CONV, DEPTHWISE, EMBEDDING, ATTENTION, MATMUL, PASS)


def spent(operation: Operation, batch: float, device: Device = IDEAL, element_b: float = 2.0) -> Spent:
    return Spent(*operation_steps(np.array([operation]), Work(batch, element_b), device)[0])


def test_a_dense_layer_by_hand() -> None:
    # 2 x 4,096 x 1,024 x 4,096 FLOP; bytes are few: bound by computing, backward twice forward.
    one = spent(DENSE, 4096)
    flop = 2 * 4096 * 1024 * 4096
    assert one.forward_s == near(flop / 100e12)
    assert one.backward_s == near(2 * flop / 100e12)
    assert (one.flop, one.memory_s, one.kernels) == (3 * flop, 0.0, 3.0)
    assert one.moved_b == 3 * 2 * (4096 * 1024 + 4096 * 4096 + 1024 * 4096)


def test_a_dense_layer_of_one_sample_is_bound_by_its_weights() -> None:
    one = spent(DENSE, 1)
    assert one.forward_s == near(2 * (1024 + 4096 + 1024 * 4096) / 1e12)
    assert one.memory_s == near(one.forward_s + one.backward_s)


def test_a_convolution_moves_its_input_not_the_unfolded_one() -> None:
    # 3 x 3 x 64 -> 64 at 56 x 56: 231.2 MFLOP a sample, and 0.8 MB of activations, not 4 MB.
    one = spent(CONV, 256)
    assert one.flop == 3 * 256 * 2 * 56 * 56 * 576 * 64
    assert one.moved_b == 3 * 2 * (256 * 2 * 56 * 56 * 64 + 36864)
    assert one.forward_s == near(256 * 231_211_008 / 100e12)


def test_a_depthwise_convolution_is_bound_by_memory() -> None:
    one = spent(DEPTHWISE, 64)
    assert one.forward_s == near(2 * (64 * 2 * 56 * 56 * 144 + 1296) / 1e12)
    assert one.memory_s == near(one.forward_s + one.backward_s)
    assert one.flop == 3 * 64 * 2 * 56 * 56 * 9 * 144
    vector = spent(DEPTHWISE, 64, IDEAL._replace(vector_flop_per_s=1e12))
    assert (vector.forward_s, vector.memory_s) == (near(64 * 2 * 56 * 56 * 9 * 144 / 1e12), 0.0)
    assert vector.backward_s == near(2 * vector.forward_s)


def test_an_embedding_moves_rows_and_not_its_table() -> None:
    # MLPerf DLRM: 26 rows x 128 x 4 bytes read, and again read and written by the gradient.
    one = spent(EMBEDDING, 1000)
    assert one.forward_s == near(1000 * 26 * 128 * (4 + 2) / 1e12)
    assert one.backward_s == near(1000 * 26 * 128 * (4 + 4 + 2) / 1e12)
    assert one.flop == 0.0


def test_fused_attention_computes_scores_again_backward() -> None:
    one = spent(ATTENTION, 8)
    forward_s = 4 * 8 * 512 * filled(512) * 1024 / 100e12
    assert one.forward_s == near(forward_s)
    assert one.backward_s == near(2.5 * forward_s)
    assert one.flop == 3.5 * 4 * 8 * 512 * 512 * 1024
    slow = spent(ATTENTION, 8, IDEAL._replace(exponential_per_s=1e12))
    pairs = 8 * 16 * 512 * filled(512)
    assert (slow.forward_s - forward_s, slow.backward_s - one.backward_s) == near((pairs / 1e12, 3.3 * pairs / 1e12))


def test_a_product_of_activations_scales_with_the_batch() -> None:
    one, two = spent(MATMUL, 1), spent(MATMUL, 2)
    assert one.flop == 3 * 2 * 4 * 128 * 256 * 512
    assert two.moved_b == 2 * one.moved_b


def test_elementwise_work_takes_its_bytes() -> None:
    one = spent(PASS, 100)
    assert one.forward_s == near(2 * (100 * 4000 + 10) / 1e12)
    assert one.backward_s == near(2 * (100 * 7000 + 20) / 1e12)
    assert spent(PASS, 100, IDEAL._replace(elementwise_factor=2.0)).forward_s == near(2 * one.forward_s)


@pytest.mark.parametrize("operation", [DEPTHWISE, EMBEDDING, PASS])
def test_doubling_the_bandwidth_halves_what_memory_bounds(operation: Operation) -> None:
    quick = IDEAL._replace(vector_flop_per_s=1e15)
    slow, fast = spent(operation, 64, quick), spent(operation, 64, quick._replace(memory_b_per_s=2e12))
    assert fast.forward_s == near(slow.forward_s / 2)
    assert fast.backward_s == near(slow.backward_s / 2)


@pytest.mark.parametrize("operation", ALL)
def test_faster_hardware_never_slows_an_operation(operation: Operation) -> None:
    before = spent(operation, 32)
    for field in ("linear_flop_per_s", "half_flop_per_s", "vector_flop_per_s", "memory_b_per_s", "clock"):
        after = spent(operation, 32, IDEAL._replace(**{field: 2 * getattr(IDEAL, field)}))
        assert after.forward_s <= before.forward_s
        assert after.backward_s <= before.backward_s


@pytest.mark.parametrize("operation", ALL)
def test_an_operation_done_three_times_takes_three_times(operation: Operation) -> None:
    once, thrice = spent(operation, 16), spent(operation._replace(times=3.0), 16)
    assert thrice == near(tuple(3 * value for value in once))


def test_gradients_of_weights_split_their_depth_to_fill_the_device() -> None:
    # 64 x 576 weights would leave nearly all of 100 multiprocessors idle without split-K.
    wide = IDEAL._replace(multiprocessors=100.0, wave_share=0.5)
    one = spent(CONV, 256, wide)
    assert one.backward_s < 4 * one.forward_s


def test_a_split_product_has_parts_a_thousand_deep_at_least() -> None:
    # Half of 100 multiprocessors idle: 1,638,400 elements, 44 times the 576 x 64 weights. One image is 3,136 deep and
    # is split 3.136 times only; 256 images as often as fills the device.
    wide = IDEAL._replace(multiprocessors=100.0, wave_share=0.5, memory_b_per_s=1e15)
    idle = 0.5 * 100 * 128 * 256
    for batch, parts in ((1, 3.136), (256, idle / (576 * 64))):
        input_s = 2 * 64 * (batch * 3136 * 576 + idle) / 100e12
        weight_s = 2 * batch * 3136 / parts * (576 * parts * 64 + idle) / 100e12
        assert spent(CONV, batch, wide).backward_s == near(input_s + weight_s)


def test_low_precision_moves_fewer_bytes() -> None:
    assert spent(DENSE, 1, element_b=1.0).moved_b == spent(DENSE, 1).moved_b / 2
    assert spent(DENSE, 1, element_b=4.0).moved_b == spent(DENSE, 1).moved_b * 2


def test_a_network_is_the_sum_of_its_operations_for_every_configuration() -> None:
    table = np.array(ALL)
    works = np.array([[1.0, 2.0], [64.0, 2.0], [64.0, 4.0]])
    devices = np.array([IDEAL, IDEAL._replace(memory_b_per_s=2e12), IDEAL])
    rows = network_steps(table, works, devices)
    for row, work, device in zip(rows, works, devices, strict=True):
        assert row == near(operation_steps(table, Work(*work), Device(*device)).sum(axis=0))
    alone = network_steps(table, works, devices[:1])
    assert np.array_equal(alone[[0, 2]], rows[[0, 2]])


def test_rows_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="Operation has 9 columns, not 8"):
        network_steps(np.zeros((3, 8)), np.array([[1.0, 2.0]]), np.array([IDEAL]))
    with pytest.raises(ValueError, match="one row or as many as works"):
        network_steps(np.array(ALL), np.ones((3, 2)), np.array([IDEAL, IDEAL]))
    assert network_steps(np.array(ALL), np.ones((0, 2)), np.array([IDEAL])).shape == (0, len(Spent._fields))


FAST, STILL = IDEAL._replace(memory_b_per_s=1e30), IDEAL._replace(linear_flop_per_s=1e30, half_flop_per_s=1e30)
"""Memory, and computing, that take no time."""


def test_both_gradients_of_a_product_of_activations_by_hand() -> None:
    # 8 samples of 4 products of 128 x 256 by 256 x 512; half a wave of 100 multiprocessors idles in each.
    idle = 0.5 * 100 * 128 * 256
    one = spent(MATMUL, 8, FAST._replace(multiprocessors=100.0, wave_share=0.5))
    assert one.forward_s == near(2 * 256 * (8 * 4 * 128 * 512 + idle) / 100e12)
    left, right = 2 * 512 * (8 * 4 * 128 * 256 + idle), 2 * 128 * (8 * 4 * 256 * 512 + idle)
    assert one.backward_s == near((left + right) / 100e12)


def test_fused_attention_pays_for_rows_that_fill_no_wave() -> None:
    one = spent(ATTENTION, 8, FAST._replace(multiprocessors=100.0, wave_share=0.5))
    forward_s = 4 * (8 * 16 * 512 + 0.5 * 100 * 128) * 64 * filled(512) / 100e12
    assert (one.forward_s, one.backward_s, one.memory_s) == near((forward_s, 2.5 * forward_s, 0.0))


@pytest.mark.parametrize(
    ("operation", "elements"), [(ATTENTION, 4 * 512 * 1024), (MATMUL, (128 + 512) * 256 * 4 + 128 * 512 * 4)]
)
def test_products_of_activations_move_their_operands_and_results_thrice(operation: Operation, elements: int) -> None:
    one = spent(operation, 8, STILL._replace(wave_share=0.0), element_b=4.0)
    forward_b = 4 * 8 * elements
    assert one.forward_s == near(forward_b / 1e12)
    assert one.backward_s == near(2 * forward_b / 1e12)
    assert (one.memory_s, one.moved_b) == near((one.forward_s + one.backward_s, 3 * forward_b))


@pytest.mark.parametrize(
    ("operation", "kernels"), [(DENSE, 3), (MATMUL, 3), (ATTENTION, 2), (DEPTHWISE, 3), (EMBEDDING, 2), (PASS, 2)]
)
def test_kernels_are_counted_by_kind(operation: Operation, kernels: int) -> None:
    assert spent(operation, 4).kernels == kernels


def test_eight_bits_are_slower_than_their_peak_and_channelwise_work_has_no_factor() -> None:
    eight = spent(DENSE, 4096, FAST._replace(linear_flop_per_s=200e12, low_precision_efficiency=0.75), element_b=1.0)
    assert eight.forward_s == near(2 * 4096 * 1024 * 4096 / (0.75 * 200e12))
    slow = IDEAL._replace(elementwise_factor=2.0)
    assert spent(DEPTHWISE, 64, slow).forward_s == spent(DEPTHWISE, 64).forward_s
