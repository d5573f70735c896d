"""Paths of a scenario: inside its folder or the data folder, symbolic links resolved first, never outside."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

from dcsim.errors import Problem, ScenarioError

DATA_VARIABLE = "DCSIM_DATA"


class PathError(ValueError):
    """A path that cannot be used; `fix` says what to do."""

    def __init__(self, what: str, fix: str | None = None) -> None:
        super().__init__(what)
        self.fix = fix


def resolve(text: str, folder: Path, data: Path | None) -> Path:
    """The file or folder that a path names, seen from the scenario's folder, else from the data folder.

    Raises PathError where nothing is there, or where it lies outside both. `folder` and `data` are resolved.
    """
    roots = [folder] if data is None else [folder, data]
    paths = [_followed(text, root) for root in roots]
    inside = [any(path.is_relative_to(root) for root in roots) for path in paths]
    there = [path.exists() for path in paths]
    for path, is_inside, is_there in zip(paths, inside, there, strict=True):
        if is_inside and is_there:
            return path
    if any(there) or not any(inside):
        places = "the scenario's folder" + (" and the data folder" if data else "")
        raise PathError(f"leads outside {places}", "use --data DIR for a folder elsewhere")
    if (known := _noted(text, folder)) is not None:
        raise PathError("no such file", f"the run read it with --data {shlex.quote(known)}")
    looked = " and ".join(str(root) for root in roots)
    other = "another" if data else "a data folder"
    raise PathError("no such file", f"looked in {looked}; --data DIR names {other}")


def _noted(text: str, folder: Path) -> str | None:
    """Where a run found a file, as the meta.json beside its scenario.toml notes; None where it does not tell.

    Only to be said, never looked into: who sends a folder does not say what may be read outside it.
    """
    try:
        source = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["source"]
        roots = [source["scenario"] and os.path.dirname(source["scenario"]), source["data"]]
        return next((root for root in roots if root and (Path(root) / text).exists()), None)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def shown_file(text: str, path: Path, scenario: str) -> str:
    """The name for error texts of a file that a scenario names: beside the scenario, else its full path."""
    near = Path(scenario).parent / text
    return str(near) if near.exists() and near.resolve() == path else str(path)


def folder_of(scenario: Path) -> Path:
    """The folder that holds a scenario's file, symbolic links resolved first."""
    try:
        return scenario.resolve().parent
    except (OSError, ValueError, RuntimeError):
        return Path()  # reading the file says what is wrong with its name


def data_folder(given: str | Path | None) -> Path | None:
    """The data folder, resolved: the given one, else that of the variable DCSIM_DATA, else None."""
    text, name = (given, "--data") if given is not None else (os.environ.get(DATA_VARIABLE) or None, DATA_VARIABLE)
    return None if text is None else existing_folder(text, name)


def existing_folder(text: str | Path, name: str) -> Path:
    """A folder named outside the scenario, resolved; ScenarioError, saying `name`, if there is none."""
    folder = Path(text)
    if not folder.is_dir():
        raise ScenarioError(Problem(name, "", "no such folder", got=f"'{text}'"))
    return folder.resolve()


def _followed(text: str, root: Path) -> Path:
    """A path with all symbolic links resolved."""
    try:
        path = (root / text).resolve()
        path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL, a circle of links
        raise PathError(f"is not a usable path ({error})") from None
    return path
