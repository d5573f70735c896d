"""Fixtures for loaders of traces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dcsim.errors import Problem, ScenarioError
from dcsim.plugins import find
from dcsim.scenario.jobs import JobTable
from dcsim.workloads.base import WorkloadContext

Load = Callable[..., JobTable]


def loader(folder: Path) -> Load:
    """`load(format, path, **keys)`: the jobs of a file of the folder, as a scenario would get them."""

    def resolve(text: str) -> Path:
        path = folder / text
        if not path.exists():
            raise ScenarioError(Problem("scenario.toml", "", "no such file", got=text))
        return path

    context = WorkloadContext(resolve, lambda name: np.random.default_rng(0), 768, "scenario.toml")

    def load(name: str, path: str, **keys: Any) -> JobTable:
        workload = find("workload", name)(path=path, **keys)
        jobs: JobTable = workload.load(context)
        return jobs

    return load


@pytest.fixture
def load_from() -> Callable[[Path], Load]:
    """Jobs of files in a folder that the test names."""
    return loader


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Jobs of files in the test's own folder."""
    return loader(tmp_path)


@pytest.fixture
def hand_made() -> Load:
    """Jobs of the small hand-made files."""
    return loader(Path(__file__).parent / "fixtures")


@pytest.fixture
def real(traces: Path) -> Load:
    """Jobs of the real traces; skips where they are not at hand."""
    return loader(traces)
