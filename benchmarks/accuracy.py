"""How near dcsim comes to published results: `python -m benchmarks.accuracy fgd --data ../shared/data/traces`.

`fgd`: GPU allocation while the OpenB cluster is filled, against the authors' own simulator (Weng et al., USENIX ATC
2023, artifact github.com/hkust-adsl/kubernetes-scheduler-simulator). Prints a table, and one JSON object as the last
line.

`memory`: predicted memory against published runs (benchmarks/memory_accuracy.py). `networks`: predicted speed of
networks that are no transformers (benchmarks/network_accuracy.py; `--data` as for `fgd`). `training`, `products`: step
times of published runs, and timed matrix products.

`attention`: published timings of attention kernels (benchmarks/attention_accuracy.py).

`collectives`: times of collectives against published sweeps (benchmarks/collective_accuracy.py).

`gavel`: what a spread-out place costs a training job (benchmarks/gavel_accuracy.py; `--data` as for `fgd`).

`grid`: step times of the strategy grid by campaign, and what ZeRO-1 adds (benchmarks/grid_accuracy.py).

`plans`: speeds of published runs beside those of best plans (benchmarks/plan_accuracy.py).

`closed_forms`: kernels of collectives against exact arithmetic and worked examples (benchmarks/closed_forms.py).

`flows`: when flows that share links are done, against SimGrid (benchmarks/flow_accuracy.py).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import (
    attention_accuracy,
    closed_forms,
    collective_accuracy,
    flow_accuracy,
    gavel_accuracy,
    grid_accuracy,
    memory_accuracy,
    network_accuracy,
    plan_accuracy,
    product_accuracy,
    training_accuracy,
)
from dcsim.errors import DcsimError
from dcsim.run import Run, run

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"

POINTS = (80, 95, 100, 130)
"""Accelerators asked for so far, % of the cluster's."""

LISTS = ("default", "gpuspec33")
PLACEMENTS = {"openb-fgd": "06-FGD", "openb-bestfit": "05-BestFit", "openb-random": "01-Random", "openb-spread": None}
"""Scenarios, and the names that the authors give to their placements."""


@dataclass(frozen=True)
class Row:
    """One curve at POINTS, %: mean and standard deviation over seeds, and the published mean, if there is one."""

    pods: str
    scenario: str
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    published: NDArray[np.float64] | None


def overrides(pods: str, seed: int) -> tuple[str, str]:
    """Changes that make a scenario read that list of pods and draw that sequence of them."""
    return f"workload.path=openb2023/openb_pod_list_{pods}.csv.gz", f"seed={seed}"


def allocation_curve(outcome: Run) -> NDArray[np.float64]:
    """Allocation at POINTS, %: the mean over the events at which what was asked for rounds to a point.

    One pod comes at each instant. Source: experiments/analysis/merge_alloc_discrete.py of the artifact.
    """
    capacity = outcome.summary["accelerators"]
    asked = np.rint(100 * np.cumsum(outcome.jobs.demand) / capacity)
    line = outcome.timeline
    held = 100 * line.allocated[np.searchsorted(line.time_s, outcome.jobs.submit_s)] / capacity
    return np.array([held[asked == point].mean() for point in POINTS])


def published(
    traces: Path, pods: str, policy: str, points: Sequence[int] = POINTS, what: str = "allo"
) -> NDArray[np.float64]:
    """The authors' mean over ten seeds, %, of the GPUs allocated ("allo") or fragmented ("frag") at the points."""
    with gzip.open(traces / "openb2023" / "fgd_expected" / f"analysis_{what}_discrete.csv.gz", "rt") as file:
        rows = [
            r for r in csv.DictReader(file) if (r["workload"], r["sc_policy"]) == (f"openb_pod_list_{pods}", policy)
        ]
    return np.asarray(np.mean([[float(row[str(point)]) for point in points] for row in rows], axis=0))


def fgd(traces: Path, seeds: int) -> Iterator[Row]:
    """Every list under every placement."""
    for pods in LISTS:
        for scenario, policy in PLACEMENTS.items():
            file = SCENARIOS / f"{scenario}.toml"
            curves = np.array(
                [
                    allocation_curve(run(file, data=traces, overrides=overrides(pods, seed)))
                    for seed in range(1, seeds + 1)
                ]
            )
            theirs = None if policy is None else published(traces, pods, policy)
            yield Row(pods, scenario, curves.mean(axis=0), curves.std(axis=0, ddof=1), theirs)


def main() -> None:
    """Parse and hand over; the last line of each command is one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(dest="what", required=True)
    for name in ("fgd", "grid", "memory", "networks", "gavel"):
        sub = kinds.add_parser(name)
        sub.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder of the data")
        if name == "fgd":
            sub.add_argument(
                "--seeds", type=int, default=10, metavar="N", help="runs for each row, at least 2 (default: 10)"
            )
    training_accuracy.add_arguments(kinds.add_parser("training"))
    products = kinds.add_parser("products")
    products.add_argument("--rows", type=Path, required=True, metavar="FILE", help="CSV of timed matrix products")
    plans = kinds.add_parser("plans")
    plans.add_argument("--rows", type=Path, required=True, metavar="FILE", help="CSV of measured training runs")
    kinds.add_parser("attention")
    kinds.add_parser("closed_forms")
    flow_accuracy.add_arguments(kinds.add_parser("flows"))
    collective_accuracy.add_arguments(kinds.add_parser("collectives"))
    arguments = parser.parse_args()
    if arguments.what == "memory":
        memory_accuracy.report(arguments.data)
    elif arguments.what == "grid":
        grid_accuracy.report(arguments.data)
    elif arguments.what == "networks":
        network_accuracy.report(arguments.data)
    elif arguments.what == "gavel":
        gavel_accuracy.report(arguments.data)
    elif arguments.what == "products":
        product_accuracy.report(arguments.rows)
    elif arguments.what == "training":
        training_accuracy.main(arguments)
    elif arguments.what == "plans":
        plan_accuracy.report(arguments.rows)
    elif arguments.what == "attention":
        attention_accuracy.report()
    elif arguments.what == "closed_forms":
        closed_forms.report()
    elif arguments.what == "flows":
        flow_accuracy.report(arguments)
    elif arguments.what == "collectives":
        collective_accuracy.report(arguments)
    else:
        report_fgd(arguments)


def report_fgd(arguments: argparse.Namespace) -> None:
    """Print the curves of every list under every placement."""
    found: dict[str, dict[str, list[float]]] = {}
    print(f"{'GPUs allocated, %, when asked for':40}" + "".join(f"{f'{point} %':>8}" for point in POINTS))
    for row in fgd(arguments.data, arguments.seeds):
        entry = found[f"{row.pods}/{row.scenario}"] = {"mean": row.mean.round(3).tolist()}
        lines = [("mean", row.mean, "8.2f"), ("deviation over seeds", row.deviation, "8.2f")]
        if row.published is not None:
            entry["difference"] = (row.mean - row.published).round(3).tolist()
            lines += [("published mean", row.published, "8.2f"), ("difference", row.mean - row.published, "+8.2f")]
        for number, (what, values, form) in enumerate(lines):
            head = f"{row.pods} {row.scenario}" if number == 0 else ""
            print(f"{head:26}{what:>22}"[:48].ljust(40) + "".join(f"{value:{form}}" for value in values), flush=True)
    print(json.dumps({"fgd": found, "seeds": arguments.seeds}))


if __name__ == "__main__":
    try:
        main()
    except DcsimError as error:
        raise SystemExit("\n".join(error.lines())) from None
    except OSError as error:
        raise SystemExit(f"{error.filename}: {error.strerror}") from None
