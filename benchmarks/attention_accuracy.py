"""How near the kernel of fused attention comes to published timings: `python -m benchmarks.accuracy attention`.

Timings are TFLOP/s as printed on the bars of two papers, 16,384 tokens of 2,048 elements each: FlashAttention-3's
(Shah 2024, arXiv 2407.08608, figures 5 and 6) on an H100, and FlashAttention-2's (Dao 2023, arXiv 2307.08691, figure
4c, the one whose figures could be read) on an A100. Three figures serve all three kernels, beside a share of peak of
each: keys to fill, exponentials forward and backward. Each series (a kernel, a head, a direction) is also predicted
without itself, where its kernel has another; heads of 256, whose tiles are smaller, are left out of the fit. What dcsim
ships, fitted to whole steps from there, is held to the same timings. Whole steps: how much faster GPT-3 models train
with FlashAttention-2 than with the first (Dao 2023, table 1), which no constant is fitted to.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from dcsim.kernels import roofline
from dcsim.kernels.facts import FIRST_FUSED, FUSED, Model, Plan
from dcsim.kernels.step import steps
from dcsim.performance.devices import device_row, shipped
from dcsim.scenario import presets

Floats = NDArray[np.float64]
LENGTHS = 512.0 * 2.0 ** np.arange(6)
TOKENS, WIDTH = 16384.0, 2048.0
PEAK = {"H100": 989e12, "A100": 312e12}
EXPONENTIALS = {"H100": 16.0 * 67e12 / 256.0, "A100": 16.0 * 19.5e12 / 128.0}
"""A second: 16 a cycle and multiprocessor, beside lanes for 256 and 128 FLOP (dcsim/performance/devices.py)."""


@dataclass(frozen=True)
class Series:
    """One kernel with one width of heads, at LENGTHS: `what` is forward, backward or both; TFLOP/s, shape (6,)."""

    kernel: str
    chip: str
    head: float
    what: str
    causal: bool
    tflops: tuple[float, ...]

    @property
    def name(self) -> str:
        """What a table says of it."""
        return f"{self.kernel} on {self.chip}, heads of {self.head:.0f}, {self.what}{', causal' * self.causal}"

    @property
    def flop(self) -> Floats:
        """As the papers count: 4 b s^2 a e forward, half if causal, 2.5 times backward, shape (6,)."""
        times = {"forward": 4.0, "backward": 10.0, "both": 14.0}[self.what]
        return np.asarray(times * (0.5 if self.causal else 1.0) * TOKENS * LENGTHS * WIDTH, dtype=np.float64)

    def seconds(self, share: float, fill: float, forward: float, backward: float) -> Floats:
        """By the formula of `roofline.fused_attention_s`, shape (6,)."""
        rows = TOKENS * WIDTH / self.head
        keys = (0.5 if self.causal else 1.0) * LENGTHS
        pairs = rows * (keys + np.minimum(fill, keys))
        flop_s, one_s = 1.0 / (share * PEAK[self.chip]), 1.0 / EXPONENTIALS[self.chip]
        forth, back = 4.0 * self.head * flop_s + forward * one_s, 10.0 * self.head * flop_s + backward * one_s
        return np.asarray(pairs * {"forward": forth, "backward": back, "both": forth + back}[self.what])


FLASH2, CUDNN = "FlashAttention-2", "cuDNN"
TIMED = (
    Series(FLASH2, "H100", 64.0, "forward", False, (282, 306, 318, 321, 322, 324)),
    Series(FLASH2, "H100", 64.0, "forward", True, (180, 229, 262, 284, 295, 299)),
    Series(FLASH2, "H100", 128.0, "forward", False, (309, 350, 362, 368, 370, 370)),
    Series(FLASH2, "H100", 128.0, "forward", True, (191, 260, 298, 319, 333, 335)),
    Series(FLASH2, "H100", 64.0, "backward", False, (198, 238, 264, 279, 287, 291)),
    Series(FLASH2, "H100", 128.0, "backward", False, (214, 260, 291, 310, 318, 322)),
    Series(CUDNN, "H100", 64.0, "forward", False, (335, 373, 395, 408, 412, 413)),
    Series(CUDNN, "H100", 64.0, "forward", True, (225, 288, 334, 363, 379, 388)),
    Series(CUDNN, "H100", 128.0, "forward", False, (497, 574, 617, 609, 600, 595)),
    Series(CUDNN, "H100", 128.0, "forward", True, (315, 410, 484, 518, 529, 539)),
    Series(CUDNN, "H100", 64.0, "backward", False, (266, 348, 395, 417, 432, 433)),
    Series(CUDNN, "H100", 128.0, "backward", False, (305, 408, 465, 499, 518, 516)),
    Series(FLASH2, "A100", 64.0, "both", True, (88, 119, 140, 156, 165, 171)),
)
WIDE = (
    Series(FLASH2, "H100", 256.0, "forward", False, (275, 313, 321, 323, 324, 326)),
    Series(FLASH2, "H100", 256.0, "forward", True, (208, 251, 278, 293, 297, 298)),
    Series(CUDNN, "H100", 256.0, "forward", False, (470, 546, 580, 581, 580, 581)),
    Series(CUDNN, "H100", 256.0, "forward", True, (308, 391, 450, 483, 497, 509)),
)
"""Forward alone is printed of these; nothing is fitted to them."""
FIRST = (
    Series("FlashAttention", "A100", 64.0, "both", True, (58, 70, 77, 87, 92, 97)),
    Series("FlashAttention in Triton", "A100", 64.0, "both", True, (59, 75, 79, 76, 79, 67)),
)
"""Kernels of the first generation, beside FlashAttention-2 in the same figure; nothing is fitted to them."""
EARLIEST = (
    Series("FlashAttention of May 2022", "A100", 64.0, "forward", False, (47.7, 50.5, 57.3, 65.3, 65.6, 65.6)),
    Series("FlashAttention of May 2022", "A100", 64.0, "backward", False, (41.3, 53.0, 63.0, 63.7, 64.9, 65.4)),
)
"""Its first release (Dao 2022, arXiv 2205.14135, tables 18 and 19: ms of 16 sequences of 8 heads, here as TFLOP/s),
which nobody timed beside FlashAttention-2; nothing is fitted to it."""
KINDS = tuple(dict.fromkeys((series.kernel, series.chip) for series in TIMED))
NAMES = (*(f"{kernel}, {chip}" for kernel, chip in KINDS), "fill keys", "forward", "backward")
START = (0.4, 0.6, 0.6, 128.0, 1.0, 1.0)

SMALL, LARGE = ("GPT-3 1.3B", 24.0, 2048.0, 16.0), ("GPT-3 2.7B", 32.0, 2560.0, 20.0)
TRAINED = (
    (*SMALL, 2048.0, 196 / 189),
    (*SMALL, 8192.0, 220 / 170),
    (*LARGE, 2048.0, 205 / 189),
    (*LARGE, 8192.0, 225 / 175),
)
"""Model, layers, hidden, heads of 128, sequence length, speed with FlashAttention-2 over that with the first."""


def predicted_s(series: Series, values: Floats) -> Floats:
    """Seconds of a series by the figures that NAMES names, shape (6,)."""
    share = values[KINDS.index((series.kernel, series.chip))]
    return series.seconds(share, *values[len(KINDS) :])


def errors(timed: tuple[Series, ...], values: Floats) -> Floats:
    """Logarithm of predicted over printed seconds of all, shape (6 n,)."""
    return np.concatenate([np.log(predicted_s(one, values) * np.array(one.tflops) * 1e12 / one.flop) for one in timed])


def fit(timed: tuple[Series, ...] = TIMED) -> Floats:
    """The figures that NAMES names, by least squares on logarithms with a soft loss beyond 5 %."""
    found = least_squares(lambda x: errors(timed, np.exp(x)), np.log(START), loss="soft_l1", f_scale=0.05)
    return np.asarray(np.exp(found.x))


def left_out() -> Floats:
    """Errors of every timing by figures fitted without its series, where its kernel has another, shape (n,)."""
    found = []
    for series in TIMED:
        others = tuple(one for one in TIMED if one is not series)
        if any((one.kernel, one.chip) == (series.kernel, series.chip) for one in others):
            found.append(errors((series,), fit(others)))
    return np.concatenate(found)


def ships() -> Floats:
    """The figures that NAMES names, as they ship."""
    known = shipped()
    shares = [known[scope, "attention_efficiency"] for scope in ("hopper", "megatron", "ampere")]
    figures = (roofline.FILL_KEYS, roofline.FORWARD_EXPONENTIALS, roofline.BACKWARD_EXPONENTIALS)
    return np.array([*shares, *figures])


def median_ape(timed: tuple[Series, ...], values: Floats) -> float:
    """Median error of the seconds of all."""
    return float(np.median(np.abs(np.expm1(errors(timed, values)))))


def over_second(series: Series, values: Floats) -> Floats:
    """Printed seconds of a kernel on A100 over those of FlashAttention-2 by the figures of NAMES, shape (6,)."""
    second_s = predicted_s(replace(series, kernel=FLASH2), values)
    return np.asarray(series.flop / (np.array(series.tflops) * 1e12) / second_s, dtype=np.float64)


def speed_up(layers: float, hidden: float, heads: float, length: float) -> float:
    """Speed of a GPT-3 model on 8 A100s with FlashAttention-2, over that with the first, predicted."""
    model = Model(layers, hidden, heads, heads, 128.0, 4.0 * hidden, 0.0, 50257.0, 1.0)
    batch = 2.0**20 / length
    plan = Plan(1.0, 1.0, 1.0, 8.0, 1.0, 1.0, max(8192.0 / length, 1.0), batch, length, sharding=1.0)
    device = device_row(presets.accelerator("A100-SXM4-80GB"), "bf16", "pytorch").device
    plans = np.array([plan._replace(flash=kind) for kind in (FIRST_FUSED, FUSED)])
    first_s, second_s = steps(np.array([model, model]), plans, np.array([device]))[:, 0]
    return float(first_s / second_s)


def report() -> None:
    """Print figures and errors; the last line is one JSON object."""
    values, out, own = fit(), left_out(), ships()
    print(f"fitted to {len(TIMED) * len(LENGTHS)} timings, and as they ship:")
    for name, value, kept in zip(NAMES, values, own, strict=True):
        print(f"  {name:28}{value:8.3g}{kept:8.3g}")
    print(f"{'seconds, error by length, %':58}" + "".join(f"{int(length):>8}" for length in LENGTHS))
    for series in TIMED + WIDE:
        print(f"{series.name:58}" + "".join(f"{100 * np.expm1(error):>+8.1f}" for error in errors((series,), values)))
    print(f"slower than FlashAttention-2 (dcsim: {roofline.FIRST_FORWARD} forward, {roofline.FIRST_BACKWARD} backward)")
    newest = np.array(next(one.tflops for one in TIMED if one.chip == "A100"))
    for series in FIRST:
        print(f"{series.name:58}" + "".join(f"{ratio:>8.2f}" for ratio in newest / np.array(series.tflops)))
    for one in EARLIEST:
        print(f"{one.name:58}" + "".join(f"{ratio:>8.2f}" for ratio in over_second(one, own)))
    print(f"{'steps of GPT-3 with FlashAttention-2 over the first':58}{'printed':>8}{'dcsim':>8}")
    whole = []
    for name, layers, hidden, heads, length, printed in TRAINED:
        found = speed_up(layers, hidden, heads, length)
        whole.append(abs(found / printed - 1.0))
        print(f"{f'{name}, sequences of {length:.0f}':58}{printed:>8.2f}{found:>8.2f}")
    inside = np.abs(np.expm1(errors(TIMED, values)))
    figures = {
        "timings": len(inside),
        "median_ape": float(np.median(inside)),
        "p90_ape": float(np.quantile(inside, 0.9)),
        "left_out_median_ape": float(np.median(np.abs(np.expm1(out)))),
        "shipped_median_ape": median_ape(TIMED, own),
        "heads_of_256_median_ape": median_ape(WIDE, values),
        "speed_up_worst_ape": max(whole),
    }
    print(json.dumps({name: round(value, 5) for name, value in figures.items()}))
