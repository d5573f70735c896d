"""How figures look, on the page and on paper: one palette that colour-blind readers can tell apart."""

from __future__ import annotations

# Okabe and Ito (2008), the colours that stay apart under all common kinds of colour blindness.
COLORS = {
    "held": "#0072B2",
    "held_light": "#9CC7E3",
    "capacity": "#333333",
    "queue": "#D55E00",
    "queue_light": "#F2BF9B",
    "waits": "#E69F00",
    "spare": "#009E73",
    "other": "#CC79A7",
    "host": "#8C8C8C",
    # Cables by load: grey, then the darker steps of HEAT.
    "load 0": "#C8C8C8",
    "load 1": "#7FCDBB",
    "load 2": "#1D91C0",
    "load 3": "#225EA8",
    "load 4": "#0C2C84",
}

# From idle to busy, light to dark: steps of ColorBrewer's YlGnBu, which also prints in grey.
HEAT = ("#FFFFF0", "#C7E9B4", "#7FCDBB", "#41B6C4", "#1D91C0", "#225EA8", "#0C2C84")

# From small to large jobs: samples of viridis without its palest end.
SIZES = ("#B8DE29", "#73D055", "#3CBB75", "#20A387", "#287D8E", "#33638D", "#404788", "#481567")

# Of series without an order: Okabe and Ito's without yellow, which is too pale for lines on white, and two of greys.
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#333333", "#8C8C8C")
# Beside the colour, for those who do not see it: as Plotly, matplotlib and text have them.
SYMBOLS = (
    ("circle", "o", "\u25cf"),
    ("square", "s", "\u25a0"),
    ("triangle-up", "^", "\u25b2"),
    ("diamond", "D", "\u25c6"),
    ("triangle-down", "v", "\u25bc"),
    ("cross", "P", "\u271a"),
    ("x", "X", "\u2716"),
    ("star", "*", "\u2605"),
)

INK = "#222222"
WHITE = 0.5  # share of white in bars
GRID = "#E3E3E3"


def color(name: str) -> str:
    """The colour of a name in `COLORS`, or of "size i/n": the i-th of n sizes."""
    if not name.startswith("size "):
        return COLORS[name]
    number, _, count = name.removeprefix("size ").partition("/")
    return SIZES[round(int(number) * (len(SIZES) - 1) / max(int(count) - 1, 1))]


def paler(shade: str) -> str:
    """The colour with so much white that lines in `INK` are seen on it."""
    parts = (int(shade[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part + WHITE * (255 - part)):02X}" for part in parts)


def ink_on(shade: str) -> str:
    """Black or white, whichever can be read on a colour (ITU-R BT.601 luma)."""
    red, green, blue = (int(shade[i : i + 2], 16) for i in (1, 3, 5))
    return INK if 299 * red + 587 * green + 114 * blue > 140_000 else "#FFFFFF"
