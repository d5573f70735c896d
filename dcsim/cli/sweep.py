"""`dcsim sweep`: run an experiment, many scenarios, into one table."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from dcsim.cli.options import add_making, making, read_experiment
from dcsim.cli.progress import SweepReporter

if TYPE_CHECKING:
    from dcsim.sweep.until import Until


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_making(parser)
    parser.add_argument("--shard", metavar="I/N", help="make every N-th run only, beginning with the I-th")
    parser.add_argument("--merge", action="store_true", help="make the table of what shards have run")
    parser.add_argument(
        "--until-ci", metavar="SHARE", help="add seeds until the mean's 95 %% interval is so narrow: 2%%"
    )
    parser.add_argument("--ci-of", metavar="OUTPUT", help="of which output (default: the first of the experiment)")
    parser.add_argument("--json", action="store_true", help="print what was done as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Check all points, run what is missing, write the table; 1 if a run failed or is missing."""
    from dcsim.sweep.run import Options, refuse_shard, run_prepared

    shard = None if arguments.shard is None else refuse_shard(arguments.shard)
    _refuse_contradictions(arguments)
    basis = read_experiment(arguments)
    until = _until(arguments, basis.experiment.outputs.summary[0])
    with SweepReporter(arguments) as reporter:
        prepared = basis.all_points(reporter.read)
        common = vars(making(arguments, reporter))
        options = Options(**common, shard=shard, merge=arguments.merge, until=until)
        table = run_prepared(prepared, Path(arguments.out), options)
    folder = Path(arguments.out) / table.name
    counts = {status: sum(row["status"] == status for row in table) for status in ("done", "failed", "missing")}
    if arguments.json:
        print(json.dumps({"folder": str(folder), "runs": len(table), **counts}))
    elif not arguments.quiet:
        from dcsim.cli.sweep_answer import answer

        print(answer(table, folder, shard, arguments.experiment))
    return 0 if shard is not None or counts["done"] == len(table) else 1


def _until(arguments: argparse.Namespace, usual: str) -> Until | None:
    from dcsim.errors import Problem, ScenarioError
    from dcsim.metrics.summary import NAMES
    from dcsim.scenario.mistakes import hint
    from dcsim.sweep.until import Until

    output = arguments.ci_of or usual
    if output not in NAMES:
        raise ScenarioError(Problem("--ci-of", "", "no such key of the summary", output, fix=hint(output, NAMES)))
    return None if arguments.until_ci is None else Until.of(arguments.until_ci, output)


def _refuse_contradictions(arguments: argparse.Namespace) -> None:
    from dcsim.errors import Problem, ScenarioError

    pairs = [("merge", "shard"), ("merge", "dask"), ("merge", "until_ci"), ("shard", "until_ci")]
    for one, other in pairs:
        if getattr(arguments, one) and getattr(arguments, other) is not None:
            raise ScenarioError(Problem(f"--{one}", "", f"does not go with --{other.replace('_', '-')}"))
    if arguments.ci_of is not None and arguments.until_ci is None:
        raise ScenarioError(Problem("--ci-of", "", "has no effect without --until-ci", fix="say how narrow: 2%"))
