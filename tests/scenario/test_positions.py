"""Lines of keys."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim.scenario.positions import KeyPath, last_key, positions
from dcsim.scenario.toml_text import toml

TEXT = """\
name = "a # no comment"   # a comment
'quoted key'.inner = '''
[not] = a table
'''
"a.b" = \"\"\"x\\"\"\"y\"\"\"\"\"

[[pools]]
nodes = [1, [2, 3],
  4,   # four
]
[pools.device]
memory = { size = "1 GB", "type" = 'x', more = {a.b = 1} }
[[pools]]
[[pools.links]]
[[pools.links]]
speed = 1979-05-27T07:32:00Z
[ workload . 'the service' ]
mean = 3
"""


def test_every_kind_of_key_has_its_line() -> None:
    expected: dict[KeyPath, int] = {
        ("name",): 1,
        ("quoted key",): 2,
        ("quoted key", "inner"): 2,
        ("a.b",): 5,
        ("pools",): 7,
        ("pools", 0): 7,
        ("pools", 0, "nodes"): 8,
        ("pools", 0, "nodes", 0): 8,
        ("pools", 0, "nodes", 1): 8,
        ("pools", 0, "nodes", 1, 0): 8,
        ("pools", 0, "nodes", 1, 1): 8,
        ("pools", 0, "nodes", 2): 9,
        ("pools", 0, "device"): 11,
        ("pools", 0, "device", "memory"): 12,
        ("pools", 0, "device", "memory", "size"): 12,
        ("pools", 0, "device", "memory", "type"): 12,
        ("pools", 0, "device", "memory", "more"): 12,
        ("pools", 0, "device", "memory", "more", "a"): 12,
        ("pools", 0, "device", "memory", "more", "a", "b"): 12,
        ("pools", 1): 13,
        ("pools", 1, "links"): 14,
        ("pools", 1, "links", 0): 14,
        ("pools", 1, "links", 1): 15,
        ("pools", 1, "links", 1, "speed"): 16,
        ("workload",): 17,
        ("workload", "the service"): 17,
        ("workload", "the service", "mean"): 18,
    }
    assert positions(TEXT) == expected
    assert set(paths(tomllib.loads(TEXT))) == set(expected)


def paths(value: Any, base: KeyPath = ()) -> Iterator[KeyPath]:
    """All paths of a tree but its root."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*base, key)
        yield from paths(item, (*base, key))


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=5)
SCALARS = st.text(max_size=8) | st.integers(-9, 9) | st.booleans() | st.floats(allow_nan=False)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, TREES, max_size=4))
def test_a_written_tree_is_read_back_and_every_path_has_a_line(tree: dict[str, Any]) -> None:
    text = toml(tree)
    assert tomllib.loads(text) == tree
    found = positions(text)
    assert set(found) == set(paths(tree))
    rows = text.split("\n")
    for path, line in found.items():
        name = path[-1]
        if isinstance(name, str) and name.isascii() and name.isalnum():
            assert name in rows[line - 1]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="a.=[]{}\"'#\n ,1\\", max_size=40))
def test_text_that_is_not_toml_is_survived(text: str) -> None:
    positions(text)
    last_key(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a = 1\nb.c = [{ d = 1 }]", ("b", "c")),
        ("[[x]]\na = 1", ("x", 0, "a")),
        ("a = 1\nb = ", ("b",)),
        ("", ()),
    ],
)
def test_the_last_key_is_the_one_outside_values(text: str, key: KeyPath) -> None:
    assert last_key(text) == key


def test_a_key_of_a_hundred_thousand_parts_takes_no_square_of_room() -> None:
    assert max(map(len, positions(".".join("a" * 100_000) + " = 1"))) == 64
