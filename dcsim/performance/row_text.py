"""Free text of measured rows, by rule: accelerator names, frameworks, precisions, networks."""

from __future__ import annotations

import re
from functools import cache

from dcsim.scenario import presets
from dcsim.scenario.device_names import other_name_of, words
from dcsim.units import BANDWIDTH

PRECISIONS = {
    "fp32": "fp32",
    "tf32": "tf32",
    "fp16": "fp16",
    "bf16": "bf16",
    "fp8": "fp8",
    "mxfp8": "fp8",
    "int8+bf16": "int8",
    "int8": "int8",
    "nvfp4": "fp4",
    "mxfp4": "fp4",
    "fp4": "fp4",
    "nvfp4+fp8": "fp4",
    "fp8-or-nvfp4": "fp4",
}
"""Precision of linear layers, by the text of the column; other texts are taken by the first of these they hold."""

FRAMEWORK_WORDS = (
    ("jax", r"jax|maxtext|paxml|\bpax\b|levanter"),
    ("pytorch", r"^(?!.*megatron).*deepspeed"),
    ("megatron", r"megatron-core|megatron-bridge|nemo|nvidia|ngc|mxnet|transformerengine|megatron-lm|megatron$"),
    ("pytorch", r""),
)
"""Families of frameworks by words, first match wins: XLA programs; DeepSpeed without Megatron; Megatron Core with its
fused kernels; PyTorch with FSDP, DeepSpeed and the like, also for unknown ones. A run without fused attention is
`unfused`, whatever its framework: the Megatron-LM and Megatron-DeepSpeed of 2020 to 2022."""

_RATE = r"(\d[\d,]*(?:\.\d+)?)\s*(?:Gb/s|Gbit/s|Gbps|Gb/Sec)"
_BYTES = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s*GB/s")
_PORTS = re.compile(rf"(\d+)\s*x(?![a-z])[^,;:]*?(?<![\d.]){_RATE}", re.IGNORECASE)
_ELSE = re.compile("storage|management|measured|nvlink", re.IGNORECASE)
_WHOLE = re.compile(rf"{_RATE}[^,;:]*\bper node", re.IGNORECASE)
GENERATIONS = {"EDR": 100.0, "HDR": 200.0, "NDR": 400.0, "XDR": 800.0}
"""Gbit/s of an InfiniBand port (InfiniBand Trade Association roadmap)."""
GBIT_B_PER_S = 1e9 / 8
SYSTEMS = (("DGX-2|DGX-1", 100.0), ("DGX-?A100|Selene", 200.0), ("DGX-?[HB]\\d00|Eos", 400.0))
"""Gbit/s of NICs an accelerator in systems with a name (NVIDIA's DGX data sheets; Selene is made of DGX A100)."""


NIC_SHARE = 0.8
"""What all-reduces get of InfiniBand's bandwidth (collectives_measured.csv); `nic_efficiency` starts from it."""
_ALL_REDUCED = re.compile(
    r"\bmeasured all-?reduce(?: of)?:? (\d[\d,]*(?:\.\d+)?(?:e\d+)?) ?([A-Za-z]+/s)(?=\s*(?:[,;(]|\.?\s*$))", re.I
)

OMNI_PATH = re.compile(r"omni-?path|\bopa\b", re.IGNORECASE)
OMNI_PATH_GBIT = 50.0
OMNI_PATH_PORTS = 2.0
"""What NCCL gets of Omni-Path, over which it goes by verbs: of a port of 100 Gb/s what verbs pass, 3.7 to 6.6 GB/s
(openucx/ucx, issue 3196) or 40 Gb/s (NCCL's logs of all-reduces on Jean Zay, bigscience-workshop/bigscience,
experiments/bandwidth), which is InfiniBand's share (0.8, collectives_measured.csv) of 50; of a node's ports at most
two, as NCCL's rings used one or two of four there: 40, 54 and 85 Gb/s in all. That machine is the one of all measured
rows with Omni-Path."""


