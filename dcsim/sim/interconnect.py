"""The interconnect of a scenario: its graph built and compiled, mistakes told at their places in the scenario."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dcsim.errors import Problem, ScenarioError
from dcsim.performance.placed import own_nic_b_per_s
from dcsim.policies.placements import Placement
from dcsim.scenario.loaded import Loaded
from dcsim.scenario.mistakes import quoted
from dcsim.scenario.plugin_tables import build, with_files
from dcsim.scenario.spec import PluginTable
from dcsim.sim.hosts import refuse_other_hosts
from dcsim.sim.parts import Part
from dcsim.topologies._parts import UnknownPartError, parts
from dcsim.topologies._routes import Links, compiled, graph_of
from dcsim.units import human_si

CONTEND = "write network.contention = 'fair'"
TABLE = ("network", "topology")


def interconnect(loaded: Loaded, placement: Placement, scheduler: object) -> Links | None:
    """The links of the scenario's network, None where it has none.

    ScenarioError for a graph that cannot be, for hosts that are not the nodes of the pools, for policies that need a
    network or contention, or that contention cannot follow, and for traffic that NICs cannot carry.
    """
    network, links = loaded.scenario.network, None
    problems = [*_unfit_policies(loaded, placement, scheduler), *_more_than_nics_carry(loaded)]
    if network is not None:
        try:
            links = links_of(loaded)
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return links


def _unfit_policies(loaded: Loaded, placement: Placement, scheduler: object) -> Iterator[Problem]:
    """Policies that do not go with the network."""
    scenario, key = loaded.scenario, ("placement", "use")
    network, used = scenario.network, quoted(scenario.placement.use)
    if network is None:
        if placement.uses_network:
            yield _problem(loaded, key, "needs a network to look at", used, "[network]", "write such a table")
        return
    fair = network.contention == "fair"
    if fair and placement.ignores_nodes:
        what, fix = "contention needs a placement that looks at nodes", "use 'pack' or 'spread'"
        yield _problem(loaded, key, what, used, "nodes for every job", fix)
    if fair and getattr(scheduler, "shares_time", False):
        what = "shares accelerators by time, so that jobs have no nodes whose links they would share"
        fix = "use 'fifo', or another that places jobs, or write network.contention = 'none'"
        yield _problem(loaded, ("scheduler", "use"), what, quoted(scenario.scheduler.use), "places for jobs", fix)
    if not fair and placement.uses_links:
        yield _problem(loaded, key, "needs links that are contended", used, "contention", CONTEND)
    if placement.interleave and not (fair and scenario.jobs):
        what = "has no effect without contention of [[jobs]], which alone send by phases"
        yield _problem(loaded, ("placement", "interleave"), what, "true", "both", "leave it out, or write them")


def _more_than_nics_carry(loaded: Loaded) -> Iterator[Problem]:
    """Traffic of the workload's gangs that the NICs of a pool, all of whose accelerators send, cannot carry."""
    network = loaded.scenario.network
    if network is None or network.traffic is None:
        return
    sent_b_per_s = network.traffic.bandwidth
    for pool in loaded.scenario.pools:
        carried_b_per_s = own_nic_b_per_s(pool, pool.accelerators_per_node)
        if pool.nodes > 1 and sent_b_per_s > carried_b_per_s:
            key, what = (
                ("network", "traffic", "bandwidth"),
                f"NICs of pool '{pool.name}' carry less of each accelerator",
            )
            got, most = (human_si(value, "B/s") for value in (sent_b_per_s, carried_b_per_s))
            fix = "write less, or a larger nic_bandwidth of the pool"
            yield _problem(loaded, key, what, got, f"at most {most}", fix)


def _problem(loaded: Loaded, key: tuple[str, ...], what: str, got: str, expected: str, fix: str) -> Problem:
    """A value of the scenario that does not go with another."""
    file, line = loaded.place(key)
    return Problem(file, ".".join(key), what, got, expected, fix, line)


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
    with loaded.placing():
        refuse_other_hosts(links, loaded.scenario.pools)
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
