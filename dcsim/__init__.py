"""dcsim: a discrete-event simulator of AI datacenters.

import dcsim

loaded = dcsim.load("scenario.toml", overrides=["pools.0.nodes=120"])
run = dcsim.run(loaded)
run.summary["wait_s_mean"]
dcsim.save(run, "results")

dcsim.sweep("experiment.toml").frame()
dcsim.estimate("llama-3-70b", "H100-SXM", tokens=15e12, deadline="60 d").accelerators
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dcsim.errors import DcsimError, EnvironmentFault, PolicyError, ScenarioError, TraceError
    from dcsim.performance.estimate import estimate
    from dcsim.performance.planner import plan
    from dcsim.results import read, save
    from dcsim.run import Run, run
    from dcsim.scenario.jobs import JobTable
    from dcsim.scenario.load import load
    from dcsim.scenario.loaded import Loaded
    from dcsim.scenario.spec import Scenario
    from dcsim.sweep.optimize import optimize
    from dcsim.sweep.run import sweep
    from dcsim.sweep.sensitivity import sensitivity

# Where each public name lives; imported when first used, so that `import dcsim` costs nothing.
_WHERE = {
    "DcsimError": "errors",
    "EnvironmentFault": "errors",
    "JobTable": "scenario.jobs",
    "Loaded": "scenario.loaded",
    "PolicyError": "errors",
    "Run": "run",
    "Scenario": "scenario.spec",
    "ScenarioError": "errors",
    "TraceError": "errors",
    "estimate": "performance.estimate",
    "load": "scenario.load",
    "optimize": "sweep.optimize",
    "plan": "performance.planner",
    "read": "results",
    "run": "run",
    "save": "results",
    "sensitivity": "sweep.sensitivity",
    "sweep": "sweep.run",
}

__all__ = [
    "DcsimError",
    "EnvironmentFault",
    "JobTable",
    "Loaded",
    "PolicyError",
    "Run",
    "Scenario",
    "ScenarioError",
    "TraceError",
    "estimate",
    "load",
    "optimize",
    "plan",
    "read",
    "run",
    "save",
    "sensitivity",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'dcsim' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"dcsim.{_WHERE[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


class _Face(ModuleType):
    """This module. Importing the file `run.py` would make its module the attribute `run`: public names go first."""

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _WHERE or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face
