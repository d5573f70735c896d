"""Kernels of collectives against exact arithmetic and worked examples: `python -m benchmarks.accuracy closed_forms`."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from dcsim.kernels.collectives import direct_s, halving_doubling_s, ring_s, torus_s

DRAWS = 10_000
Form = Callable[[int, Fraction, Fraction], Fraction]  # ranks, latency, s, and time of all bytes, s

ALL_REDUCES: dict[str, tuple[Callable[..., float], Form]] = {
    "ring": (ring_s, lambda n, alpha, bytes_s: 2 * (n - 1) * (alpha + bytes_s / n)),
    "direct": (direct_s, lambda n, alpha, bytes_s: 2 * (alpha + bytes_s / n)),
    "halving-doubling": (
        halving_doubling_s,
        lambda n, alpha, bytes_s: 2 * sum((alpha + bytes_s / 2**i for i in range(1, n.bit_length())), Fraction(0)),
    ),
}

LINK_B_PER_S, HOP_S, ARRAY_B = 45e9, 1e-6, 2.0 * 1024 * 4096
EXAMPLES = {
    "2.1: all-gather over one axis of 4, the array cut in 4": (ARRAY_B / 4, 1, 23e-6),
    "2.3: all-gather of the whole array over two axes": (ARRAY_B, 2, 46e-6),
    "2.4: one pass over one axis, the array cut in 16": (ARRAY_B / 16, 1, 5.8e-6),
    "3: all-gather of 256 bytes over one axis, two hops": (256.0, 1, 2e-6),
}
"""Bytes, axes and time as the answers print it, s: questions of jax-ml/scaling-book, sharding.md, on a TPU v4 slice of
4 x 4 x 4. The array is 1024 x 4096 in bfloat16."""


def largest_error(name: str) -> float:
    """Of a kernel's time against its formula in fractions: relative, over random sizes, ranks, latencies and rates."""
    kernel, exact = ALL_REDUCES[name]
    random, worst = np.random.default_rng(0), 0.0
    for _ in range(DRAWS):
        n = 2 ** int(random.integers(1, 12)) if kernel is halving_doubling_s else int(random.integers(2, 2049))
        size_b, alpha_s, b_per_s = (float(10.0 ** random.uniform(*ends)) for ends in ((0, 12), (-9, -3), (6, 13)))
        expected = exact(n, Fraction(alpha_s), Fraction(size_b) / Fraction(b_per_s))
        found = Fraction(kernel(2.0, size_b, float(n), alpha_s, b_per_s))
        worst = max(worst, float(abs(found - expected) / expected))
    return worst


def report() -> None:
    """Print both."""
    errors = {name: largest_error(name) for name in ALL_REDUCES}
    for name, error in errors.items():
        print(f"{name:20}largest relative error of {DRAWS:,} all-reduces: {error:.1e}")
    examples = {}
    for name, (size_b, axes, published_s) in EXAMPLES.items():
        found_s = torus_s(1.0, size_b, np.full(axes, 4.0), np.ones(axes), HOP_S, LINK_B_PER_S)
        examples[name] = found_s / published_s - 1.0
        print(f"{name:58}{1e6 * found_s:6.2f} us, published {1e6 * published_s:4.1f} us: {examples[name]:+.1%}")
    print(json.dumps({"closed_forms": errors, "examples": examples}))
