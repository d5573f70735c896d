"""Cluster size against waiting, and what the newsvendor would buy: python -m experiments.size_and_wait.figure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

import dcsim
from experiments.drawing import BLUE, GREEN, GREY, ORANGE, SMALL, arguments, panels, save
from experiments.size_and_wait.newsvendor import CLOUD, Demand, best_size

HERE = Path(__file__).parent
SIZE, SCHEDULER = "pools.0.nodes", "scheduler.use"
COLORS = {"fifo": BLUE, "easy": ORANGE, "srtf": GREEN}
DASHES = ("-", "--", ":")
LINES = {"fifo": "-", "easy": "--", "srtf": "-."}
LEAST_MIN, MOST_MIN = 0.01, 100_000.0
SECONDS_PER_HOUR, SECONDS_PER_MINUTE = 3600.0, 60.0


def main() -> None:
    """Run what is missing, print what the newsvendor buys, draw."""
    options = arguments(__doc__ or "")
    table = dcsim.sweep(HERE / "experiment.toml", options.out)
    demand = Demand.of(dcsim.run(HERE / "scenario.toml"))
    figure, (waits, costs) = panels(2, 2.9)
    draw_waits(waits, table)
    draw_costs(costs, demand)
    for axis in (waits, costs):
        mark_sizes(axis, demand)
    save(figure, "size_and_wait", options.figures)
    print("| cloud, USD/h | own | cost, USD/h | wait of fifo alone, h | of srtf |\n| --- | --- | --- | --- | --- |")
    wait_h = {(row[SIZE], row[SCHEDULER]): row["wait_s_mean"] / SECONDS_PER_HOUR for row in table}
    for cloud in CLOUD:
        size = best_size(demand, cloud)
        waits_h = f"{wait_h[size, 'fifo']:.3g} | {wait_h[size, 'srtf']:.2g}"
        print(f"| {cloud:.2f} | {size} | {demand.cost_usd_per_h(size, cloud):.2f} | {waits_h} |")


def draw_waits(axis: Axes, table: Iterable[dict[str, Any]]) -> None:
    """Mean wait by size, one line a scheduler; sizes at which nobody waits are not on a log scale."""
    for scheduler, color in COLORS.items():
        rows = [row for row in table if row[SCHEDULER] == scheduler and row["wait_s_mean"] > 0.0]
        waits = [r["wait_s_mean"] / SECONDS_PER_MINUTE for r in rows]
        axis.plot([r[SIZE] for r in rows], waits, LINES[scheduler], color=color, label=scheduler)
    axis.set(xlabel="accelerators owned", ylabel="mean wait, min (log scale)", title="All owned: jobs wait")
    axis.set(yscale="log", ylim=(LEAST_MIN, MOST_MIN))
    ticks = [10.0**power for power in range(-2, 6)]
    axis.set_yticks(ticks, [f"{tick:,g}" for tick in ticks])
    axis.minorticks_off()
    axis.legend(title="scheduler", loc="upper right", alignment="left")


def draw_costs(axis: Axes, demand: Demand) -> None:
    """Cost by number owned, one line a cloud price."""
    sizes = range(int(demand.level[-1]) + 2)
    for cloud, dash in zip(CLOUD, DASHES, strict=True):
        costs = [demand.cost_usd_per_h(owned, cloud) for owned in sizes]
        axis.plot(sizes, costs, color=GREY, ls=dash, label=f"cloud at {cloud:.2f} USD/h")
        best = best_size(demand, cloud)
        axis.plot([best], [demand.cost_usd_per_h(best, cloud)], "o", color=ORANGE, ms=5)
    axis.set(xlabel="accelerators owned", ylabel="cost, USD/h", title="The rest rented: nobody waits", ylim=(0, 80))
    axis.legend(loc="lower right")


def mark_sizes(axis: Axes, demand: Demand) -> None:
    """A line at what the newsvendor buys at each price, with the number."""
    for cloud, dash in zip(CLOUD, DASHES, strict=True):
        best = best_size(demand, cloud)
        axis.axvline(best, color=GREY, lw=0.8, ls=dash)
        above = axis.get_xaxis_transform()
        axis.text(best, 0.99, f" {best}", transform=above, va="top", size=SMALL, color=GREY)


if __name__ == "__main__":
    main()
