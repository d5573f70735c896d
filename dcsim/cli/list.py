"""`dcsim list`: presets and plug-ins, with units, sources and grades."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from dcsim.cli.options import add_plugins
from dcsim.cli.tables import NARROWEST, WHOLE, aligned, columns, fitted, hanging
from dcsim.units import human_large

PLUGINS = {
    "workloads": "workload",
    "speeds": "speeds",
    "schedulers": "scheduler",
    "placements": "placement",
    "topologies": "topology",
}
PRESETS = ("accelerators", "models", "scaling_laws")
GRADES = ("measured", "vendor", "paper", "weak", "assumed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("kind", nargs="?", choices=[*PRESETS, *PLUGINS], help="what to list (default: everything)")
    parser.add_argument("--grade", choices=GRADES, help="list the preset values of this grade, with their sources")
    add_plugins(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the lists."""
    from dcsim.scenario.paths import existing_folder

    folders = tuple(existing_folder(p, "--plugins") for p in arguments.plugins)
    if arguments.grade is not None:
        lines = list(_values_of_grade(arguments.grade))
    else:
        kinds = [arguments.kind] if arguments.kind else [*PRESETS, *PLUGINS]
        lines = [line for kind in kinds for line in _section(kind, folders, titled=len(kinds) > 1)]
    print("\n".join(lines).strip("\n"))
    return 0


def _section(kind: str, folders: tuple[Path, ...], titled: bool) -> Iterator[str]:
    if titled:
        yield from ("", f"{kind}:")
    tables = {"accelerators": _accelerators, "models": _models, "scaling_laws": _scaling_laws}
    yield from tables[kind]() if kind in tables else _plugins(PLUGINS[kind], folders)
    if kind == "workloads":
        yield from ("", "presets of synthetic:", *_workload_presets())


def _plugins(kind: str, folders: tuple[Path, ...]) -> list[str]:
    from dcsim import plugins
    from dcsim.scenario.keys import summary

    names = plugins.names(kind, folders)
    return hanging([(name, summary(plugins.find(kind, name, folders))) for name in names], columns(WHOLE))


def _workload_presets() -> list[str]:
    from dcsim.scenario import presets

    names = presets.names("workloads")
    rows = [(name, presets.table("workloads", name)["notes"].split(": ")[0]) for name in names]
    return hanging(rows, columns(WHOLE))


def _accelerators() -> list[str]:
    """One row a preset, each column in one unit; a dash where a value is not known."""
    from dcsim import units
    from dcsim.scenario import presets
    from dcsim.scenario.spec import Accelerator

    facts: dict[str, tuple[Callable[[Accelerator], float | None], float]] = {
        "memory GB": (lambda d: d.memory, units.SIZE.factor("GB")),
        "GB/s": (lambda d: d.memory_bandwidth, units.BANDWIDTH.factor("GB/s")),
        "16-bit TFLOP/s": (lambda d: d.bf16 or d.fp16, units.COMPUTE.factor("TFLOP/s")),
        "8-bit T(FL)OP/s": (lambda d: d.fp8 or d.int8, units.COMPUTE.factor("TFLOP/s")),
        "link GB/s": (lambda d: d.link_bandwidth, units.BANDWIDTH.factor("GB/s")),
        "TDP W": (lambda d: d.tdp, units.POWER.factor("W")),
        "idle W": (lambda d: d.idle_power, units.POWER.factor("W")),
        "rent USD/h": (lambda d: d.rent, units.PRICE_RATE.factor("USD/h")),
    }
    rows = [["name", "vendor", "year", *facts]]
    for device in map(presets.accelerator, presets.names("accelerators")):
        cells = [_number(value(device), unit) for value, unit in facts.values()]
        rows.append([device.name, device.vendor, str(device.launch_year or "-"), *cells])
    return fitted(rows, 1, columns(WHOLE), sides="<<").lines


def _models() -> list[str]:
    """One row a preset: parameters as published, or a dash; shape of a transformer, or what a network's sample is."""
    from dcsim.scenario import presets

    rows = [["name", "by", "year", "parameters", "active", "layers", "hidden", "one sample"]]
    for model in map(presets.model, presets.names("models")):
        cells = [model.name, model.by, str(model.year or "-"), _counted(model.parameters)]
        if model.kind == "transformer":
            shape = [_counted(model.active_parameters), str(model.layers), str(model.hidden)]
            rows.append([*cells, *shape, f"{model.max_sequence} tokens" if model.max_sequence else "tokens"])
        else:
            rows.append([*cells, "-", "-", "-", model.sample])
    shapes = [row[:-1] for row in rows]
    if max(map(len, aligned(shapes))) + NARROWEST <= columns(WHOLE):
        return hanging(rows, columns(WHOLE), "<<>>>>><")
    samples = [(row[0], row[-1]) for row in rows]
    return [*fitted(shapes, 1, columns(WHOLE), sides="<<").lines, "", *hanging(samples, columns(WHOLE))]


def _scaling_laws() -> list[str]:
    """One row a law, with its coefficients."""
    from dcsim.scenario import presets

    keys = ("irreducible", "a", "alpha", "b", "beta", "power")
    laws = map(presets.scaling_law, presets.names("scaling_laws"))
    rows = [[law.name, *(f"{getattr(law, key):.6g}" for key in keys)] for law in laws]
    return aligned([["name", *keys], *rows], "<" + ">" * len(keys))


def _counted(value: float | None) -> str:
    return "-" if value is None else human_large(value)


def _number(value: float | None, unit: float) -> str:
    return "-" if value is None else f"{value / unit:.6g}"


def _values_of_grade(grade: str) -> list[str]:
    """Preset values of one grade, as their files have them, with their sources."""
    from dcsim.scenario import presets

    rows = [("preset", "key", "value", "source")]
    for kind in (*PRESETS, "workloads"):
        for name in presets.names(kind):
            table = presets.table(kind, name)
            for key, origin in table["provenance"].items():
                if origin["grade"] == grade:
                    rows.append((name, key, _shown(table.get(key, "-")), origin["source"]))
    return hanging(rows, columns(WHOLE)) if len(rows) > 1 else [f"no preset value is graded '{grade}'"]


def _shown(value: object) -> str:
    from dcsim.scenario.mistakes import shortened
    from dcsim.scenario.toml_text import inline

    return shortened(value if isinstance(value, str) else inline(value))
