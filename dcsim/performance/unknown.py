"""What is taken for an accelerator whose preset does not say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from dcsim.scenario import presets
from dcsim.units import BANDWIDTH, COMPUTE, SIZE


@dataclass(frozen=True)
class Unknown:
    """Values of `presets/planning/unknown.toml`, which has sources and grades.

    `memory_b`: B. `memory_flop_per_byte`: half-precision peak over memory bandwidth. `link_b_per_s, nic_b_per_s`: one
    accelerator, one direction, B/s. `multiprocessor_flop_per_s`: fp32 rate of one multiprocessor.
    """

    memory_b: float
    memory_flop_per_byte: float
    link_b_per_s: float
    nic_b_per_s: float
    multiprocessor_flop_per_s: float


@cache
def unknown() -> Unknown:
    """The preset."""
    table = presets.table("planning", "unknown")
    return Unknown(
        memory_b=SIZE.parse(table["memory"]),
        memory_flop_per_byte=float(table["memory_flop_per_byte"]),
        link_b_per_s=BANDWIDTH.parse(table["link_bandwidth"]),
        nic_b_per_s=BANDWIDTH.parse(table["nic_bandwidth"]),
        multiprocessor_flop_per_s=COMPUTE.parse(table["multiprocessor_fp32"]),
    )
