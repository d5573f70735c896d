"""`dcsim validate`: check a scenario without running it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from dcsim.cli.options import add_scenario, load_scenario
from dcsim.scenario import Loaded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_scenario(parser)
    parser.add_argument("--json", action="store_true", help="print the facts as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Say that the scenario is valid, and its size; mistakes are raised."""
    loaded = load_scenario(arguments)
    _verify(loaded)
    if arguments.json:
        from dcsim.scenario import digest

        print(json.dumps(_facts(loaded) | {"digest": digest(loaded.scenario), "notes": list(loaded.notes)}))
        return 0
    print(f"{loaded.file}: valid: {_sentence(_facts(loaded))}")
    for note in loaded.notes:
        print(f"dcsim: note: {loaded.file}: {note}", file=sys.stderr)
    return 0


def _verify(loaded: Loaded) -> None:
    """Whether plans are legal and fit and how fast pools are, only kernels know, and what a graph is, only its builder:
    both take a second to load, so that scenarios without them do not wait for it."""
    from dcsim.scenario.plugin_tables import build

    scenario = loaded.scenario
    placement = build("placement", scenario.placement, loaded)
    modelled = scenario.jobs or scenario.speeds.use != "same"
    if modelled or scenario.network is not None or placement.uses_network:
        from dcsim.run import verify

        with loaded.placing():
            verify(loaded)


def _facts(loaded: Loaded) -> dict[str, Any]:
    scenario = loaded.scenario
    return {
        "valid": True,
        "file": loaded.file,
        "name": scenario.name,
        "pools": len(scenario.pools),
        "nodes": sum(p.nodes for p in scenario.pools),
        "accelerators": sum(p.nodes * p.accelerators_per_node for p in scenario.pools),
        "workload": scenario.workload.use if scenario.workload else None,
        "jobs": len(scenario.jobs),
        "scheduler": scenario.scheduler.use,
        "placement": scenario.placement.use,
    }


def _sentence(facts: dict[str, Any]) -> str:
    counts = [_count(facts[key], key) for key in ("pools", "nodes", "accelerators")]
    counts += [_count(facts["jobs"], "training jobs")] if facts["jobs"] else []
    return ", ".join(counts + [f"{key} {facts[key]}" for key in ("workload", "scheduler", "placement") if facts[key]])


def _count(number: int, things: str) -> str:
    return f"{number:,} {things if number != 1 else things.removesuffix('s')}"
