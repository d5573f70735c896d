"""Products and rates: hand sums, scaling, edges."""

import numpy as np
import pytest

from dcsim.kernels.arrays import named
from dcsim.kernels.facts import Device
from dcsim.kernels.roofline import product, products_s, rates
from tests.kernels.by_hand import near

DEVICE = Device(
    linear_flop_per_s=100e12,
    half_flop_per_s=50e12,
    vector_flop_per_s=5e12,
    memory_b=80e9,
    memory_b_per_s=1e12,
    link_b_per_s=300e9,
    domain=8.0,
    nic_b_per_s=25e9,
    multiprocessors=100.0,
    product_efficiency=0.5,
    wave_share=0.5,
    tile_latency_s=1e-6,
    memory_efficiency=0.5,
    framework_factor=1.0,
)


def test_a_product_takes_its_flop_and_the_tiles_it_wastes():
    # rate 50e12; fill = 1e-6 x 50e12 / (2 x 100 x 128 x 256); idle = 0.5 x 100 x 128 x 256
    fill = 1e-6 * 50e12 / (2 * 100 * 128 * 256)
    wanted = 2 * (4096 + fill) * (8192 * 4096 + 50 * 128 * 256) / 50e12
    got, bound = product(8192.0, 4096.0, 4096.0, 2.0, True, rates(DEVICE, 2.0))
    assert got == pytest.approx(wanted, rel=1e-12)
    assert bound == 0.0


def test_a_skinny_product_takes_its_bytes():
    bare = rates(DEVICE._replace(wave_share=0.0, tile_latency_s=0.0), 2.0)
    got, bound = product(1.0, 8192.0, 8192.0, 2.0, True, bare)
    assert got == pytest.approx((2 * 8192 + 2 * 8192 * 8193) / 0.5e12, rel=1e-12)
    assert bound == got


def test_twice_the_bandwidth_halves_a_bandwidth_bound_product():
    slow = rates(DEVICE._replace(wave_share=0.0, tile_latency_s=0.0), 2.0)
    fast = rates(DEVICE._replace(wave_share=0.0, tile_latency_s=0.0, memory_b_per_s=2e12), 2.0)
    one, _ = product(1.0, 8192.0, 8192.0, 2.0, True, slow)
    two, _ = product(1.0, 8192.0, 8192.0, 2.0, True, fast)
    assert two == pytest.approx(one / 2, rel=1e-12)


def test_half_the_clock_doubles_a_compute_bound_product():
    full, half = (
        rates(DEVICE._replace(tile_latency_s=0.0), 2.0),
        rates(DEVICE._replace(tile_latency_s=0.0, clock=0.5), 2.0),
    )
    one, _ = product(8192.0, 8192.0, 8192.0, 2.0, True, full)
    two, _ = product(8192.0, 8192.0, 8192.0, 2.0, True, half)
    assert two == pytest.approx(2 * one, rel=1e-12)


def test_small_products_reach_a_smaller_share_of_the_peak():
    at = rates(DEVICE, 2.0)
    shares = [2 * n**3 / product(n, n, n, 2.0, True, at)[0] / 100e12 for n in (128.0, 512.0, 2048.0, 8192.0)]
    assert shares == sorted(shares)
    assert shares[-1] < 0.5


def test_eight_bits_are_slower_than_their_peak_says():
    whole = rates(DEVICE, 2.0)
    low = rates(DEVICE._replace(low_precision_efficiency=0.8), 1.0)
    assert low.linear_s == near(whole.linear_s / 0.8)
    assert low.half_s == whole.half_s


def test_rates_are_peaks_by_their_shares():
    device = DEVICE._replace(
        clock=0.9,
        framework_factor=1.2,
        attention_efficiency=0.4,
        exponential_per_s=4e12,
        elementwise_factor=1.5,
        expert_factor=1.7,
    )
    at, pace = rates(device, 2.0), 0.9 / 1.2
    assert at.linear_s == near(1 / (100e12 * 0.5 * pace))
    assert at.half_s == near(1 / (50e12 * 0.5 * pace))
    assert at.attention_s == near(1 / (50e12 * 0.4 * 0.9))  # a kernel by itself: no framework in it
    assert at.exponential_s == near(1 / (4e12 * 0.9))
    assert at.vector_s == near(1 / (5e12 * 0.5 * pace))
    assert at.memory_s == near(1 / (1e12 * 0.5))  # memory has its own clock
    assert (at.elementwise, at.experts) == (1.5, 1.7)


def test_losses_of_tiles_by_hand():
    # Tiles of 128 x 256 on 100 multiprocessors: half a wave idles, and each wave takes 1 us to fill and drain.
    at = rates(DEVICE, 2.0)
    assert (at.idle, at.idle_rows) == (0.5 * 100 * 128 * 256, 0.5 * 100 * 128)
    assert at.linear_fill == near(1e-6 * 50e12 / (2 * 100 * 128 * 256))
    assert at.half_fill == near(1e-6 * 25e12 / (2 * 100 * 128 * 256))


def test_a_product_beside_linear_layers_runs_at_the_rate_of_sixteen_bits():
    at = rates(DEVICE._replace(wave_share=0.0, tile_latency_s=0.0), 1.0)
    assert product(4096.0, 4096.0, 4096.0, 2.0, False, at)[0] == near(2 * 4096**3 / 25e12)


@pytest.mark.parametrize(("element_b", "rate"), [(4.0, 50e12), (2.0, 50e12), (1.0, 0.75 * 50e12), (0.5, 0.75 * 50e12)])
def test_products_alone_take_their_precisions_rate_or_bytes_and_a_launch(element_b, rate):
    device = DEVICE._replace(wave_share=0.0, tile_latency_s=0.0, low_precision_efficiency=0.75, launch_s=7e-6)
    sides = np.array([[8192.0, 4096.0, 2048.0], [16.0, 8192.0, 8192.0]])
    found = products_s(sides, np.full(2, element_b), named(np.array([device, device]), Device))
    moved_b = max(element_b, 2.0) * 16 * 8192 + element_b * 8192 * (16 + 8192)
    assert found == near([2 * 8192 * 4096 * 2048 / rate + 7e-6, moved_b / 0.5e12 + 7e-6])


def test_each_product_has_its_own_device():
    plain = DEVICE._replace(wave_share=0.0, tile_latency_s=0.0, launch_s=0.0)
    devices = named(np.array([plain, plain._replace(linear_flop_per_s=200e12)]), Device)
    slow, fast = products_s(np.full((2, 3), 4096.0), np.full(2, 2.0), devices)
    assert slow == near(2 * fast)
