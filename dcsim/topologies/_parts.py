"""Links and switches of a graph by the words that a scenario has for them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dcsim.errors import nearest
from dcsim.topologies._routes import Ints, Links
from dcsim.topologies.base import Node

LINKS, SWITCHES, JOINED = "links", "switches", " -- "


class UnknownPartError(LookupError):
    """A word that names nothing in a graph; the text is what to write instead."""


def parts(links: Links, word: str) -> dict[str, Ints]:
    """What a word names, each by its own name, with the directed links that fail with it.

    `links`: every cable, in both directions; `switches`: every switch, with all its cables; a level (`spine`) or a node
    (`spine-1`): these nodes; two of them (`leaf -- spine-1`): the cables between them. UnknownPartError for any other.
    """
    if word == LINKS:
        return dict(_cables(links, np.flatnonzero(links.origin < links.neighbour)))
    if word == SWITCHES:
        return {_text(links.nodes[place]): _around(links, place) for place in links.switches.tolist()}
    if JOINED not in word:
        return {_text(links.nodes[place]): _around(links, place) for place in _places(links, word).tolist()}
    here, there = (_places(links, side.strip()) for side in word.split(JOINED, 1))
    found = np.flatnonzero(np.isin(links.origin, here) & np.isin(links.neighbour, there))
    if not len(found):
        raise UnknownPartError(f"no cable joins the two: {_neighbours(links, int(here[0]))}")
    return dict(_cables(links, found))


def _text(node: Node) -> str:
    """A node as users write it: `leaf-3` for ("leaf", 3)."""
    return "-".join(map(str, node)) if isinstance(node, tuple) else str(node)


def _level(node: Node) -> str:
    return str(node[0]) if isinstance(node, tuple) else str(node)


def _places(links: Links, word: str) -> Ints:
    """Places of the nodes of a level, or of the one node, of that name."""
    found = [place for place, node in enumerate(links.nodes) if word in (_level(node), _text(node))]
    if not found:
        levels = dict.fromkeys(map(_level, links.nodes))
        names = {*map(_text, links.nodes), *levels, LINKS, SWITCHES}
        known = ", ".join([LINKS, SWITCHES, *levels][:8])
        raise UnknownPartError(nearest(word, names) or f"known: {known}, single nodes, and two of them joined by '--'")
    return np.array(found)


def _around(links: Links, place: int) -> Ints:
    """All links from and to a node."""
    return np.flatnonzero((links.origin == place) | (links.neighbour == place))


def _cables(links: Links, one_way: Ints) -> Iterator[tuple[str, Ints]]:
    """Names of cables, given by links in one direction, and their links in both."""
    number = len(links.nodes)
    way = links.origin * number + links.neighbour  # rises: links are sorted by origin, then by where they lead
    back = np.searchsorted(way, links.neighbour[one_way] * number + links.origin[one_way])
    for pair in np.stack((one_way, back), axis=1):
        a, b = links.name(int(pair[0]))
        yield f"{_text(a)}{JOINED}{_text(b)}", pair


def _neighbours(links: Links, place: int) -> str:
    ends = links.neighbour[links.begin[place] : links.begin[place + 1]][:4].tolist()
    names = (f"'{_text(links.nodes[place])}{JOINED}{_text(links.nodes[end])}'" for end in ends)
    return f"there are {', '.join(names)}"
