"""Keys of plug-ins: checked against their fields, completed, and built."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from dcsim import plugins
from dcsim.errors import DcsimError, ScenarioError
from dcsim.scenario import Loaded, build, load
from dcsim.scenario.keys import key_docs, keys_of, summary
from dcsim.scenario.plugin_tables import KINDS
from dcsim.scenario.spec import PluginTable
from tests.scenario.given import GOOD, Room

UNITS = "units: s, ms, us, ns, min, h, d, w, y"
KNOWN = UNITS.replace("units", "known")
WORKLOAD = 'use = "mine"\n'


def loaded(here: Room, keys: str = "") -> Loaded:
    return load(here.write(GOOD.replace(WORKLOAD, WORKLOAD + keys)), plugins=here.plugins)


def problems(here: Room, keys: str) -> list[str]:
    with pytest.raises(DcsimError) as caught:
        loaded(here, keys)
    prefix = f"{here.file}:"
    return [line.removeprefix(prefix).split(": ", 1)[1] for line in caught.value.lines()]


def made(here: Room, keys: str = "") -> Any:
    found = loaded(here, keys)
    return build("workload", found.scenario.workload, found)


def test_a_plugin_is_made_of_its_keys_in_base_units(here: Room) -> None:
    here.write("x", "a.csv")
    mine = made(
        here,
        'jobs = 3\ngap = "2 min"\nthresholds = ["1 h"]\nweights = [1, 2.5]\npair = [2, "1 kB"]\n'
        'service = { a = { law = "exponential", mean = "1 d" } }\n'
        'law = { law = "deterministic", mean = "1 s" }\n'
        'mode = "slow"\npath = "a.csv"\npaths = ["a.csv"]\n',
    )
    assert (mine.jobs, mine.gap, mine.thresholds, mine.weights) == (3, 120, (3600,), [1, 2.5])
    assert (mine.pair, mine.mode, mine.path, mine.paths) == ((2, 1000), "slow", "a.csv", ("a.csv",))
    assert (mine.service["a"].law, mine.service["a"].mean, mine.service["a"].scv) == ("exponential", 86400, 1)
    assert (mine.law.law, mine.law.mean) == ("deterministic", 1)
    assert all(type(w) is float for w in mine.weights)


def test_the_scenario_keeps_all_keys_with_defaults_and_units(here: Room) -> None:
    parameters = loaded(here, 'law = { law = "exponential", mean = "120 s" }\n').scenario.workload.parameters
    assert parameters == {
        "jobs": 10,
        "thresholds": ("60 s", "1 h"),
        "weights": (1.0,),
        "service": {},
        "law": {"law": "exponential", "mean": "120 s", "scv": 1.0},
        "mode": "fast",
        "paths": (),
    }
    assert asdict(made(here)) == asdict(made(here, "weights = [1.0]\n"))


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("job = 3", "workload.job: unknown key; did you mean 'jobs'?"),
        ("jobs = 0", "workload.jobs: out of range (got 0, expected >= 1)"),
        ("jobs = 1.0", "workload.jobs: wrong type (got float 1.0, expected integer)"),
        ("jobs = true", "workload.jobs: wrong type (got boolean true, expected integer)"),
        ('jobs = "3"', 'workload.jobs: wrong type (got string "3", expected integer)'),
        ("gap = 3", f'workload.gap: 3 has no unit; write e.g. "3 s" ({UNITS})'),
        ('gap = "3 km"', f"workload.gap: unknown unit 'km' for time (got \"3 km\"); {KNOWN}"),
        ('thresholds = "1 h"', 'workload.thresholds: wrong type (got string "1 h", expected array)'),
        ('thresholds = ["1 h", 2]', f'workload.thresholds.1: 2 has no unit; write e.g. "2 s" ({UNITS})'),
        ("weights = [true]", "workload.weights.0: wrong type (got boolean true, expected number)"),
        ("weights = [nan]", "workload.weights.0: must be finite (got nan)"),
        ('pair = [1, "1 B", 2]', "workload.pair: too long (got 3 elements, expected at most 2 elements)"),
        ("pair = [1]", "workload.pair.1: required key is missing"),
        (
            'mode = "fsat"',
            "workload.mode: not one of the known values (got \"fsat\", expected 'fast' or 'slow'); "
            "did you mean 'fast'?",
        ),
        ("mode = 3", "workload.mode: wrong type (got integer 3, expected 'fast' or 'slow')"),
        ('law = "exponential"', 'workload.law: wrong type (got string "exponential", expected table)'),
        ('law = { mean = "1 s" }', "workload.law.law: required key is missing"),
        (
            'service.a = { law = "deterministic", mean = "1 s", x = 1 }',
            "workload.service.a.x: unknown key; known: law, mean, scv",
        ),
        (
            'service.a = { law = "deterministic", mean = 1.5 }',
            f'workload.service.a.mean: 1.5 has no unit; write e.g. "1.5 s" ({UNITS})',
        ),
        ("service = [1]", "workload.service: wrong type (got array, expected table)"),
        ("weights = [101]", "workload.weights: must add up to at most 100"),
        ("jobs = 13", "workload: not thirteen"),
    ],
)
def test_a_key_that_does_not_fit_its_field_is_refused(here: Room, keys: str, problem: str) -> None:
    assert problems(here, keys + "\n") == [problem]


def test_a_missing_trace_is_found_when_the_scenario_is_checked(here: Room) -> None:
    lines = problems(here, 'path = "none.csv"\npaths = ["plugins", "../x"]\n')
    assert lines == [
        f'workload.path: no such file (got "none.csv"); looked in {here.folder}; --data DIR names a data folder',
        'workload.paths.0: is a folder (got "plugins", expected a file)',
        'workload.paths.1: leads outside the scenario\'s folder (got "../x"); use --data DIR for a folder elsewhere',
    ]


def test_a_required_key_that_is_missing_is_named(here: Room) -> None:
    text = GOOD.replace(WORKLOAD, 'use = "helios"\n')
    with pytest.raises(ScenarioError) as caught:
        load(here.write(text), plugins=here.plugins)
    assert caught.value.lines() == [f"{here.file}:11: workload.path: required key is missing"]


def test_a_fault_in_a_plugins_own_code_is_one_line(here: Room) -> None:
    with pytest.raises(DcsimError) as caught:
        loaded(here, "jobs = 14\n")
    (line,) = caught.value.lines()
    assert line.endswith("mine.py: workload: Mine cannot be made: TypeError: a fault")


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("x = (", "fails on import: SyntaxError"),
        ("raise RuntimeError('no')", "fails on import: RuntimeError: no"),
        ("x = 1", "a plug-in file has one public dataclass (got none, expected exactly one)"),
        ("@dataclass\nclass A:\n    x: Nothing = 1", "A: types of its fields: name 'Nothing' is not defined"),
        ("@dataclass\nclass A:\n    x: object() = 1", "x: type of the field: Unable to"),
        ("class B: ...\n@dataclass\nclass A:\n    x: B = None\n    y: B = B()", "y: type of the field: "),
        ("@dataclass\nclass A:\n    x: int = 'a'", "x: default does not fit the type of the field"),
    ],
)
def test_a_broken_plugin_is_one_line(here: Room, source: str, what: str) -> None:
    head = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    here.write(head + source + "\n", "plugins/broken.py")
    with pytest.raises(DcsimError) as caught:
        load(here.write(GOOD.replace('"mine"', '"broken"')), plugins=here.plugins)
    (line,) = caught.value.lines()
    assert "broken.py: " in line
    assert what in line


def test_a_table_made_in_code_is_checked_when_it_is_built(here: Room) -> None:
    found = loaded(here)
    assert build("workload", PluginTable(use="mine", gap=5.0), found).gap == 5  # code speaks base units
    with pytest.raises(ScenarioError, match=r"workload\.gpa: unknown key; did you mean 'gap'"):
        build("workload", PluginTable(use="mine", gpa="5 s"), found)


def test_a_plugin_with_presets_has_them_written_out(here: Room) -> None:
    text = GOOD.replace(WORKLOAD, 'use = "synthetic"\npreset = "venus-like"\njobs = 5\n')
    parameters = load(here.write(text)).scenario.workload.parameters
    assert parameters["jobs"] == 5
    assert parameters["classes"]
    assert "preset" not in parameters


def test_every_builtin_plugin_can_be_described() -> None:
    for kind in KINDS:
        for name in plugins.names(kind):
            cls = plugins.find(kind, name)
            assert summary(cls).endswith((".", ":", ")")), f"{kind} {name}"
            undocumented = [k.name for k in keys_of(cls) if k.name not in key_docs(cls)]
            assert not undocumented, f"{kind} {name}: {undocumented}"
            for key in keys_of(cls):
                assert key.adapter is not None
