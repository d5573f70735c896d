"""`dcsim check`: test a plug-in file against its contract."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", metavar="FILE", nargs="+", help="plug-in file, whose code is run")


def run(arguments: argparse.Namespace) -> int:
    """Check each file: 0 if all keep the contract, 1 if one breaks it."""
    from dcsim.contract import broken_rules, kind_of
    from dcsim.errors import Problem, ScenarioError
    from dcsim.plugins import load_file

    broken = False
    for name in arguments.file:
        path = Path(name)
        if not path.is_file():
            raise ScenarioError(Problem(name, "", "no such file"))
        problems = broken_rules(path)
        broken |= bool(problems)
        for problem in problems:
            sys.stderr.write(f"dcsim: error: {problem}\n")
        if not problems:
            print(f"{name}: keeps the contract of a {kind_of(load_file(path))}")
    return 1 if broken else 0
