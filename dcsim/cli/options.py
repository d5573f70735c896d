"""Arguments that commands on scenarios share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcsim.cli.progress import SweepReporter
    from dcsim.scenario import Loaded
    from dcsim.sweep.maker import Making
    from dcsim.sweep.prepared import Basis


def add_scenario(parser: argparse.ArgumentParser) -> None:
    """Declare SCENARIO, --data, --set and --plugins."""
    parser.add_argument("scenario", metavar="SCENARIO", help="scenario file (TOML)")
    add_changes(parser)


def add_changes(parser: argparse.ArgumentParser) -> None:
    """Declare --data, --set and --plugins."""
    parser.add_argument("--data", metavar="DIR", help="folder in which paths are looked up next (default: $DCSIM_DATA)")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        dest="overrides",
        action="append",
        default=[],
        help="change one key, such as pools.0.nodes=10; may be given again",
    )
    add_plugins(parser)


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """Declare --plugins."""
    parser.add_argument(
        "--plugins",
        metavar="DIR",
        action="append",
        default=[],
        help="folder with plug-ins of your own, whose code is run; may be given again",
    )


def add_making(parser: argparse.ArgumentParser) -> None:
    """Declare EXPERIMENT, what changes its base, and how its runs are made."""
    parser.add_argument("experiment", metavar="EXPERIMENT", help="experiment file (TOML)")
    add_changes(parser)
    parser.add_argument("--out", metavar="DIR", default="results", help="folder for results (default: results)")
    parser.add_argument("--workers", metavar="N", type=int, help="worker processes (default: one a core; 0: none)")
    parser.add_argument("--dask", metavar="ADDRESS", help="run on the workers of a Dask scheduler")
    parser.add_argument(
        "--keep-runs", action="store_true", help="leave the whole folder of each run, not its summary only"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="print nothing but errors")


def refuse_workers(arguments: argparse.Namespace) -> None:
    """ScenarioError where the arguments of `add_making` contradict each other."""
    from dcsim.errors import Problem, ScenarioError

    if arguments.dask and arguments.workers is not None:
        raise ScenarioError(Problem("--dask", "", "does not go with --workers"))
    if arguments.workers is not None and not 0 <= arguments.workers <= 4096:
        raise ScenarioError(Problem("--workers", "", "out of range", str(arguments.workers), "0 to 4096"))


def read_experiment(arguments: argparse.Namespace) -> Basis:
    """The experiment that the arguments of `add_making` name."""
    from dcsim.sweep.prepared import read_basis

    refuse_workers(arguments)
    return read_basis(
        arguments.experiment, data=arguments.data, overrides=arguments.overrides, plugins=arguments.plugins
    )


def making(arguments: argparse.Namespace, reporter: SweepReporter) -> Making:
    """How the arguments of `add_making` have runs made."""
    from dcsim.sweep.maker import Making

    workers, dask, keep = arguments.workers, arguments.dask, arguments.keep_runs
    return Making(
        workers=workers, dask=dask, keep_runs=keep, progress=reporter, checked=reporter.checked, told=reporter.note
    )


def load_scenario(arguments: argparse.Namespace) -> Loaded:
    """The scenario that the arguments of `add_scenario` name."""
    from dcsim.scenario import load
    from dcsim.training.checks import look

    own = {"data": arguments.data, "overrides": arguments.overrides, "plugins": arguments.plugins}
    return load(arguments.scenario, **own, look=look)
