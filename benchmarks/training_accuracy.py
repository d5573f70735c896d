"""How near predicted step times come to published ones: `python -m benchmarks.accuracy training --rows FILE.csv`.

Each primary row is predicted from its configuration alone, by the constants that ship. With `--cross-validate` the
constants are fitted anew without each source in turn, and the rows of that source predicted by them; the same without
each family of frameworks, which is harder. Some rows name beside their network how fast the run's own all-reduces were;
figures without these tests stand beside the others, and with `--no-network-tests` alone.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcsim.performance.calibrate import calibrate, cross_validate, predict
from dcsim.performance.devices import device_row, family_of
from dcsim.performance.row_cells import Row
from dcsim.performance.row_text import without_tests
from dcsim.performance.rows import Configuration, Configurations, configurations, read
from dcsim.performance.scores import Score, score

Floats = NDArray[np.float64]
MOST_KB = 150


def plan_kind(row: Configuration) -> str:
    """Which degrees a plan uses, and its sharding: `tp+pp, sharding 1`."""
    used = [name for name in ("tp", "pp", "cp", "dp", "ep") if getattr(row.plan, name) > 1.0]
    return f"{'+'.join(used) or 'one'}, sharding {row.plan.sharding:.0f}"


GROUPS: dict[str, Callable[[Configuration], str]] = {
    "accelerator": lambda row: row.label,
    "framework": lambda row: row.framework,
    "source": lambda row: row.source,
    "precision": lambda row: row.precision,
    "kind of model": lambda row: "experts" if row.model.experts else "dense",
    "kind of plan": plan_kind,
}


def line(name: str, found: Score) -> str:
    """One line of a table."""
    return f"{name[:44]:44}{found.rows:>6}{100 * found.median:>9.1f}{100 * found.p90:>9.1f}{100 * found.bias:>+9.1f}"


def tables(found: Configurations, predicted: Floats) -> list[str]:
    """Errors of all rows and of ordinary ones, and of ordinary rows by group, %."""
    measured, ordinary = found.measured, found.ordinary
    lines = [f"{'error, %':44}{'rows':>6}{'median':>9}{'p90':>9}{'bias':>9}"]
    lines += [line("all rows", score(predicted, measured))]
    lines += [line("ordinary rows (tp x cp in the domain)", score(predicted[ordinary], measured[ordinary]))]
    for title, key in GROUPS.items():
        lines += ["", f"ordinary rows by {title}"]
        names = np.array([key(row) for row in found.rows])
        for name in sorted(set(names[ordinary])):
            part = ordinary & (names == name)
            lines.append(line(f"  {name}", score(predicted[part], measured[part])))
    return lines


def notes(found: Configurations) -> list[str]:
    """What was left out, filled in, and which accelerators fell back on their class."""
    lines = [f"{len(found.rows)} of {found.total} primary rows predicted"]
    lines += [f"  {count} left out: {rule}" for rule, count in found.excluded.most_common()]
    assumed = Counter(name for row in found.rows for name in row.assumed)
    lines += [f"  {count} with assumed {name}" for name, count in assumed.most_common()]
    fallen = {note for row in found.rows for note in device_row(row.accelerator, row.precision, row.framework).notes}
    return lines + [f"  note: {note}" for note in sorted(fallen)]


def scatter(found: Configurations, predicted: Floats, path: Path, by: str) -> None:
    """Predicted over measured tokens/s an accelerator, both logarithmic, coloured by family; `by`: which constants."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    names = np.array(
        [family.name if (family := family_of(row.accelerator)) else row.accelerator.device_class for row in found.rows]
    )
    figure, axes = plt.subplots(figsize=(6.0, 6.0), dpi=100)
    for name in sorted(set(names)):
        part = names == name
        axes.scatter(
            found.measured[part], predicted[part], s=9, alpha=0.55, linewidths=0, label=f"{name} ({part.sum()})"
        )
    ends = [0.8 * min(found.measured.min(), predicted.min()), 1.25 * max(found.measured.max(), predicted.max())]
    axes.plot(ends, ends, color="0.3", linewidth=1)
    for factor in (1 / 1.35, 1.35):
        axes.plot(ends, [factor * end for end in ends], color="0.6", linewidth=0.7, linestyle="--")
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    axes.set_xlabel("measured tokens/s an accelerator")
    axes.set_ylabel("predicted tokens/s an accelerator")
    axes.legend(fontsize=8, frameon=False, title="family (rows)", title_fontsize=8)
    axes.set_title(f"{len(found.rows):,} published training runs, {by}\ndashed: 35 % off", fontsize=9)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def summary(found: Configurations, predicted: Floats, prefix: str = "") -> dict[str, float | None]:
    """The figures of the last line."""
    ordinary = found.ordinary
    whole, usual = score(predicted, found.measured), score(predicted[ordinary], found.measured[ordinary])
    figures = {
        "median_ape": whole.median,
        "p90_ape": whole.p90,
        "bias": whole.bias,
        "ordinary_rows": usual.rows,
        "ordinary_median_ape": usual.median,
        "ordinary_p90_ape": usual.p90,
    }
    return {f"{prefix}{name}": None if np.isnan(value) else round(value, 5) for name, value in figures.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `training`."""
    parser.add_argument("--rows", type=Path, required=True, metavar="FILE", help="CSV of measured training runs")
    parser.add_argument("--plot", type=Path, default=Path("training_accuracy.png"), help="where the scatter plot goes")
    parser.add_argument("--cross-validate", action="store_true", help="fit anew without each source in turn (a minute)")
    parser.add_argument("--no-network-tests", action="store_true", help="do not read how fast all-reduces were")


def untested(rows: Iterable[Row]) -> list[Row]:
    """The rows without what tests of their networks measured."""
    return [{**row, "interconnect": without_tests(row.get("interconnect") or "")} for row in rows]


def rows_of(path: Path, tests: bool) -> list[Row]:
    """The rows of a file, with what tests of their networks measured or without; says how many have such a test."""
    rows = read(path)
    bare = untested(rows)
    told = sum(row.get("interconnect") not in (None, one["interconnect"]) for row, one in zip(rows, bare, strict=True))
    print(f"{told} rows name the bandwidth of all-reduces on their network, which is {'' if tests else 'not '}read")
    return rows if tests else bare


def main(arguments: argparse.Namespace) -> None:
    """Predict, print, plot; the last line is one JSON object (errors are shares of the measured tokens/s)."""
    found = configurations(rows_of(arguments.rows, not arguments.no_network_tests))
    print("\n".join(notes(found)))
    predicted = predict(found)
    print("\n" + "\n".join(tables(found, predicted)))
    figures: dict[str, float | None] = {"rows": found.total, "predicted": len(found.rows)} | summary(found, predicted)
    shown, by = predicted, "constants fitted to them"
    if arguments.cross_validate:
        fitted = calibrate(found)
        outside = fitted.outside
        shown, by = outside, "constants fitted without the source of each"
        print("\nconstants fitted without the source of each row\n" + "\n".join(tables(found, outside)))
        figures |= summary(found, outside, "cv_")
        if not arguments.no_network_tests:
            bare = configurations(untested(read(arguments.rows)))
            without = calibrate(bare).outside
            print("\nthe same, tests of networks not read\n" + "\n".join(tables(bare, without)[:3]))
            figures |= summary(bare, without, "cv_no_network_tests_")
        frameworks = np.array([row.framework for row in found.rows])
        apart = cross_validate(fitted.bench, frameworks)
        print("\nconstants fitted without the family of frameworks of each row\n" + "\n".join(tables(found, apart)[:3]))
        figures |= summary(found, apart, "cv_framework_")
    if found.rows:
        scatter(found, shown, arguments.plot, by)
        print(f"\nscatter plot: {arguments.plot}")
    print(json.dumps(figures))
