"""Links and switches by name, counted by hand, and routes that do without them."""

from __future__ import annotations

import numpy as np
import pytest

from dcsim.topologies import fat_tree, leaf_spine, torus
from dcsim.topologies._parts import UnknownPartError, parts
from dcsim.topologies._routes import Links, compiled


def clos() -> Links:
    """Three leaves of two hosts, two spines: 12 cables, 5 switches."""
    return compiled(leaf_spine.build(leaf_spine.LeafSpine(3, 2, 2, 1.0, 1.0, 0.0)))


@pytest.mark.parametrize(
    ("word", "count", "links"),
    [
        *[("links", 12, 2), ("leaf -- spine", 6, 2), ("host -- leaf-1", 2, 2), ("spine-1 -- leaf-2", 1, 2)],
        *[("spine", 2, 6), ("spine-0", 1, 6), ("leaf", 3, 8), ("host-5", 1, 2)],
    ],
)
def test_words_name_so_many_parts_of_so_many_directed_links(word: str, count: int, links: int):
    found = parts(clos(), word)
    assert len(found) == count
    assert {len(of) for of in found.values()} == {links}


def test_switches_are_all_nodes_that_send_nothing_themselves():
    assert sorted(parts(clos(), "switches")) == ["leaf-0", "leaf-1", "leaf-2", "spine-0", "spine-1"]


def test_a_link_has_both_directions_and_is_named_from_either_end():
    made = clos()
    (pair,) = parts(made, "leaf-0 -- spine-1").values()
    assert {made.name(number) for number in pair.tolist()} == {
        (("leaf", 0), ("spine", 1)),
        (("spine", 1), ("leaf", 0)),
    }
    (other,) = parts(made, "spine-1 -- leaf-0").values()
    assert sorted(pair.tolist()) == sorted(other.tolist())


def test_names_of_deeper_graphs_have_all_their_numbers():
    made = compiled(fat_tree.build(fat_tree.FatTree(k=4, bandwidth=1.0, latency=0.0)))
    assert list(parts(made, "edge-1-0")) == ["edge-1-0"]
    assert len(parts(made, "aggregation -- core")) == 16


@pytest.mark.parametrize("word", ["spine-2", "spin", "leaf-0 -- leaf-1", "leaf-0 -- x", "", " -- ", "links -- leaf"])
def test_a_word_that_names_nothing_is_refused_with_a_hint(word: str):
    with pytest.raises(UnknownPartError, match=r"\w"):
        parts(clos(), word)


def test_routes_without_some_links_are_those_of_the_graph_without_them():
    graph = torus.build(torus.Torus(sides=(4, 4), bandwidth=1.0, latency=0.0, wrap="always"))
    whole = compiled(graph)
    random = np.random.default_rng(3)
    cables = list(parts(whole, "links").values())
    gone = np.concatenate([cables[number] for number in random.choice(len(cables), 8, replace=False).tolist()])
    graph.remove_edges_from([whole.name(number) for number in gone.tolist()])
    left = compiled(graph)
    ends = random.choice(len(whole.nodes), (60, 2))
    label = np.arange(60)
    whole.routes(ends[:, 0], ends[:, 1], label)  # what is remembered of the whole graph is not used for what is left
    first, link = whole.without(gone).routes(ends[:, 0], ends[:, 1], label)
    other_first, other = left.routes(ends[:, 0], ends[:, 1], label)
    assert first.tolist() == other_first.tolist()
    assert [whole.name(n) for n in link.tolist()] == [left.name(n) for n in other.tolist()]


def test_without_all_its_links_a_host_is_on_no_route():
    made = clos()
    (cable,) = parts(made, "host-0").values()
    places = np.array([made.number["host", 0], made.number["host", 1]])
    first, _ = made.without(cable).routes(places, places[::-1].copy())
    assert first.tolist() == [0, 0, 0]
