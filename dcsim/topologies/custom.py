"""A graph from a file: GraphML, JSON (node-link), or CSV, plain or compressed (`.gz`).

CSV with the columns `source, target, bandwidth, latency` is a list of cables; any other is a list of hosts, one a row:
the host in the first column, then the switches above it from the top level down, as in Alibaba's Lingjun cluster
(`ip, DSW, PSW, ASW`). Names of switches count within the switch above: two pods may both have an `S14`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import xml.etree.ElementTree
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcsim.errors import Problem, ScenarioError, nearest
from dcsim.plugins import DataPath
from dcsim.topologies.base import MOST_EDGES, Sketch
from dcsim.units import BANDWIDTH, TIME, BytesPerSecond, Dimension, Seconds

if TYPE_CHECKING:
    import networkx as nx

LEAST_EDGE_B = 4
"""Bytes that an edge takes in any of the formats, at least: `a,b` and the end of the line."""
MOST_TOLD = 100  # mistakes in one file
MOST_SHOWN = 80  # characters of what a file has there
KINDS = ("host", "accelerator", "nic", "switch")
SUFFIXES = (".graphml", ".json", ".csv")


@dataclass(frozen=True)
class Custom:
    """A graph of your own."""

    path: DataPath
    """The file."""
    bandwidth: BytesPerSecond | None = None
    """Of cables that the file gives none, one direction."""
    latency: Seconds | None = None
    """Of cables that the file gives none."""


def build(params: Custom) -> nx.Graph:
    """Nodes by their names in the file; ScenarioError for files that hold no graph, with all mistakes in them.

    Without a `kind`, nodes on one cable alone are hosts and others switches; if there are none of the former, all are
    accelerators.
    """
    import networkx as nx

    path = Path(params.path)
    maker = _Maker(params, path)
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix not in SUFFIXES:
        raise ScenarioError(Problem(str(path), "", "is no GraphML, JSON or CSV", fix=f"name it {', '.join(SUFFIXES)}"))
    text = _text(path)
    try:
        {".graphml": maker.graphml, ".json": maker.json, ".csv": maker.csv}[suffix](text)
    except RecursionError:
        raise ScenarioError(Problem(str(path), "", "has lists or tables too deep within each other")) from None
    except (ValueError, LookupError, TypeError, AttributeError, csv.Error, *_OTHER_ERRORS, nx.NetworkXError) as error:
        raise ScenarioError(Problem(str(path), "", f"cannot be read as {suffix[1:]}: {error}")) from error
    return maker.finished()


def _text(path: Path) -> str:
    """The content; refused unread where even the shortest edges would be too many."""
    most = MOST_EDGES * LEAST_EDGE_B * 8
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            content: bytes = file.read(most + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ScenarioError(Problem(str(path), "", f"is no whole gzip file: {error}")) from None
    if len(content) > most:
        raise ScenarioError(Problem(str(path), "", f"is larger than {most / 1e6:.0f} MB", fix="model the upper levels"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ScenarioError(Problem(str(path), "", f"is no UTF-8 text: {error.reason}")) from error


_OTHER_ERRORS = (xml.etree.ElementTree.ParseError, OverflowError)


class _Maker:
    """Adds what a file says and remembers what is wrong with it."""

    def __init__(self, params: Custom, path: Path) -> None:
        self.params, self.path = params, path
        self.sketch = Sketch(str(path))
        self.problems: list[Problem] = []

    def wrong(self, where: str, what: str, got: object = None, fix: str | None = None) -> None:
        """Remember a mistake; after a hundred the rest of the file is not read."""
        if len(self.problems) >= MOST_TOLD:
            raise ScenarioError(self.problems)
        text = None if got is None else f"'{str(got)[:MOST_SHOWN]}'"
        self.problems.append(Problem(str(self.path), where, what, text, fix=fix))

    def csv(self, text: str) -> None:
        """A list of cables, or of hosts with the switches above them."""
        reader = csv.DictReader(io.StringIO(text))
        columns = list(reader.fieldnames or ())
        if {"source", "target"} <= set(columns):
            for number, row in enumerate(reader):
                self.few_enough(number)
                self.edge(f"line {reader.line_num}", row["source"], row["target"], row)
        elif len(columns) > 1:
            for number, row in enumerate(reader):
                self.few_enough(number * (len(columns) - 1))
                self.host(f"line {reader.line_num}", [row[name] for name in columns])
        else:
            raise ValueError("no columns source, target, and no columns of levels either")

    def few_enough(self, edges: int) -> None:
        """ScenarioError for more edges than a graph may have, before they are all in memory."""
        if edges >= MOST_EDGES:
            what = f"more than {MOST_EDGES:,} edges"
            raise ScenarioError(Problem(str(self.path), "", what, fix="model the upper levels alone"))

    def host(self, where: str, cells: list[str | None]) -> None:
        """A host and the switches above it, from the top level down."""
        if not all(cells):
            self.wrong(where, "has an empty cell")
            return
        name, *levels = [str(cell) for cell in cells]
        above = ["/".join(levels[: depth + 1]) for depth in range(len(levels))]
        if name in self.sketch.graph:
            self.wrong(where, "comes twice", name)
            return
        self.sketch.nodes("switch", above)
        self.sketch.nodes("host", [name])
        for pair in zip([*above[1:], name], above, strict=True):
            if not self.sketch.graph.has_edge(*pair):
                self.edge(where, *pair, {})

    def json(self, text: str) -> None:
        """Nodes, and edges among them alone."""
        found = json.loads(text)
        key = "edges" if isinstance(found, dict) and "edges" in found else "links"
        if not (isinstance(found, dict) and all(isinstance(found.get(name), list) for name in ("nodes", key))):
            raise ValueError("expected an object with a list 'nodes' and a list 'edges'")
        self.few_enough(len(found[key]))
        for number, node in enumerate(found["nodes"]):
            where = f"nodes[{number}]"
            if facts := self.table(where, node, '{"id": "host-1"}'):
                self.node(where, self.named(where, "id", facts), facts)
        for number, edge in enumerate(found[key]):
            where = f"{key}[{number}]"
            if facts := self.table(where, edge, '{"source": "host-1", "target": "switch-1"}'):
                source, target = (self.named(where, end, facts) for end in ("source", "target"))
                if source is not None and target is not None:
                    self.between_known(where, source, target, facts)

    def table(self, where: str, given: object, example: str) -> Mapping[str, Any] | None:
        """A node or edge of JSON, None, with a mistake noted, for what is none."""
        if isinstance(given, dict) and given:
            return given
        self.wrong(where, "must be an object", given, fix=f"write e.g. {example}")
        return None

    def named(self, where: str, key: str, facts: Mapping[str, Any]) -> str | None:
        """The name of a node, a text or a whole number, None, with a mistake noted, for anything else."""
        given = facts.get(key)
        if isinstance(given, str | int) and not isinstance(given, bool) and given != "":
            return str(given)
        self.wrong(
            f"{where}: {key}", "must be a name: a text or a whole number" if key in facts else "is missing", given
        )
        return None

    def node(self, where: str, name: str | None, facts: Mapping[str, Any]) -> None:
        """A node, if nothing is wrong with it."""
        given = {key: value for key, value in facts.items() if key == "kind"}
        for kind in given.values():
            if kind not in KINDS:
                self.wrong(f"{where}: kind", f"must be one of {', '.join(KINDS)}", kind)
        if name is not None and name in self.sketch.graph:
            self.wrong(where, "comes twice", name)
        elif name is not None:
            self.sketch.graph.add_node(name, **given)

    def graphml(self, text: str) -> None:
        """As GraphML, edges among declared nodes alone."""
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ValueError("document types and entities are refused")
        self.few_enough(text.count("<edge"))
        from networkx import parse_graphml

        found = parse_graphml(text)
        every = xml.etree.ElementTree.fromstring(text).iter()
        declared = {element.get("id") for element in every if element.tag.endswith("}node")}
        for node, facts in found.nodes(data=True):
            if node in declared:
                self.node(f"node {node}", str(node), facts)
        for source, target, facts in found.edges(data=True):
            self.between_known(f"edge {source} - {target}", str(source), str(target), facts)

    def between_known(self, where: str, source: str, target: str, facts: Mapping[str, Any]) -> None:
        """An edge whose ends the file must have declared."""
        unknown = [name for name in (source, target) if name not in self.sketch.graph]
        for name in unknown:
            self.wrong(where, "no such node", name, nearest(name, self.sketch.graph))
        if not unknown:
            self.edge(where, source, target, facts)

    def edge(self, where: str, source: str, target: str, facts: Mapping[str, Any]) -> None:
        """An edge, if nothing is wrong with it."""
        if not source or not target:
            self.wrong(where, "an edge has two ends")
        elif source == target:
            self.wrong(where, "an edge from a node to itself", source)
        elif self.sketch.graph.has_edge(source, target):
            self.wrong(where, f"a second edge between {source} and {target}", fix="add their bandwidths up")
        else:
            bandwidth = self.value(where, "bandwidth", BANDWIDTH, self.params.bandwidth, facts)
            latency = self.value(where, "latency", TIME, self.params.latency, facts)
            if bandwidth is not None and bandwidth <= 0.0:
                self.wrong(f"{where}: bandwidth", "must be > 0 B/s", facts.get("bandwidth", bandwidth))
            elif bandwidth is not None and latency is not None:
                self.sketch.cable([(source, target)], bandwidth, latency)

    def value(
        self, where: str, key: str, unit: Dimension, usual: float | None, facts: Mapping[str, Any]
    ) -> float | None:
        """A physical value of an edge, or the usual one."""
        given = facts.get(key)
        if given in (None, ""):
            if usual is None:
                self.wrong(
                    f"{where}: {key}", "is missing", fix=f'write it there, or {key} = "{unit.example()}" for all'
                )
            return usual
        try:
            return unit.parse(given)
        except ValueError as error:
            self.wrong(f"{where}: {key}", str(error), given)
            return None

    def finished(self) -> nx.Graph:
        """The graph with a kind for every node; ScenarioError if something was wrong."""
        graph = self.sketch.graph
        if not self.problems and not graph.number_of_edges():
            self.wrong("", "has no edges")
        if self.problems:
            raise ScenarioError(self.problems)
        ends = [node for node, degree in graph.degree() if degree == 1]
        guessed: Iterable[tuple[Any, str]] = ((node, "switch" if ends else "accelerator") for node in graph)
        for node, kind in guessed:
            graph.nodes[node].setdefault("kind", "host" if graph.degree(node) == 1 else kind)
        return graph
