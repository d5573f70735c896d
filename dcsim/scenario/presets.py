"""Presets: facts about hardware and models, as TOML files in `dcsim/presets/`, each value with source and grade."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from dcsim.errors import Problem, ScenarioError
from dcsim.scenario.device_names import other_name_of, plain
from dcsim.scenario.explain import note_all
from dcsim.scenario.facts import Facts, Provenance
from dcsim.scenario.mistakes import MOST_SHOWN, Mistakes
from dcsim.scenario.model import Network, Transformer
from dcsim.scenario.operation import OPERATIONS
from dcsim.scenario.positions import KeyPath
from dcsim.scenario.scaling_law import ScalingLaw
from dcsim.scenario.source import Document, read
from dcsim.scenario.spec import Accelerator
from dcsim.scenario.values import frozen

PRESETS = Path(__file__).parent.parent / "presets"

F = TypeVar("F", bound=Facts)


def names(kind: str) -> list[str]:
    """The names of all presets of a kind (`accelerators`, `models`, `workloads`), sorted."""
    return sorted(path.stem for path in (PRESETS / kind).glob("*.toml"))


def digest(kind: str) -> str:
    """SHA-256 of all preset files of a kind, names included, in hexadecimal."""
    found = hashlib.sha256()
    for path in sorted((PRESETS / kind).glob("*.toml")):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def nearest_names(kind: str, name: str) -> str:
    """A hint at the accelerator that goes by that name too; else at the three presets whose names, or their beginnings,
    are nearest, of those alike the shorter."""
    meant = other_name_of(name, names(kind)) if kind == "accelerators" else None
    if meant is not None:
        return f"did you mean '{meant}'?"
    words = [w for w in map(plain, (name[:MOST_SHOWN], *name[:MOST_SHOWN].split())) if w]

    def likeness(known: str) -> float:
        """How like a name is: the best match of any of the words with it or its beginning."""
        whole = plain(known)
        pairs = [(word, text) for word in words for text in (whole, whole[: len(word)])]
        return max((SequenceMatcher(None, *pair).ratio() for pair in pairs), default=0.0)

    near = sorted(names(kind), key=lambda known: (-likeness(known), len(known), known))[:3]
    return "nearest: " + ", ".join(f"'{n}'" for n in near)


def table(kind: str, name: str) -> dict[str, Any]:
    """The TOML table of a preset that exists."""
    path = PRESETS / kind / f"{name}.toml"
    return read(path, str(path)).tree


@cache
def accelerator(name: str) -> Accelerator:
    """The accelerator preset of that name in upper or lower case; ScenarioError, with the three nearest names, if
    there is none."""
    return accelerator_of(_document("accelerators", name, "accelerator"))


@cache
def model(name: str) -> Transformer | Network:
    """The model preset of that name in upper or lower case; ScenarioError, with the nearest names, if there is none."""
    return model_of(_document("models", name, "model"))


@cache
def scaling_law(name: str) -> ScalingLaw:
    """The scaling law of that name in upper or lower case; ScenarioError, with the nearest names, if there is none."""
    return scaling_law_of(_document("scaling_laws", name, "scaling-law"))


def accelerator_of(document: Document) -> Accelerator:
    """The accelerator that a TOML file describes; ScenarioError with all mistakes in the file."""
    return _facts(document, Accelerator, accelerator_keys)


def model_of(document: Document) -> Transformer | Network:
    """The model that a TOML file describes; ScenarioError with all mistakes in the file."""
    network = document.tree.get("kind") == "network"
    return _facts(document, Network, network_keys) if network else _facts(document, Transformer, transformer_keys)


def scaling_law_of(document: Document) -> ScalingLaw:
    """The scaling law that a TOML file describes; ScenarioError with all mistakes in the file."""
    return _facts(document, ScalingLaw, lambda path: _keys(path, ScalingLaw))


def accelerator_keys(path: KeyPath) -> list[str]:
    """The keys of an accelerator's table, or of the table at a path in it."""
    return _keys(path, Accelerator)


def transformer_keys(path: KeyPath) -> list[str]:
    """The keys of a transformer's table, or of the table at a path in it."""
    return _keys(path, Transformer)


def network_keys(path: KeyPath) -> list[str]:
    """The keys of a network's table, or of the table at a path in it; those of any operation for an operation's."""
    if path[:1] == ("operations",):
        return sorted({key for kind in OPERATIONS.values() for key in kind.model_fields})
    return _keys(path, Network)


def _keys(path: KeyPath, kind: type[Facts]) -> list[str]:
    return list((Provenance if path[:1] == ("provenance",) else kind).model_fields)


def _document(kind: str, name: str, what: str) -> Document:
    own = {known.lower(): known for known in names(kind)}.get(name.lower())
    if own is None:
        fix = nearest_names(kind, name)
        raise ScenarioError(Problem(name, "", f"no {what} preset of that name", fix=fix))
    path = PRESETS / kind / f"{own}.toml"
    return read(path, str(path))


def _facts(document: Document, kind: type[F], known: Callable[[KeyPath], list[str]]) -> F:
    mistakes = Mistakes(document.where)
    tree = frozen(document.tree, mistakes)
    try:
        facts = kind.model_validate(tree)
    except ValidationError as error:
        note_all(error, tree, (), known, mistakes)
    mistakes.stop_if_any()
    return facts
