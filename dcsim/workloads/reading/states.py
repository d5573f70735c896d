"""How traces say that a job ended, in dcsim's words."""

from __future__ import annotations

from typing import Final

SLURM: Final = {
    "COMPLETED": "completed",
    "CANCELLED": "cancelled",
    "FAILED": "failed",
    "TIMEOUT": "failed",
    "NODE_FAIL": "failed",
}
"""Helios and Acme: the two rare states count as failed, as in their papers."""

PHILLY: Final = {"Pass": "completed", "Killed": "cancelled", "Failed": "failed"}
"""Microsoft Philly."""

KUBERNETES: Final = {
    "Succeeded": "completed",
    "Running": "completed",
    "Failed": "failed",
    "Pending": "cancelled",
}
"""OpenB, phases at the end of the trace: pods that still ran complete, pods that never ran were withdrawn."""
