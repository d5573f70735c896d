"""The interconnect of a scenario: its graph built and compiled, mistakes told at their places in the scenario."""

from __future__ import annotations

from dataclasses import replace

from dcsim.errors import Problem, ScenarioError
from dcsim.policies.placements import Placement
from dcsim.scenario.loaded import Loaded
from dcsim.scenario.plugin_tables import build, with_files
from dcsim.scenario.spec import PluginTable
from dcsim.sim.hosts import refuse_other_hosts
from dcsim.sim.parts import Part
from dcsim.topologies._parts import UnknownPartError, parts
from dcsim.topologies._routes import Links, compiled, graph_of

TABLE = ("network", "topology")


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
    assert loaded.scenario.network is not None
    table = loaded.scenario.network.topology
    topology = with_files(build("topology", table, loaded), "topology", loaded)
    try:
        links = compiled(graph_of(topology))
    except ScenarioError as error:
        path = str(getattr(topology, "path", ""))
        raise ScenarioError(_in_its_file(problem, table, path, loaded) for problem in error.problems) from None
    refuse_other_hosts(links, loaded.scenario.pools, loaded.file)
    return links


def _in_its_file(problem: Problem, table: PluginTable, path: str, loaded: Loaded) -> Problem:
    """A mistake in parameters with file, line and key of the scenario; one in a graph's file with its name there."""
    if path and problem.file == path:
        return replace(problem, file=str(table.parameters["path"]))
    if problem.file != table.use:
        return problem
    file, line = loaded.place((*TABLE, problem.key.partition("[")[0]) if problem.key else TABLE)
    return replace(problem, file=file, line=line, key=".".join([*TABLE, *([problem.key] if problem.key else [])]))


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
