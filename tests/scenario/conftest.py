"""Fixtures of scenario tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenario.given import Room, room


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    """A good scenario in a folder of its own; no data folder is set."""
    monkeypatch.delenv("DCSIM_DATA", raising=False)
    return room(tmp_path)
