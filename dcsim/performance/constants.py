"""The constants that are fitted: what each means, where it starts and why, and how far a fit may move it."""

from __future__ import annotations

from dataclasses import dataclass

LEAST, MOST = 0.4, 2.5  # bounds of a fit, as multiples of the start


@dataclass(frozen=True)
class Constant:
    """One constant: a field of `Device` in a scope (all, a class, a family, or a family of frameworks).

    `start` is a sensible value before any fit, for the reason that `source` gives; `spread` is how far (in logarithms)
    rows may easily move it; `most` bounds it.
    """

    scope: str
    field: str
    start: float
    spread: float
    meaning: str
    source: str
    most: float = float("inf")

    @property
    def low(self) -> float:
        """The least value that a fit may take."""
        return LEAST * self.start

    @property
    def high(self) -> float:
        """The largest value that a fit may take."""
        return min(MOST * self.start, self.most)


GEMM = "products with all sides >= 2,048 in gemm_measured.csv"
USUAL = "usual value of published profiles, not measured here"
PRODUCT = "sustained share of peak of a large product in 16 bits"
LOW = "that share in 8 bits or fewer over that in 16"
COMPUTING = "computing time over that of Megatron Core with fused kernels"
BYTES = "bytes that elementwise work moves over those of fully fused kernels"
LAUNCH = "host time a kernel, s"

CONSTANTS = (
    Constant("volta", "product_efficiency", 0.5, 0.1, PRODUCT, USUAL, 1.0),
    Constant("ampere", "product_efficiency", 0.78, 0.2, PRODUCT, f"0.77, {GEMM}", 1.0),
    Constant("hopper", "product_efficiency", 0.77, 0.2, PRODUCT, f"0.79, {GEMM}", 1.0),
    Constant("blackwell", "product_efficiency", 0.53, 0.2, PRODUCT, f"B200 0.51, {GEMM}", 1.0),
    Constant("grace-blackwell", "product_efficiency", 0.68, 0.2, PRODUCT, f"0.68 and 0.76, {GEMM}", 1.0),
    Constant("gpu", "product_efficiency", 0.65, 0.1, PRODUCT, f"median of families, {GEMM}", 1.0),
    Constant("tpu", "product_efficiency", 0.9, 0.1, PRODUCT, USUAL, 1.0),
    Constant("all", "product_efficiency", 0.65, 0.1, PRODUCT, "as GPUs", 1.0),
    Constant("all", "low_precision_efficiency", 0.9, 0.1, LOW, USUAL),
    Constant("hopper", "low_precision_efficiency", 0.9, 0.1, LOW, USUAL),
    Constant("all", "wave_share", 0.5, 0.3, "waves of tiles that a product wastes", "half a wave is lost on average"),
    Constant("all", "tile_latency_s", 1e-6, 0.3, "filling and draining a wave of tiles, s", USUAL),
    Constant("all", "attention_efficiency", 0.5, 0.2, "sustained share of peak of fused attention", USUAL, 1.0),
    Constant("all", "memory_efficiency", 0.8, 0.1, "sustained share of memory bandwidth", f"skinny {GEMM}", 1.0),
    Constant("all", "elementwise_factor", 1.0, 0.3, BYTES, "1 is fully fused"),
    Constant("unfused", "elementwise_factor", 1.5, 0.3, BYTES, "Ivanov 2021, arXiv 2007.00072: 2 to 3 times"),
    Constant("jax", "elementwise_factor", 1.0, 0.3, BYTES, "1 is fully fused"),
    Constant("all", "launch_s", 1e-5, 0.3, LAUNCH, USUAL),
    Constant("unfused", "launch_s", 4e-5, 0.3, LAUNCH, USUAL),
    Constant("pytorch", "launch_s", 3e-5, 0.3, LAUNCH, USUAL),
    Constant("unfused", "framework_factor", 1.1, 0.1, COMPUTING, "1 is Megatron Core"),
    Constant("pytorch", "framework_factor", 1.15, 0.1, COMPUTING, "1 is Megatron Core"),
    Constant("jax", "framework_factor", 1.1, 0.1, COMPUTING, "1 is Megatron Core"),
    Constant("all", "link_efficiency", 0.8, 0.1, "sustained share of scale-up bandwidth", "NCCL rings reach 0.8", 1.0),
    Constant("all", "nic_efficiency", 0.75, 0.1, "sustained share of NIC bandwidth", USUAL, 1.0),
    Constant("all", "link_latency_s", 1e-5, 0.3, "collective on links, each doubling of ranks, s", USUAL),
    Constant("all", "nic_latency_s", 3e-5, 0.3, "collective over NICs, each doubling of domains, s", USUAL),
    Constant("all", "expert_factor", 1.3, 0.2, "time of routed experts over dense products", USUAL),
    Constant("all", "overlap", 0.8, 0.2, "share of computing behind which traffic hides", USUAL, 1.0),
    Constant("all", "straggling", 0.01, 0.3, "growth of a step with each doubling of domains", USUAL),
)
