"""The state of pools against dictionaries of what is free: every query, every change, and every refusal.

Hypothesis walks through random changes; after each one, all that a placement may ask is worked out anew, the slow
way, from a dictionary that says how much each node has free.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dcsim.policies.decisions import Allocation
from dcsim.policies.view import Request
from dcsim.sim.nodes import Counts, Nodes
from dcsim.sim.shared import SharedNodes, SharedPools

WALKS = settings(max_examples=40, stateful_step_count=30, deadline=None, derandomize=True)

FAULTS = (
    "a node beyond the last",
    "a node before the first",
    "a node twice",
    "more than is free",
    "nothing on a node",
    "less than nothing",
    "less than the job needs",
    "more than the job needs",
    "more counts than nodes",
    "no counts",
)


class Pool(RuleBasedStateMachine):
    """`Nodes` and its scratch copy `Counts`, beside `have`: free accelerators by node."""

    @initialize(nodes=st.integers(1, 5), width=st.integers(1, 5))
    def begin(self, nodes, width):
        self.width = width
        self.have = dict.fromkeys(range(nodes), width)
        self.held = []  # allocations that jobs hold
        self.pool = Nodes(nodes, width, walls=True)
        self.counts = Counts(nodes, width, walls=True)

    def took(self, nodes, counts):
        for node, count in zip(nodes, counts, strict=True):
            self.have[node] -= count
        self.held.append(Allocation(0, tuple(nodes), tuple(counts)))
        self.counts.occupy(self.held[-1], sum(counts))

    def some(self, data):
        """Parts of some nodes that are free."""
        open_nodes = [n for n, free in self.have.items() if free]
        nodes = data.draw(st.lists(st.sampled_from(open_nodes), min_size=1, unique=True))
        return nodes, [data.draw(st.integers(1, self.have[n])) for n in nodes]

    def best(self, order, need, partly):
        """The node that comes first in an order by free accelerators, ties by number; -1 if none has room."""
        fitting = [n for n, free in self.have.items() if free >= need and not (partly and free == self.width)]
        return min(fitting, key=lambda n: (order * self.have[n], n), default=-1)

    @precondition(lambda self: any(self.have.values()))
    @rule(data=st.data())
    def a_job_takes_parts_of_some_nodes(self, data):
        nodes, counts = self.some(data)
        change = data.draw(st.sampled_from([self.pool.occupy, self.pool.take]))
        change(Allocation(0, tuple(nodes), tuple(counts)), sum(counts))
        self.took(nodes, counts)

    @rule(need=st.integers(1, 6))
    def a_job_takes_the_fullest_node(self, need):
        node = self.best(1, need, partly=False)
        assert self.pool.take_fullest(need) == node
        if node >= 0:
            self.took([node], [need])

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def a_job_gives_back_what_it_held(self, data):
        allocation = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        for node, count in zip(allocation.nodes, allocation.counts, strict=True):
            self.have[node] += count
        self.pool.release(allocation, sum(allocation.counts))
        self.counts.release(allocation, sum(allocation.counts))

    @precondition(lambda self: any(self.have.values()))
    @rule(data=st.data(), fault=st.sampled_from(FAULTS))
    def an_illegal_allocation_is_refused_and_changes_nothing(self, data, fault):
        nodes, counts = self.some(data)
        need, last = sum(counts), nodes[-1]
        other = next((n for n in self.have if n not in nodes), last)
        nodes, counts, need = {
            "a node beyond the last": ([*nodes[:-1], len(self.have)], counts, need),
            "a node before the first": ([*nodes[:-1], -1], counts, need),
            "a node twice": ([*nodes, last], [*counts, 1], need + 1),
            "more than is free": (nodes, [*counts[:-1], self.have[last] + 1], need - counts[-1] + self.have[last] + 1),
            "nothing on a node": ([*nodes, other], [*counts, 0], need),
            "less than nothing": ([*nodes, other], [*counts, -1], need - 1),
            "less than the job needs": (nodes, counts, need + 1),
            "more than the job needs": (nodes, counts, need - 1),
            "more counts than nodes": (nodes, [*counts, 1], counts[0] if len(nodes) == 1 else need + 1),
            "no counts": (nodes, [], need),
        }[fault]
        with pytest.raises(ValueError, match=r"\w"):
            self.pool.occupy(Allocation(0, tuple(nodes), tuple(counts)), need)

    @invariant()
    def every_answer_is_that_of_the_dictionary(self):
        pool, have = self.pool, self.have
        empty = [n for n, free in have.items() if free == self.width]
        assert pool.free().tolist() == list(have.values())
        assert [pool.free_on(n) for n in have] == list(have.values())
        assert pool.free_total == sum(have.values())
        assert pool.empty_count() == len(empty)
        for number in range(len(have) + 2):
            assert pool.empty(number) == empty[:number]
        for need in range(1, self.width + 2):
            for partly in (False, True):
                assert pool.fullest(need, partly) == self.best(1, need, partly)
                assert pool.emptiest(need, partly) == self.best(-1, need, partly)

    @invariant()
    def scratch_copies_say_what_fits(self):
        for need in range(1, self.width * len(self.have) + 2):
            fits = self.fits(need)
            assert self.pool.scratch().fits(need) == fits
            assert self.counts.fits(need) == fits

    def fits(self, need):
        """Whole empty nodes, and one more node with room for the remainder; up to a node, one node."""
        whole, rest = divmod(need, self.width)
        if need <= self.width:
            return max(self.have.values()) >= need
        others = sorted(self.have.values(), reverse=True)[whole:]
        enough = sum(free == self.width for free in self.have.values()) >= whole
        return enough and (rest == 0 or max(others, default=0) >= rest)

    @invariant()
    def what_happens_to_a_scratch_copy_stays_there(self):
        copy = self.pool.scratch()
        for allocation in self.held:
            copy.release(allocation, sum(allocation.counts))
        assert copy.free_total == self.width * len(self.have)
        assert copy.fits(self.width * len(self.have))


def test_a_pool_is_what_a_dictionary_of_free_accelerators_says():
    run_state_machine_as_test(Pool, settings=WALKS)


def test_a_pool_without_walls_is_one_number():
    pool = Nodes(3, 4, walls=False)
    pool.occupy(Allocation(0), 7)
    assert (pool.free_total, pool.scratch().fits(5), pool.scratch().fits(6)) == (5, True, False)
    with pytest.raises(ValueError, match="6 accelerators asked for, 5 free"):
        pool.occupy(Allocation(0), 6)
    with pytest.raises(ValueError, match="does not look at nodes"):
        pool.occupy(Allocation(0, (0,), (1,)), 1)
    assert pool.free_total == 5
    pool.release(Allocation(0), 7)
    assert pool.free_total == 12


# --- Parts of nodes -----------------------------------------------------------------------------------------------

SHARES = st.sampled_from([0.1, 0.25, 0.333, 0.5, 0.7, 1.0])
SHAPES = [(2, 3, 4.0, 10.0), (3, 2, None, None)]  # nodes, accelerators, cores and bytes of memory of each


@st.composite
def requests(draw):
    """Several whole accelerators, or a share of one, or none; with cores and memory."""
    accelerators = draw(st.integers(0, 8))
    share = draw(SHARES) if accelerators == 1 else 1.0
    cpus, memory_b = draw(st.sampled_from([0.0, 0.001, 0.5, 1.7, 4.0])), draw(st.sampled_from([0.0, 3.0, 10.0]))
    return Request(accelerators, share, cpus, memory_b, draw(st.sampled_from([(0,), (1,), (0, 1)])))


class Parts(RuleBasedStateMachine):
    """`SharedPools` of two pools, beside dictionaries of thousandths and bytes that are free, by node's number."""

    @initialize()
    def begin(self):
        self.pools = SharedPools([SharedNodes(*shape) for shape in SHAPES])
        rows = [(pool, node, shape) for pool, shape in enumerate(SHAPES) for node in range(shape[0])]
        self.where = {number: (pool, node) for number, (pool, node, _) in enumerate(rows)}
        self.devices = {n: dict.fromkeys(range(shape[1]), 1000) for n, (_, _, shape) in enumerate(rows)}
        self.cpus = {n: np.inf if s[2] is None else round(s[2] * 1000) for n, (_, _, s) in enumerate(rows)}
        self.memory = {n: np.inf if s[3] is None else round(s[3]) for n, (_, _, s) in enumerate(rows)}
        self.held = []

    def fitting(self, number, request):
        """Devices of a node that have room for the request's share."""
        return [d for d, free in self.devices[number].items() if free >= round(request.share * 1000)]

    def beside(self, number, request):
        """Whether cores and memory of a node do."""
        return self.cpus[number] >= round(request.cpus * 1000) and self.memory[number] >= request.memory_b

    def fits(self, number, request):
        return len(self.fitting(number, request)) >= request.accelerators and self.beside(number, request)

    def fits_as_gang(self, pool, request):
        """Whole nodes, and one more for the remainder, each with the cores and the memory."""
        width = SHAPES[pool][1]
        whole, rest = divmod(request.accelerators, width)
        idle = [
            sum(free == 1000 for free in self.devices[n].values())
            for n, (at, _) in self.where.items()
            if at == pool and self.beside(n, request)
        ]
        others = sorted(idle, reverse=True)[whole:]
        return request.accelerators > width and idle.count(width) >= whole and (not rest or max([0, *others]) >= rest)

    def change(self, number, devices, request, sign):
        for device in devices:
            self.devices[number][device] -= sign * round(request.share * 1000)
        self.cpus[number] -= sign * round(request.cpus * 1000)
        self.memory[number] -= sign * request.memory_b

    @rule(request=requests(), data=st.data())
    def a_job_takes_what_it_asked_for(self, request, data):
        fitting = [n for n in self.where if self.fits(n, request)]
        if not fitting:
            return
        number = data.draw(st.sampled_from(fitting))
        devices = tuple(self.some_devices(number, request, data))
        pool, node = self.where[number]
        allocation = Allocation(pool, (node,), (request.accelerators,), devices, request.share)
        data.draw(st.sampled_from([self.pools[pool].occupy, self.pools[pool].take]))(allocation, request)
        self.change(number, devices, request, 1)
        self.held.append((number, allocation, request))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def a_job_gives_back_exactly_what_it_took(self, data):
        number, allocation, request = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.pools[allocation.pool].release(allocation, request)
        self.change(number, allocation.devices, request, -1)

    @rule(request=requests(), data=st.data())
    def an_illegal_allocation_is_refused_and_changes_nothing(self, request, data):
        fitting = [n for n in self.where if self.fits(n, request)]
        if not fitting:
            return
        number = data.draw(st.sampled_from(fitting))
        devices = self.some_devices(number, request, data)
        pool, node = self.where[number]
        nodes, devices, request = data.draw(st.sampled_from(list(self.spoiled(number, [node], devices, request))))
        with pytest.raises(ValueError, match=r"\w"):
            self.pools[pool].occupy(Allocation(pool, tuple(nodes), (request.accelerators,), tuple(devices)), request)

    def some_devices(self, number, request, data):
        return data.draw(st.permutations(self.fitting(number, request)))[: request.accelerators]

    def spoiled(self, number, nodes, devices, request):
        """A legal allocation with one fault each."""
        room, width = self.fitting(number, request), len(self.devices[number])
        yield from (([-1], devices, request), ([9], devices, request), ([], devices, request))
        yield [*nodes, *nodes], devices, request
        yield nodes, [*devices, 0], request
        if devices:
            yield nodes, devices[1:], request
            full = [device for device in range(width) if device not in room]
            yield from ((nodes, [*devices[1:], device], request) for device in (-1, width, *devices[1:], *full))
        if self.cpus[number] < np.inf:
            yield nodes, devices, replace(request, cpus=(self.cpus[number] + 1) / 1000)
        if self.memory[number] < np.inf:
            yield nodes, devices, replace(request, memory_b=self.memory[number] + 1.0)

    @rule(request=requests())
    def a_request_fits_where_the_dictionaries_have_room(self, request):
        fitting = [n for n, (pool, _) in self.where.items() if self.fits(n, request) and pool in request.pools]
        assert self.pools.fitting(request).tolist() == fitting
        for pool in request.pools:
            fits = any(self.where[n][0] == pool for n in fitting) or self.fits_as_gang(pool, request)
            assert self.pools[pool].fits(request) == self.pools[pool].scratch().fits(request) == fits
        for number, (pool, node) in self.where.items():
            assert self.pools[pool].devices(node, request).tolist() == self.fitting(number, request)

    @invariant()
    def what_is_free_is_that_of_the_dictionaries(self):
        rows = [list(devices.values()) for devices in self.devices.values()]
        assert self.pools.cpus.tolist() == [cpus / 1000 for cpus in self.cpus.values()]
        assert self.pools.memory_b.tolist() == list(self.memory.values())
        assert self.pools.free_share().tolist() == [sum(row) / 1000 for row in rows]
        for number, (pool, node) in self.where.items():
            assert self.pools.locate(number) == (pool, node)
            assert self.pools[pool].milli[node].tolist() == rows[number]
            assert self.pools[pool].free()[node] == sum(free == 1000 for free in rows[number])

    def teardown(self):
        for number, allocation, request in getattr(self, "held", []):
            self.pools[allocation.pool].release(allocation, request)
            self.change(number, allocation.devices, request, -1)
        if hasattr(self, "pools"):
            assert [pool.free_total for pool in self.pools] == [nodes * width for nodes, width, *_ in SHAPES]


def test_parts_of_nodes_are_what_dictionaries_of_thousandths_say():
    run_state_machine_as_test(Parts, settings=WALKS)