def framework_family(text: str, fused: bool = True) -> str:
    """The family of a framework by its name; `unfused` where attention is no fused kernel."""
    if not fused:
        return "unfused"
    return next(family for family, words in FRAMEWORK_WORDS if re.search(words, text, re.IGNORECASE))


def accumulate_b(family: str, gradient_b: float) -> float:
    """Bytes a parameter that adding up the gradients of a micro-batch moves, beyond the product that makes them.

    Megatron Core adds within the product (its `gradient_accumulation_fusion`), XLA within the program. Others read the
    16-bit gradient, and read and write the sum (PyTorch's autograd; nanotron's and DeepSpeed's fp32 accumulators).
    """
    return 2.0 + 2.0 * gradient_b if family in ("pytorch", "unfused") else 0.0


_HALF_SUMS = re.compile("nemo|megatron-bridge|^(?!.*composer).*fsdp", re.IGNORECASE)


def gradient_b(text: str, precision: str) -> float:
    """Bytes of a gradient that is added up and sent: 2 in fp16; in NeMo and Megatron Bridge, whose recipes for
    pre-training set `grad_reduce_in_fp32 = False` (NeMo's `pretrain_performance_optimizations`); in PyTorch's FSDP,
    which sends in the precision that it computes in unless told (`MixedPrecision.reduce_dtype`; fms-fsdp's
    `bfSixteen`). Else 4, as in Megatron-LM, torchtitan, and Composer, whose `DEFAULT` most of llm-foundry's runs have.
    """
    return 2.0 if precision == "fp16" or _HALF_SUMS.search(text) else 4.0


def hides_gradients(text: str, family: str, sharded: bool) -> bool:
    """Whether gradients travel while backward runs: not in Megatron and DeepSpeed of 2020 to 2022, nor in nanotron with
    ZeRO-1, which sums fp32 gradients after the last micro-batch (its trainer.py: `make_ddp`)."""
    return family != "unfused" and not (sharded and "nanotron" in text.lower())


def sums_whole(text: str, precision: str, stages: float) -> bool:
    """Whether ZeRO-1 all-reduces gradients instead of scattering them: in nanotron (its trainer.py calls
    `sync_gradients_across_dp` with `reduce_scatter=False`) and in DeepSpeed's pipelines in bf16 (its
    runtime/pipe/engine.py: `_bf16_reduce_grads`)."""
    name = text.lower()
    return "nanotron" in name or ("deepspeed" in name and precision == "bf16" and stages > 1.0)


FIRST_UNTIL = (2023, 7)
"""Nobody had FlashAttention-2 before July 2023 (arXiv 2307.08691)."""
FOUNDRY = re.compile(r"\bcomposer\b|llm[-_ ]?foundry", re.IGNORECASE)
FOUNDRY_UNTIL = (2024, 3)
"""llm-foundry's benchmarks ran Triton's attention kernels of 2022: `attn_impl` was `triton` in its scripts and models
(`submit_benchmarks.py`; mosaicml/llm-foundry, pull 147), which it had until March 2024 (pull 1041)."""
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)(?:[-./]?(\d\d?)(?!\d{3}))?")
DECEMBER = 12


def first_fused(text: str, date: str, device_class: str) -> bool:
    """Whether a run's fused attention was surely of the first generation, by its framework and its date (`2023-05`; a
    year alone is its end). llm-foundry's without a date was: those of its benchmarks have none."""
    found, foundry = _DATE.search(date), FOUNDRY.search(text) is not None
    until = FOUNDRY_UNTIL if foundry else FIRST_UNTIL
    if found is None:
        return device_class == "gpu" and foundry
    return device_class == "gpu" and (int(found[1]), int(found[2] or DECEMBER)) < until


def precision_of(text: str) -> str | None:
    """Precision of linear layers, None if the text names none; `bf16` where nothing is said."""
    word = text.strip().lower() or "bf16"
    if word in PRECISIONS:
        return PRECISIONS[word]
    return next((known for name, known in PRECISIONS.items() if name in word), None)


