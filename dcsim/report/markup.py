"""Pieces of the page, and texts of the user (job ids, tenants, names) made harmless where they are shown."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from os.path import commonprefix
from typing import Any

from dcsim.units import human_count

LONGEST_NAME = 24  # characters of a name on an axis
KEPT_HEAD = 9  # of its beginning where it is longer

_PARTS = re.compile("(?=[._][A-Za-z])")  # where a long word may be broken
# Control characters, lone surrogates and non-characters: illegal in XML, and some of them in HTML.
_ILLEGAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def plain(text: str) -> str:
    """The text without characters that a page or an SVG may not hold."""
    return _ILLEGAL.sub("\ufffd", text)


def shortened(names: Sequence[str]) -> list[str]:
    """Names as they stand on an axis: of those that are too long, the part in which they differ and some before it."""
    long = sorted({name for name in names if len(name) > LONGEST_NAME})
    head = common(long)
    tail = common([name[head:][::-1] for name in long])
    return [name if len(name) <= LONGEST_NAME else _part(name, head, len(name) - tail) for name in names]


def broken(name: str, longest: int) -> list[str]:
    """A name in lines, broken at blanks, long words also before dots and underscores, and their parts not at all."""
    lines = [""]
    words = re.split("(?<= )", name)
    for part in (part for word in words for part in (_PARTS.split(word) if len(word) > longest else [word])):
        if lines[-1] and len((lines[-1] + part).rstrip()) > longest:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def breakable(name: str) -> str:
    """A name as it stands between tags, which may be broken before dots and underscores."""
    return "<wbr>".join(map(in_html, _PARTS.split(name)))


def common(names: list[str]) -> int:
    """How many letters several names begin with alike."""
    return len(commonprefix(names)) if len(names) > 1 else 0  # noqa: RUF071 - letters are meant, not folders


def _part(name: str, first: int, last: int) -> str:
    """What `name[first:last]` shows of a name, with what stands around it as far as there is room."""
    room = LONGEST_NAME - 2  # beside dots before and behind
    first = max(0, min(first, last - room))
    last = min(len(name), max(last, first + room))
    part = f"{'…' * (first > 0)}{name[first:last]}{'…' * (last < len(name))}"
    return part if len(part) <= LONGEST_NAME else f"{part[:KEPT_HEAD]}…{part[KEPT_HEAD + 1 - LONGEST_NAME :]}"


def in_html(text: object) -> str:
    """The text as it stands between tags or in a quoted attribute."""
    return html.escape(plain(str(text)))


def in_label(text: str) -> str:
    """The text as it stands in a label of Plotly, which reads some tags and entities; lines are kept."""
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "<br>")


def in_script(data: Any) -> str:
    """JSON that may stand inside a script element: no `<`, so no tag can begin or end in it."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def number(value: float) -> str:
    """A whole number with thousands separators, or another in short."""
    return human_count(value) if value == int(value) else f"{value:g}"


def counted(value: float, thing: str) -> str:
    """So many things: `1 job`, `1,200 jobs`."""
    return f"{number(value)} {thing}{'' if value == 1 else 's'}"


def section(title: str, caption: str, inside: str) -> str:
    """A section of the page; title and caption are plain text, `inside` is HTML."""
    said = f"<p class='caption'>{in_html(caption)}</p>\n" if caption else ""
    return f"<section><h2>{in_html(title)}</h2>\n{said}{inside}</section>"


def folded(summary: str, inside: str) -> str:
    """HTML that opens when its plain-text summary is clicked."""
    return f"<details><summary>{in_html(summary)}</summary>\n{inside}</details>"


def table(head: Iterable[str], rows: Iterable[Iterable[str]], kind: str = "numbers") -> str:
    """An HTML table of plain texts; `kind`: class of the style sheet, `numbers` or `words`."""
    cells = "".join(f"<th>{breakable(text)}</th>" for text in head)
    body = "\n".join("<tr>" + "".join(f"<td>{breakable(text)}</td>" for text in row) + "</tr>" for row in rows)
    return (
        f"<div class='wide'><table class='{kind}'><thead><tr>{cells}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )
