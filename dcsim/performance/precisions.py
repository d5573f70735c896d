"""Number formats of linear layers: bytes an element, what stands in for which, what a device is said to have."""

from __future__ import annotations

from dcsim.scenario.spec import Accelerator

ELEMENT_B = {"fp32": 4.0, "tf32": 4.0, "fp16": 2.0, "bf16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5}
"""Bytes an element of linear layers' operands, by precision."""

WIDER = {
    "fp4": ("fp8", "bf16", "fp16"),
    "fp8": ("int8", "bf16", "fp16"),
    "int8": ("fp8", "bf16", "fp16"),
    "tf32": ("fp32",),
    "bf16": ("fp16", "tf32", "fp32"),
    "fp16": ("bf16", "tf32", "fp32"),
}
"""What stands in for a precision that a device has no peak for, in this order."""


def has_peak(accelerator: Accelerator, precision: str) -> bool:
    """Whether a device has a peak rate in a precision."""
    return precision in ELEMENT_B and getattr(accelerator, precision) is not None


def listed(accelerator: Accelerator) -> list[str]:
    """The precisions of a device as they are told to people.

    int8 is left out on GPUs: their peaks in it serve inference, while published runs in int8 are all of TPUs. Who asks
    for it gets it anywhere.
    """
    gpu = accelerator.device_class == "gpu"
    return [name for name in ELEMENT_B if has_peak(accelerator, name) and not (gpu and name == "int8")]


def advised(accelerator: Accelerator, precision: str) -> str | None:
    """What to write instead of a precision that a device lacks: the next wider format, else any; never int8, which
    needs methods of its own. None where it has no other."""
    other = [name for name in listed(accelerator) if name != "int8"]
    return next((name for name in (*WIDER.get(precision, ()), *other) if name in other), None)
