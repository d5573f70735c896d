"""One self-contained HTML file that opens offline: style, text, and Plotly's script once for all its figures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dcsim.report.interactive import CONFIG
from dcsim.report.markup import in_html, in_script

# A finger that moves over a figure scrolls the page; a mouse zooms.
DRAW = """const dragmode = matchMedia("(hover: none)").matches ? false : "zoom";
const draw = (id, traces, layout) => Plotly.newPlot(id, traces, {...layout, dragmode}, CONFIG);"""
STYLE = Path(__file__).with_name("page.css")


def document(title: str, body: Iterable[str], calls: Iterable[str], style: str = "") -> str:
    """The text of the file. `title`: plain text; `body`: HTML; `calls`: lines of script, see `draw`; `style`: more CSS.

    Scripts stand at the end, so that the text is there at once.
    """
    from plotly.offline import get_plotlyjs  # Plotly takes 0.1 s to import

    lines = [DRAW.replace("CONFIG", in_script(CONFIG)), *calls]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{in_html(title)} - dcsim</title>",
            f"<style>\n{STYLE.read_text(encoding='utf-8')}{style}</style>\n</head>\n<body>",
            *body,
            f"<script>{get_plotlyjs()}</script>",
            "<script>\n" + "\n".join(lines) + "\n</script>",
            "</body>\n</html>\n",
        ]
    )


def draw(key: str, traces: Any, layout: Any) -> str:
    """The line of script that draws a figure into the element of this id."""
    return f'draw("{key}",{in_script(traces)},{in_script(layout)});'
