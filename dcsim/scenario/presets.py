"""Presets: facts about hardware, as TOML files in `dcsim/presets/`, each value with its source and grade."""

from __future__ import annotations

from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.explain import note_all
from dcsim.scenario.mistakes import MOST_SHOWN, Mistakes
from dcsim.scenario.source import Document, read
from dcsim.scenario.spec import Accelerator, Provenance
from dcsim.scenario.values import frozen

PRESETS = Path(__file__).parent.parent / "presets"


def names(kind: str) -> list[str]:
    """The names of all presets of a kind (`accelerators`, `workloads`), sorted."""
    return sorted(path.stem for path in (PRESETS / kind).glob("*.toml"))


def nearest_names(kind: str, name: str) -> str:
    """A hint that lists the three presets whose names, or their beginnings, are nearest."""
    words = [w for w in (name[:MOST_SHOWN].lower(), *name[:MOST_SHOWN].lower().split()) if w]

    def likeness(known: str) -> float:
        whole = known.lower()
        pairs = [(word, text) for word in words for text in (whole, whole[: len(word)])]
        return max((SequenceMatcher(None, *pair).ratio() for pair in pairs), default=0.0)

    near = sorted(names(kind), key=lambda known: (-likeness(known), known))[:3]
    return "nearest: " + ", ".join(f"'{n}'" for n in near)


def table(kind: str, name: str) -> dict[str, Any]:
    """The TOML table of a preset that exists."""
    path = PRESETS / kind / f"{name}.toml"
    return read(path, str(path)).tree


@cache
def accelerator(name: str) -> Accelerator:
    """The accelerator preset of that name; ScenarioError, with the three nearest names, if there is none."""
    if name not in names("accelerators"):
        fix = nearest_names("accelerators", name)
        raise ScenarioError(Problem(name, "", "no accelerator preset of that name", fix=fix))
    path = PRESETS / "accelerators" / f"{name}.toml"
    return accelerator_of(read(path, str(path)))


def accelerator_of(document: Document) -> Accelerator:
    """The accelerator that a TOML file describes; ScenarioError with all mistakes in the file."""
    mistakes = Mistakes(document.where)
    tree = frozen(document.tree, mistakes)
    try:
        device = Accelerator.model_validate(tree)
    except ValidationError as error:
        note_all(error, tree, (), accelerator_keys, mistakes)
    mistakes.stop_if_any()
    return device


def accelerator_keys(path: tuple[str | int, ...]) -> list[str]:
    """The keys of an accelerator's table, or of the table at a path in it."""
    model = Provenance if path[:1] == ("provenance",) else Accelerator
    return list(model.model_fields)
