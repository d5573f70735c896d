"""`dcsim schema`: the JSON Schema of scenario or experiment files, or the reference as Markdown."""

from __future__ import annotations

import argparse
import json

from dcsim.cli.options import add_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--markdown", action="store_true", help="print the reference of all keys instead")
    parser.add_argument("--experiment", action="store_true", help="of experiment files, which `sweep` runs")
    add_plugins(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the schema, or the reference."""
    from dcsim.scenario.paths import existing_folder

    if arguments.experiment:
        from dcsim.sweep.schema import experiment_schema

        print(json.dumps(experiment_schema(), indent=2, ensure_ascii=False))
        return 0
    folders = tuple(existing_folder(p, "--plugins") for p in arguments.plugins)
    if arguments.markdown:
        from dcsim.scenario.document import reference

        print(reference(folders), end="")
    else:
        from dcsim.scenario.schema import scenario_schema

        print(json.dumps(scenario_schema(folders), indent=2, ensure_ascii=False))
    return 0
