"""Oversubscription of a leaf-spine network against slow-down: python -m experiments.oversubscription.figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dcsim
from experiments.drawing import BLUE, GREY, ORANGE, SMALL, arguments, panels, save

HERE = Path(__file__).parent
UPLINK, PLACEMENT = "network.topology.uplink_bandwidth", "placement.use"
FULL = "1600 GB/s"  # what the four nodes of a leaf can send
OUTPUTS = {
    "accelerator_hours": "accelerator-hours beyond those at 1:1, %",
    "jct_s_mean": "mean completion time beyond 1:1, %",
}
LOOKS = {"pack": (ORANGE, "o"), "topology_aware": (BLUE, "s")}
LINEAR = 10.0  # percent below which the axis is linear


def main() -> None:
    """Run what is missing, print the table, draw."""
    options = arguments(__doc__ or "")
    table = dcsim.sweep(HERE / "experiment.toml", options.out)
    found = table.compare({UPLINK: FULL, PLACEMENT: "pack"}, tuple(OUTPUTS))
    print(found.markdown())
    seeds = found.rows[0].mean.count
    figure, axes = panels(len(OUTPUTS), 2.8)
    for axis, (output, label) in zip(axes, OUTPUTS.items(), strict=True):
        for place, (color, marker) in LOOKS.items():
            points = [point(found, row) for row in found.rows if row.output == output and place in row.variant]
            ratios, more, below, above = zip(*points, strict=True)
            axis.errorbar(
                ratios, more, (below, above), color=color, marker=marker, ms=4, lw=1.2, capsize=2, label=place
            )
        axis.set(xscale="log", xlabel="oversubscription of a leaf's uplink (log scale)", ylabel=label)
        axis.set_yscale("symlog", linthresh=LINEAR)
        axis.axhspan(-LINEAR, LINEAR, color="#f4f4f4", lw=0)
        axis.text(16.0, -LINEAR / 2.0, "grey: linear; above: log scale", ha="right", size=SMALL, color=GREY)
        axis.set_ylim(-6.0, 9000.0)
        axis.set_xticks([1, 2, 3, 4, 8, 16], [f"{n}:1" for n in (1, 2, 3, 4, 8, 16)])
        axis.set_yticks([0, 5, 10, 30, 100, 300, 1000], ["0", "5", "10", "30", "100", "300", "1,000"])
        axis.minorticks_off()
        axis.legend(title=f"mean and 95 % interval of the difference,\npaired over {seeds} seeds", alignment="left")
    save(figure, "oversubscription", options.figures)


def point(found: Any, row: Any) -> tuple[float, float, float, float]:
    """Oversubscription (what the nodes of a leaf can send over what its uplink carries), percent more than the
    baseline, and how far its interval reaches below and above."""
    uplink = row.variant[found.axes.index(UPLINK)]
    ratio = float(FULL.split()[0]) / float(uplink.split()[0])
    if row.against is None:
        return ratio, 0.0, 0.0, 0.0
    of = row.relative
    return ratio, 100.0 * of.value, 100.0 * (of.value - of.low), 100.0 * (of.high - of.value)


if __name__ == "__main__":
    main()
