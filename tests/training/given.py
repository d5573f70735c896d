"""Small scenarios of training jobs, written as TOML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcsim import plugins
from dcsim.eventlog.log import EventLog
from dcsim.performance.training import Training
from dcsim.run import Run, load_jobs, run, speeds_of, trainings_of
from dcsim.scenario.load import load
from dcsim.scenario.loaded import Loaded
from dcsim.sim.clock import TIMER, Moment
from dcsim.sim.engine import Engine, Outcome
from dcsim.training.checks import look

# Bound by computing alone, and by memory alone: one sample each, no weights.
NETWORK = '{ kind = "network", name = "NAME", sample = "x", operations = [{ OPERATION }] }'
PRODUCT = NETWORK.replace("NAME", "product").replace("OPERATION", 'op = "matmul", m = 8192, k = 8192, n = 8192')
PASS = NETWORK.replace("NAME", "pass").replace("OPERATION", 'op = "elementwise", elements = 1_000_000_000')

PLAIN = """\
name = "train"
scheduler = { use = "fifo" }
"""


def pool(name: str = "a", accelerator: str = '"H100-SXM"', nodes: int = 1, width: int = 8, more: str = "") -> str:
    size = f"nodes = {nodes}\naccelerators_per_node = {width}"
    return f'[[pools]]\nname = "{name}"\naccelerator = {accelerator}\n{size}\n{more}\n'


def job(name: str = "j", model: str = PRODUCT, **keys: Any) -> str:
    """A table of `[[jobs]]`; values are TOML."""
    usual = {"steps": 100, "global_batch": 1, "accelerators": 1} | keys
    lines = [f"{key} = {value}" for key, value in usual.items() if value is not None]
    return "\n".join(["[[jobs]]", f'name = "{name}"', f"model = {model}", *lines, ""])


def loaded(folder: Path, *parts: str, **options: Any) -> Loaded:
    file = folder / "train.toml"
    file.write_text(PLAIN + "\n".join(parts), encoding="utf-8")
    return load(file, **{"look": look} | options)


def ran(folder: Path, *parts: str, **options: Any) -> Run:
    return run(loaded(folder, *parts, **options))


def trained(folder: Path, *parts: str) -> tuple[Training, ...]:
    return trainings_of(loaded(folder, *parts))


@dataclass(frozen=True)
class Told:
    """What a run by hand leaves."""

    log: EventLog
    outcome: Outcome
    trainings: Sequence[Training]


def by_hand(source: Loaded, scheduler: Any, clocks: Sequence[tuple[float, int, float]] = ()) -> Told:
    """A run with a scheduler made in the test, and clocks of pools that change: (time, pool, share)."""
    trainings = trainings_of(source)
    jobs = load_jobs(source, trainings)
    jobs, speeds = speeds_of(source, jobs, trainings)
    engine = Engine(source.scenario, jobs, scheduler, plugins.find("placement", "pack")(), speeds=speeds)
    world = engine._world
    for time_s, number, share in clocks:
        moment = Moment(world.clock, [lambda _, number=number, share=share: world.set_clock(number, share)])
        world.clock.schedule_at(time_s, TIMER, moment)
    outcome = engine.run()
    return Told(outcome.log, outcome, trainings)
