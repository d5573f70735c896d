"""`dcsim trace`: describe a job trace on one screen, or fit a `[workload]` table that imitates it."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dcsim.cli.options import add_plugins
from dcsim.cli.tables import aligned
from dcsim.units import human_count, human_time

if TYPE_CHECKING:
    from pathlib import Path

    from dcsim.scenario.jobs import JobTable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", metavar="FILE", help="trace file, gzip or plain")
    parser.add_argument(
        "--format",
        required=True,
        metavar="NAME",
        help="how it is written: helios, philly, pai, swf, csv, ...",
    )
    parser.add_argument(
        "--accelerators", type=_positive, metavar="N", help="relate the load to a cluster of N accelerators"
    )
    parser.add_argument(
        "--start", metavar="TIME", help="calendar time of the trace's second 0, such as 2020-03-18T04:01:39"
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        dest="keys",
        action="append",
        default=[],
        help="another key of the format's [workload] table, such as limit=1000; may be given again",
    )
    parser.add_argument("--fit", action="store_true", help="print a [workload] table that imitates the trace")
    parser.add_argument(
        "--pools", action="store_true", help="FILE is a node list of the format: print its [[pools]] tables"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_plugins(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the description, or the tables."""
    if arguments.pools:
        _print_pools(arguments)
        return 0
    jobs = _load(arguments)
    start = _start(arguments.start, jobs)
    if arguments.fit:
        _print_fit(jobs, start, arguments.json)
        return 0
    from dcsim.workloads._describe import describe

    figures = describe(jobs, start, arguments.accelerators)
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(_screen(figures, f"{arguments.file} ({arguments.format})", start)))
    return 0


