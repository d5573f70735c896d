"""A folder is a registry: `use = "srtf"` means `srtf.py` in the folder of its kind, with one public class.

Built-in plug-ins stand in the package; others load only from folders that the caller names (`--plugins DIR` or
the Python API), where `DIR/schedulers/mine.py` or `DIR/mine.py` both answer to `mine`. A scenario alone can
never make this module load a file: a name may hold letters, digits, `_` and `-`, never a path.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Annotated, Any

from dcsim.errors import DcsimError, PolicyError, Problem, ScenarioError, nearest

PACKAGE_DIR = Path(__file__).parent

FOLDERS = {
    "workload": "workloads",
    "speeds": "speeds",
    "scheduler": "policies/schedulers",
    "placement": "policies/placement",
    "topology": "topologies",
    "host": "topologies",
}


@dataclasses.dataclass(frozen=True)
class PathMarker:
    """Says that a text names a file, or a folder, inside the scenario's folder or the data folder."""

    folder: bool = False


DataPath = Annotated[str, PathMarker()]
"""Type of a plug-in's key that is the path of an input file."""

DataFolder = Annotated[str, PathMarker(folder=True)]
"""Type of a plug-in's key that is the path of a folder of input files."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_\-]*")
_HELPERS = ("_", "base")
_OUTSIDE = "dcsim_plugin_"  # modules of plug-ins from outside the package begin so


def names(kind: str, folders: tuple[Path, ...] = ()) -> list[str]:
    """Names of all plug-ins of a kind, built-in ones and those of `folders`, sorted."""
    found = {path.stem for folder in _places(kind, folders) for path in folder.glob("*.py") if _is_plugin(path)}
    return sorted(found)


def find(kind: str, name: str, folders: tuple[Path, ...] = (), where: tuple[str, str] = ("", "use")) -> type:
    """The one public class of plug-in `name`.

    `where` is (file, key) for the error text. Raises ScenarioError for an unknown name, PolicyError for a file
    without exactly one public class.
    """
    if _NAME.fullmatch(name):
        for place in _places(kind, folders):
            path = place / f"{name}.py"
            if _is_plugin(path) and path.is_file():
                return public_class(_load(kind, path), path)
    known = names(kind, folders)
    hint = nearest(name, known) or "known: " + ", ".join(known)
    raise ScenarioError(Problem(where[0], where[1], f"no {kind} of that name", got=f"'{name}'", fix=hint))


def load_file(path: Path) -> type:
    """The one public class of a plug-in file given by path (`python -m dcsim check mine.py`)."""
    return public_class(_load("check", path.resolve()), path)


def public_class(module: ModuleType, path: Path) -> type:
    """The one public dataclass defined in a plug-in module; PolicyError if there is none or several."""
    classes: list[type[Any]] = [
        value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and not name.startswith("_")
        and value.__module__ == module.__name__
        and dataclasses.is_dataclass(value)
    ]
    if len(classes) != 1:
        listed = ", ".join(c.__name__ for c in classes) or "none"
        raise PolicyError(
            Problem(str(path), "", "a plug-in file has one public dataclass", got=listed, expected="exactly one")
        )
    return classes[0]


@contextmanager
def faults_named(when: Callable[[], str]) -> Iterator[None]:
    """Turns what the code of a plug-in from outside raises into a PolicyError with its file, its line and `when`.

    Whatever dcsim's own code raises passes as it is.
    """
    try:
        yield
    except DcsimError:
        raise
    except Exception as error:
        frames = walk_tb(error.__traceback__)
        theirs = [(f, line) for f, line in frames if str(f.f_globals.get("__name__")).startswith(_OUTSIDE)]
        if not theirs:
            raise
        frame, line = theirs[-1]
        what = f"raises {type(error).__name__}: {' '.join(str(error).split())}"
        raise PolicyError(Problem(frame.f_code.co_filename, when(), what, line=line)) from error


def _places(kind: str, folders: tuple[Path, ...]) -> list[Path]:
    builtin = PACKAGE_DIR / FOLDERS[kind]
    outside = [place for f in folders for place in (f / Path(FOLDERS[kind]).name, f) if place.is_dir()]
    return [builtin, *outside]


def _is_plugin(path: Path) -> bool:
    return path.suffix == ".py" and not path.stem.startswith(_HELPERS)


def _load(kind: str, path: Path) -> ModuleType:
    if path.is_relative_to(PACKAGE_DIR):
        parts = path.relative_to(PACKAGE_DIR.parent).with_suffix("").parts
        return importlib.import_module(".".join(parts))
    spec = importlib.util.spec_from_file_location(f"{_OUTSIDE}{kind}_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise PolicyError(Problem(str(path), "", "cannot be loaded as Python"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise PolicyError(Problem(str(path), "", f"fails on import: {type(error).__name__}: {error}")) from error
    return module
