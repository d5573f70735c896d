"""Start-up: what the light commands must not import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.scenario.given import Room, room

HEAVY = {"numba", "scipy", "pandas", "networkx", "matplotlib", "plotly", "pyarrow", "rich", "simpy"}

PROBE = """\
import json, sys
from dcsim.__main__ import main
try:
    code = main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code or 0
sys.stderr.write(json.dumps([code, sorted({m.split(".")[0] for m in sys.modules})]))
"""


@pytest.fixture
def here(tmp_path: Path) -> Room:
    return room(tmp_path)


def imported(*words: str) -> set[str]:
    """The top-level modules that a command has imported when it ends well."""
    done = subprocess.run([sys.executable, "-c", PROBE, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    return set(modules)


def test_help_imports_argparse_and_nothing_heavy() -> None:
    modules = imported("--help")
    assert not modules & (HEAVY | {"numpy", "pydantic", "tomllib"})
    assert "argparse" in modules


def test_help_of_a_command_imports_nothing_heavy() -> None:
    for command in ("validate", "list", "schema"):
        assert not imported(command, "--help") & (HEAVY | {"numpy", "pydantic"}), command


def test_validate_imports_nothing_heavy(here: Room) -> None:
    assert not imported("validate", str(here.file), "--plugins", here.plugins[0]) & HEAVY


def test_list_and_schema_import_nothing_heavy() -> None:
    assert not imported("list") & HEAVY
    assert not imported("schema") & HEAVY


def test_the_scenario_package_alone_does_not_import_pydantic() -> None:
    probe = "import sys, dcsim.scenario; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False).returncode == 0


def test_public_names_stay_themselves_whatever_was_imported_before():
    probe = "import dcsim, dcsim.run, dcsim.results; dcsim.read; print(callable(dcsim.run), dcsim.run.__name__)"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "run"]
