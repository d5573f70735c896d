"""Scenarios that many tests begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from dcsim.__main__ import main

GOOD = """\
name = "small"
seed = 1
horizon = "30 d"

[[pools]]
name = "a"
accelerator = "V100-SXM2-32GB"
nodes = 4
accelerators_per_node = 8

[workload]
use = "mine"

[scheduler]
use = "fifo"

[placement]
use = "pack"
"""

MINE = '''\
"""A workload for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from dcsim.scenario.datapath import DataPath
from dcsim.units import Bytes, Seconds


@dataclass(frozen=True)
class _Law:
    """How long jobs run."""

    law: Literal["exponential", "deterministic"]
    """Its name."""
    mean: Seconds
    """Its mean."""
    scv: float = 1.0


@dataclass(frozen=True)
class Mine:
    """Jobs of nobody.

    More about them.
    """

    jobs: Annotated[int, Field(ge=1)] = 10
    """How many."""
    gap: Seconds | None = None
    thresholds: tuple[Seconds, ...] = (60.0, 3600.0)
    weights: list[float] = field(default_factory=lambda: [1])
    pair: tuple[float, Bytes] | None = None
    service: dict[str, _Law] = field(default_factory=dict)
    law: _Law | None = None
    mode: Literal["fast", "slow"] = "fast"
    path: DataPath | None = None
    paths: tuple[DataPath, ...] = ()

    def __post_init__(self):
        if sum(self.weights) > 100:
            raise ValueError("weights: must add up to at most 100")
        if self.jobs == 13:
            raise ValueError("not thirteen")
        if self.jobs == 14:
            raise TypeError("a fault")
'''


@dataclass(frozen=True)
class Room:
    """A folder with a good scenario and a plug-in folder beside it."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "s.toml"

    @property
    def plugins(self) -> list[str]:
        return [str(self.folder / "plugins")]

    def write(self, text: str | bytes, name: str = "s.toml") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path


def room(folder: Path) -> Room:
    """A fresh room in an empty folder."""
    here = Room(folder)
    here.write(GOOD)
    here.write(MINE, "plugins/workloads/mine.py")
    return here


@dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return self.err.splitlines()


def say(capsys: pytest.CaptureFixture[str], *words: str | Path) -> Said:
    """Run a command in this process."""
    capsys.readouterr()
    code = main([str(w) for w in words])
    out, err = capsys.readouterr()
    return Said(code, out, err)


def validate(capsys: pytest.CaptureFixture[str], here: Room, text: str | bytes, *more: str) -> Said:
    """`dcsim validate` on a text."""
    return say(capsys, "validate", here.write(text), "--plugins", here.plugins[0], *more)


def refused(said: Said) -> Sequence[str]:
    """The error lines of a command that refused its input as it should: code 2, nothing else said."""
    assert said.code == 2
    assert said.out == ""
    assert "Traceback" not in said.err
    assert said.errors
    assert all(line.startswith("dcsim: error: ") for line in said.errors)
    return said.errors
