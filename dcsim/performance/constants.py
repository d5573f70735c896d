"""The constants that are fitted: what each means, where it starts and why, and how far a fit may move it."""

from __future__ import annotations

from dataclasses import dataclass

LEAST, MOST = 0.2, 5.0  # bounds of a fit, as multiples of the start


@dataclass(frozen=True)
class Constant:
    """One constant: a field of `Device` in a scope (all, a class, a family, or a family of frameworks).

    `start` is a sensible value before any fit, for the reason that `source` gives; `spread` is how far (in logarithms)
    rows may easily move it; `most` bounds it. `basis` names measurements other than training runs that it rests on.
    """

    scope: str
    field: str
    start: float
    spread: float
    meaning: str
    source: str
    most: float = float("inf")
    basis: str = ""

    @property
    def low(self) -> float:
        """The least value that a fit may take."""
        return LEAST * self.start

    @property
    def high(self) -> float:
        """The largest value that a fit may take."""
        return min(MOST * self.start, self.most)


PRODUCTS = "gemm_measured.csv: 6,836 timed products in 16 bits, 9 tables of devices and libraries"
LINKS = "collectives_measured.csv"
USUAL = "usual value of published profiles, not measured here"
KERNELS = "78 published timings of attention kernels (benchmarks.accuracy attention)"
CUDNN = "fitted to timings of cuDNN's kernels, which Transformer Engine calls, on H100"
FLASH2 = "fitted to timings of FlashAttention-2"
SHARE = "sustained share of peak of a large product in 16 bits"
LOW = "that share in 8 bits or fewer over that in 16"
COMPUTING = "computing time over that of Megatron Core with fused kernels"
BYTES = "bytes that elementwise work moves over those of fully fused kernels"
ATTENTION = "sustained share of peak of the products of fused attention"
COVERS = "sustained share of peak of fused attention, exponentials covered"
LAUNCH = "host time a kernel, s"
TIGHT = 0.02  # spread of what tables of products and timings of kernels agree on
LOOSE = 0.1  # spread of the families whose devices and libraries differ by a sixth to a third


def _share(family: str, start: float, spread: float, said: str) -> Constant:
    return Constant(family, "product_efficiency", start, spread, SHARE, said, 1.0, PRODUCTS)


CONSTANTS = (
    _share("ampere", 0.72, TIGHT, "fitted to products"),
    _share("hopper", 0.81, TIGHT, "fitted to products"),
    _share("blackwell", 0.53, LOOSE, "fitted to products; two libraries differ: 0.50 and 0.68"),
    _share("grace-blackwell", 0.75, LOOSE, "fitted to products; GB200 0.68, GB300 0.76"),
    _share("all", 0.72, TIGHT, "median of the five families fitted to products"),
    Constant(
        "gpu", "wave_share", 0.04, TIGHT, "waves of tiles that a product wastes", "fitted to products", basis=PRODUCTS
    ),
    Constant(
        "gpu",
        "tile_latency_s",
        8e-7,
        TIGHT,
        "filling and draining a wave of tiles, s",
        "fitted to products",
        basis=PRODUCTS,
    ),
    Constant(
        "all",
        "memory_efficiency",
        0.76,
        0.05,
        "sustained share of memory bandwidth",
        "fitted to products",
        1.0,
        PRODUCTS,
    ),
    Constant(
        "volta",
        "product_efficiency",
        0.5,
        0.1,
        SHARE,
        "a whole step at 30 % of peak (arXiv 1909.08053, section 1)",
        1.0,
    ),
    Constant("tpu", "product_efficiency", 0.9, 0.1, SHARE, USUAL, 1.0),
    Constant(
        "trillium",
        "product_efficiency",
        0.77,
        0.1,
        SHARE,
        "share of other TPUs times 4/4.66: 4 times a v5e's training at 4.66 times its peak (Google, 2024)",
        1.0,
    ),
    Constant("all", "low_precision_efficiency", 0.9, 0.1, LOW, USUAL),
    Constant("hopper", "low_precision_efficiency", 0.9, 0.1, LOW, USUAL),
    Constant("all", "attention_efficiency", 0.46, 0.2, ATTENTION, "as on Hopper", 1.0),
    Constant("ampere", "attention_efficiency", 0.84, TIGHT, ATTENTION, f"{FLASH2} on A100", 1.0, KERNELS),
    Constant("hopper", "attention_efficiency", 0.46, TIGHT, ATTENTION, f"{FLASH2} on H100", 1.0, KERNELS),
    Constant("tpu", "attention_efficiency", 0.46, 0.2, COVERS, USUAL, 1.0),
    Constant("megatron", "attention_efficiency", 0.8, TIGHT, ATTENTION, CUDNN, 1.0, KERNELS),
    Constant("all", "elementwise_factor", 1.0, 0.3, BYTES, "1 is fully fused"),
    Constant("jax", "elementwise_factor", 1.0, 0.3, BYTES, "1 is fully fused"),
    Constant(
        "all", "launch_s", 5e-5, 0.1, LAUNCH, "some five operations of eager PyTorch, 10 us each, a counted kernel"
    ),
    Constant("megatron", "launch_s", 1e-5, 0.3, LAUNCH, "fused kernels: one launch each"),
    Constant("pytorch", "framework_factor", 1.15, 0.1, COMPUTING, "1 is Megatron Core"),
    Constant("jax", "framework_factor", 1.1, 0.1, COMPUTING, "1 is Megatron Core"),
    Constant("all", "link_efficiency", 0.8, 0.03, "sustained share of scale-up bandwidth", f"NCCL rings, {LINKS}", 1.0),
    Constant("all", "nic_efficiency", 0.8, 0.05, "sustained share of NIC bandwidth", f"two nodes, {LINKS}", 1.0),
    Constant(
        "all", "link_latency_s", 7e-6, 0.1, "collective on links, each doubling of ranks, s", f"1 to 16 MB, {LINKS}"
    ),
    Constant("all", "nic_latency_s", 3e-5, 0.1, "collective over NICs, each doubling of domains, s", f"1 MB, {LINKS}"),
    Constant("all", "expert_factor", 1.3, 0.2, "time of routed experts over dense products", USUAL),
    Constant("all", "overlap", 0.8, 0.2, "share of computing behind which traffic hides", USUAL, 1.0),
    Constant("all", "straggling", 0.01, 0.3, "growth of a step with each doubling of domains", USUAL),
    Constant(
        "all",
        "step_latency_s",
        0.03,
        0.3,
        "host time once a step, s",
        f"gradient norm, optimiser, data, logging; {USUAL}",
    ),
)