def _print_pools(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from dcsim import plugins
    from dcsim.errors import Problem, ScenarioError
    from dcsim.report.markup import counted
    from dcsim.scenario.toml_text import inline
    from dcsim.workloads.reading.stream import Source

    loader: Any = _format(arguments)
    if not hasattr(loader, "pools"):
        known = [name for name in plugins.names("workload") if hasattr(plugins.find("workload", name), "pools")]
        what, got = "is no format with node lists", f"'{arguments.format}'"
        raise ScenarioError(Problem("command line", "--format", what, got, ", ".join(known)))
    pools, without = loader.pools(Source(Path(arguments.file), arguments.file))
    if arguments.json:
        print(json.dumps(pools, indent=2))
        return
    if without:
        print(f"# left out: {counted(without, 'node')} without accelerators\n")
    for pool in pools:
        print("\n".join(["[[pools]]", *(f"{key} = {inline(value)}" for key, value in pool.items()), ""]))


def _format(arguments: argparse.Namespace) -> type[Any]:
    """The loader that the arguments name."""
    from dcsim import plugins
    from dcsim.scenario.paths import existing_folder

    folders = tuple(existing_folder(p, "--plugins") for p in arguments.plugins)
    return plugins.find("workload", arguments.format, folders, ("command line", "--format"))


def _load(arguments: argparse.Namespace) -> JobTable:
    """The jobs of the trace; TraceError if they are too few to describe."""
    from functools import partial
    from pathlib import Path

    from dcsim.errors import Problem, ScenarioError, TraceError
    from dcsim.sim.rng import stream
    from dcsim.workloads.base import WorkloadContext

    loader = _format(arguments)
    if "path" not in {field.name for field in dataclasses.fields(loader)}:
        what = "this workload reads no trace file"
        raise ScenarioError(Problem("command line", "--format", what, got=f"'{arguments.format}'"))
    context = WorkloadContext(Path, partial(stream, 0), arguments.accelerators or 1, arguments.file)
    jobs: JobTable = _workload(loader, arguments).load(context)
    if len(jobs) < 2 or jobs.submit_s[-1] == jobs.submit_s[0]:
        raise TraceError(Problem(arguments.file, "", "all jobs come at one instant; there is nothing to describe"))
    return jobs


def _workload(loader: type[Any], arguments: argparse.Namespace) -> Any:
    """The loader of the trace with the keys that were set; ScenarioError with every mistake in them."""
    from dcsim.scenario import overrides
    from dcsim.scenario.keys import key_docs, keys_of
    from dcsim.scenario.mistakes import Mistakes, quoted
    from dcsim.scenario.plugin_tables import Reader
    from dcsim.scenario.values import frozen, plain

    mistakes = Mistakes(lambda _: (overrides.OPTION.file, None))
    keys = {key.name: key for key in keys_of(loader)}
    given: dict[str, Any] = {"path": arguments.file}
    for change in map(overrides.parse, arguments.keys):
        path = change.path
        if len(path) > 1 or path[0] not in keys:
            mistakes.unknown_key(path, keys)
        elif path == ("path",):
            mistakes.add(path, "is the trace file, and was given", got=quoted(arguments.file))
        else:
            given[str(path[0])] = plain(frozen(change.value, mistakes, path))
    for name in [name for name, key in keys.items() if key.required and name not in given]:
        meaning = key_docs(loader).get(name, "its value")
        mistakes.add((name,), f"'{arguments.format}' cannot do without this key", fix=f"--set {name}=...: {meaning}")
    reader = Reader(mistakes, lambda text: _there(text, arguments.file))
    values = reader.values(loader, given, ())
    mistakes.stop_if_any()
    made = reader.made(loader, values or {}, ())
    mistakes.stop_if_any()
    return made


def _there(text: str, trace: str) -> Path:
    """A path; PathError where it leads nowhere. Of the trace itself its reader says more."""
    from pathlib import Path

    from dcsim.scenario.paths import PathError

    if text != trace and not Path(text).exists():
        raise PathError("no such file")
    return Path(text)


def _start(text: str | None, jobs: JobTable) -> datetime | None:
    """Calendar time of second 0: as the user says, or else as the trace does."""
    from dcsim.errors import Problem, ScenarioError

    known = jobs.origin.get("start") if text is None else text
    if known is None:
        return None
    try:
        return datetime.fromisoformat(known)
    except ValueError:
        expected = "a time such as 2020-03-18T04:01:39"
        raise ScenarioError(Problem("command line", "--start", "is no time", f"'{known}'", expected)) from None


def _print_fit(jobs: JobTable, start: datetime | None, as_json: bool) -> None:
    from dcsim.workloads._fit import fit, whole

    jobs, remarks = whole(jobs)
    table = fit(jobs, start)
    if as_json:
        print(json.dumps(table, indent=2))
        return
    for remark in remarks:
        print(f"# {remark}")
    if start is not None:
        print(f"# hours and weekdays count from the scenario's start = {start.isoformat()}")
    print("\n".join(_toml_lines(table)))


def _toml_lines(table: dict[str, Any]) -> Iterator[str]:
    """The table as TOML, a line a key and a block a size class."""
    from dcsim.scenario.toml_text import inline

    yield "[workload]"
    for key, value in table.items():
        if key != "classes":
            yield f"{key} = {inline(value)}"
    for name, row in table["classes"].items():
        yield from ("", f"[workload.classes.{inline(name)}]")
        yield from (f"{key} = {inline(value)}" for key, value in row.items())


def _screen(figures: dict[str, Any], title: str, start: datetime | None) -> Iterator[str]:
    """The lines of a description."""
    yield title
    f, work = figures, human_count(figures["accelerator_hours"])
    jobs = f"{human_count(f['jobs'])} jobs in {human_time(f['span_s'])}, {f['jobs_per_hour']:.3g} an hour"
    yield f"{jobs}; {f['accelerators_mean']:.3g} accelerators a job, {work} accelerator-hours"
    yield ""
    yield from _class_lines(figures["classes"])
    yield ""
    yield from _arrival_lines(figures["arrivals"])
    clock = "" if start is not None else " (from the trace's second 0; --start ties it to the calendar)"
    yield ""
    yield f"jobs by hour of day, 0 to 23, mean 1{clock}"
    factors = [f"{f:.2f}" for f in figures["hour_factors"]]
    yield from ("  " + " ".join(factors[:12]), "  " + " ".join(factors[12:]))
    yield "jobs by weekday, Monday to Sunday, mean 1" if start is not None else "jobs by day modulo 7, mean 1"
    yield "  " + " ".join(f"{f:.2f}" for f in figures["weekday_factors"])
    yield ""
    yield from _load_lines(figures["load"])


def _class_lines(classes: dict[str, dict[str, float]]) -> list[str]:
    head = ("accelerators", "jobs", "jobs %", "acc.-h %", "p10", "p50", "p90", "p99", "max", "mean", "CV")
    rows: list[tuple[str, ...]] = [head]
    for name, row in classes.items():
        times = (human_time(row[f"service_s_{key}"]) for key in ("p10", "p50", "p90", "p99", "max", "mean"))
        shares = (f"{100 * row['jobs_share']:.1f}", f"{100 * row['accelerator_hours_share']:.1f}")
        rows.append((name, human_count(row["jobs"]), *shares, *times, f"{row['service_cv']:.1f}"))
    return aligned(rows, "<" + ">" * (len(head) - 1))


def _arrival_lines(arrivals: dict[str, float]) -> list[str]:
    a = arrivals
    hourly = (
        f"p50 {a['hourly_p50']:.0f}, p90 {a['hourly_p90']:.0f}, p99 {a['hourly_p99']:.0f}, "
        f"max {a['hourly_max']}; variance/mean {a['hourly_variance_over_mean']:.1f} (Poisson: 1)"
    )
    gaps = f"CV {a['gap_cv']:.1f} (Poisson: 1); {100 * a['same_second_share']:.1f} % in the same second"
    batches = (
        f"mean {a['batch_mean']:.2f} jobs, {100 * a['batch_single_share']:.1f} % single, "
        f"p99 {a['batch_p99']:.0f}, max {a['batch_max']} (gaps up to 5 s)"
    )
    rows = [("jobs an hour", hourly), ("gaps", gaps), ("batches", batches)]
    if "daily_cv" in a:
        days = f"CV {a['daily_cv']:.2f}, correlation with the day before {a['daily_lag1_correlation']:.2f}"
        rows.insert(1, ("jobs a day", days))
    return aligned(rows)


def _load_lines(load: dict[str, float]) -> list[str]:
    mean, peak = human_count(load["accelerators_mean"]), human_count(load["accelerators_peak"])
    busy = f"mean {mean}, p99/mean {load['swing']:.2f}, peak {peak} (accelerators, if no job waited)"
    rows = [("busy", busy)]
    if "capacity" in load:
        whole = human_count(load["capacity"])
        rows.append(("load", f"mean {load['load_mean']:.2f}, peak {load['load_peak']:.2f} of {whole} accelerators"))
    return aligned(rows)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1 (got '{text}')")
    return int(text)
