"""The reference of scenario files as Markdown, made from the classes that check them (`docs/scenario.md`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dcsim import plugins, units
from dcsim.scenario.facts import Provenance
from dcsim.scenario.keys import Key, description, key_docs, keys_of
from dcsim.scenario.model import Network, Transformer
from dcsim.scenario.network_failure import NetworkFailure
from dcsim.scenario.plugin_tables import KINDS, OF_NETWORK, Kind, path_of
from dcsim.scenario.scaling_law import ScalingLaw
from dcsim.scenario.schema import BASE
from dcsim.scenario.spec import Accelerator, Estimates, Interconnect, Overheads, Pool, Scenario, Traffic
from dcsim.scenario.toml_text import inline
from dcsim.scenario.training import Plan, TrainingJob
from dcsim.scenario.type_text import tables_below, tables_in, type_text

COMMAND = "python -m dcsim schema --markdown"

INTRODUCTION = f"""\
# Scenario files

<!-- Made by `{COMMAND}`: change the classes in dcsim/scenario/spec.py or the plug-ins, not this file. -->

A scenario is a TOML file that says everything about a run. It is data: nothing in it can run code. Keys that
are not listed here are refused, with the nearest known one.

    name = "venus"
    seed = 1
    start = 2020-03-18T04:01:39+08:00
    horizon = "30 d"

    [[pools]]
    name = "v100"
    accelerator = "V100-SXM2-32GB"
    nodes = 96
    accelerators_per_node = 8

    [workload]
    use = "helios"
    path = "helios/helios_trace.csv.gz"

    [scheduler]
    use = "fifo"

    [placement]
    use = "pack"

`python -m dcsim validate FILE` checks a file and lists all its mistakes. `python -m dcsim schema` prints a
JSON Schema for completion in editors. A run writes the scenario with all defaults and presets filled in to
`scenario.toml` in its results, with paths as they were written: to run that file, give the folder they are in with
`--data`. `report.html` has the whole command under "The same run again".

## Rules

- **Units.** A physical value is text with a unit, such as `"80 GB"` or `"3.35 TB/s"`; a bare number is
  refused. 80 GB is not 80 GiB. The units of each dimension stand [at the end](#units).
- **Numbers** are finite; `nan` and `inf` are refused everywhere. `true` is no number.
- **Inheritance.** `base = "other.toml"` lays the file over another one: tables merge key by key, arrays (also
  `[[pools]]`) replace those of the base. A table whose `use` names another plug-in replaces the base's table.
- **Overrides.** `--set key.path=value` on the command line changes one key: `--set pools.0.nodes=10`,
  `--set scheduler.use=srtf`. The value is TOML, or text where it is not TOML: `--set "horizon=30 d"`.
- **Paths** are looked up in the scenario's folder (also those in a base), then in the data folder, which
  `--data DIR` or the environment variable `DCSIM_DATA` names. Symbolic links are resolved first; a path that
  leads outside both is refused.
- **Time zones.** A `start` without an offset is taken as UTC, and a note says so.
- **Plug-ins.** `use = "srtf"` under `[scheduler]` means `dcsim/policies/schedulers/srtf.py`; its other keys
  are the fields of the dataclass there. Plug-ins from outside the package load only from folders named on the
  command line (`--plugins DIR`) or in the Python API.
- **Ties.** Jobs that a scheduler ranks alike go by submission, then by place in the trace (not by job id); training
  jobs of the scenario stand behind those of the workload.
- **Size.** A file has at most 1 MiB.
"""

MODELS: tuple[tuple[str, type[Any]], ...] = (
    ("Keys outside any table", Scenario),
    ("`[[pools]]`", Pool),
    ("`[[jobs]]`", TrainingJob),
    ("`plan` of a job", Plan),
    ("`[network]`", Interconnect),
    ("`[network.traffic]`", Traffic),
    ("`[[network.failures]]`", NetworkFailure),
    ("`[overheads]`", Overheads),
    ("`[estimates]`", Estimates),
    ("Accelerator", Accelerator),
    ("Transformer", Transformer),
    ("Network", Network),
    ("Scaling law", ScalingLaw),
    ("`[provenance]` of a preset, by key", Provenance),
)

NAMED = {(Pool, "accelerator"), (TrainingJob, "model"), (TrainingJob, "law"), (TrainingJob, "plan")}
"""Keys that take the name of a preset, or a word, as well as a table."""


def reference(folders: tuple[Path, ...] = ()) -> str:
    """The whole reference; plug-ins of `folders` stand beside the built-in ones."""
    lines = [INTRODUCTION]
    for title, model in MODELS:
        lines += [f"## {title}", "", description(model), "", *_table(model)]
    for kind in KINDS:
        lines += _kind(kind, folders)
    lines += ["## Units", "", "| dimension | units |", "| --- | --- |"]
    lines += [f"| {d.name} | {', '.join(f'`{u}`' for u in d.symbols())} |" for d in _dimensions()]
    return "\n".join(lines) + "\n"


def _kind(kind: Kind, folders: tuple[Path, ...]) -> Iterator[str]:
    docs = key_docs(Interconnect if kind in OF_NETWORK else Scenario)
    yield from (f"## `[{'.'.join(map(str, path_of(kind)))}]`", "", docs[kind], "")
    if kind == "host":
        yield from ("Names and keys are those of `[network.topology]`.", "")
        return
    for name in plugins.names(kind, folders):
        cls = plugins.find(kind, name, folders)
        yield from (f'### `use = "{name}"` ({kind})', "", description(cls), "")
        if keys_of(cls):
            yield from _table(cls)
        else:
            yield from ("No keys.", "")
        for table in tables_below(cls):
            yield from (f"Table `{table.__name__}`: {description(table)}", "", *_table(table))


def _table(cls: type[Any]) -> Iterator[str]:
    """The keys of a class, a row each."""
    docs = key_docs(cls)
    yield from ("| key | type | default | meaning |", "| --- | --- | --- | --- |")
    if cls is Scenario:
        yield f"| `base` | text | none | {BASE} |"
    for key in keys_of(cls):
        kind = ("text or " if (cls, key.name) in NAMED else "") + type_text(key.hint)
        cells = (f"`{key.name}`", kind, _default(key), docs.get(key.name, ""))
        yield f"| {' | '.join(_cell(c) for c in cells)} |"
    yield ""


def _default(key: Key) -> str:
    if key.required:
        return "required"
    value = key.written(key.default)
    if value is None or value in ({}, ()):
        return "none"
    return "as its table says" if list(tables_in(key.hint)) else f"`{inline(value)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _dimensions() -> Iterable[units.Dimension]:
    return (d for d in vars(units).values() if isinstance(d, units.Dimension))
