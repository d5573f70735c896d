"""Workload presets: TOML tables of `synthetic`'s keys, each key with its source and grade under
[provenance]."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from dcsim.errors import nearest
from dcsim.units import TomlFloat

FOLDER = Path(__file__).parent.parent / "presets" / "workloads"
ABOUT = ("name", "notes", "provenance")
"""Keys of a preset that describe it."""


def names() -> list[str]:
    """Names of all workload presets, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def table_of(name: str) -> dict[str, Any]:
    """The workload's keys as the preset has them, text with units.

    Raises ValueError, with the key `preset`, for a name that is not in the folder.
    """
    known = names()
    if name not in known:
        hint = nearest(name, known) or "known: " + ", ".join(known)
        raise ValueError(f"preset: no workload preset '{name}'; {hint}")
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    return {k: v for k, v in tomllib.loads(text, parse_float=TomlFloat).items() if k not in ABOUT}


def typed(table: dict[str, Any], workload: type) -> dict[str, Any]:
    """A TOML table as values of the fields of `workload`, in base units."""
    types = get_type_hints(workload, include_extras=True)
    return {k: TypeAdapter(types[k]).validate_python(v) for k, v in table.items()}


@cache
def read(name: str, workload: type) -> dict[str, Any]:
    """The preset's keys as values of the fields of `workload`."""
    return typed(table_of(name), workload)
