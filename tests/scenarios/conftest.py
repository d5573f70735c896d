"""Runs of the scenarios, each made once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dcsim.run import Run, run
from tests.conftest import ROOT

SCENARIOS = sorted((ROOT / "scenarios").glob("*.toml"))

Ran = Callable[..., Run]


def header(path: Path) -> str:
    """The comment at the head of a scenario: its question, and the command that answers it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    length = next(n for n, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(line.removeprefix("#").strip() for line in lines[:length])


@pytest.fixture(scope="session")
def ran(request: pytest.FixtureRequest) -> Ran:
    """`ran("venus", "seed=2")`: the run of a scenario with these changes; those that need `--data` skip without it."""
    runs: dict[tuple[str, ...], Run] = {}

    def make(name: str, *overrides: str) -> Run:
        key = (name, *overrides)
        if key not in runs:
            path = ROOT / "scenarios" / f"{name}.toml"
            data = request.getfixturevalue("traces") if "--data" in header(path) else None
            runs[key] = run(path, data=data, overrides=overrides)
        return runs[key]

    return make
