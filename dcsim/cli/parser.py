"""The command table: light enough that `--help` imports nothing but argparse."""

from __future__ import annotations

import argparse
import importlib
from typing import NoReturn, Protocol


class Command(Protocol):
    """A command's module."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; the exit code."""
        ...


COMMANDS = {
    "run": "simulate a scenario and write its results",
    "sweep": "run an experiment: many scenarios, one table",
    "compare": "variants of a sweep against one another, with confidence intervals",
    "sweep-report": "make the HTML page of a finished sweep: lines, bars, heat maps, what is best, all means",
    "optimize": "search an experiment for the best point, or the front of several objectives",
    "sensitivity": "which swept keys the outputs of an experiment depend on",
    "validate": "check a scenario without running it",
    "list": "presets and plug-ins, with sources and grades",
    "trace": "describe a job trace, or fit a synthetic workload to it",
    "report": "make the HTML report or paper figures of a finished run",
    "explain": "why a job waited and where its time went",
    "plan": "the best parallel plans for training a model on a number of accelerators",
    "estimate": "what training a model takes: accelerators, days, memory, storage, energy, dollars",
    "collective": "how long a collective takes by size, and by which algorithm",
    "calibrate": "fit the constants of the step-time model to measured training runs",
    "check": "test a plug-in file against its contract",
    "schema": "print the JSON Schema of scenario files, for editors",
}


def load_command(name: str) -> Command:
    """The module of one command."""
    module: Command = importlib.import_module(f"dcsim.cli.{name.replace('-', '_')}")
    return module


def build_parser(argv: list[str]) -> argparse.ArgumentParser:
    """The parser for these words; only the modules of commands among them are imported."""
    parser = _Parser(prog="dcsim", description="A discrete-event simulator of AI datacenters.")
    parser.add_argument("--version", action=_Version)
    parser.add_argument("--debug", action="store_true", help="show tracebacks instead of error lines")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name in argv:
            load_command(name).add_arguments(command)
    return parser


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the command line as all mistakes are said."""

    def error(self, message: str) -> NoReturn:
        """One line and exit code 2."""
        what = " ".join(message.removeprefix("argument ").split())
        self.exit(2, f"dcsim: error: command line: {what}; see {self.prog} --help\n")


class _Version(argparse.Action):
    """Print the version."""

    def __init__(self, option_strings: list[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and stop")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from dcsim import __version__

        parser.exit(message=f"dcsim {__version__}\n")
