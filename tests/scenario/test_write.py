"""A scenario written back is the very same scenario."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsim.errors import ScenarioError
from dcsim.scenario import Scenario, digest, from_toml, load, to_toml
from dcsim.scenario.spec import Accelerator, Estimates, Overheads, PluginTable, Pool, Provenance
from dcsim.scenario.toml_text import toml
from tests.scenario.given import GOOD, MINE, Room

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,20}", fullmatch=True)
COUNTS = st.integers(1, 100_000_000)
AMOUNTS = st.floats(0, 1e30, allow_nan=False)
TIMES = st.floats(0, 1e12)
RATES = st.floats(0, 1e30, exclude_min=True)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
STARTS = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-3, minutes=-30))])
)

ACCELERATORS = st.builds(
    Accelerator,
    name=WORDS,
    memory=st.none() | AMOUNTS,
    memory_bandwidth=st.none() | RATES,
    fp16=st.none() | AMOUNTS,
    int8=st.none() | AMOUNTS,
    tdp=st.none() | AMOUNTS,
    price=st.none() | AMOUNTS,
    rent=st.none() | AMOUNTS,
    launch_year=st.none() | st.integers(1990, 2100),
    notes=WORDS,
    provenance=st.dictionaries(
        WORDS, st.builds(Provenance, source=WORDS, grade=st.sampled_from(["weak", "vendor"])), max_size=2
    ),
)
POOLS = st.builds(
    Pool,
    name=NAMES,
    accelerator=ACCELERATORS,
    nodes=COUNTS,
    accelerators_per_node=COUNTS,
    cpus_per_node=st.none() | st.floats(1e-3, 1e6),
    memory_per_node=st.none() | AMOUNTS,
)
OVERHEADS = st.builds(
    Overheads,
    start=TIMES,
    preemption=TIMES,
    restore=TIMES,
    checkpoint=TIMES,
    checkpoint_interval=st.floats(1e-9, 1e12),
)
SCENARIOS = st.builds(
    Scenario,
    name=NAMES,
    seed=st.integers(0, 2**63 - 1),
    start=st.none() | STARTS,
    horizon=st.none() | st.floats(1e-9, 1e12),
    pools=st.lists(POOLS, min_size=1, max_size=3, unique_by=lambda p: p.name).map(tuple),
    workload=st.builds(PluginTable, use=st.just("nothing")),
    overheads=OVERHEADS,
    estimates=st.builds(
        Estimates, model=st.sampled_from(["trace", "uniform"]), spread=st.floats(0, 1000, allow_nan=False)
    ),
    reject_oversize=st.booleans(),
)

NOTHING = """\
from dataclasses import dataclass


@dataclass
class Nothing:
    '''No jobs.'''
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("scenarios")
    (where / "nothing.py").write_text(NOTHING)
    (where / "mine.py").write_text(MINE)
    return where


def again(folder: Path, text: str) -> Scenario:
    file = folder / "s.toml"
    file.write_bytes(text.encode())
    return load(file, plugins=[folder]).scenario


@settings(max_examples=60, deadline=None)
@given(SCENARIOS)
def test_a_written_scenario_is_loaded_as_an_equal_one(folder: Path, scenario: Scenario) -> None:
    text = to_toml(scenario)
    back = again(folder, text)
    assert back == scenario
    assert to_toml(back) == text


LAWS = st.fixed_dictionaries(
    {"law": st.sampled_from(["exponential", "deterministic"]), "mean": TIMES.map(lambda s: f"{s!r} s")},
    optional={"scv": st.floats(0, 1e9)},
)
KEYS = st.fixed_dictionaries(
    {},
    optional={
        "jobs": st.integers(20, 10**6),
        "gap": TIMES.map(lambda s: f"{s / 100!r} min"),
        "thresholds": st.lists(TIMES.map(lambda s: f"{s / 1e5!r} d"), max_size=3),
        "weights": st.lists(st.floats(0, 10) | st.integers(0, 10), max_size=3),
        "pair": st.tuples(st.floats(-1e9, 1e9), AMOUNTS.map(lambda b: f"{b!r} GiB")),
        "service": st.dictionaries(WORDS, LAWS, max_size=3),
        "law": LAWS,
        "mode": st.sampled_from(["fast", "slow"]),
    },
)


@settings(max_examples=60, deadline=None)
@given(KEYS)
def test_a_plugin_table_with_defaults_filled_in_is_a_fixed_point(folder: Path, keys: dict[str, Any]) -> None:
    table = toml({"workload": {"use": "mine"} | keys})
    text = GOOD.replace('[workload]\nuse = "mine"\n', "") + table
    scenario = again(folder, text)
    assert set(scenario.workload.parameters) >= {"jobs", "thresholds", "weights", "service", "mode"}
    back = again(folder, to_toml(scenario))
    assert back == scenario
    assert to_toml(back) == to_toml(scenario)


def test_a_written_scenario_is_read_without_its_plugins_and_files(here: Room) -> None:
    scenario = load(here.file, plugins=here.plugins).scenario
    assert from_toml(to_toml(scenario)) == scenario
    for text in ("x = ", "x = 1", GOOD, to_toml(scenario).replace('"30 d"', "30.0")):
        with pytest.raises(ScenarioError, match=r"scenario\.toml: is no scenario that dcsim wrote: "):
            from_toml(text)


def test_defaults_and_presets_are_written_out(here: Room) -> None:
    text = to_toml(load(here.file, plugins=here.plugins).scenario)
    for line in (
        'horizon = "30 d"',
        'memory = "32 GB"',
        'thresholds = ["60 s", "1 h"]',
        'restore = "0 s"',
        "spread = 1.0",
        "reject_oversize = true",
    ):
        assert f"\n{line}\n" in text
    assert '\nmemory = { source = "' in text


def test_a_digest_is_that_of_the_facts_not_of_the_text(here: Room) -> None:
    first = load(here.file, plugins=here.plugins).scenario
    other = GOOD.replace('"30 d"', '"720 h" # a comment') + "[overheads]\nrestore = '0 h'\n"
    second = load(here.write(other), plugins=here.plugins).scenario
    third = load(here.file, plugins=here.plugins, overrides=["seed=2"]).scenario
    assert len(digest(first)) == 64
    assert digest(first) == digest(second) != digest(third)


def test_toml_has_every_kind_of_value() -> None:
    tree = {
        "text": 'quote " backslash \\ line \n DEL \x7f é 😀',
        "on": True,
        "number": 1e22,
        "day": datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        "empty": (),
        "rows": ((1, 2), ({"a": 1},)),
        "a b": {"c": {}, "d": [{"e": 1}, {}]},
    }
    assert toml(tree) == (
        'text = "quote \\" backslash \\\\ line \\n DEL \\u007f é 😀"\n'
        "on = true\nnumber = 1e+22\nday = 2020-01-02T03:04:05.000006+00:00\nempty = []\n"
        "rows = [[1, 2], [{ a = 1 }]]\n"
        '\n["a b"]\n\n["a b".c]\n\n[["a b".d]]\ne = 1\n\n[["a b".d]]\n'
    )
    with pytest.raises(TypeError, match="TOML has no object"):
        toml({"x": object()})
