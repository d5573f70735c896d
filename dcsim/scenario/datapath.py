"""A type that marks a key of a plug-in as the path of an input file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class PathMarker:
    """Says that a text names a file (or folder) inside the scenario's folder or the data folder."""


DataPath = Annotated[str, PathMarker()]
