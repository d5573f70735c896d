"""The interconnect of a run: its picture with the load of cables, and the traffic of switches over time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcsim.errors import ScenarioError
from dcsim.report.figure import Cells, Dots, Figure, Floats, Lines, Mark, Panel, Plane, TimeScale
from dcsim.report.layout import Layout, layout, number_of, text_of
from dcsim.report.markup import counted
from dcsim.report.sizes import DASH
from dcsim.report.slots import edges, slot_text
from dcsim.units import human_count, human_si

if TYPE_CHECKING:
    from dcsim.run import Run
    from dcsim.sim.traffic import Traffic
    from dcsim.topologies._routes import Links
    from dcsim.topologies.base import Node

Ints = NDArray[np.int64]

MOST_CABLES, MOST_NODES = 2000, 5000  # that are drawn
MOST_LABELLED, MOST_SWITCHES = 16, 8  # hosts, and switches of a level, that are named
MOST_ROWS, MOST_SLOTS, MOST_TICKS = 120, 300, 24
TOPS = (0.01, 0.02, 0.04, 0.08, 0.2, 0.4, 0.6, 0.8, 1.0)  # loads at which the darkest of four classes may end
CLASSES = 4
WIDTHS = (0.7, 1.4, 2.4, 3.6, 5.0)  # of cables by class, px
AIR, LEVEL_AIR = 0.03, 0.25  # around a plane, as part of its extent; above and below levels
SWITCH_PX, HOST_PX = 10.0, 7.0
LINES_ROOM, LEVEL_ROOM, PLANE_ROOM = 100, 36, 100  # cables, nodes of a level, of a plane: more of them shrink
SMALLEST = 0.35  # of what shrinks


def interconnect_figures(run: Run) -> list[Figure]:
    """The picture, in which hosts are points, and the heat map; none where links are not shared, nobody sent anything,
    or the graph is lost."""
    if graph_lost(run):
        return []
    found = run.traffic(edges(run.end_s, MOST_SLOTS))
    if found is None or run.interconnect is None or not found.carried_b.any():
        return []
    from dcsim.topologies._hosts import outside  # loads networkx and Numba

    outer, place = outside(run.interconnect)
    drawn = layout(outer)
    shown = drawn.shown[place]
    return [_picture(run, outer, found, drawn, shown), _heat_map(run, run.interconnect, found, drawn, shown)]


def graph_lost(run: Run) -> str:
    """Why the graph of a run that is read back cannot be built any more; empty if it can."""
    try:
        _ = run.interconnect
    except ScenarioError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class Cables:
    """Cables between shown nodes `a` and `b`; of several between the same two, the means. All of shape (cables,).

    `load`: share of its capacity that the fuller direction carried. `capacity_b_per_s`: of one of them, one direction.
    """

    a: Ints
    b: Ints
    load: Floats
    capacity_b_per_s: Floats


def cables(graph: Links, carried_b: Floats, shown: Ints, span_s: float) -> Cables:
    """The cables of a graph with their mean loads over `span_s` s, but for those inside a shown node."""
    origin = np.repeat(np.arange(len(graph.nodes)), np.diff(graph.begin))
    forth = np.flatnonzero(origin < graph.neighbour)
    key = origin * len(graph.nodes) + graph.neighbour  # rising: links stand in the order of origin, then aim
    back = np.searchsorted(key, graph.neighbour[forth] * len(graph.nodes) + origin[forth])
    load = carried_b / (graph.capacity_b_per_s * span_s)
    ends = np.sort(np.column_stack([shown[origin[forth]], shown[graph.neighbour[forth]]]), axis=1)
    pairs, number, count = np.unique(ends, axis=0, return_inverse=True, return_counts=True)
    number = number.ravel()
    apart = pairs[:, 0] != pairs[:, 1]
    mean_load = np.bincount(number, np.maximum(load[forth], load[back])) / count
    capacity = np.bincount(number, graph.capacity_b_per_s[forth]) / count
    return Cables(pairs[apart, 0], pairs[apart, 1], mean_load[apart], capacity[apart])


def _picture(run: Run, graph: Links, traffic: Traffic, drawn: Layout, shown: Ints) -> Figure:
    """graph: what is drawn, hosts as points. traffic: of all links. shown: what each of their nodes is drawn as."""
    assert run.interconnect is not None
    found = cables(run.interconnect, traffic.carried_b, shown, run.end_s)
    kept = np.sort(np.argsort(-found.load, kind="stable")[:MOST_CABLES])
    lines = _lines(graph, found, drawn, kept)
    low, high = _bounds(drawn, lines)
    every = np.arange(len(drawn.at))
    nodes = every if len(every) <= MOST_NODES else np.unique([found.a[kept], found.b[kept]])
    marks: tuple[Mark, ...] = (*lines, *_dots(graph, drawn, nodes))
    legend, top, bottom = "Mean load of the cable:", float(high[1]), float(low[1])
    panel = Panel("Level", marks, top, drawn.ticks, legend=legend, bottom=bottom)
    caption = (
        f"Mean over the run of what {_senders(run)} sent between their nodes, at the rate at which they ran, as share "
        "of a cable's capacity in the fuller direction."
    )
    if len(graph.endpoints) < len(graph.nodes):
        caption += " Squares are switches."
    if run.interconnect.hosts:
        caption += " Hosts are drawn without what is inside them."
    if (drawn.size > 1).any():
        caption += " A circle stands for all hosts with the same switches, its cables for the mean of theirs."
    if len(found.load) > MOST_CABLES:
        caption += f" Drawn are the {MOST_CABLES:,} fullest of {counted(len(found.load), 'cable')}"
        caption += (
            "." if len(nodes) == len(every) else f", and {len(nodes):,} of {len(every):,} nodes, which they join."
        )
    height = 620 if drawn.even else 150 + 110 * len(drawn.ticks)
    span = (float(low[0]), float(high[0]))
    return Figure("topology", "Load of the interconnect", caption, Plane(drawn.even), span, (panel,), height)


def _senders(run: Run) -> str:
    """Whose traffic is known."""
    network = run.scenario.network
    trace = network is not None and network.traffic is not None
    return " and ".join(["training jobs"] * bool(run.scenario.jobs) + ["jobs of the trace"] * trace)


def _bounds(drawn: Layout, lines: Sequence[Lines]) -> tuple[Floats, Floats]:
    """Lower left and upper right corner of the picture."""
    if not drawn.even:
        return np.array([0.0, -LEVEL_AIR]), np.array([1.0, drawn.at[:, 1].max() + LEVEL_AIR])
    points = np.concatenate([drawn.at, *(mark.ends.reshape(-1, 2) for mark in lines)])
    low, high = points.min(axis=0), points.max(axis=0)
    air = AIR * max((high - low).max(), 1.0)
    return low - air, high + air


def _shrunk(count: int, room: float) -> float:
    """By how much to draw things smaller where there is room for fewer."""
    return min(1.0, max(room / count, SMALLEST))


def _lines(graph: Links, found: Cables, drawn: Layout, kept: Ints) -> list[Lines]:
    """The cables by classes of load, the fullest on top."""
    most = min(float(found.load.max()), 1.0)
    each = next(top for top in TOPS if top >= most) / CLASSES
    which = np.ceil(np.clip(found.load / each, 0.0, CLASSES)).astype(int)
    thin = _shrunk(len(kept), LINES_ROOM)
    marks = []
    for number in range(CLASSES + 1):
        mine = kept[which[kept] == number]
        ends, cable = drawn.ends(found.a[mine], found.b[mine])
        notes = [_cable_text(graph, found, drawn, n) for n in mine.tolist()]
        name = f"{100 * each * (number - 1):g}{DASH}{100 * each * number:g} %" if number else "nothing"
        width = max(WIDTHS[number] * thin, WIDTHS[0])
        marks.append(Lines(name, ends, f"load {number}", width, tuple(notes[n] for n in cable.tolist())))
    return [mark for mark in marks if len(mark.ends)]


def _cable_text(graph: Links, found: Cables, drawn: Layout, cable: int) -> str:
    ends = " - ".join(_node_text(graph, drawn, int(end[cable])) for end in (found.a, found.b))
    return f"{ends}: {100 * found.load[cable]:.3g} % of {human_si(float(found.capacity_b_per_s[cable]), 'B/s')}"


def _node_text(graph: Links, drawn: Layout, node: int) -> str:
    name = text_of(graph.nodes[drawn.first[node]])
    return name if drawn.size[node] == 1 else f"{human_count(drawn.size[node])} hosts from {name}"


def _dots(graph: Links, drawn: Layout, nodes: Ints) -> list[Dots]:
    """Switches as squares, hosts and accelerators as circles, large ones for many; level by level, since where there
    are many they are small."""
    endpoint = np.zeros(len(graph.nodes), bool)
    endpoint[graph.endpoints] = True
    host = endpoint[drawn.first[nodes]]
    whole = HOST_PX if (drawn.size == 1).all() else SWITCH_PX
    marks = []
    for level in np.unique(drawn.level[nodes]).tolist():
        here = drawn.level[nodes] == level
        for mine, symbol, color, size in ((~host, "square", "capacity", SWITCH_PX), (host, "circle", "host", whole)):
            own = nodes[here & mine]
            size *= _shrunk(max(len(own), 1), PLANE_ROOM if drawn.even else LEVEL_ROOM)
            labels = tuple(_label(graph, drawn, node) for node in own.tolist())
            notes = tuple(_node_text(graph, drawn, node) for node in own.tolist())
            marks.append(Dots(drawn.at[own, 0], drawn.at[own, 1], symbol, color, size, labels, notes))
    return [mark for mark in marks if len(mark.x)]


def _label(graph: Links, drawn: Layout, node: int) -> str:
    """The number of a node, where there is room for it."""
    if np.count_nonzero(drawn.level == drawn.level[node]) > (MOST_SWITCHES if drawn.level[node] else MOST_LABELLED):
        return ""
    return number_of(graph.nodes[drawn.first[node]]) if drawn.size[node] == 1 else human_count(drawn.size[node])


def _heat_map(run: Run, graph: Links, traffic: Traffic, drawn: Layout, shown: Ints) -> Figure:
    """Switches x time: what comes in as share of what the cables bring in at most, so that leaves and large switches
    compare; by level and number, those inside hosts below all others, one after another together if many."""
    level = drawn.level[shown[traffic.switches]]
    order = np.array(sorted(range(len(level)), key=lambda n: (level[n], _counting(graph.nodes[traffic.switches[n]]))))
    level = level[order]
    group = ceil(len(order) / MOST_ROWS)
    # Rows begin with each level, and after every `group` switches of it.
    place = np.arange(len(order)) - np.searchsorted(level, level)
    begin = np.flatnonzero(place % group == 0)
    most_b_per_s = np.bincount(graph.neighbour, graph.capacity_b_per_s, len(graph.nodes))[traffic.switches[order]]
    into, most = (np.add.reduceat(of, begin, axis=0) for of in (traffic.into_b_per_s[order], most_b_per_s))
    values = (100.0 * into / most[:, None]).astype(np.float32)
    cells = Cells("% of capacity", traffic.slots_s, np.arange(len(begin) + 1.0), values, float(values.max()))
    names = [text_of(graph.nodes[node]) for node in traffic.switches[order[begin]].tolist()]
    step = ceil(len(begin) / MOST_TICKS)
    ticks = tuple((row + 0.5, names[row]) for row in range(0, len(begin), step))
    one, many = ("switch", "switches") if len(traffic.switches) < len(graph.nodes) else ("node", "nodes")
    what = f"a {one}" if group == 1 else f"{group} {many} of a level together"
    slot = slot_text(run.end_s, MOST_SLOTS)
    caption = (
        f"What comes into {what}, from hosts and switches, as share of what its cables could bring in; each cell is "
        f"the mean of {slot}."
    )
    panel = Panel(one.capitalize(), (cells,), float(len(begin)), ticks)
    height = int(min(640, 150 + 16 * max(len(begin), 6)))
    x_axis = TimeScale.of(run.scenario.start, run.end_s)
    return Figure("switches", f"Traffic of {many}", caption, x_axis, (0.0, run.end_s), (panel,), height)


def _counting(node: Node) -> list[str | int]:
    """A key that puts nodes in the order of the numbers in their names: `S2` before `S10`."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", text_of(node))]
