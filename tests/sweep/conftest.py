"""What tests of sweeps share."""

from __future__ import annotations

import pytest

import dcsim
from tests.sweep.given import contents, experiment


@pytest.fixture(scope="session")
def alone(tmp_path_factory) -> list[bytes]:
    """The tables of an uninterrupted sweep in this process."""
    folder = tmp_path_factory.mktemp("alone")
    dcsim.sweep(experiment(folder), folder / "out", workers=0)
    return contents(folder / "out")
