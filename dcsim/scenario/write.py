"""A scenario written back: complete, with units, and read again as the very same facts."""

from __future__ import annotations

import hashlib
import tomllib

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.mistakes import Mistakes
from dcsim.scenario.spec import Scenario
from dcsim.scenario.toml_text import toml
from dcsim.scenario.values import frozen, plain
from dcsim.units import TomlFloat


def to_toml(scenario: Scenario) -> str:
    """The scenario as TOML with all defaults and presets written out; loading it gives an equal scenario."""
    return toml(plain(scenario.model_dump()))


def from_toml(text: str) -> Scenario:
    """The scenario that `to_toml` wrote, without a look at paths and plug-ins; ScenarioError if it is none."""
    mistakes = Mistakes(lambda _: ("scenario.toml", None))
    try:
        tree = frozen(tomllib.loads(text, parse_float=TomlFloat), mistakes)
        scenario = Scenario.model_validate(tree)
    except ValueError as error:  # what tomllib and pydantic raise, too
        what = f"is no scenario that dcsim wrote: {str(error).splitlines()[0]}"
        raise ScenarioError(Problem("scenario.toml", "", what)) from None
    mistakes.stop_if_any()
    return scenario


def digest(scenario: Scenario) -> str:
    """SHA-256, in hex, of the scenario's resolved text: the same facts in the same order, the same digest."""
    return hashlib.sha256(to_toml(scenario).encode()).hexdigest()
