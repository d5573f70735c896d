"""Products and rates: hand sums, scaling, edges."""

import pytest

from dcsim.kernels.facts import Device
from dcsim.kernels.roofline import TILE, product, rates

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
    fill = 1e-6 * 50e12 / (2 * 100 * TILE)
    wanted = 2 * (4096 + fill) * (8192 * 4096 + 50 * TILE) / 50e12
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
    assert low.linear_s == pytest.approx(whole.linear_s / 0.8)
    assert low.half_s == whole.half_s
