"""sweep(experiment): from a file to a table, whatever interrupts it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dcsim import results
from dcsim.errors import Problem, ScenarioError
from dcsim.metrics.summary import NAMES
from dcsim.scenario.loaded import Source
from dcsim.sweep.columns import plain_value
from dcsim.sweep.folder import Folder, Shard
from dcsim.sweep.maker import Maker, Making, maker
from dcsim.sweep.prepared import Prepared, prepare
from dcsim.sweep.table import Table
from dcsim.sweep.traces import remove_outdated
from dcsim.sweep.until import Until
from dcsim.sweep.work import FAILED, Outcome

MISSING = "missing"
MOST_NAMED = 12  # shards that lack runs
RUN_SHARDS = "run them first, with the same --out: --shard 1/4, 2/4, 3/4 and 4/4, for instance"
SHARD_MISSING = Outcome(error="no shard has made it yet", final=False)


@dataclass(frozen=True)
class Options(Making):
    """How a sweep is run, beside how its runs are made.

    `shard`: (i, n) to make every n-th run only; `merge`: make none, but the table of what shards have made; `until`:
    add seeds until then.
    """

    shard: tuple[int, int] | None = None
    merge: bool = False
    until: Until | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shard is not None:
            refuse_shard("/".join(map(str, self.shard)))
        if ((self.merge or self.until is not None) and self.shard is not None) or (
            self.merge and self.until is not None
        ):
            raise ScenarioError(Problem("--shard", "", "does not go with --merge or --until-ci, nor do these two"))


def sweep(
    experiment: str | Path | Mapping[str, Any],
    out: str | Path = "results",
    *,
    data: str | Path | None = None,
    overrides: Iterable[str] = (),
    plugins: Iterable[str | Path] = (),
    **options: Any,
) -> Table:
    """Run an experiment, a file or its content as a dict, and return its table; what is done already is not done again.

    `out`: the folder in which a folder of the experiment's name is made; see `Options` and `Making` for the rest, and
    `dcsim.load` for `data, overrides, plugins`. Raises ScenarioError with every mistake of every point before anything
    runs, and EnvironmentFault where the folder cannot be used.
    """
    checked = options.get("checked", lambda *_: None)
    prepared = prepare(experiment, checked, data=data, overrides=overrides, plugins=plugins)
    if isinstance(options.get("until"), str):
        options["until"] = Until.of(options["until"], prepared.experiment.outputs.summary[0])
    return run_prepared(prepared, Path(out), Options(**options))


def run_prepared(prepared: Prepared, out: Path, options: Options) -> Table:
    """The same for an experiment that is read and checked."""
    folder = Folder(out / prepared.experiment.name, Shard.of(options.shard))
    if options.merge and not folder.is_there:
        raise ScenarioError(Problem(str(folder.path), "--merge", "no shard has run here yet", fix=RUN_SHARDS))
    with maker(prepared.experiment, folder, options) as made:
        if options.merge:
            _look_for_missing(prepared, made)
        else:
            made.check(prepared, folder.shard.part(prepared.keys), more_seeds=options.until is not None)
            made.make(prepared, folder.shard.part(prepared.keys))
        while options.until is not None and (more := options.until.more(prepared, made.known)) is not None:
            prepared = more
            made.make(prepared, folder.shard.part(prepared.keys))
        for note in options.until.notes(prepared, made.known) if options.until is not None else ():
            options.told(note)
        table = table_of(prepared, [made.known.get(key, SHARD_MISSING) for key in prepared.keys])
        if options.shard is None:
            if (replaced := _replaced(table, folder.path, prepared.source)) is not None:
                options.told(replaced)
            _write(table, folder.path, prepared)
            remove_outdated(folder.traces, prepared.scenarios)
    return table


def _look_for_missing(prepared: Prepared, made: Maker) -> None:
    """ScenarioError where none of the runs has been made; else a note with the shards that have not made theirs."""
    missing = [number for number, key in enumerate(prepared.keys) if key not in made.known]
    if len(missing) == len(prepared.keys):
        what = "no run of this experiment, as it and dcsim are now, has been made here"
        raise ScenarioError(Problem(str(made.folder.path), "--merge", what, fix=RUN_SHARDS))
    shards = made.folder.lacking(missing)
    if missing:
        named = ", ".join(f"{shard.number}/{shard.count}" for shard in shards[:MOST_NAMED])
        more = f" and {len(shards) - MOST_NAMED} more" if len(shards) > MOST_NAMED else ""
        told = f": the sweep lacks those of --shard {named}{more}" if shards else ""
        made.making.told(f"{len(missing)} of {len(prepared.keys)} runs are missing{told}")


def table_of(prepared: Prepared, outcomes: Sequence[Outcome]) -> Table:
    """The table, in the experiment's order whatever order the runs ended in."""
    found = {name: None for outcome in outcomes for name in outcome.summary or ()}
    names = [name for name in NAMES if name in found] + [name for name in found if name not in NAMES]
    columns = (*prepared.axes, "seed", *(names or NAMES), "status", "error")
    rows = []
    for (point, seed), outcome in zip(prepared.runs, outcomes, strict=True):
        row = (
            dict.fromkeys(columns) | {name: plain_value(value) for name, value in point.values.items()} | {"seed": seed}
        )
        status = MISSING if outcome is SHARD_MISSING else outcome.status
        rows.append(row | (outcome.summary or {}) | {"status": status, "error": outcome.error})
    experiment = prepared.experiment
    return Table(experiment.name, tuple(prepared.axes), experiment.outputs.summary, columns, tuple(rows))


def _replaced(table: Table, folder: Path, source: Source) -> str | None:
    """A note where another table is there that was made with other options; None where nothing is lost."""
    try:
        was = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["source"]
        before, now = _options(was), _options(asdict(source))
        same = before == now or (folder / "table.csv").read_text(encoding="utf-8") == table.csv()
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # no table, or a damaged one
        return None
    if same:
        return None
    return f"the table that was here, made with {before}, is replaced by that with {now}; its runs are kept"


def _options(source: Mapping[str, Any]) -> str:
    """What a command was told beside its experiment, as it was written but for folders, which are absolute."""
    data = [("--data", source["data"])] if source["data"] else []
    sets, plugins = [("--set", s) for s in source["overrides"]], [("--plugins", p) for p in source["plugins"]]
    return " ".join(f"{option} {shlex.quote(value)}" for option, value in (*data, *sets, *plugins)) or "no options"


def _write(table: Table, folder: Path, prepared: Prepared) -> None:
    results.write_text(folder / "table.csv", table.csv())
    results.write_parquet(folder / "table.parquet", table.arrow())
    meta = {
        "name": table.name,
        "base": prepared.experiment.base,
        "source": {"experiment" if key == "scenario" else key: value for key, value in asdict(prepared.source).items()},
        "axes": list(table.axes),
        "outputs": list(table.outputs),
        "runs": len(table),
        "failed": sum(row["status"] == FAILED for row in table),
        "versions": results.versions(),
    }
    results.write_text(folder / "meta.json", json.dumps(meta, indent=2) + "\n")


def refuse_shard(text: str) -> tuple[int, int]:
    """`i/n` as two numbers, 1 <= i <= n; ScenarioError for anything else."""
    first, slash, second = text.partition("/")
    if slash and first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second) <= 1_000_000:
        return int(first), int(second)
    raise ScenarioError(Problem("--shard", "", "not a shard", f"'{text}'", "i/n with 1 <= i <= n, such as 1/8"))
