"""A small scenario, and experiments over it."""

from __future__ import annotations

import csv
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from dcsim.sweep.table import Table
from tests.conftest import ROOT

BASE = """\
name = "queue"

[[pools]]
name = "a"
accelerator = "T4"
nodes = 2
accelerators_per_node = 4

[workload]
use = "synthetic"
jobs = 60
offered_load = 0.9
accelerators = { 1 = 0.5, 4 = 0.5 }
service = { law = "exponential", mean = "10 min" }
"""


def compared_table(rows: list[tuple[Any, ...]], axes: Any = ("policy",), outputs: Any = ("wait_s_mean",)) -> Table:
    """A table of these rows: axes, seed, outputs."""
    names = (*axes, "seed", *outputs)
    return Table("t", axes, outputs, names, tuple(dict(zip(names, row, strict=True)) for row in rows))


def command(*words: object, cwd: Path | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    text = [str(word) for word in words]
    return subprocess.run(
        [sys.executable, "-m", "dcsim", *text], cwd=cwd, env=environment, capture_output=True, text=True, **options
    )


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "table.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


EXPERIMENT = """\
name = "sizes"
base = "queue.toml"

[sweep]
"pools.0.nodes" = [2, 3]
"scheduler.use" = ["fifo", "srtf"]
seeds = 3
"""


def experiment(folder: Path, text: str = EXPERIMENT, base: str = BASE) -> Path:
    """An experiment file beside its base."""
    (folder / "queue.toml").write_text(base, encoding="utf-8")
    path = folder / "experiment.toml"
    path.write_text(text, encoding="utf-8")
    return path


def contents(out: Path) -> list[bytes]:
    """Both tables of EXPERIMENT."""
    return [(out / "sizes" / name).read_bytes() for name in ("table.csv", "table.parquet")]


def kept(store: Path) -> int:
    """Number of runs in a store that may not be there yet."""
    try:
        with sqlite3.connect(store) as base:
            return int(base.execute("SELECT count(*) FROM runs").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def acting(folder: Path, deed: str, values: str, seeds: int = 1) -> list[object]:
    """Words of a sweep over `scheduler.act`, whose scheduler does the deed, a line of Python, where it is true."""
    schedulers = folder / "plugins" / "schedulers"
    schedulers.mkdir(parents=True)
    (schedulers / "actor.py").write_text(
        "import os\nimport signal\nfrom dataclasses import dataclass\n\n"
        "from dcsim.policies.ordered import OrderedScheduler\n\n\n"
        '@dataclass(frozen=True)\nclass Actor(OrderedScheduler):\n    """Acts where it is told to."""\n\n'
        '    act: bool = False\n    """Whether to act."""\n\n'
        f'    def key(self, job):\n        """Act."""\n        if self.act:\n            {deed}\n'
        "        return (job.submit_s,)\n"
    )
    text = f'name = "sizes"\nbase = "queue.toml"\n[sweep]\n"scheduler.act" = {values}\nseeds = {seeds}\n'
    path = experiment(folder, text, BASE + '[scheduler]\nuse = "actor"\n')
    return ["sweep", path, "--out", folder / "out", "--plugins", folder / "plugins"]
