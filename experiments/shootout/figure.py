"""Every built-in scheduler on three real traces: python -m experiments.shootout.figure --data ../shared/data/traces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MultipleLocator

import dcsim
from experiments.drawing import BLUE, GREY, ORANGE, SMALL, arguments, panels, save

HERE = Path(__file__).parent
TITLES = {
    "helios": "Helios Venus on 768 GPUs",
    "philly": "Philly on 768 GPUs",
    "pai": "Alibaba PAI on 400 GPUs",
}
KNOWS = {  # what each is told, beside who waits
    "fifo": BLUE,
    "fifo_skip": BLUE,
    "priority": BLUE,
    "least_attained_service": BLUE,
    "processor_sharing": BLUE,
    "easy": ORANGE,
    "conservative": ORANGE,
    "sjf": ORANGE,
    "ljf": ORANGE,
    "srtf": ORANGE,
    "loss": GREY,
}
OUTPUTS = ("wait_s_mean", "jct_s_mean", "jct_s_p99")
CUT = 1.6  # of the completion time under fifo: longer bars are cut, and say so
HOUR_S = 3600.0


def main() -> None:
    """Run what is missing, print the tables, draw."""
    options = arguments(__doc__ or "")
    figure, axes = panels(len(TITLES), 3.0, sharey=True)
    for (name, title), axis in zip(TITLES.items(), axes, strict=True):
        table = dcsim.sweep(HERE / f"{name}.toml", options.out, data=options.data)
        print(f"{title}\n\n{table.compare('fifo', OUTPUTS).markdown()}")
        draw(axis, list(table), title)
    figure.legend(handles=keys(), loc="outside lower center", ncols=3)
    save(figure, "shootout", options.figures)


def draw(axis: Axes, rows: Sequence[dict[str, Any]], title: str) -> None:
    """Mean completion time by scheduler, with the mean wait beside it."""
    hours = [row["jct_s_mean"] / HOUR_S for row in rows]
    names = [row["scheduler.use"] for row in rows]
    longest = CUT * hours[names.index("fifo")]
    axis.barh(names, [min(h, longest) for h in hours], color=[KNOWS[name] for name in names], height=0.7)
    for place, (row, end) in enumerate(zip(rows, hours, strict=True)):
        text = said(row) if end <= longest else f"{end:,.0f} h; {said(row)}"
        axis.text(min(end, longest), place, f" {text}", va="center", size=SMALL)
        if end > longest:  # a gap shows that the bar goes on
            axis.plot([0.93 * longest, 0.96 * longest], [place - 0.45, place + 0.45], color="white", lw=2.5)
    axis.set(title=title, xlabel="mean completion time, h\n(at the bar: mean wait, min)", xlim=(0.0, 1.5 * longest))
    axis.xaxis.set_major_locator(MultipleLocator(2.0))
    axis.grid(visible=False, axis="y")
    if not axis.yaxis_inverted():
        axis.invert_yaxis()


def said(row: dict[str, Any]) -> str:
    """The mean wait in minutes, or how many jobs were turned away."""
    if row["jobs_rejected"]:
        return f"{row['jobs_rejected']:,} lost"
    minutes = row["wait_s_mean"] / 60.0
    return f"{minutes:,.0f}" if minutes >= 100.0 else f"{minutes:.2g}"


def keys() -> list[Patch]:
    """What colours mean."""
    meanings = {BLUE: "knows no run times", ORANGE: "knows run times", GREY: "turns away who would wait"}
    return [Patch(color=color, label=meaning) for color, meaning in meanings.items()]


if __name__ == "__main__":
    main()
