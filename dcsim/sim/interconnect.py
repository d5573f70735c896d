"""The interconnect of a scenario: its graph built and compiled, mistakes told at their places in the scenario."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from dcsim.errors import Problem, ScenarioError
from dcsim.policies.placements import Placement
from dcsim.scenario.loaded import Loaded
from dcsim.scenario.plugin_tables import Kind, build, path_of, with_files
from dcsim.scenario.spec import PluginTable
from dcsim.sim.hosts import refuse_other_hosts
from dcsim.sim.parts import Part
from dcsim.topologies._hosts import with_insides
from dcsim.topologies._parts import UnknownPartError, parts
from dcsim.topologies._routes import Links, compiled, graph_of


def interconnect(loaded: Loaded, placement: Placement) -> Links | None:
    """The links of the scenario's network, None where it has none.

    ScenarioError for a graph that cannot be, for hosts that are not the nodes of the pools, and for a placement that
    needs a network or contention, or that contention cannot follow.
    """
    network, problems, links = loaded.scenario.network, [], None
    if network is None and placement.uses_network:
        problems.append(_unfit(loaded, "needs a network to look at", "write a table [network]"))
    if network is not None and network.contention == "fair" and placement.ignores_nodes:
        problems.append(_unfit(loaded, "contention needs a placement that looks at nodes", "use 'pack' or 'spread'"))
    if network is not None and network.contention == "none" and placement.uses_links:
        problems.append(_unfit(loaded, "needs links that are contended", "write network.contention = 'fair'"))
    if network is not None:
        try:
            links = links_of(loaded)
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return links


def _unfit(loaded: Loaded, what: str, fix: str) -> Problem:
    """A placement that does not go with the network."""
    file, line = loaded.place(("placement", "use"))
    return Problem(file, "placement.use", what, f"'{loaded.scenario.placement.use}'", fix=fix, line=line)


def links_of(loaded: Loaded) -> Links:
    """The links of the network that a scenario has; ScenarioError as for `interconnect`."""
    network = loaded.scenario.network
    assert network is not None
    with _placed("topology", network.topology, loaded):
        topology = with_files(build("topology", network.topology, loaded), "topology", loaded)
        if network.host is None and getattr(topology, "needs_insides", False):
            fix = "write it, or a table [network.host]"
            raise ScenarioError(Problem(network.topology.use, "link_bandwidth", "is missing", fix=fix))
        graph = graph_of(topology)
    if network.host is not None:
        with _placed("host", network.host, loaded):
            inside = graph_of(with_files(build("host", network.host, loaded), "host", loaded))
    with _placed("topology", network.topology, loaded):
        links = compiled(graph if network.host is None else with_insides(graph, inside))
    with loaded.placing():
        refuse_other_hosts(links, loaded.scenario.pools)
    return links


@contextmanager
def _placed(kind: Kind, table: PluginTable, loaded: Loaded) -> Iterator[None]:
    """Gives mistakes in parameters the file, line and key of the scenario, those in a graph's file its name there."""
    try:
        yield
    except ScenarioError as error:
        raise ScenarioError(_in_its_file(problem, kind, table, loaded) for problem in error.problems) from None


def _in_its_file(problem: Problem, kind: Kind, table: PluginTable, loaded: Loaded) -> Problem:
    if problem.file != table.use:
        named = "path" in table.parameters and problem.file == str(loaded.resolve(table.parameters["path"]))
        return replace(problem, file=str(table.parameters["path"])) if named else problem
    of = path_of(kind)
    file, line = loaded.place((*of, problem.key.partition("[")[0]) if problem.key else of)
    return replace(
        problem, file=file, line=line, key=".".join(map(str, (*of, *([problem.key] if problem.key else []))))
    )


def failing_parts(loaded: Loaded, links: Links) -> list[Part]:
    """Every link and switch that the scenario has fail; ScenarioError with all words that name none."""
    failures = () if loaded.scenario.network is None else loaded.scenario.network.failures
    found: dict[tuple[int, str], Part] = {}
    problems = []
    for table, facts in enumerate(failures):
        for number, word in enumerate(facts.parts):
            key = ("network", "failures", table, "parts", number)
            try:
                found |= {(table, name): Part(name, of, table, facts) for name, of in parts(links, word).items()}
            except UnknownPartError as hint:
                file, line = loaded.place(key)
                what = "no link or switch of that name"
                problems.append(Problem(file, ".".join(map(str, key)), what, f"'{word}'", fix=str(hint), line=line))
    if problems:
        raise ScenarioError(problems)
    return list(found.values())
