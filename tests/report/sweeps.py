"""Tables of sweeps of every kind, small, for the tests of their page."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from dcsim.sweep.columns import plain_value
from dcsim.sweep.table import Table

EVIL = "<img src=x onerror=alert(1)></script>"
OUTPUTS = ("wait_s_mean", "utilization_allocated")


def swept(axes: dict[str, Any], seeds: int = 3, fails: Any = lambda _: False, points: Any = None) -> Table:
    """A grid of these values, or these points; outputs that depend on all of them and on the seed."""
    settings = list(itertools.product(*axes.values())) if points is None else points
    rows = []
    for number, setting in enumerate(settings):
        for seed in range(seeds):
            row = dict(zip(axes, map(plain_value, setting), strict=True)) | {"seed": seed}
            if fails(row):
                rows.append(row | dict.fromkeys(("accelerators", *OUTPUTS)) | _ended("failed", f"{EVIL} at {number} s"))
                continue
            wait = 60.0 * (1 + number) * (1 + 0.1 * np.random.default_rng([number, seed]).random())
            measured = {"accelerators": 8 * (1 + number % 3), "wait_s_mean": wait, "utilization_allocated": 1 / wait}
            rows.append(row | measured | _ended("done", None))
    columns = (*axes, "seed", "accelerators", *OUTPUTS, "status", "error")
    return Table("a <b>sweep</b>", tuple(axes), OUTPUTS, columns, tuple(rows))


def _ended(status: str, error: str | None) -> dict[str, Any]:
    return {"status": status, "error": error}


def drawn(count: int = 64, seeds: int = 1) -> Table:
    """Points drawn from ranges of two numbers, each with two schedulers."""
    random = np.random.default_rng(1).random((count, 2)).round(6).tolist()
    points = [(use, 1 + 100 * a, f"{1 + 9 * b:.4f} min") for use in ("fifo", "easy") for a, b in random]
    axes = dict.fromkeys(("scheduler.use", "pools.0.nodes", "workload.service.mean"))
    return swept(axes, seeds, points=points)


NODES, MEANS = (4, 8, 16), ("30 s", "1 min", "2 min")
FIVE = {
    "scheduler.use": ("fifo", "easy"),
    "workload.jobs": (60, 80),
    "placement.use": ("pack", "spread"),
    "network.topology.uplink_bandwidth": ("400 GB/s", "1600 GB/s"),
    "pools.0.nodes": (2, 3, 4),
}
SWEEPS = {
    "numbers and names": lambda: swept({"pools.0.nodes": NODES, "scheduler.use": ("fifo", "easy")}),
    "one key of numbers": lambda: swept({"workload.service.mean": MEANS}),
    "two keys of numbers": lambda: swept({"pools.0.nodes": NODES, "workload.service.mean": MEANS}),
    "names": lambda: swept({"scheduler.use": ("fifo", "easy", "srtf")}),
    "a name of nine": lambda: swept({"scheduler.use": tuple("abcdefghi"), "pools.0.nodes": NODES}),
    "four keys": lambda: swept({"a": NODES, "b": NODES, "c": ("x", "y"), "d": tuple("klmnop")}, seeds=1),
    "drawn points": drawn,
    "five keys": lambda: swept(FIVE),
    "markup": lambda: swept({"scheduler": ({"use": EVIL}, {"use": "%{x} $a$ &amp;", "depth": 8}), EVIL: NODES}),
    "failures": lambda: swept({"scheduler.use": ("fifo", "bad")}, fails=lambda row: row["scheduler.use"] == "bad"),
    "nothing ended": lambda: swept({"pools.0.nodes": NODES, "b": (1, 2)}, fails=lambda _: True),
    "seeds alone": lambda: swept({}, seeds=8),
    "one run": lambda: swept({"pools.0.nodes": (4,)}, seeds=1),
}
