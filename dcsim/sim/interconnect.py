"""The interconnect of a scenario: its graph built and compiled, mistakes told at their places in the scenario."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from dcsim.errors import Problem, ScenarioError, tried
from dcsim.performance.placed import away_b_per_s, is_torus
from dcsim.policies.placements import Placement
from dcsim.scenario.loaded import Loaded
from dcsim.scenario.mistakes import quoted
from dcsim.scenario.plugin_tables import Kind, build, path_of, with_files
from dcsim.scenario.spec import PluginTable
from dcsim.sim.hosts import refuse_other_hosts
from dcsim.sim.parts import Part
from dcsim.topologies._hosts import with_insides
from dcsim.topologies._parts import UnknownPartError, parts
from dcsim.topologies._routes import Links, compiled, graph_of
from dcsim.units import human_si

CONTEND = "write network.contention = 'fair'"


def interconnect(loaded: Loaded, placement: Placement, scheduler: object) -> Links | None:
    """The links of the scenario's network, None where it has none.

    ScenarioError for a graph that cannot be, for hosts that are not the nodes of the pools, for policies that need a
    network or contention, or that contention cannot follow, and for traffic that NICs cannot carry.
    """
    links = None
    problems = [*_unfit_policies(loaded, placement, scheduler), *_more_than_nics_carry(loaded), *_only_tori(loaded)]
    if loaded.scenario.network is not None:
        links = tried(problems, links_of, loaded)
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


def _only_tori(loaded: Loaded) -> Iterator[Problem]:
    """Training jobs that run on TPUs alone where links are contended: their step times have a torus for themselves."""
    scenario = loaded.scenario
    if scenario.network is None or scenario.network.contention == "none":
        return
    for number, job in enumerate(scenario.jobs):
        pools = [pool for pool in scenario.pools if job.pool in (None, pool.name)]
        if all(map(is_torus, pools)):
            what = "trains on TPUs, in a slice with links of its own, so that nothing is known of contention"
            fix = "write network.contention = 'none'"
            yield _problem(
                loaded, ("jobs", number, "model"), what, quoted(job.model.name), "jobs in other pools too", fix
            )


def _more_than_nics_carry(loaded: Loaded) -> Iterator[Problem]:
    """Traffic of the workload's gangs that the NICs of a pool, all of whose accelerators send, cannot carry."""
    network = loaded.scenario.network
    if network is None or network.traffic is None:
        return
    sent_b_per_s = network.traffic.bandwidth
    for pool in loaded.scenario.pools:
        carried_b_per_s = away_b_per_s(pool, pool.accelerators_per_node)
        if pool.nodes > 1 and sent_b_per_s > carried_b_per_s:
            key, what = (
                ("network", "traffic", "bandwidth"),
                f"NICs of pool '{pool.name}' carry less of each accelerator",
            )
            got, most = (human_si(value, "B/s") for value in (sent_b_per_s, carried_b_per_s))
            fix = "write less, or a larger nic_bandwidth of the pool"
            yield _problem(loaded, key, what, got, f"at most {most}", fix)


def _problem(loaded: Loaded, key: tuple[str | int, ...], what: str, got: str, expected: str, fix: str) -> Problem:
    """A value of the scenario that does not go with another."""
    file, line = loaded.place(key)
    return Problem(file, ".".join(map(str, key)), what, got, expected, fix, line)


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
