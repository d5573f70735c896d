"""Predicted training speed of networks that are no transformers, against what others measured.

Nothing is fitted to these rows: constants come from transformers. Where a row says no batch, the batch is what
`estimate` takes: 256 samples an accelerator, or the largest power of two that fits.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dcsim.performance.estimate import estimate
from dcsim.performance.scores import score

CONVNETS = "NVIDIA/DeepLearningExamples, PyTorch/Classification/ConvNets, pytorch-21.03"
DLRM = "NVIDIA/DeepLearningExamples, PyTorch/Recommendation/DLRM, April 2020"
GAVEL = "Gavel, OSDI 2020, simulation_throughputs.json (PyTorch, fp32)"
GAVEL_DEVICES = {"v100": "V100-SXM2-16GB", "p100": "P100-SXM2-16GB"}  # no preset of the K80


class Row(NamedTuple):
    """One measured configuration. `samples_per_s` of all accelerators; `batch` of one, None where nobody says."""

    source: str
    model: str
    accelerator: str
    precision: str
    accelerators: int
    batch: int | None
    samples_per_s: float


def published() -> Iterator[Row]:
    """Vendor's tables, copied by hand from the README files of the sources. fp16: automatic mixed precision."""
    resnet, b0, b4 = "resnet-50", "efficientnet-b0", "efficientnet-b4"
    small, large, ampere = "V100-SXM2-16GB", "V100-SXM2-32GB", "A100-SXM4-80GB"
    table: dict[tuple[str, str, str], dict[int, float]] = {
        (resnet, small, "fp32"): {1: 367, 8: 2855},
        (resnet, small, "fp16"): {1: 1200, 8: 8322},
        (resnet, large, "fp32"): {1: 356, 8: 2766},
        (resnet, large, "fp16"): {1: 1156, 8: 8056},
        (resnet, ampere, "tf32"): {1: 938, 8: 7248},
        (resnet, ampere, "fp16"): {1: 2470, 8: 16621},
        (b0, small, "fp32"): {1: 655, 8: 4672},
        (b0, small, "fp16"): {1: 1301, 8: 7789},
        (b0, large, "fp32"): {1: 646, 8: 4937},
        (b0, large, "fp16"): {1: 1401, 8: 8615},
        (b0, ampere, "tf32"): {1: 1078, 8: 8193, 16: 16137},
        (b0, ampere, "fp16"): {1: 2489, 8: 16652, 16: 29332},
        (b4, small, "fp32"): {1: 83, 8: 616},
        (b4, small, "fp16"): {1: 204, 8: 1366},
        (b4, large, "fp32"): {8: 641},  # the source's rows of one device of this kind contradict its 17-fold scaling
        (b4, large, "fp16"): {8: 1565},
        (b4, ampere, "tf32"): {1: 157, 8: 1223, 16: 2417, 32: 4813, 64: 9146},
        (b4, ampere, "fp16"): {1: 331, 8: 2570, 16: 4813, 32: 9425, 64: 18900},
    }
    for (model, accelerator, precision), measured in table.items():
        for count, speed in measured.items():
            yield Row(CONVNETS, model, accelerator, precision, count, None, speed)


def gavel(traces: Path) -> Iterator[Row]:
    """Gavel's measurements of ResNet-50 on one device, in steps/s by batch."""
    with gzip.open(traces / "gavel" / "simulation_throughputs.json.gz", "rt") as file:
        table = json.load(file)
    for kind, accelerator in GAVEL_DEVICES.items():
        for key, speeds in table[kind].items():
            if found := re.fullmatch(r"\('ResNet-50 \(batch size (\d+)\)', 1\)", key):
                batch = int(found[1])
                yield Row(GAVEL, "resnet-50", accelerator, "fp32", 1, batch, batch * speeds["null"])


def predicted(row: Row) -> tuple[float, int, str]:
    """Samples/s of all accelerators, the batch of one, and the bound."""
    batch = None if row.batch is None else row.batch * row.accelerators
    found = estimate(
        row.model,
        row.accelerator,
        samples=1e6,
        count=row.accelerators,
        global_batch=batch,
        precision=row.precision,
    )
    return found.plan.samples_per_s, found.global_batch // row.accelerators, found.plan.bound


def report(traces: Path) -> None:
    """Print every row, medians by precision, and one JSON object as the last line."""
    rows = [*published(), *gavel(traces)]
    told = [predicted(row) for row in rows]
    print(f"{'model':17}{'accelerators':>22} {'':4}{'batch':>6}{'measured':>10}{'predicted':>10}{'error':>8}  bound")
    for row, (speed, batch, bound) in zip(rows, told, strict=True):
        where = f"{row.accelerators} x {row.accelerator}"
        error = f"{speed / row.samples_per_s - 1:+.0%}"
        print(
            f"{row.model:17}{where:>22} {row.precision:4}{batch:6}{row.samples_per_s:10.0f}{speed:10.0f}{error:>8}  "
            f"{bound}"
        )
    measured = np.array([row.samples_per_s for row in rows])
    speeds = np.array([speed for speed, _, _ in told])
    precisions = np.array([row.precision for row in rows])
    for precision in ("fp16", "tf32", "fp32"):
        print(f"{precision}: {score(speeds[precisions == precision], measured[precisions == precision])}")
    whole = score(speeds, measured)
    print(f"all: {whole}")
    print(json.dumps({"rows": whole.rows, "median_ape": whole.median, "p90_ape": whole.p90, "bias": whole.bias}))
