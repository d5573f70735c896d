"""Facts of a scenario: specification, loading, presets, jobs.

loaded = load("scenario.toml", data="traces", overrides=["pools.0.nodes=10"])
scheduler = build("scheduler", loaded.scenario.scheduler, loaded)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dcsim.scenario.load import load
from dcsim.scenario.loaded import Loaded

if TYPE_CHECKING:
    from dcsim.scenario.plugin_tables import build
    from dcsim.scenario.spec import Scenario
    from dcsim.scenario.write import digest, from_toml, to_toml

__all__ = ["Loaded", "Scenario", "build", "digest", "from_toml", "load", "to_toml"]

# These import pydantic, which takes longer than all else that `trace` or `explain` need.
_LAZY = {"Scenario": "spec", "build": "plugin_tables", "digest": "write", "from_toml": "write", "to_toml": "write"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
