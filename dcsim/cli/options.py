"""Arguments that commands on scenarios share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcsim.scenario import Loaded


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


def load_scenario(arguments: argparse.Namespace) -> Loaded:
    """The scenario that the arguments of `add_scenario` name."""
    from dcsim.scenario import load

    return load(arguments.scenario, data=arguments.data, overrides=arguments.overrides, plugins=arguments.plugins)
