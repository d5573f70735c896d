"""What a spread-out place costs, against Gavel's measurements: `python -m benchmarks.accuracy gavel --data DIR`.

Gavel's table (Narayanan et al., OSDI 2020, simulation_throughputs.json) has steps/s of a Transformer on eight V100 in
one server and spread out (`v100_unconsolidated`), summed over the workers, each of which has the batch of its name.
The prediction is `scenarios/packed-or-spread.toml` with the constants that ship. `calibrated`: the length to which
sentences are padded, which the source does not tell, is the one whose step on a single V100 comes nearest the measured
one; no measurement with a network is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dcsim.run import run
from dcsim.workloads.reading.stream import Source
from dcsim.workloads.reading.throughputs import Throughputs

SCENARIO = Path(__file__).resolve().parent.parent / "scenarios" / "packed-or-spread.toml"
TABLE = "gavel/simulation_throughputs.json.gz"
RANKS = {"alone": 1, "packed": 8, "spread": 8}
"""Jobs of the scenario, in its order, and their accelerators."""
BATCHES = (16, 32, 64, 128, 256)
"""Sentence pairs of one accelerator."""
JUDGED = 128
ASSUMED_LENGTH = 30
"""Tokens of a padded sentence in the scenario."""
LENGTHS = range(8, 65)

Steps = Mapping[str, float]
"""Step time of each job, s."""


@dataclass(frozen=True)
class Row:
    """One batch: measured step times, and predicted ones."""

    batch: int
    measured: Steps
    predicted: Steps


def penalty(steps: Steps) -> float:
    """How many times longer a step takes spread out."""
    return steps["spread"] / steps["packed"]


def measured(traces: Path, batch: int) -> Steps:
    """Gavel's step times, s: a worker does its part of the summed steps/s."""
    names = {"alone": "v100", "packed": "v100", "spread": "v100_unconsolidated"}
    tables = {name: Throughputs(Source(traces / TABLE, TABLE), name) for name in names.values()}
    kind = f"Transformer (batch size {batch})"
    return {job: ranks / tables[names[job]].rate(kind, ranks)[0] for job, ranks in RANKS.items()}


@cache
def predicted(batch: int, length: int = ASSUMED_LENGTH) -> Steps:
    """Step times of the scenario's jobs, s, with that batch on each accelerator and that length of sentences."""
    changes = [
        f"jobs.{number}.{key}={value}"
        for number, ranks in enumerate(RANKS.values())
        for key, value in (
            ("plan.micro_batch", batch),
            ("global_batch", batch * ranks),
            ("sequence_length", length),
        )
    ]
    return dict(zip(RANKS, (job.step_time_s for job in run(SCENARIO, overrides=changes).trained), strict=True))


def calibrated_length(step_s: float) -> int:
    """The length of sentences whose step on one accelerator comes nearest a measured one."""
    return min(LENGTHS, key=lambda length: abs(predicted(JUDGED, length)["alone"] - step_s))


def rows(traces: Path, length: int) -> Iterator[Row]:
    """Every batch that was measured."""
    for batch in BATCHES:
        yield Row(batch, measured(traces, batch), predicted(batch, length))


def report(traces: Path) -> None:
    """Print both lengths' tables and one JSON object as the last line."""
    found = measured(traces, JUDGED)
    calibrated = calibrated_length(found["alone"])
    for length, why in ((ASSUMED_LENGTH, "assumed"), (calibrated, "by the step of one V100, batch 128")):
        print(f"sentences of {length} tokens, {why}; step time, s, measured and predicted")
        print(f"{'batch':>5}" + "".join(f"{job:>18}" for job in RANKS) + f"{'spread/packed':>18}")
        for row in rows(traces, length):
            pairs = [f"{row.measured[job]:>10.3f}{row.predicted[job]:>8.3f}" for job in RANKS]
            print(f"{row.batch:>5}" + "".join(pairs) + f"{penalty(row.measured):>10.2f}{penalty(row.predicted):>8.2f}")
    ratio = penalty(found)
    plain, fitted = penalty(predicted(JUDGED)), penalty(predicted(JUDGED, calibrated))
    figures = {
        "measured_ratio": ratio,
        "predicted_ratio": fitted,
        "error": fitted / ratio - 1.0,
        "uncalibrated_ratio": plain,
        "uncalibrated_error": plain / ratio - 1.0,
        "sentence_tokens": calibrated,
    }
    print(json.dumps({name: round(value, 5) for name, value in figures.items()}))