def nic_b_per_s(text: str, per_node: float) -> float | None:
    """Scale-out bandwidth of one accelerator in bytes/s by the text on a row's network, None if it says nothing.

    Rules, first that fits: storage and management networks are left out; `Nx ... R Gb/s` is N ports a node;
    `R Gb/s per node`; `NDR ... per GPU` is a port an accelerator; GB/s are bytes. What was measured is no port's rate.
    """
    text = _BYTES.sub(lambda found: f"{8.0 * _number(found[1]):g} Gb/s", text)
    parts = [
        part for part in re.split(r"[,;+]", text) if not re.search(r"storage|management|measured|nvlink", part, re.I)
    ]
    ports = [(float(count), _number(rate)) for part in parts for count, rate in _PORTS.findall(part)]
    ports = ports or [(1.0, _number(rate)) for part in parts for rate in _WHOLE.findall(part)]
    if OMNI_PATH.search(text):
        ports = [(min(count, OMNI_PATH_PORTS), min(rate, OMNI_PATH_GBIT)) for count, rate in ports]
    if ports:
        return max(count * rate for count, rate in ports) * GBIT_B_PER_S / per_node
    kept = ", ".join(parts)
    if "per GPU" in kept:
        return next((rate * GBIT_B_PER_S for name, rate in GENERATIONS.items() if name in kept), None)
    return next((rate * GBIT_B_PER_S for name, rate in SYSTEMS if re.search(name, kept)), None)


def nic_by_test_b_per_s(text: str, domain: float, accelerators: float) -> float | None:
    """Scale-out bandwidth of one accelerator, bytes/s, by a test of the network; None where no test of it is given.

    `measured all-reduce R GB/s` (or another unit of bandwidth; then a comma, semicolon, bracket or the end) is NCCL's
    bus bandwidth over all accelerators of a run. In a ring that is what the NICs of a scale-up domain carry together
    (`kernels.traffic.road`), `NIC_SHARE` of what they have. In one domain, a test tells nothing of NICs.
    """
    found = _ALL_REDUCED.search(text)
    if found is None or accelerators <= domain:
        return None
    try:
        tested = BANDWIDTH.parse(f"{_number(found[1]):g} {found[2].replace('b/s', 'bit/s')}")
    except ValueError:  # no unit of bandwidth
        return None
    return tested / domain / NIC_SHARE or None


def names_test(text: str) -> bool:
    """Whether a text on a network speaks of a test of it, understood or not."""
    return bool(re.search(r"\bmeasured all-?reduce", text, re.IGNORECASE))


def without_tests(text: str) -> str:
    """The text on a network without what a test of it measured."""
    return _ALL_REDUCED.sub("", text)


def _number(text: str) -> float:
    return float(text.replace(",", ""))


EDITIONS = frozenset(("ada", "d", "ti", "super", "laptop", "mobile"))
"""Words that make another device of the same number."""


def _may_mean(mine: list[str], theirs: list[str]) -> bool:
    """Whether a name may mean a preset: the first word and that with the model's number agree, and the edition."""
    model = next((word for word in theirs if any(letter.isdigit() for letter in word)), theirs[0])
    return mine[:1] == theirs[:1] and model in mine and EDITIONS & {*mine} == EDITIONS & {*theirs}


@cache
def accelerator_preset(name: str) -> str | None:
    """The preset that a row's accelerator means: one that it may mean, with most words in common, else one that has
    other names (`scenario/device_names.py`); None if none fits."""
    known = presets.names("accelerators")
    if name in known:
        return name
    mine = words(name)
    best: tuple[int, int, str] | None = None
    for preset in known:
        theirs = words(preset)
        if not _may_mean(mine, theirs):
            continue
        common = sum(any(one.startswith(word) or word.startswith(one) for one in mine) for word in theirs)
        score = (common, int("sxm" in preset.lower()) - len(theirs), preset)
        best = score if best is None or score > best else best
    return other_name_of(name, known) if best is None else best[2]
